"""The pool projector: neighbouring time rows of the encoder's grid become one (`projectors.pooling`); then come a layer norm
and the two linear layers of `MLPProjector`.
"""

import torch
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.projectors.configuration_pool import PoolProjectorConfig
from spatial_llm.projectors.modeling_mlp import TwoLayerProjector
from spatial_llm.projectors.pooling import pooled
from spatial_llm.projectors.reading import check_tokens


class PoolProjector(TwoLayerProjector):
    """Maps rows of patch tokens -> fewer rows -> layer norm -> linear layer -> activation -> linear layer."""

    config: PoolProjectorConfig
    config_class = PoolProjectorConfig

    def __init__(self, config: PoolProjectorConfig) -> None:
        super().__init__(config, config.pooled_size)

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the patch tokens, compressed in time.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens.

        Returns:
            `last_hidden_state` (B, positions, text_hidden_size) and `seconds`, as `pooled` has them.

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, or it has fewer rows than are wanted.
        """
        layout = check_tokens(audio_hidden_states, layout)
        self.config.num_tokens(layout)
        positions, seconds = pooled(self.config, audio_hidden_states, layout, self.up.weight.dtype)
        return AudioTokens(last_hidden_state=self.two_layers(positions), seconds=seconds)
