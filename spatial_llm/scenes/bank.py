"""A bank of room responses on disk: written once (see `bank_simulation`, `response_files`), then read many times.

It is a folder with `responses-<format>.npy` float32 (rows, channels, samples) for each audio format, read as memory maps;
`geometry.jsonl`, one line a row; and `bank.json` with formats, configuration, reverberation and provenance. A row is one
source position in one room for one listener; its geometry is the same in every format.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from spatial_llm.audio.formats import AudioFormat, Xyz, format_from_dict, format_to_dict
from spatial_llm.errors import SceneError
from spatial_llm.files import atomic_path, file_stamp, new_array, write_json
from spatial_llm.jsonl import read_jsonl, write_jsonl
from spatial_llm.provenance import provenance
from spatial_llm.scenes.scene import Listener, Room
from spatial_llm.validation import STRICT, describe_validation

GEOMETRY, BANK = "geometry.jsonl", "bank.json"


@dataclass(frozen=True)
class BankRow:
    """Where the response of one row was simulated or measured.

    Attributes:
        room, listener, position_m: the geometry; position_m is that of the source in the room's frame.
        rt60_s: reverberation time of the room (T20).
        drr_db: direct-to-reverberant ratio.
    """

    room: Room
    listener: Listener
    position_m: Xyz
    rt60_s: float | None = None
    drr_db: float | None = None


BankRow.__pydantic_config__ = STRICT
_ROW = TypeAdapter(BankRow)


@dataclass(frozen=True, eq=False)
class ResponseBank:
    """The responses of a bank and the geometry of each.

    Attributes:
        folder: where the bank is.
        responses: by format name, float32 (rows, channels, samples).
        rows: the geometry of each row.
        formats: of the responses.
        sampling_rate: Hz.
        propagation_delay: whether responses begin with the time that sound takes from source to listener (those of
            SoundSpaces do not).
        simulated: True for simulated responses, False for measured ones.
        heads: by format name, SHA-256 of the SOFA file that responses were simulated with; missing in banks of older
            versions.
    """

    folder: Path
    responses: Mapping[str, np.ndarray]
    rows: Sequence[BankRow]
    formats: Sequence[AudioFormat]
    sampling_rate: int
    propagation_delay: bool
    simulated: bool
    heads: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path) -> "ResponseBank":
        """Opens a bank without reading the responses. Raises SceneError when a file is missing or they disagree."""
        folder = Path(folder)
        if not (folder / BANK).is_file() or not (folder / GEOMETRY).is_file():
            raise SceneError(f"{folder}: no bank of room responses ({BANK}, {GEOMETRY}); simulate it again.")
        settings, formats = _read_settings(folder / BANK)
        rows = [_row(line, f"{folder / GEOMETRY}:{number}") for number, line in read_jsonl(folder / GEOMETRY)]
        responses = {}
        for kind in formats:
            file = folder / responses_file(kind)
            if not file.is_file():
                raise SceneError(f"{folder}: no bank of room responses, {file.name} missing; simulate it again.")
            try:
                responses[kind.name] = np.load(file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise SceneError(f"{file}: no readable array ({error}); simulate the bank again.") from None
            found = responses[kind.name]
            if found.dtype != np.float32 or found.ndim != 3 or found.shape[:2] != (len(rows), kind.channels):
                raise SceneError(
                    f"{folder}: {file.name} is {found.dtype} {found.shape}, {GEOMETRY} has {len(rows)} lines; "
                    f"expected float32 ({len(rows)}, {kind.channels}, samples); simulate the bank again."
                )
        known = (int(settings["sampling_rate"]), bool(settings["propagation_delay"]), bool(settings["simulated"]))
        return cls(folder, responses, rows, formats, *known, settings.get("heads", {}))

    def __len__(self) -> int:
        return len(self.rows)

    def response(self, row: int, kind: AudioFormat, mirror: bool = False) -> np.ndarray:
        """Returns one response in a format, float32 (channels, samples); `mirror` gives that of the mirrored room.

        Raises:
            SceneError: the bank has no such row, or not this format, or the format cannot be mirrored.
        """
        self.geometry(row)
        if kind.name not in self.responses:
            raise SceneError(f"{self.folder}: no responses for {kind.name}; the bank has {', '.join(self.responses)}.")
        response = np.array(self.responses[kind.name][row])
        if mirror and kind.mirrors_exactly() and not kind.mirrors_exactly(measured=not self.simulated):
            raise SceneError(f"{self.folder}: measured with a head whose ears need not be alike; set mirror: false.")
        return mirror_response(response, kind) if mirror else response

    def geometry(self, row: int) -> BankRow:
        """Returns room, listener and source of one row, unmirrored."""
        if not 0 <= row < len(self.rows):
            raise SceneError(f"{self.folder}: response {row} asked for, the bank has rows 0 to {len(self.rows) - 1}.")
        return self.rows[row]


def open_bank(folder: Path) -> ResponseBank:
    """Loads as `ResponseBank.load`, and keeps the bank in memory until a file of it changes. Raises SceneError as that
    does."""
    try:
        stamps = tuple(file_stamp(folder / name) for name in (BANK, GEOMETRY, *sorted(_responses_in(folder))))
    except OSError:
        stamps = ()  # loading it raises the error
    return _open(folder, stamps)


@functools.lru_cache(maxsize=8)
def _open(folder: Path, _stamps: tuple) -> ResponseBank:
    return ResponseBank.load(folder)


def _responses_in(folder: Path) -> list[str]:
    return [entry.name for entry in os.scandir(folder) if entry.name.startswith("responses-")]


def mirror_response(response: np.ndarray, kind: AudioFormat) -> np.ndarray:
    """Returns the response (channels, samples) of the mirrored room, left and right exchanged.

    Raises:
        SceneError: this format has no exact mirror image: a head that is not KEMAR, or an array.
    """
    if not kind.mirrors_exactly():
        raise SceneError(f"{kind.name} cannot be mirrored: no operation on its channels gives the mirror image exactly.")
    return kind.mirror(response)


def responses_file(kind: AudioFormat) -> str:
    """Returns the name of the file with the responses in a format."""
    return f"responses-{kind.name}.npy"


def write_bank(
    folder: str | Path,
    rows: Sequence[BankRow],
    responses: Mapping[AudioFormat, Iterable[np.ndarray]],
    samples: int,
    sampling_rate: int,
    config: dict[str, Any],
    propagation_delay: bool,
    simulated: bool = True,
    seed: int = 0,
    heads: Mapping[str, str] | None = None,
) -> ResponseBank:
    """Writes a bank, whole or not at all.

    Args:
        responses: for each format its responses in the order of `rows`, each (channels, up to `samples`) float32.
        samples: length of all responses; shorter ones are padded with zeros.
        config: what it was made from, for the reader of bank.json.
        heads: see `ResponseBank`.

    Raises:
        SceneError: numbers of rows and responses differ, or one is longer or of another layout.
    """
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for kind, each in responses.items():
            shape = (len(rows), kind.channels, samples)
            file = new_array(temporary / responses_file(kind), np.float32, shape)
            count = 0
            for count, response in enumerate(each, start=1):
                if count > len(rows) or response.shape[0] != kind.channels or response.shape[1] > samples:
                    raise SceneError(
                        f"response {count} of {len(rows)} is {response.shape}; expected ({kind.channels}, {samples})."
                    )
                file[count - 1, :, : response.shape[1]] = response
            if count != len(rows):
                raise SceneError(f"{count} responses for {len(rows)} rows of geometry; expected as many.")
            file.flush()
            del file
        lines = (_ROW.dump_python(row, mode="json", exclude={"listener": {"headings"}}) for row in rows)
        write_jsonl(temporary / GEOMETRY, ({"row": number, **line} for number, line in enumerate(lines)))
        settings = {
            "formats": [format_to_dict(kind) for kind in responses],
            "sampling_rate": sampling_rate,
            "propagation_delay": propagation_delay,
            "config": config,
            "simulated": simulated,
            "scale": "a source in front at 1 m in free field has unit gain" if simulated else "as measured",
            "rt60_s": _spread([row.rt60_s for row in rows if row.rt60_s is not None]),
            "provenance": provenance(seed=seed),
        } | ({"heads": dict(heads)} if heads else {})
        write_json(temporary / BANK, settings)
    return ResponseBank.load(folder)


def _read_settings(file: Path) -> tuple[dict[str, Any], list[AudioFormat]]:
    """Returns the settings in bank.json, with the used ones checked, and the formats."""
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        absent = {"formats", "sampling_rate", "propagation_delay", "simulated"} - settings.keys()
        if not absent:
            return settings, [format_from_dict(value) for value in settings["formats"]]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise SceneError(f"{file}: cannot be read ({str(error).splitlines()[0]}); simulate the bank again.") from None
    raise SceneError(f"{file}: {', '.join(sorted(absent))} missing; it is of another version, simulate it anew.")


def _row(line: dict[str, Any], where: str) -> BankRow:
    try:
        row = _ROW.validate_json(json.dumps({name: value for name, value in line.items() if name != "row"}))
    except ValidationError as error:
        raise SceneError(f"{where}: {describe_validation(error)}") from None
    if row.listener.headings:
        raise SceneError(
            f"{where}: listener.headings: a response is heard from one heading; leave them out, give heading_deg."
        )
    return row


def _spread(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    low, median, high = (round(float(np.percentile(values, share)), 3) for share in (0, 50, 100))
    return {"lowest": low, "median": median, "highest": high}
