"""Audio formats: what the channels of a recording are. A recording, a record, an encoder and `ask` each have one.

Two formats are compared, never guessed from a number of channels: where a recording and its user disagree, `check_same`
names both. Channel orders: binaural left, right; ambisonics ACN with SN3D normalisation (W Y Z X ...), order n has
(n + 1)^2 channels; an array its microphones in the order of their coordinates; mono one omnidirectional microphone;
mid-side stereo left, right.

A format is written as a short text (`parse_format`: "binaural", "foa", "array:[[x, y, z], ...]"), in scenes and banks as a
JSON object (`format_from_dict`, `format_to_dict`), or as a file of its own (`microphone_file`). A new format is one file
here, one entry of `FORMATS`, and one microphone in `scenes.microphones`.
"""

import os
from dataclasses import MISSING, asdict, fields
from typing import Any

from spatial_llm.audio.formats.ambisonics import MAX_ORDER, Ambisonics
from spatial_llm.audio.formats.array import Array
from spatial_llm.audio.formats.base import AudioFormat, Xyz
from spatial_llm.audio.formats.binaural import BINAURAL, Binaural
from spatial_llm.audio.formats.field import Field
from spatial_llm.audio.formats.mono import Mono
from spatial_llm.audio.formats.stereo_ms import StereoMs
from spatial_llm.errors import AudioError

__all__ = [
    "BINAURAL",
    "FORMATS",
    "MAX_ORDER",
    "Ambisonics",
    "Array",
    "AudioFormat",
    "Binaural",
    "Field",
    "Mono",
    "StereoMs",
    "Xyz",
    "as_format",
    "check_same",
    "format_from_dict",
    "format_to_dict",
    "needs_ears",
    "parse_format",
    "parse_input_format",
]

FORMATS: dict[str, type[AudioFormat]] = {each.kind: each for each in (Binaural, Ambisonics, Array, Mono, StereoMs)}
MICROPHONE_SUFFIXES = (".yaml", ".yml", ".json")
_FIRST_FIELDS = ("sofa", "order", "positions_m")  # of version 0.1; files hold these three for every kind


def parse_format(text: str) -> AudioFormat:
    """Returns the format of a short text: "binaural", "binaural:<file.sofa>", "ambisonics1" to "ambisonics3", "foa" (the
    first order), "mono", "stereo_ms", or "array:[[x, y, z], ...]" with coordinates in metres.

    Raises:
        AudioError: none of these.
    """
    return _parsed(text, tuple(FORMATS.values()))


def parse_input_format(text: str) -> AudioFormat:
    """Returns what an encoder takes: a format of `parse_format`, or "field" or "field:ambisonics" (see `Field`).

    Raises:
        AudioError: none of these.
    """
    return _parsed(text, (Field, *FORMATS.values()))


def _parsed(text: str, kinds: tuple[type[AudioFormat], ...]) -> AudioFormat:
    for each in kinds:
        if isinstance(text, str) and (found := each.parse(text)) is not None:
            return found
    raise AudioError(f"format {text!r} is not known; give {', '.join(each.texts for each in kinds)}.")


def as_format(value: "AudioFormat | str | os.PathLike") -> AudioFormat:
    """Returns a format as it is, from its short text, or from a file that describes the microphone: a path that ends in
    .yaml, .yml or .json.

    Raises:
        AudioError: see `parse_format` and `microphone_file.read_microphone`.
    """
    if isinstance(value, AudioFormat):
        return value
    if isinstance(value, str | os.PathLike) and os.fspath(value).lower().endswith(MICROPHONE_SUFFIXES):
        from spatial_llm.audio.formats.microphone_file import read_microphone  # reads YAML, which takes time to import

        return read_microphone(value)
    format = parse_format(value)
    format.check_places("the array")
    return format


def format_from_dict(value: Any) -> AudioFormat:
    """Returns a format from its JSON object: `kind` (default "binaural") and the fields of that kind; others may be null.

    Raises:
        AudioError: no such kind, a field that the kind does not have or one that is missing, or a value it cannot have.
    """
    if not isinstance(value, dict):
        raise AudioError(f'format is {value!r}; expected an object such as {{"kind": "ambisonics", "order": 1}}.')
    kind, given = value.get("kind", BINAURAL.kind), {k: v for k, v in value.items() if k != "kind" and v is not None}
    if not isinstance(kind, str) or kind not in FORMATS:
        raise AudioError(f"format kind is {kind!r}; known are {', '.join(FORMATS)}.")
    known = fields(FORMATS[kind])
    needed = {each.name for each in known if each.default is MISSING}
    if set(given) - {each.name for each in known} or needed - set(given):
        expected = [each.name for each in known] or "none"
        raise AudioError(f"format {kind!r} with {sorted(given)}; expected {expected}.")
    return FORMATS[kind].from_fields(given)


def format_to_dict(format: AudioFormat) -> dict[str, Any]:
    """Returns the JSON object of a format, with the fields of version 0.1, null where they are not its own, and with later
    fields where they are not their default; `format_from_dict` is the inverse."""
    defaults = {each.name: each.default for each in fields(format) if each.name not in _FIRST_FIELDS}
    own = {name: value for name, value in asdict(format).items() if name in _FIRST_FIELDS or value != defaults[name]}
    return {"kind": format.kind} | dict.fromkeys(_FIRST_FIELDS) | own


def check_same(given: AudioFormat, wanted: AudioFormat, name: str = "the recording", user: str = "the encoder") -> None:
    """Raises AudioError, naming both, where the channels of `given` are not those that `user` takes."""
    if not wanted.takes(given):
        taken = f"{wanted.name} ({wanted.formats})" if isinstance(wanted, Field) else _described(wanted)
        raise AudioError(f"{name} is {_described(given)}; {user} takes {taken}.")


def needs_ears(given: AudioFormat, wanted: AudioFormat) -> bool:
    """Returns whether a user of two ears is given a recording of something else, which has to be rendered to ears."""
    return wanted.layout == BINAURAL and not wanted.takes(given.internal)


def _described(format: AudioFormat) -> str:
    return f"{format.name} with {format.channels} channel{'s' if format.channels > 1 else ''}"
