"""A connector for each channel slice: tokens of distance, of direction and of event, where the encoder keeps these apart.

DSpAST (arXiv 2509.13927) has a branch for each task, and its output is their channels side by side. A Q-Former on the whole
(BAT's) has to take them apart again. Here each slice has its own Q-Former with a few slots, which may hold several sources,
or its own connector of regions; a learned embedding marks the slice; one linear layer and one layer norm serve all slices.
This is our own combination, of no paper.
"""

import torch
from torch import nn
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.projectors.configuration_slices import SlicesProjectorConfig
from spatial_llm.projectors.modeling_qformer import StandardizingProjector, qformer_reading
from spatial_llm.projectors.modeling_regions import RegionConnector, region_seconds
from spatial_llm.projectors.reading import check_tokens, slice_grids, slice_tokens


class SlicesProjector(StandardizingProjector):
    """Maps each slice through its connector, adds its mark, then applies a linear layer and a layer norm (eps 1e-5).

    The Q-Formers read the slice's channels of the CLS tokens too; connectors of regions leave them out.
    """

    config: SlicesProjectorConfig
    config_class = SlicesProjectorConfig
    _no_split_modules = ["Blip2QFormerLayer", "RegionLayer"]  # noqa: RUF012  (form required by transformers)

    def __init__(self, config: SlicesProjectorConfig) -> None:
        super().__init__(config)
        sizes = config.slice_sizes = config.sizes
        self.marks = nn.Parameter(torch.empty(len(sizes), config.hidden_size))
        if config.connector == "qformer":
            self.query = nn.Parameter(torch.empty(len(sizes), config.slots_per_slice, config.hidden_size))
            self.connectors = nn.ModuleList([qformer_reading(config, size) for size in sizes])
        else:
            self.connectors = nn.ModuleList([RegionConnector(config, [size]) for size in sizes])
        self.end_with_norm()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            init.normal_(self.marks, std=self.config.initializer_range)
        if isinstance(module, RegionConnector):
            module.init_parameters()

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects slice by slice.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens, with several channel slices.

        Returns:
            `last_hidden_state` (B, slices * tokens of a slice, text_hidden_size), slice by slice; with the connector
            "regions" `seconds` (slices * regions,), in the order of the regions within each slice.

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, it has other slices, or a single one, or the
                regions do not fit.
        """
        layout = check_tokens(audio_hidden_states, layout)
        self.config.num_tokens(layout)
        audio_hidden_states = self.standardized(audio_hidden_states)
        if self.config.connector == "qformer":
            connected = [
                qformer(query_embeds=query.expand(len(tokens), -1, -1), encoder_hidden_states=tokens).last_hidden_state
                for qformer, query, tokens in zip(
                    self.connectors, self.query, slice_tokens(audio_hidden_states, layout), strict=True
                )
            ]
            seconds = None
        else:
            grids = slice_grids(audio_hidden_states, layout)
            connected = [
                connector([grid], [cell]) for connector, grid, cell in zip(self.connectors, grids, layout.cells, strict=True)
            ]
            seconds = region_seconds(self.config, layout, audio_hidden_states.device).repeat(len(connected))
        marked = [tokens + mark for tokens, mark in zip(connected, self.marks, strict=True)]
        return AudioTokens(last_hidden_state=self.norm(self.linear(torch.cat(marked, dim=1))), seconds=seconds)
