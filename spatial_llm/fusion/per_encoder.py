"""One fusion for each encoder: some enter as prefix tokens, the others by LAL (PAL, arXiv 2506.10423, version 2: Whisper as
prefix, SSLAM and CLAP by LAL).

An encoder is one or more channel slices of the tokens, as a `parallel` encoder lays them side by side; the branches of a
DSpAST are divided in the same way. The prefix has a projector of its own. Not published, and our choice: the prefix comes
before the other audio, so that it does not hear it, and ends in a linear layer and a layer norm, as the summary of `hybrid`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from transformers import AutoModel

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.lal import Lal
from spatial_llm.fusion.rows import Rows
from spatial_llm.projectors.base import AudioTokens, ProjectorConfig
from spatial_llm.projectors.settings import own_fields, projector_config
from spatial_llm.ranges import Natural

CALLED = "fusion.prefix_projector"
WIDTHS = ("encoder_hidden_size", "text_hidden_size")


@dataclass
class PerEncoder(Lal):
    """Chosen channel slices as rows of the sequence, the others by LAL; the other fields are those of `Lal`.

    The composite's projector reads only the slices that LAL hears.

    Attributes:
        prefix_slices: indices of the channel slices that enter as rows: one for each encoder of a `parallel` one, or all
            slices of an encoder that has several.
        prefix_projector: `model_type` and fields of the projector that reads them, as `projector` in a recipe; its widths
            follow from the other parts. Fields that are left out are filled in.
    """

    name: ClassVar[str] = "per_encoder"

    prefix_slices: list[Natural] = field(default_factory=list)
    prefix_projector: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        config = self._prefix_config()
        if given := [name for name in WIDTHS if name in self.prefix_projector]:
            raise SpatialLLMError(f"{CALLED}.{given[0]} is given; leave it out, because it follows from the other parts.")
        # Saved whole, so that a later default does not change a saved model.
        fields = {name: value for name, value in own_fields(config).items() if name not in WIDTHS}
        self.prefix_projector = {"model_type": config.model_type, **fields}

    def projector_slices(self, layout: TokenLayout) -> tuple[int, ...]:
        count = len(layout.channel_slices)
        given = f"fusion.prefix_slices is {self.prefix_slices}, but the encoder has "
        if count < 2:
            raise SpatialLLMError(
                f"{given}one channel slice: fusion {self.name} divides several. Take an encoder of type parallel or dspast, "
                "or another fusion."
            )
        there = f"{given}the channel slices 0 to {count - 1}"
        if len(set(self.prefix_slices)) < len(self.prefix_slices) or max(self.prefix_slices, default=0) >= count:
            raise SpatialLLMError(f"{there}; name each slice that enters as prefix once, by its index from 0.")
        if not 0 < len(self.prefix_slices) < count:
            rest = "fusion lal has no prefix" if not self.prefix_slices else "fusion prefix takes all of them"
            raise SpatialLLMError(f"{there}; name at least one and leave at least one for LAL ({rest}).")
        return tuple(index for index in range(count) if index not in self.prefix_slices)

    def prefix_config(self, layout: TokenLayout) -> ProjectorConfig:
        """Returns the configuration of the prefix's projector, for an encoder whose tokens have this layout.

        Raises:
            SpatialLLMError: the slices are not there, or the projector cannot take them.
        """
        self.projector_slices(layout)  # raises
        mine = layout.select(sorted(self.prefix_slices))
        return self._prefix_config(mine, encoder_hidden_size=mine.width, text_hidden_size=self.width)

    def _prefix_config(self, layout: TokenLayout | None = None, **widths: int) -> ProjectorConfig:
        try:
            config = projector_config(self.prefix_projector, layout, CALLED, **widths)
            if layout is not None:
                config.num_tokens(layout)  # raises if the projector cannot take it
        except SpatialLLMError as error:
            message = str(error)
            raise SpatialLLMError(message if message.startswith(CALLED) else f"{CALLED}: {message}") from None
        return config

    def own_rows(self, layout: TokenLayout) -> int:
        return self.prefix_config(layout).num_tokens(layout.select(sorted(self.prefix_slices)))


class PrefixSlices(Rows):
    """Makes rows of the slices that enter as prefix, by a projector of their own.

    Args:
        fusion: the fusion that names them.
        layout: of all tokens of the encoder.
        like: configuration of the composite's projector, whose number type and attention implementation this one takes.
        text_width: width of the language model.
    """

    def __init__(self, fusion: PerEncoder, layout: TokenLayout, like: ProjectorConfig, text_width: int) -> None:
        super().__init__(fusion.own_rows(layout))
        self.slices = tuple(sorted(fusion.prefix_slices))
        config = fusion.prefix_config(layout)
        config.dtype, config._attn_implementation = like.dtype, like._attn_implementation
        self.projector = AutoModel.from_config(config)
        self.end_with_norm(fusion.width, text_width)

    def start(self, sample: Callable[[], torch.Tensor], text_scale: float, layout: TokenLayout) -> None:
        super().start(sample, text_scale, layout)
        self.projector.start(lambda: layout.channels_of(self.slices, sample()), 1.0, layout.select(self.slices))

    def forward(self, heard: AudioTokens, audio_hidden_states: torch.Tensor, layout: TokenLayout) -> AudioTokens:
        mine = layout.channels_of(self.slices, audio_hidden_states)
        found = self.projector(mine, layout=layout.select(self.slices))
        # With a projector for each fused layer, the other tokens are as wide as those of all of them: filled up with zeros.
        wider = heard.last_hidden_state.shape[-1] - found.last_hidden_state.shape[-1]
        padded = torch.nn.functional.pad(found.last_hidden_state, (0, wider))
        return AudioTokens(last_hidden_state=padded, mask=found.mask, loss=found.loss)

    def rows(self, tokens: torch.Tensor) -> torch.Tensor:
        return super().rows(tokens[..., : self.linear.in_features])
