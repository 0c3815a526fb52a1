"""The manifest: one JSON object a line, one record a question (station 0 of the path of the data).

Reading is strict: a field missing, unknown, of another type or out of range, an id that stands twice, or a path that
leads out of the manifest's folder stops with file, line and field; files that are missing are reported all at once. All
paths are relative to the manifest's folder (see `data.paths`), so that a data folder can be moved whole.
"""

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from spatial_llm.audio.formats import BINAURAL, AudioFormat, parse_format
from spatial_llm.data.paths import SHOWN, DataRoot, FileCheck, FileFacts
from spatial_llm.errors import AudioError, ManifestError, SceneError, SpatialLLMError
from spatial_llm.jsonl import iter_jsonl, write_jsonl
from spatial_llm.prompts import AUDIO_TOKEN
from spatial_llm.questions.about import About, check_about
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from spatial_llm.scenes.events import SYNTH_PREFIX
from spatial_llm.scenes.scene import STRICT, Scene, check_scene, describe_validation, scene_from_dict, scene_to_dict

PAIRS_RATE = 32_000  # of recordings given as pairs: their protocols are defined at this rate only (specs a.1)


@dataclass(frozen=True)
class Pair:
    """One source of a recording as the released data have it: a dry sound and a room response, two files.

    labels: its event classes; azimuth_deg, elevation_deg, distance_m: where the response puts it, in the internal frame.
    Each is None where the release does not say.
    """

    audio: str
    response: str
    labels: tuple[str, ...] | None = None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class Record:
    """One question about one recording, which is given in one of three forms: `audio`, a file; `scene`, from which it is
    rendered; or `pairs`, one or two dry sounds and responses to be convolved by `protocol`.

    recording_id is shared by all questions about one recording. truth: see `questions.types.parse_value`; {} is for pairs
    only, where the released answer cannot be read by our parsers (scoring counts and leaves out such records). about: the
    meaning of the question, as the family that asked it wrote it; None in data of others and in manifests of earlier
    versions.
    files: what the files of `audio` or `pairs` were when the manifest was written; reading compares it. audio_format: what
    the file of `audio` is, as a short text (see `audio.formats.parse_format`); None = binaural.
    """

    id: str
    recording_id: str
    type: str
    question_type: str
    question: str
    answer: str
    truth: dict[str, Any]
    split: Literal["train", "eval"]
    sampling_rate: int
    about: About | None = None
    audio: str | None = None
    scene: Scene | None = None
    pairs: tuple[Pair, ...] | None = None
    protocol: Literal["official_bat", "checkpoint_matched"] | None = None
    files: dict[str, FileFacts] | None = None
    audio_format: str | None = None

    @property
    def format(self) -> AudioFormat:
        """What its recording is: the scene's format, that of the file, or two ears for pairs."""
        if self.scene is not None:
            return self.scene.format
        return BINAURAL if self.audio_format is None else parse_format(self.audio_format)

    def to_dict(self) -> dict[str, Any]:
        """The record as its manifest line; `record_from_dict` is the way back."""
        line = {name: value for name, value in vars(self).items() if value is not None}
        if self.about is not None:
            line["about"] = self.about.to_dict()
        if self.scene is not None:
            line["scene"] = scene_to_dict(self.scene)
        if self.pairs is not None:
            line["pairs"] = [_given(pair) for pair in self.pairs]
        if self.files is not None:
            line["files"] = {name: _given(facts) for name, facts in self.files.items()}
        return line


for _kind in (Pair, FileFacts, Record):
    _kind.__pydantic_config__ = STRICT
_ADAPTER = TypeAdapter(Record)


def _given(value: Any) -> dict[str, Any]:
    given = ((name, item) for name, item in vars(value).items() if item is not None)
    return {name: list(item) if isinstance(item, tuple) else item for name, item in given}


def read_manifest(path: str | Path, root: DataRoot | str | Path | None = None, look_for_files: bool = True) -> list[Record]:
    """The records of a JSONL manifest, in order, all in memory; `data.manifest.open_manifest` is for long ones.

    Args:
        path: the manifest.
        root: where its names start and which folders elsewhere are allowed; default its own folder and none.
        look_for_files: False for work on questions and answers alone.

    Raises:
        ManifestError: see `iter_records`.
    """
    return [record for _, record in iter_records(path, root, look_for_files)]


def iter_records(
    path: str | Path, root: DataRoot | str | Path | None = None, look_for_files: bool = True
) -> Iterator[tuple[int, Record]]:
    """The records of a manifest with their line numbers, checked one at a time; what concerns several is raised at the end.

    Raises:
        ManifestError: a line is not a record (see the module); at the end: there was none, ids stand twice, or files that
            records name are missing or changed. File, line and field are named.
    """
    path = Path(path)
    files = FileCheck(DataRoot.of(path.parent if root is None else root), look_for_files)
    ids = _Ids(path)
    for number, line in iter_jsonl(path):
        where = f"{path}:{number}"
        record = record_from_dict(line, where)
        ids.add(number, record.id)
        for field, name in paths_of(record):
            files.add(where, field, name, (record.files or {}).get(name))
        yield number, record
    ids.finish()
    files.finish()


def write_manifest(path: str | Path, records: Iterable[Record]) -> None:
    """Writes records as JSONL, one a line, whole or not at all."""
    write_jsonl(path, (record.to_dict() for record in records))


def read_scenes(path: str | Path) -> list[Scene]:
    """The scenes of a JSONL file, one a line, in order. Raises ManifestError, see `iter_scenes`."""
    return [scene for _, scene in iter_scenes(path)]


def iter_scenes(path: str | Path) -> Iterator[tuple[int, Scene]]:
    """The scenes of a file with their line numbers, checked one at a time; what concerns several is raised at the end.

    Raises:
        ManifestError: a line is not a scene; at the end: there was none, ids stand twice, or files that scenes name are
            missing. File, line and field are named.
    """
    path = Path(path)
    files, ids = FileCheck(DataRoot(path.parent)), _Ids(path)
    for number, line in iter_jsonl(path):
        where = f"{path}:{number}"
        try:
            scene = scene_from_dict(line, where)
        except SceneError as error:
            raise ManifestError(str(error)) from None
        _check_dry_sounds(scene, where)
        ids.add(number, scene.id)
        for field, name in _paths_of_scene(scene):
            files.add(where, field, name)
        yield number, scene
    ids.finish()
    files.finish()


def record_from_dict(line: dict[str, Any], where: str = "record") -> Record:
    """One manifest line as a checked record; `where` (file:line) starts every error message.

    Raises:
        ManifestError: see `iter_records`; everything but repeated ids and missing files is checked here.
    """
    try:
        record = _ADAPTER.validate_json(json.dumps(line))
        if record.scene is not None:
            check_scene(record.scene, f"{where}: scene")
    except ValidationError as error:
        raise ManifestError(f"{where}: {describe_validation(error)}") from None
    except RecursionError:
        raise ManifestError(f"{where}: nested too deeply for a record.") from None
    except SceneError as error:
        raise ManifestError(str(error)) from None
    _check_question(record, where)
    _check_recording(record, where)
    return record


def _check_question(record: Record, where: str) -> None:
    empty = [name for name, value in vars(record).items() if value == ""]
    if empty:
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
    value = parse_value(record.question_type, record.answer)
    if value is None and record.pairs is not None:
        value = {}
    if value != record.truth:
        raise ManifestError(f"{where}: answer {record.answer!r} does not read as truth {record.truth}; correct either.")
    if record.about is not None:
        try:
            check_about(record.about, labels_of(record), record.truth)
        except SpatialLLMError as error:
            raise ManifestError(f"{where}: record {record.id!r}: about: {error}") from None


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
    _check_format(record, where)
    foreign = sorted(set(record.files or ()) - {name for _, name in paths_of(record)})
    if foreign or (record.files is not None and record.scene is not None):
        raise ManifestError(f"{where}: files names {foreign or 'a scene'}; it is for the files of 'audio' or 'pairs'.")
    scene = record.scene
    if scene is not None:
        if (scene.split, scene.sampling_rate) != (record.split, record.sampling_rate):
            raise ManifestError(
                f"{where}: split and sampling_rate are {record.split!r}, {record.sampling_rate}, those of the scene "
                f"{scene.split!r}, {scene.sampling_rate}; expected the same."
            )
        _check_dry_sounds(scene, f"{where}: scene")


def _check_format(record: Record, where: str) -> None:
    if record.audio_format is None:
        return
    if record.audio is None:
        raise ManifestError(
            f"{where}: audio_format is {record.audio_format!r}; it is for 'audio' only: a scene has its own format, and "
            "pairs are binaural."
        )
    try:
        parse_format(record.audio_format)
    except AudioError as error:
        raise ManifestError(f"{where}: audio_format: {error}") from None


def _check_pairs(record: Record, where: str) -> None:
    if len(record.pairs) not in (1, 2) or record.sampling_rate != PAIRS_RATE:
        raise ManifestError(
            f"{where}: {len(record.pairs)} pairs, sampling_rate {record.sampling_rate}; expected one or two at {PAIRS_RATE}."
        )
    for index, pair in enumerate(record.pairs):
        allowed = (
            ("azimuth_deg", pair.azimuth_deg is None or -180 < pair.azimuth_deg <= 180, "in (-180, 180]"),
            ("elevation_deg", pair.elevation_deg is None or -90 <= pair.elevation_deg <= 90, "in [-90, 90]"),
            ("distance_m", pair.distance_m is None or pair.distance_m > 0, "above 0"),
        )
        for field, good, expected in allowed:
            if not good:
                raise ManifestError(f"{where}: pairs[{index}].{field} is {getattr(pair, field)}; expected {expected}.")


def _check_dry_sounds(scene: Scene, where: str) -> None:
    for index, source in enumerate(scene.sources):
        if not source.recording.startswith(SYNTH_PREFIX) and scene.sounds is None:
            raise ManifestError(
                f"{where}: sources[{index}].recording {source.recording!r} is a file; name its folder in 'sounds'."
            )


def labels_of(record: Record) -> list[tuple[str, ...]]:
    """The classes of each source of a recording, in order: empty tuples where they are not listed, no source of a file."""
    if record.scene is not None:
        return [(source.label,) for source in record.scene.sources]
    return [pair.labels or () for pair in record.pairs or ()]


def paths_of(record: Record) -> Iterator[tuple[str, str]]:
    """(field, path relative to the manifest's folder) of every file or folder the record needs."""
    if record.audio is not None:
        yield "audio", record.audio
    for index, pair in enumerate(record.pairs or ()):
        yield f"pairs[{index}].audio", pair.audio
        yield f"pairs[{index}].response", pair.response
    if record.scene is not None:
        yield from ((f"scene.{field}", name) for field, name in _paths_of_scene(record.scene))


def _paths_of_scene(scene: Scene) -> Iterator[tuple[str, str]]:
    yield from ((field, getattr(scene, field)) for field in ("bank", "sounds") if getattr(scene, field) is not None)
    if scene.format.sofa is not None:
        yield "format.sofa", scene.format.sofa
    for index, source in enumerate(scene.sources):
        if not source.recording.startswith(SYNTH_PREFIX):
            yield f"sources[{index}].recording", f"{scene.sounds}/{source.recording}"


class _Ids:
    """Finds ids that stand twice in a file of any length: kept are 12 bytes a line, not the ids."""

    def __init__(self, path: Path) -> None:
        self.path, self.digests, self.lines = path, array("Q"), array("I")

    def add(self, number: int, name: str) -> None:
        self.digests.append(int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big"))
        self.lines.append(number)

    def finish(self) -> None:
        """Raises ManifestError if an id stands twice, listing such ids with their lines, or if there was no line."""
        if not self.lines:
            raise ManifestError(f"{self.path}: holds no record; expected at least one line.")
        digests = np.array(self.digests)
        values, counts = np.unique(digests, return_counts=True)
        if (counts == 1).all():
            return
        suspects = set(np.array(self.lines)[np.isin(digests, values[counts > 1])].tolist())
        lines_of: dict[str, list[int]] = {}
        for number, line in iter_jsonl(self.path):
            if number in suspects:  # equal digests could still be two ids
                lines_of.setdefault(line["id"], []).append(number)
        double = {name: numbers for name, numbers in lines_of.items() if len(numbers) > 1}
        if double:
            shown = "".join(f"\n  {name!r} in lines {', '.join(map(str, at))}" for name, at in list(double.items())[:SHOWN])
            first = next(iter(double.values()))[1]
            raise ManifestError(f"{self.path}:{first}: id stands twice ({len(double)} such); make each unique:{shown}")
