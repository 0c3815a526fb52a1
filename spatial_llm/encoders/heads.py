"""Defines the training objectives of the encoders: heads, losses and their outputs (released code of Spatial-AST and
DSpAST)."""

import math
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn import functional
from transformers.utils import ModelOutput

from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.precision import KeptInFloat32


@dataclass
class SpatialEncoderOutput(ModelOutput):
    """Holds the output of the encoders without heads.

    last_hidden_state: (B, 3 CLS + rows * columns tokens, hidden_size), not normalised: the input of a projector.
    feature_attention: (B, 3 branches, F cues) in [0, 1], DSpAST only.
    """

    last_hidden_state: torch.FloatTensor | None = None
    feature_attention: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class SpatialLocalizationOutput(ModelOutput):
    """Holds the output of the encoders with heads.

    loss: weighted sum of the losses of the labels given, or None.
    event_logits (B, event classes), distance_logits (B, 21), azimuth_logits (B, 360), elevation_logits (B, 180);
    DSpAST's three spatial heads give cosines in [-1, 1].
    last_hidden_state, feature_attention: as `SpatialEncoderOutput`.
    """

    loss: torch.FloatTensor | None = None
    event_logits: torch.FloatTensor | None = None
    distance_logits: torch.FloatTensor | None = None
    azimuth_logits: torch.FloatTensor | None = None
    elevation_logits: torch.FloatTensor | None = None
    last_hidden_state: torch.FloatTensor | None = None
    feature_attention: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


class AdaCosHead(KeptInFloat32):
    """Cosine head with the adaptive scale of AdaCos (Zhang et al., CVPR 2019, arXiv 1905.00292) as in DSpAST's released
    code.

    forward returns cosines (B, C); `loss` scales them. In training mode each loss first adapts the scale to the batch of all
    processes together, so that they keep one scale (in the official code each process has its own, and the first one's is
    saved). The scale is a buffer, so checkpoints contain it.

    Args:
        target_term: in the sum over wrong classes the target contributes e^0 instead of nothing. The official code does so,
            and the checkpoints were trained with it; the AdaCos paper does not.
    """

    def __init__(self, in_features: int, num_classes: int, target_term: bool = True) -> None:
        super().__init__()
        self.target_term = target_term
        self.weight = nn.Parameter(torch.empty(num_classes, in_features, dtype=torch.float32))
        self.register_buffer("scale", self.initial_scale())

    def initial_scale(self) -> torch.Tensor:
        """Returns sqrt(2) ln(C - 1), shape (1,) float32."""
        return torch.tensor([math.sqrt(2) * math.log(max(2, len(self.weight) - 1))], dtype=torch.float32)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Maps (B, in_features) to cosines with the class weights (B, C), in float32 even under autocast."""
        with torch.autocast(hidden.device.type, enabled=False):
            return functional.linear(functional.normalize(hidden.float()), functional.normalize(self.weight.float()))

    def loss(self, cosines: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor | None = None) -> torch.Tensor:
        """Returns the cross-entropy of scaled cosines (B, C) with class ids (B,), or, if given, with the distributions
        `targets` (B, C) around these; the scale adapts to the ids alone."""
        if self.training:
            self._adapt_scale(cosines.detach(), labels)
        scaled = self.scale.to(cosines.dtype) * cosines
        return functional.cross_entropy(scaled, labels if targets is None else targets.to(scaled.dtype))

    @torch.no_grad()
    def _adapt_scale(self, cosines: torch.Tensor, labels: torch.Tensor) -> None:
        # The released rule, with logarithms of each sample's sum, in which the batch's largest logit cancels.
        in_target_slot = 0.0 if self.target_term else -math.inf
        sums = torch.logsumexp((self.scale * cosines).scatter(1, labels[:, None], in_target_slot), dim=1)
        statistics = gather_rows(torch.stack([sums, cosines.gather(1, labels[:, None])[:, 0]], dim=1))
        log_mean = torch.logsumexp(statistics[:, 0], dim=0) - math.log(len(statistics))
        median_angle = torch.acos(statistics[:, 1].clamp(-1, 1)).median().clamp(max=math.pi / 4)
        self.scale.copy_(torch.clamp(log_mean / (torch.cos(median_angle) + 1e-12), min=1e-12).reshape(1))


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """Gathers (n, k) of this process -> (sum of n, k) of all processes, in their order; without gradients. n may differ."""
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, torch.tensor([rows.shape[0]], device=rows.device))
    most = int(max(counts))
    padded = [rows.new_zeros(most, rows.shape[1]) for _ in counts]
    distributed.all_gather(padded, functional.pad(rows, (0, 0, 0, most - len(rows))))
    return torch.cat([part[: int(count)] for part, count in zip(padded, counts, strict=True)])


def counted_labels(config: SpatialEncoderConfig, labels: dict[str, torch.Tensor | None]) -> dict[str, torch.Tensor]:
    """Returns those labels that are given and whose loss has a weight other than 0."""
    return {name: given for name, given in labels.items() if given is not None and config.loss_weights[name]}


def weighted_loss(config: SpatialEncoderConfig, losses: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """Returns the sum of the losses, each times `config.loss_weights[name]`; None if there are none."""
    terms = [config.loss_weights[name] * loss for name, loss in losses.items()]
    return sum(terms) if terms else None


def localization_output(
    config: SpatialEncoderConfig,
    encoded: SpatialEncoderOutput,
    logits: dict[str, torch.Tensor],
    losses: dict[str, torch.Tensor],
) -> SpatialLocalizationOutput:
    """Returns the output of a model with heads: logits by name ("event", ...), their weighted loss, and the encoder's
    output."""
    return SpatialLocalizationOutput(
        loss=weighted_loss(config, losses),
        **{f"{name}_logits": values for name, values in logits.items()},
        last_hidden_state=encoded.last_hidden_state,
        feature_attention=encoded.feature_attention,
        hidden_states=encoded.hidden_states,
        attentions=encoded.attentions,
    )


def event_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Returns the binary cross-entropy, mean over batch and classes; labels (B, C) are multi-hot or mixed in [0, 1]."""
    return functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
