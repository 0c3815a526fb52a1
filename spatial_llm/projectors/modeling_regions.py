"""The connector of regions: one learned latent is copied over the encoder's grid, and each copy attends to its own region.

A region is a block of cells of the grid. Its copy attends to the tokens of all channel slices (several encoders, or the
branches of one) that lie in the region, in one attention, so that a slice counts as much as it has to say there. Sources:
PAL's connector (arXiv 2506.10423, section 2.4 and appendix C), which takes its design from the spatial vision aggregator of
Cambrian-1 (Tong et al., arXiv 2406.16860, section 3.2). From there also: layer norms before the attention, a feed-forward
layer, residuals, learned positions inside a region, the mean of the clip as context, two linear layers at the end.

Deviations from Cambrian-1: each slice has its own linear layer and layer norm, after which keys and values are projected
together; the context has a mean for each slice, not one of the first encoder; linear layers of the attention have biases.
"""

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.attention import Attention, FeedForward, two_layers
from spatial_llm.projectors.base import AudioTokens, Projector
from spatial_llm.projectors.configuration_regions import RegionsProjectorConfig
from spatial_llm.projectors.reading import check_tokens, slice_grids
from spatial_llm.projectors.shared_fields import RegionConfig


class RegionLayer(GradientCheckpointingLayer):
    """Lets the latent of a region attend to its tokens, then applies a feed-forward layer; norms come first."""

    def __init__(self, config: RegionConfig) -> None:
        super().__init__()
        size, eps = config.hidden_size, config.layer_norm_eps
        self.latent_norm = nn.LayerNorm(size, eps=eps)
        self.token_norm = nn.LayerNorm(size, eps=eps)
        self.attention = Attention(config, size, size)
        self.norm = nn.LayerNorm(size, eps=eps)
        self.feed_forward = FeedForward(config, size)

    def forward(self, latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Maps (regions, 1, hidden_size) and (regions, tokens of a region, hidden_size) -> (regions, 1, hidden_size)."""
        latents = latents + self.attention(self.latent_norm(latents), self.token_norm(tokens))
        return latents + self.feed_forward(self.norm(latents))


class RegionConnector(nn.Module):
    """Reads slices region by region.

    Args:
        config: sizes, sides of a region, positions and context.
        sizes: number of channels of each slice that it reads.
    """

    def __init__(self, config: RegionConfig, sizes: list[int]) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.latent = nn.Parameter(torch.empty(size))
        self.projections = nn.ModuleList(
            [nn.Sequential(nn.Linear(each, size), nn.LayerNorm(size, eps=config.layer_norm_eps)) for each in sizes]
        )
        # One for each cell of the grid, shared by the slices, which their own projections tell apart.
        shape = (config.rows_per_token, config.columns_per_token, size)
        self.positions = nn.Parameter(torch.empty(shape)) if config.learned_positions else None
        self.with_context = nn.Linear((1 + len(sizes)) * size, size) if config.context == "mean" else None
        self.layers = nn.ModuleList([RegionLayer(config) for _ in range(config.num_hidden_layers)])

    @torch.no_grad()
    def init_parameters(self) -> None:
        """Draws the latent from N(0, 1 / hidden_size), as Cambrian-1 does, and the positions like dense weights."""
        init.normal_(self.latent, std=self.config.hidden_size**-0.5)
        if self.positions is not None:
            init.normal_(self.positions, std=self.config.initializer_range)

    def forward(self, grids: list[torch.Tensor], cells: list[tuple[int, int]]) -> torch.Tensor:
        """Returns a latent for each region, in the order of time, then of frequency.

        Args:
            grids: each slice (B, rows, columns, channels of the slice).
            cells: for each slice, the rows and columns of the grid that one of its tokens covers. Such a token is read once
                in each region, however often it is repeated there.

        Returns:
            (B, regions, hidden_size).
        """
        clips = len(grids[0])
        tokens = [
            self._in_regions(grid, *each, projection)
            for grid, each, projection in zip(grids, cells, self.projections, strict=True)
        ]
        regions = torch.cat(tokens, dim=2)  # (B, regions, tokens of a region, hidden_size)
        latents = self.latent.expand(clips, 1, -1)
        if self.with_context is not None:
            means = [
                projection(grid[:, ::rows, ::columns]).mean(dim=(1, 2))[:, None]
                for grid, (rows, columns), projection in zip(grids, cells, self.projections, strict=True)
            ]
            latents = self.with_context(torch.cat([latents, *means], dim=-1))
        latents = latents.expand(-1, regions.shape[1], -1).flatten(0, 1)[:, None]
        for layer in self.layers:
            latents = layer(latents, regions.flatten(0, 1))
        return latents.reshape(clips, regions.shape[1], -1)

    def _in_regions(self, grid: torch.Tensor, rows: int, columns: int, projection: nn.Module) -> torch.Tensor:
        """Returns the projected tokens of a slice by region: (B, rows, columns, channels) -> (B, regions, tokens, size)."""
        high, wide = self.config.rows_per_token, self.config.columns_per_token
        # A token that covers more than the region is read in each of the regions that it covers.
        down, along = min(rows, high), min(columns, wide)
        blocks = grid.unflatten(1, (-1, high)).unflatten(3, (-1, wide))[:, :, ::down, :, ::along]
        # (B, region rows, rows inside, region columns, columns inside, channels)
        blocks = projection(blocks.transpose(2, 3))
        if self.positions is not None:
            blocks = blocks + self.positions[::down, ::along]
        return blocks.flatten(3, 4).flatten(1, 2)


class RegionsProjector(Projector):
    """Maps the regions of the grid -> latents -> linear layer -> activation -> linear layer.

    The CLS tokens of the encoder, which lie in no region, are left out.
    """

    config: RegionsProjectorConfig
    config_class = RegionsProjectorConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["RegionLayer"]  # noqa: RUF012  (name and form required by transformers)
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: RegionsProjectorConfig) -> None:
        super().__init__(config)
        config.slice_sizes = config.sizes
        self.connector = RegionConnector(config, config.slice_sizes)
        self.projection = two_layers(config, config.hidden_size)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, RegionConnector):
            module.init_parameters()

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the patch tokens region by region.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens.

        Returns:
            `last_hidden_state` (B, regions, text_hidden_size), regions in the order of time, then of frequency; `seconds`
            (regions,).

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, it has other slices, or regions do not fit.
        """
        layout = check_tokens(audio_hidden_states, layout)
        self.config.num_tokens(layout)
        grids = slice_grids(audio_hidden_states.to(self.projection[0].weight.dtype), layout)
        embeds = self.projection(self.connector(grids, layout.cells))
        return AudioTokens(last_hidden_state=embeds, seconds=region_seconds(self.config, layout, embeds.device))


def region_seconds(config: RegionConfig, layout: TokenLayout, device: torch.device) -> torch.Tensor:
    """Returns the time of the middle of each region, in seconds: (regions,)."""
    row = torch.arange(config.num_regions(layout), device=device) // (layout.grid[1] // config.columns_per_token)
    return (row + 0.5) * config.rows_per_token * layout.seconds_per_row
