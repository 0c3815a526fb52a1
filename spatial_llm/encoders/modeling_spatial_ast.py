"""SpatialAST: an AST on the cues of two ears (BAT, Zheng et al., ICML 2024, arXiv 2402.01591).

cues -> BatchNorm -> stretch -> fusion convolution -> patches + positions -> [3 CLS | patches] -> ViT-B, no final norm. Note:
the CLS tokens get no position; token 0 predicts distance, 1 direction, 2 the sound event. It is implemented from the
description in the paper and public facts; weights are loaded by name (`spatial_llm.checkpoints`).
"""

import torch
from torch import nn
from torch.nn import functional
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from spatial_llm.encoders.augmentation import PatchMask, SpecAugment
from spatial_llm.encoders.configuration_spatial_ast import SpatialASTConfig
from spatial_llm.encoders.heads import (
    SpatialEncoderOutput,
    SpatialLocalizationOutput,
    counted_labels,
    event_loss,
    localization_output,
)
from spatial_llm.encoders.layers import CueFusion, CueNorm, PatchEmbeddings, encoder_layers
from spatial_llm.encoders.modeling_base import SpatialEncoderPreTrainedModel

DISTANCE_TOKEN, DIRECTION_TOKEN, EVENT_TOKEN = 0, 1, 2


class SpatialASTPreTrainedModel(SpatialEncoderPreTrainedModel):
    config_class = SpatialASTConfig


class SpatialASTModel(SpatialASTPreTrainedModel):
    """The encoder without heads: maps `input_features` (B, cues, frames, mel bins) to `last_hidden_state` (B, 515, 768)."""

    # A folder of the model with heads loads here too; these patterns leave out its heads.
    _keys_to_ignore_on_load_unexpected = [r"^(event|distance|direction|azimuth|elevation)_(head|norm)\."]  # noqa: RUF012

    def __init__(self, config: SpatialASTConfig) -> None:
        super().__init__(config)
        self.cue_norm = CueNorm(config)
        self.fusion = CueFusion(config)
        self.patch_embeddings = PatchEmbeddings(config)
        self.cls_tokens = nn.Parameter(torch.empty(1, config.token_layout.num_cls_tokens, config.hidden_size))
        self.spec_augment = SpecAugment(config)
        self.patch_mask = PatchMask(config)
        self.layers = encoder_layers(config)
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
            SpatialEncoderOutput with `last_hidden_state` (B, 3 CLS + rows * columns, hidden_size); in training with masks it
            contains only the kept patches, in no order.

        Raises:
            SpatialLLMError: the number of cues or mel bins is wrong, or there are too many frames.
        """
        plane = self.spec_augment(self.fusion(self.cue_norm(input_features)))
        patches = self.patch_mask(self.patch_embeddings(plane))
        hidden_states = torch.cat([self.cls_tokens.expand(patches.shape[0], -1, -1), patches], dim=1)
        for layer in self.layers:
            hidden_states = layer(hidden_states, **kwargs)
        return SpatialEncoderOutput(last_hidden_state=hidden_states)


class SpatialASTForLocalization(SpatialASTPreTrainedModel):
    """SpatialAST with its heads: sound event, distance, azimuth and elevation."""

    def __init__(self, config: SpatialASTConfig) -> None:
        super().__init__(config)
        size, eps = config.hidden_size, config.layer_norm_eps
        self.encoder = SpatialASTModel(config)
        self.distance_norm = nn.LayerNorm(size, eps=eps)
        self.direction_norm = nn.LayerNorm(size, eps=eps)
        self.event_norm = nn.LayerNorm(size, eps=eps)
        self.event_head = nn.Linear(size, config.num_event_classes)
        self.distance_head = nn.Linear(size, config.num_distance_classes)
        self.azimuth_head = nn.Linear(size, config.num_azimuth_classes)
        self.elevation_head = nn.Linear(size, config.num_elevation_classes)
        self.post_init()

    def read_out(self, hidden_states: torch.Tensor) -> dict[str, torch.Tensor]:
        """Maps `last_hidden_state` (B, tokens, hidden_size) to logits (B, classes) by task."""
        direction = self.direction_norm(hidden_states[:, DIRECTION_TOKEN])
        return {
            "event": self.event_head(self.event_norm(hidden_states[:, EVENT_TOKEN])),
            "distance": self.distance_head(self.distance_norm(hidden_states[:, DISTANCE_TOKEN])),
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
        """Encodes cues and applies the heads.

        Args:
            input_features: (B, F cues, frames, M mel bins).
            event_labels: (B, event classes) multi-hot, float.
            distance_labels, azimuth_labels, elevation_labels: (B,) class ids as `spatial_llm.geometry` computes them.

        Returns:
            SpatialLocalizationOutput; `loss` = sum over the labels given of config.loss_weights times BCE (events) or
            cross-entropy, as in Spatial-AST's released training. A loss of weight 0 is not computed.
        """
        outputs = self.encoder(input_features, **kwargs)
        logits = self.read_out(outputs.last_hidden_state)
        labels = {
            "event": event_labels,
            "distance": distance_labels,
            "azimuth": azimuth_labels,
            "elevation": elevation_labels,
        }
        losses = {
            name: event_loss(logits[name], given) if name == "event" else functional.cross_entropy(logits[name], given)
            for name, given in counted_labels(self.config, labels).items()
        }
        return localization_output(self.config, outputs, logits, losses)
