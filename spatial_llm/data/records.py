"""The manifest: one JSON object a line, one record a question (station 0 of the path of the data).

Reading is strict: a field missing, unknown, of another type or out of range, an id that stands twice, or a path that
leads out of the manifest's folder stops with file, line and field. All paths are relative to the manifest's folder, so
that a data folder can be moved whole.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from spatial_llm.answers import QUESTION_TYPES, parse_value
from spatial_llm.errors import ManifestError, SceneError
from spatial_llm.files import read_jsonl, write_jsonl
from spatial_llm.scenes.events import SYNTH_PREFIX
from spatial_llm.scenes.scene import STRICT, Scene, check_scene, describe_validation, scene_from_dict, scene_to_dict


@dataclass(frozen=True)
class Pair:
    """One source of a recording as the released data have it: a dry sound and a room response, two files.

    labels: its event classes; azimuth_deg, elevation_deg, distance_m: where the response puts it, in the internal frame.
    Both are None where the release does not say.
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
    rendered; or `pairs`, dry sounds and responses to be convolved by `protocol`.

    recording_id is shared by all questions about one recording. truth: see `answers.parse_value`.
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
    audio: str | None = None
    scene: Scene | None = None
    pairs: tuple[Pair, ...] | None = None
    protocol: Literal["official_bat", "checkpoint_matched"] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The record as its manifest line; `record_from_dict` is the way back."""
        line = {name: value for name, value in vars(self).items() if value is not None}
        if self.scene is not None:
            line["scene"] = scene_to_dict(self.scene)
        if self.pairs is not None:
            line["pairs"] = [{k: v for k, v in vars(pair).items() if v is not None} for pair in self.pairs]
        return line


Pair.__pydantic_config__ = STRICT
Record.__pydantic_config__ = STRICT
_ADAPTER = TypeAdapter(Record)


def read_manifest(path: str | Path) -> list[Record]:
    """The records of a JSONL manifest, in order.

    Raises:
        ManifestError: a line is not a record (see the module), an id stands twice, or a file or folder that records
            name is not there; file, line and field are named.
    """
    path = Path(path)
    records: list[Record] = []
    line_of: dict[str, int] = {}
    first_use: dict[tuple[str, str], int] = {}
    for number, line in read_jsonl(path):
        where = f"{path}:{number}"
        record = record_from_dict(line, where)
        if record.id in line_of:
            raise ManifestError(f"{where}: id {record.id!r} is that of line {line_of[record.id]} too; make it unique.")
        line_of[record.id] = number
        records.append(record)
        for field, name in paths_of(record):
            first_use.setdefault((field, name), number)
    check_paths(path, first_use)
    return records


def write_manifest(path: str | Path, records: Iterable[Record]) -> None:
    """Writes records as JSONL, one a line, whole or not at all."""
    write_jsonl(path, (record.to_dict() for record in records))


def read_scenes(path: str | Path) -> list[Scene]:
    """The scenes of a JSONL file, one a line.

    Raises:
        ManifestError: a line is not a scene, an id stands twice, or a file or folder that scenes name is not there;
            file, line and field are named.
    """
    path = Path(path)
    scenes: dict[str, Scene] = {}
    first_use: dict[tuple[str, str], int] = {}
    for number, line in read_jsonl(path):
        try:
            scene = scene_from_dict(line, f"{path}:{number}")
        except SceneError as error:
            raise ManifestError(str(error)) from None
        if scene.id in scenes:
            raise ManifestError(f"{path}:{number}: id {scene.id!r} stands twice; make it unique.")
        scenes[scene.id] = scene
        for field, name in _paths_of_scene(scene):
            first_use.setdefault((field, name), number)
    check_paths(path, first_use)
    return list(scenes.values())


def record_from_dict(line: dict[str, Any], where: str = "record") -> Record:
    """One manifest line as a checked record; `where` (file:line) starts every error message.

    Raises:
        ManifestError: see `read_manifest`; everything but repeated ids and missing files is checked here.
    """
    try:
        record = _ADAPTER.validate_json(json.dumps(line))
        if record.scene is not None:
            check_scene(record.scene, f"{where}: scene")
    except ValidationError as error:
        raise ManifestError(f"{where}: {describe_validation(error)}") from None
    except SceneError as error:
        raise ManifestError(str(error)) from None
    _check_record(record, where)
    return record


def _check_record(record: Record, where: str) -> None:
    empty = [name for name, value in vars(record).items() if value == ""]
    if empty:
        raise ManifestError(f"{where}: {', '.join(empty)} is empty; expected a text.")
    forms = [name for name in ("audio", "scene", "pairs") if getattr(record, name) is not None]
    if len(forms) != 1:
        raise ManifestError(f"{where}: recording given as {forms or 'nothing'}; give one of 'audio', 'scene' and 'pairs'.")
    if QUESTION_TYPES.get(record.question_type) != record.type:
        raise ManifestError(
            f"{where}: type {record.type!r} with question_type {record.question_type!r}; known are {QUESTION_TYPES}."
        )
    if parse_value(record.question_type, record.answer) != record.truth:
        raise ManifestError(f"{where}: answer {record.answer!r} does not read as truth {record.truth}; correct either.")
    if record.sampling_rate <= 0:
        raise ManifestError(f"{where}: sampling_rate is {record.sampling_rate}; give Hz, such as 32000.")
    if (record.pairs is None) != (record.protocol is None):
        raise ManifestError(f"{where}: protocol is {record.protocol!r}; it belongs to 'pairs', which need it.")
    if record.pairs is not None and not record.pairs:
        raise ManifestError(f"{where}: pairs is empty; give at least one.")
    scene = record.scene
    if scene is not None and (scene.split, scene.sampling_rate) != (record.split, record.sampling_rate):
        raise ManifestError(
            f"{where}: split and sampling_rate are {record.split!r}, {record.sampling_rate}, those of the scene "
            f"{scene.split!r}, {scene.sampling_rate}; expected the same."
        )
    for name, source in ((f"scene.sources[{i}]", source) for i, source in enumerate(scene.sources if scene else ())):
        if not source.recording.startswith(SYNTH_PREFIX) and scene.sounds is None:
            raise ManifestError(f"{where}: {name}: recording {source.recording!r} is a file; name its folder in 'sounds'.")


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


def check_paths(manifest: Path, first_use: dict[tuple[str, str], int]) -> None:
    """Raises ManifestError when a path (with its field: the line that names it first) leads out of the manifest's folder
    or is not there."""
    root, absent = manifest.parent.resolve(), []
    for (field, name), number in first_use.items():
        where = f"{manifest}:{number}"
        parts = PurePosixPath(name)
        strange = "\0" in name or "://" in name or parts.is_absolute() or PureWindowsPath(name).is_absolute()
        if strange or ".." in parts.parts or not (root / name).resolve().is_relative_to(root):
            raise ManifestError(f"{where}: {field} {name!r} leads out of the manifest's folder; keep files below it.")
        if not (root / name).exists():
            absent.append(f"{where}: {field} {name!r}")
    if absent:
        raise ManifestError(f"{absent[0]} is not there ({len(absent)} such); the whole data folder is needed.")
