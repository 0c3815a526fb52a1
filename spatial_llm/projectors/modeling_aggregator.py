"""GAMA's two paths: an aggregator of several encoder layers, a token for each time row, beside a Q-Former on the last one.

The layers of the encoder arrive as channel slices, the last layer last. In the aggregator the last layer's rows attend to
one earlier layer after another, each in a transformer block of self-attention, cross-attention and feed-forward layer. Both
paths end in a layer norm without weights and two linear layers. Source: GAMA (Ghosh et al., arXiv 2406.11768, section 3.1).
All layers are averaged over frequency for the aggregator, as in its code.

Deviations from the released code: that code computes the cross-attention and drops the result, so earlier layers never reach
its output. Here they do, as the paper describes. It also divides the last layer's rows by 50, a number of its encoder; here
every layer has a layer norm of its own, so that layers of any encoder have one scale.
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
from spatial_llm.projectors.configuration_aggregator import AggregatorProjectorConfig
from spatial_llm.projectors.modeling_qformer import qformer_reading
from spatial_llm.projectors.reading import check_tokens, grid_tokens


class AggregatorBlock(GradientCheckpointingLayer):
    """Lets rows attend to each other, then to those of an earlier layer; each sum is normalised, as in BERT.

    Args:
        size: width of the rows.
        earlier_size: width of the earlier layer.
    """

    def __init__(self, config: AggregatorProjectorConfig, size: int, earlier_size: int) -> None:
        super().__init__()
        self.self_attention = Attention(config, size, size)
        self.self_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.cross_attention = Attention(config, size, earlier_size)
        self.cross_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config, size)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)

    def forward(self, rows: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
        """Maps (B, rows, size) and (B, rows, earlier_size) -> (B, rows, size)."""
        rows = self.self_norm(rows + self.self_attention(rows, rows))
        rows = self.cross_norm(rows + self.cross_attention(rows, earlier))
        return self.norm(rows + self.feed_forward(rows))


class AggregatorProjector(Projector):
    """Maps several layers to [Q-Former queries | time rows].

    The Q-Former reads the CLS tokens of the last layer too; the aggregator, whose tokens are rows of the grid, does not.
    """

    config: AggregatorProjectorConfig
    config_class = AggregatorProjectorConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["Blip2QFormerLayer", "AggregatorBlock"]  # noqa: RUF012  (form required by transformers)
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: AggregatorProjectorConfig) -> None:
        super().__init__(config)
        config.slice_sizes = config.sizes
        *earlier, last = config.slice_sizes
        self.layer_norms = nn.ModuleList([nn.LayerNorm(size, eps=config.layer_norm_eps) for size in config.slice_sizes])
        self.blocks = nn.ModuleList([AggregatorBlock(config, last, size) for size in earlier])
        self.query = nn.Parameter(torch.empty(1, config.num_query_tokens, config.hidden_size))
        self.qformer = qformer_reading(config, last)
        self.query_norm = nn.LayerNorm(config.hidden_size, elementwise_affine=False)
        self.query_projection = two_layers(config, config.hidden_size)
        self.row_norm = nn.LayerNorm(last, elementwise_affine=False)
        self.row_projection = two_layers(config, last)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            init.normal_(self.query)

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the layers of the encoder.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens, with several channel slices.
            **kwargs: `output_attentions`, `output_hidden_states` and the like, as in transformers.

        Returns:
            `last_hidden_state` (B, num_query_tokens + rows, text_hidden_size); `seconds` (num_query_tokens + rows,), NaN for
            the queries; on request `hidden_states`, `attentions` and `cross_attentions` of the Q-Former inside.

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, or it has other slices, or a single one.
        """
        layout = check_tokens(audio_hidden_states, layout)
        self.config.check_layout(layout)
        layers = [
            norm(audio_hidden_states[..., start:stop].to(self.query.dtype))
            for norm, (start, stop) in zip(self.layer_norms, layout.channel_slices, strict=True)
        ]
        outputs = self.qformer(
            query_embeds=self.query.expand(len(layers[-1]), -1, -1),
            encoder_hidden_states=layers[-1],
            return_dict=True,
            **kwargs,
        )
        *earlier, rows = (grid_tokens(layer, layout).mean(dim=2) for layer in layers)
        for block, layer in zip(self.blocks, earlier, strict=True):
            rows = block(rows, layer)
        queries = self.query_projection(self.query_norm(outputs.last_hidden_state))
        embeds = torch.cat([queries, self.row_projection(self.row_norm(rows))], dim=1)
        seconds = (torch.arange(layout.grid[0], device=embeds.device) + 0.5) * layout.seconds_per_row
        return AudioTokens(
            last_hidden_state=embeds,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
            seconds=torch.cat([seconds.new_full((self.config.num_query_tokens,), torch.nan), seconds]),
        )
