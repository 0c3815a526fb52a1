"""DSpAST: disentangled spatial cues (Wilkinghoff and Tan, arXiv 2509.13927).

The input has six cues. For each task (distance, direction, event) a gate weighs the cues and a convolution fuses them to one
plane. The three planes pass one shared trunk, each is projected to a third of the width, and the thirds are concatenated in
`last_hidden_state`. The three passes run as one: branches are stacked along the batch, sample-major (sample 0's three
branches come first). Note: a task's vector is the mean of its three CLS tokens, and only the event's is layer-normed.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from spatial_llm.encoders.augmentation import PatchMask, SpecAugment
from spatial_llm.encoders.configuration_dspast import BRANCHES, DSpASTConfig
from spatial_llm.encoders.heads import (
    AdaCosHead,
    SpatialEncoderOutput,
    SpatialLocalizationOutput,
    counted_labels,
    event_loss,
    localization_output,
)
from spatial_llm.encoders.layers import CueFusion, CueNorm, PatchEmbeddings, encoder_layers
from spatial_llm.encoders.modeling_base import CUE_NORM, SpatialEncoderPreTrainedModel
from spatial_llm.encoders.precision import KeptInFloat32


class FeatureGate(KeptInFloat32):
    """Computes feature attention M(X) = sigmoid(W2 ReLU(W1 BN(GAP(X)) + b1) + b2), one weight a cue (arXiv 2509.13927)."""

    def __init__(self, num_cues: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(num_cues, affine=False, dtype=torch.float32)
        self.fc1 = nn.Linear(num_cues, num_cues, dtype=torch.float32)
        self.fc2 = nn.Linear(num_cues, num_cues, dtype=torch.float32)

    def forward(self, mean: torch.Tensor) -> torch.Tensor:
        """Maps cues averaged over time and frequency (B, F) to weights (B, F)."""
        normalized = self.norm(mean.to(self.norm.running_mean.dtype))
        return torch.sigmoid(self.fc2(functional.relu(self.fc1(normalized.to(self.fc1.weight.dtype)))))


class BranchFusion(nn.Module):
    """Applies one task's gate (if `config.feature_attention`) and fusion: (B, F, T, M) -> plane (B, C, T, M), weights (B,
    F)."""

    def __init__(self, config: DSpASTConfig) -> None:
        super().__init__()
        self.gate = FeatureGate(len(config.cues)) if config.feature_attention else None
        self.fusion = CueFusion(config)

    def forward(self, features: torch.Tensor, mean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        if self.gate is None:
            return self.fusion(features), None
        weights = self.gate(mean)
        return self.fusion(features * weights[:, :, None, None]), weights


class DSpASTPreTrainedModel(SpatialEncoderPreTrainedModel):
    config_class = DSpASTConfig
    # The gate reads means of the ILD plane too. The pattern includes the owner: language models have gates too.
    _keep_in_fp32_modules_strict = [CUE_NORM, r"^(?:encoder\.)?branches\.\d+\.gate"]  # noqa: RUF012


class DSpASTModel(DSpASTPreTrainedModel):
    """The encoder without heads: maps `input_features` (B, 6, frames, mel bins) to `last_hidden_state` (B, 515, 768)."""

    # A folder of the model with heads loads here too; these patterns leave out its heads.
    _keys_to_ignore_on_load_unexpected = [r"^(event|distance|azimuth|elevation)_(head|norm)\."]  # noqa: RUF012

    def __init__(self, config: DSpASTConfig) -> None:
        super().__init__(config)
        self.cue_norm = CueNorm(config)
        self.branches = nn.ModuleList([BranchFusion(config) for _ in BRANCHES])
        self.patch_embeddings = PatchEmbeddings(config)
        self.cls_tokens = nn.Parameter(torch.empty(len(BRANCHES), config.token_layout.num_cls_tokens, config.hidden_size))
        self.spec_augment = SpecAugment(config)
        self.patch_mask = PatchMask(config)
        self.layers = encoder_layers(config)
        self.branch_heads = nn.ModuleList([nn.Linear(config.hidden_size, config.branch_size) for _ in BRANCHES])
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.patch_embeddings

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(self, input_features: torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> SpatialEncoderOutput:
        """Encodes cues.

        Args:
            input_features: (B, F cues, frames <= num_frames, M mel bins), as `SpatialFeatureExtractor` makes them.

        Returns:
            SpatialEncoderOutput with `last_hidden_state` (B, 3 CLS + rows * columns, hidden_size), whose channels are
            [distance | direction | event] (`TokenLayout.channel_slices`), and `feature_attention` (B, 3 branches, F) if the
            model has it. In training with masks it contains only the kept patches, different ones in each branch, in no
            order. Recorded `hidden_states` and `attentions` have 3 B rows: branches are stacked along the batch.

        Raises:
            SpatialLLMError: the number of cues or mel bins is wrong, or there are too many frames.
        """
        features = self.cue_norm(input_features)
        mean = features.mean(dim=(2, 3))
        planes, weights = zip(*(branch(features, mean) for branch in self.branches), strict=True)
        planes = [self.spec_augment(plane) for plane in planes]  # each branch has its own mask
        stacked = torch.stack(planes, dim=1).flatten(0, 1)  # (B * 3, C, T, M)
        cls_tokens = self.cls_tokens.repeat(features.shape[0], 1, 1)
        hidden_states = torch.cat([cls_tokens, self.patch_mask(self.patch_embeddings(stacked))], dim=1)
        for layer in self.layers:
            hidden_states = layer(hidden_states, **kwargs)
        branches = hidden_states.unflatten(0, (-1, len(BRANCHES))).unbind(1)
        slices = [head(branch) for head, branch in zip(self.branch_heads, branches, strict=True)]
        return SpatialEncoderOutput(
            last_hidden_state=torch.cat(slices, dim=-1),
            feature_attention=torch.stack(weights, dim=1) if self.config.feature_attention else None,
        )


class DSpASTForLocalization(DSpASTPreTrainedModel):
    """DSpAST with its heads: a linear layer for events, AdaCos for distance, azimuth and elevation."""

    # AdaCos needs angles in full precision.
    _keep_in_fp32_modules_strict = ["^distance_head", "^azimuth_head", "^elevation_head"]  # noqa: RUF012  (the encoder's: see there)

    def __init__(self, config: DSpASTConfig) -> None:
        super().__init__(config)
        size = config.branch_size
        self.encoder = DSpASTModel(config)
        self.event_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.event_head = nn.Linear(size, config.num_event_classes)
        extra = config.adacos_target_term == "released"
        self.distance_head = AdaCosHead(size, config.num_distance_classes, extra)
        self.azimuth_head = AdaCosHead(size, config.num_azimuth_classes, extra)
        self.elevation_head = AdaCosHead(size, config.num_elevation_classes, extra)
        self.post_init()

    def read_out(self, hidden_states: torch.Tensor) -> dict[str, torch.Tensor]:
        """Maps `last_hidden_state` (B, tokens, hidden_size) to logits (B, classes) by task; those of places are cosines."""
        pooled = hidden_states[:, : self.config.token_layout.num_cls_tokens].mean(dim=1)
        distance, direction, event = (pooled[:, start:stop] for start, stop in self.config.token_layout.channel_slices)
        return {
            "event": self.event_head(self.event_norm(event)),
            "distance": self.distance_head(distance),
            "azimuth": self.azimuth_head(direction),
            "elevation": self.elevation_head(direction),
        }

    @can_return_tuple
    def forward(
        self,
        input_features: torch.Tensor,
        event_labels: torch.Tensor | None = None,
        distance_labels: torch.Tensor | None = None,
        azimuth_labels: torch.Tensor | None = None,
        elevation_labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SpatialLocalizationOutput:
        """Encodes cues and applies the heads. The arguments are those of `SpatialASTForLocalization.forward`.

        Returns:
            SpatialLocalizationOutput; the spatial logits are cosines. `loss` = sum over the labels given of
            config.loss_weights times BCE (events) or AdaCos; in training mode AdaCos scales adapt. A loss of
            weight 0 is not computed.
        """
        outputs = self.encoder(input_features, **kwargs)
        logits = self.read_out(outputs.last_hidden_state)
        labels = {
            "event": event_labels,
            "distance": distance_labels,
            "azimuth": azimuth_labels,
            "elevation": elevation_labels,
        }
        heads = {"distance": self.distance_head, "azimuth": self.azimuth_head, "elevation": self.elevation_head}
        losses = {
            name: heads[name].loss(logits[name], given) if name in heads else event_loss(logits[name], given)
            for name, given in counted_labels(self.config, labels).items()
        }
        return localization_output(self.config, outputs, logits, losses)
