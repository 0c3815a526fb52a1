"""`Member`: one of the encoders that `ParallelEncoder` runs side by side, as far as all kinds are alike.

A member's tokens are brought to one order: CLS tokens, then the grid row by row, rows being time.
"""

import copy
import math
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import torch
from torch.nn import functional
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, SequenceFeatureExtractor

from spatial_llm.encoders.feature_extraction_parallel import check_channels, settings_of
from spatial_llm.errors import SpatialLLMError

Slices = tuple[tuple[int, int], ...]


class Member:
    """One encoder within a `ParallelEncoder`.

    Args:
        config: of the encoder.
        extractor: its own feature extractor.
        channels: how an encoder of one channel is fed, see `feature_extraction_parallel.CHANNELS`; None for one of two ears.
        rows, columns: grid to which its tokens are averaged before they are put on the common one; None keeps its own.
        output_layers: numbers of layers, from 1, whose outputs precede the last one along the width.
        duration_s: seconds of a recording; None takes `window_s`.

    Attributes:
        extractor_type: name of the class of its feature extractor.
        num_cls_tokens: tokens before its grid.
        window_s: the longest recording that it takes, in seconds; infinite where it takes any.
        own_grid: (rows, columns) of its whole window.
        row_s: seconds from one of its own rows to the next.
        width: channels of its last layer.
        num_layers: number of layers.
        input_size: numbers that its feature extractor makes of one channel, or of two ears.

    Raises:
        SpatialLLMError: the settings do not fit the encoder, the recording, or each other.
    """

    extractor_type: ClassVar[str]
    num_cls_tokens: int = 0
    window_s: float
    own_grid: tuple[int, int]
    row_s: float
    width: int
    num_layers: int
    input_size: int

    def __init__(
        self,
        config: PreTrainedConfig,
        extractor: SequenceFeatureExtractor,
        channels: str | None,
        rows: int | None,
        columns: int | None,
        output_layers: tuple[int, ...],
        duration_s: float | None,
    ) -> None:
        if type(extractor).__name__ != self.extractor_type:
            raise SpatialLLMError(f"its feature extractor is a {type(extractor).__name__}; expected {self.extractor_type}.")
        check_channels(channels, extractor)
        self.config, self.extractor, self.channels, self.output_layers = config, extractor, channels, output_layers
        self.read_window()
        if duration_s is None and math.isinf(self.window_s):
            raise SpatialLLMError("it has no window of its own: give duration_s, the seconds of a recording.")
        self.duration_s = self.window_s if duration_s is None else duration_s
        if self.duration_s > self.window_s + 1e-6:
            raise SpatialLLMError(
                f"its window is {self.window_s:g} s and a recording {self.duration_s:g} s; expected a window as long as the "
                "recording, or longer: begin with the encoder of the shortest window, or give a shorter duration_s."
            )
        self.read_sizes()
        # Rows that begin after the recording hold padding alone.
        self.kept_rows = min(self.own_grid[0], max(1, math.ceil(self.duration_s / self.row_s - 1e-6)))
        self.grid = tuple(
            own if wanted is None else _averaged(name, wanted, own)
            for name, wanted, own in (("rows", rows, self.kept_rows), ("columns", columns, self.own_grid[1]))
        )
        _check_layers(output_layers, self.num_layers)

    def __deepcopy__(self, memo: dict) -> Self:
        return self  # nothing of it changes

    def read_window(self) -> None:
        """Sets `window_s`; raises SpatialLLMError if extractor and config do not fit."""
        raise NotImplementedError

    def read_sizes(self) -> None:
        """Sets the other attributes, which may depend on `duration_s`."""
        raise NotImplementedError

    def check_equal(self, *pairs: tuple[str, str]) -> None:
        """Raises SpatialLLMError unless each pair of fields, of the extractor and of the config, has one value."""
        for of_extractor, of_config in pairs:
            given, wanted = getattr(self.extractor, of_extractor), getattr(self.config, of_config)
            if given != wanted:
                raise SpatialLLMError(f"its extractor's {of_extractor} is {given}; expected {wanted}, its {of_config}.")

    @property
    def passes(self) -> int:
        """Returns how often the encoder runs for one recording."""
        return 2 if self.channels == "each" else 1

    @property
    def front_end(self) -> dict[str, Any]:
        """Returns what `ParallelFeatureExtractor` must know of it."""
        return {"feature_extractor": settings_of(self.extractor), "channels": self.channels, "window_samples": None}

    @property
    def claims(self) -> Any:
        """Returns the sizes that its weights must bear out, see `weight_files.check_claims`."""
        return SimpleNamespace(num_hidden_layers=self.num_layers)

    @property
    def last_slices(self) -> Slices:
        """Returns the channel slices of its last layer."""
        return ((0, self.width),)

    @property
    def layer_slices(self) -> Slices:
        """Returns the channel slices of any other layer."""
        return self.last_slices

    @property
    def slices(self) -> Slices:
        """Returns the channel slices of its part of the width: for each pass the layers in order, then the last one."""
        found, start = [], 0
        for slices in ([self.layer_slices] * len(self.output_layers) + [self.last_slices]) * self.passes:
            found += [(start + first, start + last) for first, last in slices]
            start = found[-1][1]
        return tuple(found)

    def build(self) -> PreTrainedModel:
        """Returns the encoder with fresh weights."""
        return AutoModel.from_config(self.own_config())

    def own_config(self) -> PreTrainedConfig:
        """Returns a copy of the config for one model, which may change it; members are shared."""
        return copy.deepcopy(self.config)

    @staticmethod
    def part_of(model: PreTrainedModel) -> PreTrainedModel:
        """Returns the encoder inside a model that has heads, a decoder or a text side beside it."""
        return model.base_model

    def inputs(self, numbers: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Returns the encoder's arguments for numbers (B, input_size) as its feature extractor makes them."""
        raise NotImplementedError

    def in_order(self, states: torch.Tensor, batch: int) -> torch.Tensor:
        """Brings a layer's output to (B, CLS + own rows * own columns, width)."""
        return states

    def encode(self, model: PreTrainedModel, numbers: torch.Tensor) -> torch.Tensor:
        """Runs the encoder.

        Args:
            model: the encoder.
            numbers: (B, passes * input_size).

        Returns:
            (B, CLS + rows * columns, all its channels) on `grid`, channels divided as in `slices`.
        """
        heard = numbers.reshape(-1, self.input_size)
        options = {"output_hidden_states": True} if self.output_layers else {}
        output = model(**self.inputs(heard, model.dtype), return_dict=True, **options)
        layers = [output.hidden_states[number] for number in self.output_layers]
        tokens = torch.cat([self.in_order(each, heard.shape[0]) for each in (*layers, output.last_hidden_state)], dim=-1)
        cls_tokens, grid = tokens[:, : self.num_cls_tokens], tokens[:, self.num_cls_tokens :]
        grid = grid.unflatten(1, self.own_grid)[:, : self.kept_rows]
        if self.grid != (self.kept_rows, self.own_grid[1]):
            grid = functional.adaptive_avg_pool2d(grid.permute(0, 3, 1, 2), self.grid).permute(0, 2, 3, 1)
        tokens = torch.cat([cls_tokens, grid.flatten(1, 2)], dim=1)
        return tokens.unflatten(0, (-1, self.passes)).transpose(1, 2).flatten(2)


def _averaged(name: str, wanted: int, own: int) -> int:
    if isinstance(wanted, bool) or not isinstance(wanted, int) or not 1 <= wanted <= own:
        raise SpatialLLMError(f"{name} is {wanted!r}; expected a whole number from 1 to {own}, its own {name}.")
    return wanted


def _check_layers(layers: tuple[int, ...], most: int) -> None:
    if not all(isinstance(each, int) and not isinstance(each, bool) and 1 <= each < most for each in layers):
        raise SpatialLLMError(
            f"output_layers is {list(layers)}; expected numbers from 1 to {most - 1}, before the last one."
        )
    if list(layers) != sorted(set(layers)):
        raise SpatialLLMError(f"output_layers is {list(layers)}; expected each layer once, in rising order.")
