"""The MLP projector: concatenates neighbouring patch tokens, then applies a layer norm and two linear layers.

The two layers with a GELU between them are the connector of LLaVA-1.5 (Liu et al., arXiv 2310.03744), which keeps every
token. An audio encoder makes many more tokens than a prompt should contain, so neighbours are first concatenated along their
channels, as SLAM-ASR concatenates k frames (Ma et al., arXiv 2402.08846). Here the neighbours are a block of the
time-frequency grid: a block of all columns of one row keeps the frequency bands apart, unlike their mean, and has a time.
Deviations from both: a layer norm gives the input of any encoder the same scale, and the CLS tokens of the encoder, which
have no place on the grid, are left out.
"""

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.base import AudioTokens, Projector
from spatial_llm.projectors.configuration_mlp import MLPProjectorConfig
from spatial_llm.projectors.reading import check_tokens, grid_tokens
from spatial_llm.projectors.shared_fields import TwoLayerConfig


class TwoLayerProjector(Projector):
    """Ends in a layer norm, a linear layer, an activation and a linear layer.

    Args:
        size: width of what these layers are applied to.
    """

    config: TwoLayerConfig
    # There is no attention inside, so any implementation that the whole model uses is supported.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: TwoLayerConfig, size: int) -> None:
        super().__init__(config)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.up = nn.Linear(size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]
        self.down = nn.Linear(config.hidden_size, config.text_hidden_size)
        self.post_init()

    def two_layers(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps (..., size) -> (..., text_hidden_size)."""
        return self.down(self.activation(self.up(self.norm(hidden_states.to(self.up.weight.dtype)))))


class MLPProjector(TwoLayerProjector):
    """Maps blocks of patch tokens -> layer norm -> linear layer -> activation -> linear layer."""

    config: MLPProjectorConfig
    config_class = MLPProjectorConfig

    def __init__(self, config: MLPProjectorConfig) -> None:
        super().__init__(config, config.encoder_hidden_size * config.rows_per_token * config.columns_per_token)

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the patch tokens block by block.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens.

        Returns:
            `last_hidden_state` (B, blocks, text_hidden_size), blocks in the order of time, then of frequency; and `seconds`
            (blocks,).

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, or the blocks do not divide its grid.
        """
        layout = check_tokens(audio_hidden_states, layout)
        tokens = self.config.num_tokens(layout)
        high, wide = self.config.rows_per_token, self.config.columns_per_token
        patches = grid_tokens(audio_hidden_states, layout)
        # (B, block rows, rows inside, block columns, columns inside, width) -> (B, blocks, rows * columns * width)
        blocks = patches.reshape(len(patches), layout.grid[0] // high, high, layout.grid[1] // wide, wide, -1)
        embeds = self.two_layers(blocks.transpose(2, 3).reshape(len(patches), tokens, -1))
        row = torch.arange(tokens, device=embeds.device) // (layout.grid[1] // wide)
        return AudioTokens(last_hidden_state=embeds, seconds=(row + 0.5) * high * layout.seconds_per_row)
