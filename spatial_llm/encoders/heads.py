"""The training objectives of the encoders: heads, losses and their outputs (released code of Spatial-AST and DSpAST)."""

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
    """Output of the encoders without heads.

    last_hidden_state: (B, 3 CLS + rows * columns tokens, hidden_size), not normalised: what a projector eats.
    feature_attention: (B, 3 branches, F cues) in [0, 1], DSpAST only.
    """

    last_hidden_state: torch.FloatTensor | None = None
    feature_attention: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class SpatialLocalizationOutput(ModelOutput):
    """Output of the encoders with heads.

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
    """Cosine head with the adaptive scale of AdaCos (Zhang et al., CVPR 2019) as DSpAST's released code uses it.

    forward gives cosines (B, C); `loss` scales them. In training mode each loss first adapts the scale to the batch: that
    of all processes together, so that they keep one scale (in the official code each process has its own, and the first
    one's is saved). The scale is a buffer: checkpoints hold it.

    Args:
        target_term: in the sum over wrong classes the target's slot contributes e^0 instead of nothing. So does the
            official code, and the checkpoints were trained so; the AdaCos paper does not.
    """

    def __init__(self, in_features: int, num_classes: int, target_term: bool = True) -> None:
        super().__init__()
        self.target_term = target_term
        self.weight = nn.Parameter(torch.empty(num_classes, in_features, dtype=torch.float32))
        self.register_buffer("scale", self.initial_scale())

    def initial_scale(self) -> torch.Tensor:
        """sqrt(2) ln(C - 1), shape (1,) float32."""
        return torch.tensor([math.sqrt(2) * math.log(max(2, len(self.weight) - 1))], dtype=torch.float32)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(B, in_features) -> cosines to the class weights (B, C), in float32, also where the rest is autocast."""
        with torch.autocast(hidden.device.type, enabled=False):
            return functional.linear(functional.normalize(hidden.float()), functional.normalize(self.weight.float()))

    def loss(self, cosines: torch.Tensor, labels: torch.Tensor, targets: torch.Tensor | None = None) -> torch.Tensor:
        """Cross-entropy of scaled cosines (B, C) and class ids (B,), or, where they are given, the distributions `targets`
        (B, C) around these; the scale adapts to the ids alone."""
        if self.training:
            self._adapt_scale(cosines.detach(), labels)
        scaled = self.scale.to(cosines.dtype) * cosines
        return functional.cross_entropy(scaled, labels if targets is None else targets.to(scaled.dtype))

    @torch.no_grad()
    def _adapt_scale(self, cosines: torch.Tensor, labels: torch.Tensor) -> None:
        # the released rule, written with logarithms of each sample's sum, in which the batch's largest logit cancels
        in_target_slot = 0.0 if self.target_term else -math.inf
        sums = torch.logsumexp((self.scale * cosines).scatter(1, labels[:, None], in_target_slot), dim=1)
        statistics = gather_rows(torch.stack([sums, cosines.gather(1, labels[:, None])[:, 0]], dim=1))
        log_mean = torch.logsumexp(statistics[:, 0], dim=0) - math.log(len(statistics))
        median_angle = torch.acos(statistics[:, 1].clamp(-1, 1)).median().clamp(max=math.pi / 4)
        self.scale.copy_(torch.clamp(log_mean / (torch.cos(median_angle) + 1e-12), min=1e-12).reshape(1))


def gather_rows(rows: torch.Tensor) -> torch.Tensor:
    """(n, k) of this process -> (sum of n, k) of all processes, in their order; without gradients. n may differ."""
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, torch.tensor([rows.shape[0]], device=rows.device))
    most = int(max(counts))
    padded = [rows.new_zeros(most, rows.shape[1]) for _ in counts]
    distributed.all_gather(padded, functional.pad(rows, (0, 0, 0, most - len(rows))))
    return torch.cat([part[: int(count)] for part, count in zip(padded, counts, strict=True)])


def counted_labels(config: SpatialEncoderConfig, labels: dict[str, torch.Tensor | None]) -> dict[str, torch.Tensor]:
    """Those labels that are given and whose loss has a weight other than 0."""
    return {name: given for name, given in labels.items() if given is not None and config.loss_weights[name]}


def weighted_loss(config: SpatialEncoderConfig, losses: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """Sum of the losses, each times `config.loss_weights[name]`; None if there are none."""
    terms = [config.loss_weights[name] * loss for name, loss in losses.items()]
    return sum(terms) if terms else None


def localization_output(
    config: SpatialEncoderConfig,
    encoded: SpatialEncoderOutput,
    logits: dict[str, torch.Tensor],
    losses: dict[str, torch.Tensor],
) -> SpatialLocalizationOutput:
    """What a model with heads returns: logits by name ("event", ...), their weighted loss, and the encoder's output."""
    return SpatialLocalizationOutput(
        loss=weighted_loss(config, losses),
        **{f"{name}_logits": values for name, values in logits.items()},
        last_hidden_state=encoded.last_hidden_state,
        feature_attention=encoded.feature_attention,
        hidden_states=encoded.hidden_states,
        attentions=encoded.attentions,
    )


def event_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy, mean over batch and classes; labels (B, C) multi-hot or mixed in [0, 1]."""
    return functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
