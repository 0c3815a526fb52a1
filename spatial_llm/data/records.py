"""Reads and writes the manifest: one JSON object a line, one record a question (step 0 in docs/architecture.md).

Reading is strict: a field that is missing, unknown, of another type or out of range, an id that occurs twice, or a path that
leads out of the manifest's folder raises an error with file, line and field. Missing files are reported all at once. All
paths are relative to the manifest's folder (see `data.paths`), so that a data folder can be moved as a whole.
"""

import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from spatial_llm.audio.formats import parse_format
from spatial_llm.data.further import check_further
from spatial_llm.data.paths import DataRoot, FileCheck, FileFacts
from spatial_llm.data.record import Known, Pair, Record, labels_of, paths_of
from spatial_llm.data.repeated_ids import RepeatedIds
from spatial_llm.data.scene_files import check_dry_sounds
from spatial_llm.errors import AudioError, ManifestError, SceneError, SpatialLLMError
from spatial_llm.jsonl import iter_lines, parse_object, plain_object, plain_object_and_end, write_jsonl
from spatial_llm.prompts import AUDIO_TOKEN
from spatial_llm.questions.about import check_about
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_checks import check_scene
from spatial_llm.validation import describe_validation

PAIRS_RATE = 32_000  # Hz; the protocols of pairs are defined at this rate only (BAT, arXiv 2402.01591)


_ADAPTER, _SCENE_ADAPTER = TypeAdapter(Record), TypeAdapter(Scene)
_SCENE_KEY = '"scene": '  # as json.dumps writes it
_REMEMBERED = 50_000  # number of answers and of file names that are cached
_SHORT = 200  # most characters of an answer that is cached


def read_manifest(path: str | Path, root: DataRoot | str | Path | None = None, look_for_files: bool = True) -> list[Record]:
    """Returns the records of a JSONL manifest, in order, all in memory; `data.manifest.open_manifest` is for long ones.

    Args:
        path: the manifest.
        root: where its file names start and which folders elsewhere are allowed; default: its own folder and none.
        look_for_files: False for work on questions and answers alone.

    Raises:
        ManifestError: see `iter_records`.
    """
    return [record for _, record in iter_records(path, root, look_for_files)]


def iter_records(
    path: str | Path, root: DataRoot | str | Path | None = None, look_for_files: bool = True
) -> Iterator[tuple[int, Record]]:
    """Yields the records of a manifest with their line numbers, checked one at a time. Errors about several records come at
    the end.

    Raises:
        ManifestError: a line is not a record (see the module); at the end: there was none, ids occur twice, or files that
            records name are missing or changed. File, line and field are named.
    """
    for checked in iter_checked(path, root, look_for_files):
        yield checked.number, checked.record


class CheckedLine(NamedTuple):
    """Holds a line of a manifest, its record, and those files it needs that recent lines did not need, as (field, name,
    facts)."""

    number: int
    text: str
    record: Record
    new_files: list[tuple[str, str, FileFacts | None]]


def iter_checked(
    path: str | Path, root: DataRoot | str | Path | None = None, look_for_files: bool = True
) -> Iterator[CheckedLine]:
    """Yields the lines of a manifest with their records, checked as in `iter_records`, with the same errors."""
    path = Path(path)
    files = FileCheck(DataRoot.of(path.parent if root is None else root), look_for_files)
    ids, reader, known, scene = RepeatedIds(path), RecordReader(), set[Any](), None
    for number, text in iter_lines(path):
        where = f"{path}:{number}"
        record = reader.read(text, where)
        ids.add(number, record.id)
        new = []
        if record.scene is None or record.scene is not scene or record.others is not None:
            for field, name in paths_of(record):
                facts = (record.files or {}).get(name)
                if (field, name, facts) not in known:
                    files.add(where, field, name, facts)
                    new.append((field, name, facts))
            scene = record.scene
            if len(known) > _REMEMBERED:
                known.clear()
            known.update(new)
        yield CheckedLine(number, text, record, new)
    ids.finish()
    files.finish()


def write_manifest(path: str | Path, records: Iterable[Record]) -> None:
    """Writes records as JSONL, one a line. The file is written completely or not at all."""
    write_jsonl(path, (record.to_dict() for record in records))


class RecordReader:
    """Reads the lines of one manifest, one after another.

    Most lines repeat much of the one before: questions about one recording share its scene, whose text is then compared
    instead of being checked again. A line that is not clearly right goes to `record_from_dict`, which raises the error.
    """

    def __init__(self) -> None:
        self._scene_text, self._scene = "", None

    def read(self, text: str, where: str) -> Record:
        """Returns the record on one line; `where` (file:line) starts every error message. Raises ManifestError as
        `record_from_dict`."""
        try:
            record = self._plain_record(text)
        except (ValidationError, SpatialLLMError):
            record = None
        return record_from_dict(parse_object(text, where), where) if record is None else record

    def _plain_record(self, text: str) -> Record | None:
        scene, start = None, text.find(_SCENE_KEY) + len(_SCENE_KEY)
        if start >= len(_SCENE_KEY):
            if not text.startswith(self._scene_text or "-", start) and not self._take_scene(text, start):
                return None
            scene, text = self._scene, text[:start] + "null" + text[start + len(self._scene_text) :]
            # The text that was cut out must have been the value of the record's own key, the only one of this name.
            if text.count('"scene"') != 1 or "\\u" in text:
                return None
        line = plain_object(text)
        if line is None or (scene is not None and line.get("scene", scene) is not None):
            return None
        record = _ADAPTER.validate_json(text)
        if scene is not None:
            record = Record(**{**vars(record), "scene": scene})  # takes a third of the time of dataclasses.replace
        _check_whole(record, "")
        return record

    def _take_scene(self, text: str, start: int) -> bool:
        """Keeps the scene that begins at `start` if it is valid; returns whether it is."""
        found = plain_object_and_end(text, start)
        if found is not None:
            scene_text = text[start : found[1]]
            scene = _SCENE_ADAPTER.validate_json(scene_text)
            check_scene(scene)
            self._scene_text, self._scene = scene_text, scene
        return found is not None


def record_from_dict(line: dict[str, Any], where: str = "record") -> Record:
    """Returns one manifest line as a checked record; `where` (file:line) starts every error message.

    Raises:
        ManifestError: see `iter_records`; everything but repeated ids and missing files is checked here.
    """
    try:
        record = _ADAPTER.validate_json(json.dumps(line))
        if record.scene is not None:
            check_scene(record.scene, f"{where}: scene")
        _check_whole(record, where)
    except ValidationError as error:
        raise ManifestError(f"{where}: {describe_validation(error)}") from None
    except RecursionError:
        raise ManifestError(f"{where}: nested too deeply for a record.") from None
    except SceneError as error:
        raise ManifestError(str(error)) from None
    return record


def _check_whole(record: Record, where: str) -> None:
    _check_question(record, where)
    _check_recording(record, where)
    if record.earlier is not None or record.others is not None:
        check_further(record, where)
        for index, other in enumerate(record.recordings[1:]):
            if other.scene is not None:
                check_scene(other.scene, f"{where}: others[{index}].scene")
            _check_recording(other, f"{where}: others[{index}]")


def _check_question(record: Record, where: str) -> None:
    if "" in vars(record).values():
        empty = [name for name, value in vars(record).items() if value == ""]
        raise ManifestError(f"{where}: {', '.join(empty)} is empty; expected a text.")
    if QUESTION_TYPES.get(record.question_type) != record.type:
        raise ManifestError(
            f"{where}: type {record.type!r} with question_type {record.question_type!r}; known are {QUESTION_TYPES}."
        )
    for field in ("question", "answer"):
        if AUDIO_TOKEN in getattr(record, field):
            raise ManifestError(
                f"{where}: {field} holds the audio placeholder {AUDIO_TOKEN!r}, which only the processor may put into a "
                "prompt; take it out."
            )
    read = _value_of_short if len(record.answer) <= _SHORT else parse_value
    value = read(record.question_type, record.answer)
    if value is None and record.pairs is not None:
        value = {}
    if value != record.truth:
        raise ManifestError(f"{where}: answer {record.answer!r} does not read as truth {record.truth}; correct either.")
    if record.about is not None:
        try:
            check_about(record.about, labels_of(record), record.truth)
        except SpatialLLMError as error:
            raise ManifestError(f"{where}: record {record.id!r}: about: {error}") from None


@functools.lru_cache(maxsize=_REMEMBERED)
def _value_of_short(question_type: str, answer: str) -> dict[str, Any] | None:
    return parse_value(question_type, answer)  # callers only compare it: a cached value must not be changed


def _check_recording(record: Record, where: str) -> None:
    forms = [name for name in ("audio", "scene", "pairs") if getattr(record, name) is not None]
    if len(forms) != 1:
        raise ManifestError(f"{where}: recording given as {forms or 'nothing'}; give one of 'audio', 'scene' and 'pairs'.")
    if record.sampling_rate <= 0:
        raise ManifestError(f"{where}: sampling_rate is {record.sampling_rate}; give Hz, such as 32000.")
    if (record.pairs is None) != (record.protocol is None):
        raise ManifestError(f"{where}: protocol is {record.protocol!r}; it belongs to 'pairs', which need it.")
    if record.pairs is not None:
        _check_pairs(record, where)
    if record.known is not None:
        if record.audio is None:
            raise ManifestError(f"{where}: known is for 'audio' only; scenes and pairs say what sounds where.")
        _check_known(record.known, where)
    _check_format(record, where)
    foreign = sorted(set(record.files) - {name for _, name in paths_of(record)}) if record.files else []
    if foreign or (record.files is not None and record.scene is not None):
        raise ManifestError(f"{where}: files names {foreign or 'a scene'}; it is for the files of 'audio' or 'pairs'.")
    scene = record.scene
    if scene is not None:
        if (scene.split, scene.sampling_rate) != (record.split, record.sampling_rate):
            raise ManifestError(
                f"{where}: split and sampling_rate are {record.split!r}, {record.sampling_rate}, those of the scene "
                f"{scene.split!r}, {scene.sampling_rate}; expected the same."
            )
        check_dry_sounds(scene, f"{where}: scene")


def _check_format(record: Record, where: str) -> None:
    if record.audio_format is None:
        return
    if record.audio is None:
        raise ManifestError(
            f"{where}: audio_format is {record.audio_format!r}; it is for 'audio' only: a scene has its own format, and "
            "pairs are binaural."
        )
    try:
        format = parse_format(record.audio_format)
        format.check_places("the array")
    except AudioError as error:
        raise ManifestError(f"{where}: audio_format: {error}") from None


def _check_pairs(record: Record, where: str) -> None:
    if len(record.pairs) not in (1, 2) or record.sampling_rate != PAIRS_RATE:
        raise ManifestError(
            f"{where}: {len(record.pairs)} pairs, sampling_rate {record.sampling_rate}; expected one or two at {PAIRS_RATE}."
        )
    for index, pair in enumerate(record.pairs):
        _check_place(pair, where, f"pairs[{index}]")


def _check_known(known: Known, where: str) -> None:
    _check_place(known, where, "known")
    if known.sounds is None:
        return
    if not known.sounds or known.labels is not None or known.place != (None, None, None):
        raise ManifestError(
            f"{where}: known.sounds is {len(known.sounds)} sounds beside labels {known.labels} and place {known.place}; "
            "give one sound or more, each with its own label and place, and no other."
        )
    for index, sound in enumerate(known.sounds):
        name = f"known.sounds[{index}]"
        _check_place(sound, where, name)
        if sound.folded and (sound.azimuth_deg is None or abs(sound.azimuth_deg) > 90):
            raise ManifestError(f"{where}: {name}.azimuth_deg is {sound.azimuth_deg}; folded, expected -90 to 90.")
        onset_s, offset_s = sound.onset_s or 0.0, sound.offset_s
        if onset_s < 0 or (offset_s is not None and offset_s <= onset_s):
            raise ManifestError(
                f"{where}: {name} lasts from {onset_s} to {offset_s} s; expected 0 or later, and an end after."
            )


def _check_place(place: Pair | Known | HeardSource, where: str, name: str) -> None:
    allowed = (
        ("azimuth_deg", place.azimuth_deg is None or -180 < place.azimuth_deg <= 180, "in (-180, 180]"),
        ("elevation_deg", place.elevation_deg is None or -90 <= place.elevation_deg <= 90, "in [-90, 90]"),
        ("distance_m", place.distance_m is None or place.distance_m > 0, "above 0"),
    )
    for field, good, expected in allowed:
        if not good:
            raise ManifestError(f"{where}: {name}.{field} is {getattr(place, field)}; expected {expected}.")
