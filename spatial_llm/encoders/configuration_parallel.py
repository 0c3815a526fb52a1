"""Which encoders a `ParallelEncoder` runs side by side, and how their tokens come to lie on one grid."""

import copy
import functools
import json
import math
from collections.abc import Mapping
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig, SequenceFeatureExtractor

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.encoders.checked_config import CheckedConfig
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.encoders.feature_extraction_parallel import (
    CHANNELS,
    ParallelFeatureExtractor,
    extractor_from,
    settings_of,
)
from spatial_llm.encoders.parallel_kinds import MEMBERS
from spatial_llm.encoders.parallel_members import Member
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError

_DEFAULTS: dict[str, Any] = {
    "feature_extractor": None, "channels": None, "rows": None, "columns": None, "output_layers": [],
}  # fmt: skip
# What a config holds beside the settings of the encoder: of the file that it came from, and of heads.
_NOT_SETTINGS = {"transformers_version", "_name_or_path", "architectures", "dtype", "id2label", "label2id", "auto_map"}


@strict
class ParallelEncoderConfig(CheckedConfig):
    """Configuration of `ParallelEncoder`: several encoders hear one recording (PAL, arXiv 2506.10423, section 2.4).

    The first encoder is the reference: its rate and window are those of the recording, and its CLS tokens and grid those of
    all tokens, whose number therefore does not grow with the number of encoders. Their channels lie side by side.

    Args:
        encoders: for each encoder an object with the keys below; None is one SpatialAST of full size, because transformers
            compares a config with one that is made without arguments.
            `encoder`: its configuration, by `model_type`: "spatial_ast" or "dspast", or of transformers
            "audio-spectrogram-transformer", "clap_audio_model", "whisper" (its encoder alone), "wav2vec2", "hubert" or
            "wavlm".
            `feature_extractor`: settings of its own feature extractor, as in its `preprocessor_config.json`; those of ours
            follow from `encoder` and are left out.
            `channels`: how an encoder of one channel is fed. "left" or "right": one ear alone. "mean": the mean of both
            ears, in which their differences are lost. "each": it runs on each ear alone, and the tokens of the left and of
            the right ear lie one after the other along the width, so that both are kept. Left out for ours, which take both.
            `rows`, `columns`: time rows and frequency columns to which its tokens are averaged (adaptively: neighbouring
            averages may share a token) before they are put on the reference's grid; default: its own.
            `output_layers`: numbers of layers, counted from 1, whose outputs precede the last one along the width.
        duration_s: seconds of a recording, at most the window of each encoder; default: the window of the first.

    Raises:
        SpatialLLMError: a key or model type is unknown, settings do not fit the encoder or the recording, or a grid is no
            whole multiple or part of the reference's; the message names the encoder.
    """

    model_type = "parallel"
    front_end = {"members": "front_ends", "sampling_rate": "sampling_rate", "duration_s": "duration_s"}  # noqa: RUF012

    encoders: list[Any] | tuple[Any, ...] | None = None
    duration_s: float | int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if self.encoders is None:
            self.encoders = [{"encoder": {"model_type": "spatial_ast"}}]
        if not isinstance(self.encoders, list | tuple) or not self.encoders:
            raise SpatialLLMError("encoders is empty; give at least one, see ParallelEncoder.from_encoders.")
        self.encoders = [_entry(f"encoders[{index}]", given) for index, given in enumerate(self.encoders)]
        duration = self.duration_s
        if duration is not None and (isinstance(duration, bool) or not 0 < duration < math.inf):
            raise SpatialLLMError(f"duration_s is {duration!r}; expected seconds above 0.")
        self._members = _members(json.dumps(self.encoders, sort_keys=True), duration)
        self.duration_s = self._members[0].duration_s
        super().__post_init__(**kwargs)
        # Computed here, because the layout is asked for in every step, and in a graph that is compiled or exported.
        self._layout = self._lay_out()
        self._made_of = json.dumps([self.encoders, self.duration_s])

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings.

        Raises:
            SpatialLLMError: `encoders` or `duration_s` was changed after the config was made.
        """
        settings = super().to_dict()
        for name in ("_members", "_layout", "_made_of"):
            settings.pop(name, None)
        if json.dumps([settings["encoders"], settings["duration_s"]]) != self._made_of:
            raise SpatialLLMError("encoders or duration_s of a config was changed in place; make a new config with them.")
        return settings

    @property
    def members(self) -> tuple[Member, ...]:
        """Returns the encoders, the reference first."""
        return self._members

    @property
    def sampling_rate(self) -> int:
        """Returns the rate of the recording in Hz, that of the reference."""
        return self.members[0].extractor.sampling_rate

    @property
    def audio_format(self) -> str:
        """Returns the format of the recording, two ears."""
        return BINAURAL.name

    @property
    def window_samples(self) -> int:
        """Returns the samples of one window, at `sampling_rate`."""
        return round(self.duration_s * self.sampling_rate)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Returns (numbers,), the shape of `input_features` of one window."""
        return (sum(self.input_sizes),)

    @property
    def input_sizes(self) -> list[int]:
        """Returns the numbers of each encoder within `input_features`."""
        return [member.passes * member.input_size for member in self.members]

    @property
    def hidden_size(self) -> int:
        """Returns the width of `last_hidden_state`, the sum of the widths of all encoders."""
        return self.token_layout.channel_slices[-1][1]

    @property
    def front_ends(self) -> list[dict[str, Any]]:
        """Returns what the feature extractor knows of the encoders."""
        return [member.front_end for member in self.members]

    def feature_extractor(self) -> ParallelFeatureExtractor:
        """Returns the feature extractor whose output the encoder takes."""
        return ParallelFeatureExtractor(self.front_ends, self.sampling_rate, self.duration_s)

    @property
    def claims(self) -> dict[str, Any]:
        """Returns the sizes that the weights must bear out, by the start of their names."""
        return {f"encoders.{index}.": member.claims for index, member in enumerate(self.members)}

    @property
    def token_layout(self) -> TokenLayout:
        """Returns the tokens of the reference and the channels of all encoders, those of each divided as its own."""
        return self._layout

    def _lay_out(self) -> TokenLayout:
        members = self.members
        reference, slices, cells = members[0], [], []
        for index, member in enumerate(members):
            start = slices[-1][1] if slices else 0
            slices += [(start + first, start + last) for first, last in member.slices]
            repeats, _ = steps(reference.grid, member.grid, self._name(index))
            cells += [repeats] * len(member.slices)
        return TokenLayout(
            reference.num_cls_tokens,
            reference.grid,
            tuple(slices),
            reference.kept_rows * reference.row_s / reference.grid[0],
            None if set(cells) == {(1, 1)} else tuple(cells),
        )

    def in_words(self) -> str:
        """Returns a line for each encoder: what it hears, at which rate, and where its tokens come to lie."""
        grid, lines = self.members[0].grid, []
        for index, member in enumerate(self.members):
            hears = "both ears" if member.channels is None else CHANNELS[member.channels]
            repeats, blocks = steps(grid, member.grid, self._name(index))
            lines.append(
                f"{self._name(index)} hears {hears}, at {member.extractor.sampling_rate:,} Hz; {member.grid[0]} x "
                f"{member.grid[1]} tokens, each in {repeats[0]} x {repeats[1]} cells of the grid of {grid[0]} x {grid[1]}"
                + (f", after the mean over {blocks[0]} x {blocks[1]} of them" if blocks != (1, 1) else "")
                + f"; {member.slices[-1][1]} channels"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n{self.in_words()}"

    def _name(self, index: int) -> str:
        return f"encoders[{index}] ({self.members[index].config.model_type})"


def steps(grid: tuple[int, int], own: tuple[int, int], name: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns how an encoder's tokens come to lie on the grid of the reference: (rows, columns) of cells in which each token
    is repeated, and (rows, columns) of tokens whose mean is taken for each cell.

    Raises:
        SpatialLLMError: one of the two grids is no whole multiple of the other, in rows or in columns.
    """
    if any(cells % tokens and tokens % cells for cells, tokens in zip(grid, own, strict=True)):
        fitting = [
            f"`{axis}` to {max(part for part in range(1, tokens + 1) if cells % part == 0)}"
            for axis, cells, tokens in zip(("rows", "columns"), grid, own, strict=True)
            if cells % tokens and tokens % cells
        ]
        raise SpatialLLMError(
            f"{name} has a grid of {own[0]} rows x {own[1]} columns, the reference one of {grid[0]} x {grid[1]}; expected "
            f"whole multiples or parts: set its {' and its '.join(fitting)}, for example."
        )
    (high, wide), (rows, columns) = grid, own
    repeats = max(1, high // rows), max(1, wide // columns)
    return repeats, (max(1, rows // high), max(1, columns // wide))


def _entry(name: str, given: Any) -> dict[str, Any]:
    """Returns the settings of one encoder with all keys, as JSON has them. Raises SpatialLLMError as the config does."""
    if not isinstance(given, Mapping) or "encoder" not in given or (unknown := set(given) - {"encoder", *_DEFAULTS}):
        found = sorted(unknown) if isinstance(given, Mapping) and "encoder" in given else given
        raise SpatialLLMError(f"{name}: {found!r}; expected an object with `encoder` and some of {sorted(_DEFAULTS)}.")
    entry = _DEFAULTS | dict(given)
    config, extractor = entry["encoder"], entry["feature_extractor"]
    kind = config.get("model_type") if isinstance(config, Mapping) else getattr(config, "model_type", None)
    if kind not in MEMBERS:
        raise SpatialLLMError(f"{name}: encoder is of type {kind!r}; expected one of {', '.join(MEMBERS)}.")
    if not isinstance(entry["output_layers"], list | tuple):
        raise SpatialLLMError(f"{name} ({kind}): output_layers is {entry['output_layers']!r}; expected a list of numbers.")
    entry["output_layers"] = list(entry["output_layers"])
    try:
        if isinstance(config, Mapping):
            config = AutoConfig.for_model(**copy.deepcopy(dict(config)))
        settings = json.loads(config.to_json_string())
        entry["encoder"] = {key: value for key, value in settings.items() if key not in _NOT_SETTINGS}
        follows = getattr(config, "feature_extractor", None)  # of ours: nothing to be given
        if follows is not None:
            if extractor is not None and _settings(extractor) != settings_of(follows()):
                raise SpatialLLMError("feature_extractor is not that of the encoder; leave it out.")
            entry["feature_extractor"] = None
        elif extractor is None:
            raise SpatialLLMError("no feature_extractor; give the settings of its own (its preprocessor_config.json).")
        else:
            entry["feature_extractor"] = _settings(extractor)
    except SpatialLLMError as error:
        raise SpatialLLMError(f"{name} ({kind}): {error}") from None
    return entry


def _settings(extractor: SequenceFeatureExtractor | Mapping[str, Any]) -> dict[str, Any]:
    return settings_of(extractor_from(extractor) if isinstance(extractor, Mapping) else extractor)


# Building configs and extractors takes milliseconds, and one config is copied and loaded many times.
@functools.lru_cache(maxsize=32)
def _members(encoders: str, duration_s: float | None) -> tuple[Member, ...]:
    members: list[Member] = []
    for index, entry in enumerate(json.loads(encoders)):
        config: PreTrainedConfig = AutoConfig.for_model(**entry["encoder"])
        follows = getattr(config, "feature_extractor", None)
        settings = entry["feature_extractor"]
        extractor: RecordingFeatureExtractor | SequenceFeatureExtractor = follows() if follows else extractor_from(settings)
        try:
            member = MEMBERS[config.model_type](
                config,
                extractor,
                entry["channels"],
                entry["rows"],
                entry["columns"],
                tuple(entry["output_layers"]),
                duration_s if not members else members[0].duration_s,
            )
        except SpatialLLMError as error:
            raise SpatialLLMError(f"encoders[{index}] ({config.model_type}): {error}") from None
        members.append(member)
    return tuple(members)
