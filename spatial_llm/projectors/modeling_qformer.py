"""The Q-Former projector of BAT: learned queries attend to the encoder's tokens, then a linear layer and a layer norm map
them to the language model's width.

It is composed from transformers' `Blip2QFormerModel`. Note: there is no attention mask on the encoder's tokens (all of them
are sound), and there is a layer norm at the very end, so that norm's weight alone sets the length of every audio embedding.
Source: BAT, arXiv 2402.01591, and the sizes of its released code and weights.
"""

import copy
from collections.abc import Callable

import torch
from torch import nn
from transformers import Blip2QFormerModel
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple
from transformers.utils.output_capturing import OutputRecorder

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.base import AudioTokens, Projector, check_scale
from spatial_llm.projectors.configuration_qformer import QFormerProjectorConfig
from spatial_llm.projectors.shared_fields import AttentionConfig


class QFormer(Blip2QFormerModel):
    """Changes transformers' Q-Former to report as `attentions` only those among the queries. The original rule for them, a
    path that contains ".attention.", also matches "crossattention.attention" and mixes both kinds."""

    _can_record_outputs = {  # noqa: RUF012  (name and form required by transformers)
        **Blip2QFormerModel._can_record_outputs,
        "attentions": OutputRecorder(None, index=1, class_name=".attention.attention"),
    }


def qformer_reading(config: AttentionConfig, width: int) -> QFormer:
    """Returns a Q-Former of the sizes of `config` whose cross-attention reads tokens of another width.

    Its modules hold `config` itself, so that a later choice of attention implementation reaches them.
    """
    own = copy.copy(config)
    own.encoder_hidden_size = width
    qformer = QFormer(own)
    for module in qformer.modules():
        if getattr(module, "config", None) is own:
            module.config = config
    return qformer


class StandardizingProjector(Projector):
    """Ends in a linear layer and a layer norm (eps 1e-5), and standardises its input if `config.standardize_inputs`.

    A subclass sets `query`, its learned queries or slots, and what reads the audio, then calls `end_with_norm`.
    """

    config: AttentionConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["Blip2QFormerLayer"]  # noqa: RUF012  (name and form required by transformers)
    _supports_sdpa = True
    _supports_attention_backend = True

    def end_with_norm(self) -> None:
        """Adds the last layers and the statistics of the input, and initialises all weights."""
        config = self.config
        self.linear = nn.Linear(config.hidden_size, config.text_hidden_size)
        self.norm = nn.LayerNorm(config.text_hidden_size, eps=1e-5)
        if config.standardize_inputs:
            self.register_buffer("input_mean", torch.zeros(config.encoder_hidden_size))
            self.register_buffer("input_std", torch.ones(config.encoder_hidden_size))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self:
            if getattr(self, "query", None) is not None:
                init.normal_(self.query)
            if self.config.standardize_inputs:
                init.zeros_(self.input_mean)
                init.ones_(self.input_std)

    def standardized(self, audio_hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns the tokens in the dtype of the weights, standardised if the config says so; shapes stay."""
        audio_hidden_states = audio_hidden_states.to(self.linear.weight.dtype)
        if self.config.standardize_inputs:
            audio_hidden_states = (audio_hidden_states - self.input_mean) / self.input_std
        return audio_hidden_states

    @torch.no_grad()
    def start(self, sample: Callable[[], torch.Tensor], scale: float, layout: TokenLayout | None = None) -> None:
        """Scales a fresh projector if the config has `standardize_inputs`; see `Projector.start`.

        Sets the mean and standard deviation of each input channel from the sample, of which a few hundred clips are plenty,
        and the weight of the last layer norm to `scale`, so that audio embeddings begin as large as the words beside them.

        Raises:
            SpatialLLMError: the sample is not finite, or the scale not a positive number.
        """
        if not self.config.standardize_inputs:
            return
        channels = sample().float().flatten(0, -2)
        if not torch.isfinite(channels).all():
            raise SpatialLLMError("audio_hidden_states holds NaN or infinity; expected finite encoder output.")
        check_scale(scale)
        self.input_mean.copy_(channels.mean(0))
        # A constant channel carries no information; dividing by one keeps it at zero.
        std = channels.std(0)
        self.input_std.copy_(torch.where(std > 0, std, 1.0))
        self.norm.weight.fill_(scale)


class QFormerProjector(StandardizingProjector):
    """Maps through `num_query_tokens` learned queries, a Q-Former, a linear layer, a layer norm (eps 1e-5)."""

    config: QFormerProjectorConfig
    config_class = QFormerProjectorConfig

    def __init__(self, config: QFormerProjectorConfig) -> None:
        super().__init__(config)
        self.query = nn.Parameter(torch.empty(1, config.num_query_tokens, config.hidden_size))
        self.qformer = QFormer(config)
        self.end_with_norm()

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the encoder's tokens.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: ignored, because the tokens are treated as a set.
            **kwargs: `output_attentions`, `output_hidden_states` and the like, as in transformers.

        Returns:
            `last_hidden_state`, the audio embeddings (B, num_query_tokens, text_hidden_size); on request, from the Q-Former
            inside, `hidden_states` (B, num_query_tokens, hidden_size) and `attentions` among the queries, one a layer, and
            `cross_attentions` (B, heads, num_query_tokens, tokens), one for each layer that attends to the audio.
        """
        audio_hidden_states = self.standardized(audio_hidden_states)
        queries = self.query.expand(audio_hidden_states.shape[0], -1, -1)
        outputs = self.qformer(query_embeds=queries, encoder_hidden_states=audio_hidden_states, return_dict=True, **kwargs)
        return AudioTokens(
            last_hidden_state=self.norm(self.linear(outputs.last_hidden_state)),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
        )
