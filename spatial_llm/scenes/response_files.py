"""Imports measured room responses, or those of other simulators, as a bank (`bank.write_bank`).

There are two sources: sound files with a CSV of geometry, and the `.npy` trees of SoundSpaces with their JSON lists, as
released with SpatialSoundQA (BAT, arXiv 2402.01591). Rooms of unknown size hold only responses: the listener is at the
origin and looks along x, and positions are relative to it. The responses are resampled and otherwise unchanged;
reverberation time and direct-to-reverberant ratio are measured from them.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_llm.audio.formats import BINAURAL, AudioFormat, Xyz, parse_format
from spatial_llm.audio.io import read_audio, resample
from spatial_llm.errors import ManifestError, SceneError
from spatial_llm.files import below
from spatial_llm.geometry import SPEED_OF_SOUND_M_S, direction_to_vector, soundspaces_to_internal
from spatial_llm.scenes.bank import BankRow, ResponseBank, write_bank
from spatial_llm.scenes.csv_rows import read_csv_rows
from spatial_llm.scenes.room.acoustics import rt60_s
from spatial_llm.scenes.scene import Listener, Room
from spatial_llm.scenes.sound_files import say

COLUMNS = ("file", "format", "room", "azimuth_deg", "elevation_deg", "distance_m")
SOUNDSPACES_RATE = 32000  # of the release; .npy files state none
ONSET_DB = 20.0  # the direct sound begins where a response first comes this near to its peak
DIRECT_S = (0.001, 0.0025)  # time before and after that onset which counts as direct sound
LATE_S = 0.01  # a response whose onset is later than its distance allows by this gives a warning
# Kinds of formats that can be imported -> whether the text of an index names that format.
_NAMED = {
    "binaural": lambda text: text.startswith("binaural"),
    "ambisonics": lambda text: "acn" in text and "sn3d" in text,
}
SHOWN = 5  # missing files that an error names


@dataclass(frozen=True)
class _Place:
    """One response to import: its line (file:line), its file, room, and position relative to the listener."""

    where: str
    path: Path
    room: str
    position_m: Xyz


@dataclass(frozen=True)
class _Measured:
    """What is measured from a response (channels, samples)."""

    samples: int
    onset_s: float
    rt60_s: float
    drr_db: float


def bank_from_index(
    index: str | Path, folder: str | Path, format: str, sampling_rate: int, rooms: Sequence[str] | None = None
) -> ResponseBank:
    """Builds a bank from sound files with a CSV of their geometry.

    Columns: file (relative to the CSV's folder, any rate), format (text that begins with "binaural", left first, or that
    names ACN and SN3D), room, azimuth_deg (counter-clockwise from the front), elevation_deg, distance_m; others are
    ignored. Whether responses begin with the way through the air is measured: they do if the onsets fit the distances better
    than no delay at all.

    Args:
        folder: of the bank.
        format: "binaural", or ambisonics of an order, see `audio.formats.parse_format`. Rows of other formats are left out.
        sampling_rate: of the bank, Hz.
        rooms: only these; None = all.

    Raises:
        SceneError, ManifestError, AudioError: a column, value, room or file is missing or wrong; line and column are named.
    """
    index, kind = Path(index), parse_format(format)
    if kind.kind not in _NAMED or kind.sofa is not None:
        raise SceneError(f"{index}: responses for {kind.name}; known here are binaural and ambisonics1 to ambisonics3.")
    rows = read_csv_rows(index, COLUMNS)
    chosen = [(where, row) for where, row in rows if _NAMED[kind.kind](_text(row["format"]))]
    if not chosen:
        found = sorted({str(row["format"]) for _, row in rows})
        raise SceneError(f"{index}: no row is in format {kind.name}; there are {found}.")
    unknown = [row["file"] for _, row in rows if not any(named(_text(row["format"])) for named in _NAMED.values())]
    if unknown:
        say(str(index), {"responses are left out, whose format is neither binaural nor in ACN and SN3D": unknown})
    places = []
    for where, row in chosen:
        if not row["room"]:
            raise SceneError(f"{where}: room is empty; expected a name.")
        azimuth_deg, elevation_deg, distance_m = (_number(where, name, row[name]) for name in COLUMNS[3:])
        if abs(azimuth_deg) > 360 or abs(elevation_deg) > 90 or distance_m <= 0:
            raise SceneError(f"{where}: azimuth_deg {azimuth_deg}, elevation_deg {elevation_deg}, distance_m {distance_m}; "
                             "expected -360 to 360, -90 to 90, above 0.")  # fmt: skip
        position_m = direction_to_vector(azimuth_deg, elevation_deg, distance_m)
        places.append(_Place(where, _below(where, "file", index.parent, row["file"]), row["room"], _rounded(position_m)))

    def read(place: _Place) -> np.ndarray:
        waveform, rate = read_audio(place.path)
        return _checked(resample(waveform, rate, sampling_rate), kind, place)

    return _write(_in_rooms(places, rooms, index), read, kind, folder, sampling_rate, index, propagation_delay=None)


def bank_from_soundspaces(
    list_json: str | Path, folder: str | Path, sampling_rate: int, rooms: Sequence[str] | None = None
) -> ResponseBank:
    """Builds a binaural bank from a SoundSpaces tree: `binaural/<scene>/<n>.npy` beside the list, each (ears, samples) at 32
    kHz, and the list {"data": [{"fname": "<scene>/<n>.npy", "sensor_position": "x,y,z", "source_position": "x,y,z"}, ...]}.

    The frame of the list is x right, y up, z behind (Spatial-AST `data/dataset.py`). All listeners look to -z from different
    places, so positions are relative to each listener. The responses do not begin with the way through the air. Each scene
    of the list is a room.

    Args: as `bank_from_index`.

    Raises:
        SceneError, ManifestError: no such list, an item that is none, or files that are missing; they are named.
    """
    list_json, kind = Path(list_json), BINAURAL
    root = list_json.parent / "binaural"
    places = [_soundspaces_place(f"{list_json}: data[{i}]", item, root) for i, item in enumerate(_read_list(list_json))]

    def read(place: _Place) -> np.ndarray:
        try:
            response = np.load(place.path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SceneError(f"{place.where}: {place.path} is no readable array ({error}).") from None
        return resample(_checked(response, kind, place), SOUNDSPACES_RATE, sampling_rate)

    return _write(_in_rooms(places, rooms, list_json), read, kind, folder, sampling_rate, list_json, propagation_delay=False)


def _read_list(list_json: Path) -> list[object]:
    try:
        value = json.loads(list_json.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SceneError(
            f"{list_json}: cannot be opened ({error.strerror}); give a list such as train_reverberation.json."
        ) from None
    except (ValueError, RecursionError) as error:
        raise SceneError(f"{list_json}: not JSON ({error}).") from None
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise SceneError(f'{list_json}: expected {{"data": [...]}}.')
    return value["data"]


def _soundspaces_place(where: str, item: object, root: Path) -> _Place:
    names = ("fname", "sensor_position", "source_position")
    if not isinstance(item, dict) or not all(isinstance(item.get(name), str) for name in names):
        raise SceneError(f"{where}: {str(item)[:100]}; expected an object with the texts {', '.join(names)}.")
    sensor, source = (
        [_number(where, name, part) for part in item[name].split(",")] for name in ("sensor_position", "source_position")
    )
    if len(sensor) != 3 or len(source) != 3 or np.allclose(sensor, source, atol=0.01):
        raise SceneError(f"{where}: sensor_position {item['sensor_position']!r}, source_position "
                         f"{item['source_position']!r}; expected two different positions \"x,y,z\".")  # fmt: skip
    position_m = soundspaces_to_internal(np.subtract(source, sensor))
    path = _below(where, "fname", root, item["fname"])
    return _Place(where, path, path.relative_to(root).parts[0], _rounded(position_m))


def _write(
    places: Sequence[_Place],
    read: Callable[[_Place], np.ndarray],
    kind: AudioFormat,
    folder: str | Path,
    sampling_rate: int,
    source: Path,
    propagation_delay: bool | None,
) -> ResponseBank:
    missing = [f"{place.where}: {place.path}" for place in places if not place.path.is_file()]
    if missing:
        shown = "\n  ".join(missing[:SHOWN])
        raise SceneError(f"{len(missing)} of {len(places)} responses are not there:\n  {shown}")
    # Read twice, so that a set of any size passes through: once to measure, once to copy.
    measured = [_measure(read(place), sampling_rate) for place in places]
    decays: dict[str, list[float]] = {}
    for place, each in zip(places, measured, strict=True):
        decays.setdefault(place.room, []).extend([each.rt60_s] if np.isfinite(each.rt60_s) else [])
    rows = [
        BankRow(
            Room(place.room),
            Listener(),
            place.position_m,
            round(float(np.mean(decays[place.room])), 4) if decays[place.room] else None,
            round(each.drr_db, 3) if np.isfinite(each.drr_db) else None,
        )
        for place, each in zip(places, measured, strict=True)
    ]
    if propagation_delay is None:
        ways_s = np.linalg.norm([place.position_m for place in places], axis=1) / SPEED_OF_SOUND_M_S
        onsets_s = np.array([each.onset_s for each in measured])
        propagation_delay = bool(np.mean(np.abs(onsets_s - ways_s)) < np.mean(onsets_s))
        late = np.flatnonzero(onsets_s - ways_s > LATE_S) if propagation_delay else []
        if len(late):
            first = places[late[0]]
            warnings.warn(
                f"{source}: {len(late)} of {len(places)} responses begin more than {1e3 * LATE_S:g} ms after sound has come "
                f"all the way, such as {first.where} ({first.path.name}); is direct sound missing, or the distance wrong?",
                stacklevel=3,
            )

    def all_responses() -> Iterator[np.ndarray]:
        yield from (read(place) for place in places)

    samples = max(each.samples for each in measured)
    config = {"imported_from": source.name}
    responses = {kind: all_responses()}
    return write_bank(folder, rows, responses, samples, sampling_rate, config, propagation_delay, simulated=False)


def _measure(response: np.ndarray, sampling_rate: int) -> _Measured:
    envelope = np.abs(response).max(axis=0)
    onset = int(np.argmax(envelope >= envelope.max() * 10 ** (-ONSET_DB / 20)))
    energy = np.sum(np.square(response, dtype=np.float64), axis=0)
    begin, end = max(0, onset - round(DIRECT_S[0] * sampling_rate)), onset + round(DIRECT_S[1] * sampling_rate)
    direct, rest = energy[begin:end].sum(), energy[end:].sum()
    drr_db = 10 * np.log10(direct / rest) if rest > 0 else np.inf
    return _Measured(response.shape[1], onset / sampling_rate, rt60_s(response, sampling_rate), float(drr_db))


def _checked(response: np.ndarray, kind: AudioFormat, place: _Place) -> np.ndarray:
    right = response.ndim == 2 and response.shape[0] == kind.channels and response.shape[1] > 0
    if not right or not np.issubdtype(response.dtype, np.floating):
        raise SceneError(f"{place.where}: {place.path} is {response.dtype} {response.shape}; expected floating point "
                         f"({kind.channels}, samples) for {kind.name}.")  # fmt: skip
    if not np.isfinite(response).all() or not response.any():
        raise SceneError(f"{place.where}: {place.path} is silent or holds values that are not finite; leave it out.")
    dead = [index for index, ear in enumerate(response) if not ear.any()]
    if kind.layout == BINAURAL and dead:
        raise SceneError(f"{place.where}: ear {dead[0]} of {place.path} is silent, so it has no direction; leave it out.")
    return response.astype(np.float32)


def _text(text: str | None) -> str:
    return (text or "").lower()


def _in_rooms(places: list[_Place], rooms: Sequence[str] | None, source: Path) -> list[_Place]:
    known = {place.room for place in places}
    unknown = sorted(set(rooms or ()) - known)
    if unknown or not places:
        raise SceneError(f"{source}: no responses of room {unknown or 'any'}; there are {sorted(known)[:20]}.")
    return [place for place in places if rooms is None or place.room in rooms]


def _below(where: str, field: str, root: Path, name: str | None) -> Path:
    try:
        return below(root, name or "")
    except ManifestError as error:
        raise SceneError(f"{where}: {field} {error}") from None


def _number(where: str, name: str, text: str | None) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = float("nan")
    if not np.isfinite(value):
        raise SceneError(f"{where}: {name} is {text!r}; expected a finite number.")
    return value


def _rounded(position_m: np.ndarray) -> Xyz:
    x, y, z = (round(float(value), 4) + 0.0 for value in position_m)
    return x, y, z
