"""Reads the released SpatialSoundQA: its question files as records, and its lists of labels and places.

Note: the release holds no binaural recordings. Each row names one or two dry AudioSet clips and one or two room
responses, and the recording is their convolution (`spatialsoundqa_pairs`). `question_id` is not unique, so a record is keyed
by its content; rows of equal content are told apart by a number. An answer that our parsers cannot read gives a record with
the truth {}.

    SpatialSoundQA/                                the release folder (Hugging Face: zhisheng01/SpatialAudio)
        closed-end/stage1-clsdoa/train.json        {"data": [row, ...]}; each stage's file holds the stages before too
        closed-end/stage1-clsdoa/eval-stage1-classification.json    (and six more eval-*.json in the three stages)
        AudioSet/eval/audio/Y....wav               <audio_id>.wav
        AudioSet/metadata/class_labels_indices_subset.csv           index,mid,display_name
        AudioSet/metadata/eval.json                [{"id", "folder", "label": [mid, ...]}, ...]; balanced, unbalanced: train
        mp3d_reverb/binaural/<scene>/<n>.npy       <reverb_id>, (2 ears, samples) at 32 kHz
        mp3d_reverb/eval_reverberation.json        {"data": [{"fname", "sensor_position", "source_position"}, ...]}; train_
    row: audio_id, reverb_id, audio_id2, reverb_id2 (null with one source), question_id, question_type, question, answer

Source: the data card and the loaders of Spatial-AST and of SLAM-LLM's recipe, described in our own words.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.data.paths import DataRoot
from spatial_llm.data.record import Pair, Record
from spatial_llm.data.records import PAIRS_RATE
from spatial_llm.errors import ManifestError
from spatial_llm.files import leads_out, sha256_of
from spatial_llm.geometry import soundspaces_to_internal, vector_to_direction, wrap_azimuth_deg
from spatial_llm.jsonl import iter_jsonl
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from spatial_llm.scenes.csv_rows import read_utf8

AUDIO, REVERB, QUESTIONS = "AudioSet", "mp3d_reverb", "closed-end"
LABELS_CSV = "metadata/class_labels_indices_subset.csv"
CLIP_LISTS = {"train": ("balanced.json", "unbalanced.json"), "eval": ("eval.json",)}
# stage -> evaluation file -> its question types; a stage's train.json has those of its own and earlier evaluation files
STAGES = {
    "stage1-clsdoa": {"eval-stage1-classification": ("CLASSIFICATION",), "eval-stage1-doa": ("DOA",)},
    "stage2-single": {
        "eval-stage2-classification": ("MIXUP_SINGLE_CLASSIFICATION",),
        "eval-stage2-doa": ("MIXUP_SINGLE_DOA",),
    },
    "stage3-mixup": {
        "eval-stage3-direction": ("MIXUP_DIRECTION",),
        "eval-stage3-distance": ("MIXUP_DISTANCE_BOTH",),
        "eval-stage3-nonbinary": ("MIXUP_NONBINARY_DIRECTION", "MIXUP_NONBINARY_DISTANCE", "MIXUP_NONBINARY_SOURCE"),
    },
}
OFFICIAL_TYPES = tuple(kind for files in STAGES.values() for kinds in files.values() for kind in kinds)
_FIELDS = ("audio_id", "reverb_id", "question_type", "question", "answer")
Place = tuple[float, float, float]  # azimuth_deg, elevation_deg, distance_m in the internal frame


@dataclass(frozen=True)
class ReleaseLists:
    """Holds the lists of the release beside its questions; empty where the lists are absent.

    labels: event classes of a clip, lower-case, by the last part of its audio_id. places: where a response puts its source,
    by reverb_id.
    """

    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)


def question_files(data: str | Path) -> list[Path]:
    """Returns the question files of `data`: the file itself, or all eval-*.json in a release folder, sorted by name.

    Raises ManifestError if there are none.
    """
    data = Path(data)
    if data.is_file():
        return [data]
    files = sorted(data.rglob("eval-*.json"), key=lambda path: path.relative_to(data).as_posix())
    if not files:
        raise ManifestError(
            f"{data}: no eval-*.json inside; give the SpatialSoundQA folder (with closed-end/), one stage of it, or "
            "one question file such as train.json."
        )
    return files


def official_sha256(data: str | Path) -> str:
    """Returns one hash for the question files of `data`: that of the single file, or that of all hashes in order."""
    hashes = [sha256_of(path) for path in question_files(data)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def release_root(data: str | Path, audio_root: str | Path | None = None, reverb_root: str | Path | None = None) -> DataRoot:
    """Returns the root of the records' files: the release folder around `data`, the nearest parent that contains AudioSet or
    mp3d_reverb, with replacements for these two, see `roots_elsewhere`."""
    start = Path(data).absolute()
    folder = start if start.is_dir() else start.parent
    for parent in (start, *start.parents)[:4]:
        if any((parent / name).is_dir() for name in (AUDIO, REVERB)):
            folder = parent
            break
    return DataRoot(folder, roots_elsewhere(audio_root, reverb_root))


def roots_elsewhere(audio_root: str | Path | None, reverb_root: str | Path | None) -> dict[str, Path]:
    """Returns the folders that a `DataRoot` allows in place of AudioSet and mp3d_reverb.

    Args:
        audio_root: folder of the dry sounds, which contains `<audio_id>.wav`; None = AudioSet beside the manifest.
        reverb_root: folder that contains binaural/; None = mp3d_reverb beside the manifest.
    """
    given = {AUDIO: audio_root, REVERB: reverb_root}
    return {name: Path(folder) for name, folder in given.items() if folder is not None}


def data_root(manifest: str | Path, arguments: Any) -> DataRoot:
    """Returns the root of a manifest's file names.

    Args:
        manifest: names are relative to its folder.
        arguments: settings with `audio_root` and `reverb_root` (see `roots_elsewhere`) and `audio_limits`.
    """
    elsewhere = roots_elsewhere(arguments.audio_root, arguments.reverb_root)
    return DataRoot(Path(manifest).parent, elsewhere, arguments.audio_limits)


def read_official(data: str | Path, lists: ReleaseLists | None = None) -> list[Record]:
    """Returns the rows of a release folder's eval-*.json, of one stage folder, or of one file (.json or .jsonl), as records
    whose file names start at `release_root(data)`. Raises ManifestError, see `iter_official`."""
    return [record for path in question_files(data) for record in iter_official(path, lists or ReleaseLists())]


def iter_official(path: Path, lists: ReleaseLists) -> Iterator[Record]:
    """Yields the rows of one question file as records, in order.

    Raises:
        ManifestError: no such file, not the released layout, or a row that lacks a field, has an unknown question type or an
            id that leads out of its folder; file and row are named. Sound files are not checked here.
    """
    seen: Counter = Counter()
    for where, row in _read_rows(path):
        ids = _check_row(row, where)
        key = _hash(row["question_type"], row["question"], row["answer"], ids)
        seen[key] += 1
        again = "" if seen[key] == 1 else f"-{seen[key]}"
        yield Record(
            id=f"{path.stem}-{key}{again}",
            recording_id=_hash(ids),
            type=QUESTION_TYPES[row["question_type"]],
            question_type=row["question_type"],
            question=row["question"],
            answer=row["answer"],
            truth=parse_value(row["question_type"], row["answer"]) or {},
            split="train" if path.stem == "train" else "eval",
            sampling_rate=PAIRS_RATE,
            pairs=tuple(_pair(audio, reverb, lists) for audio, reverb in ids),
            protocol="official_bat",
        )


def _pair(audio: str, reverb: str, lists: ReleaseLists) -> Pair:
    place = lists.places.get(reverb, (None, None, None))
    labels = lists.labels.get(audio.rpartition("/")[2])
    return Pair(f"{AUDIO}/{audio}.wav", f"{REVERB}/binaural/{reverb}", labels, *place)


def read_lists(root: DataRoot, split: str) -> ReleaseLists:
    """Returns the lists of a release that exist: labels of the clips of a split ("train", "eval"), places of all responses.

    Raises:
        ManifestError: a list is malformed; file and entry are named.
    """
    names: dict[str, str] = {}
    labels: dict[str, tuple[str, ...]] = {}
    csv = root.path(f"{AUDIO}/{LABELS_CSV}")
    if csv.is_file():
        names = {mid: name.lower() for mid, name in _read_label_rows(csv)}
    for name in CLIP_LISTS[split] if names else ():
        path = root.path(f"{AUDIO}/metadata/{name}")
        for where, clip in _read_entries(path, ("id", "label"), bare=True) if path.is_file() else ():
            # The CSV leaves out the labels that the release leaves out (noises and the like).
            if not isinstance(clip["label"], list) or not all(isinstance(mid, str) for mid in clip["label"]):
                raise ManifestError(f"{where}: label is {clip['label']!r}; expected a list of texts.")
            known = sorted({names[mid] for mid in clip["label"] if mid in names})
            if known:
                labels[str(clip["id"])] = tuple(known)
    places: dict[str, Place] = {}
    for name in ("train_reverberation.json", "eval_reverberation.json"):
        path = root.path(f"{REVERB}/{name}")
        for where, entry in _read_entries(path, ("fname", "sensor_position", "source_position")) if path.is_file() else ():
            places[str(entry["fname"])] = _place(entry, where)
    return ReleaseLists(labels, places)


def _place(entry: dict[str, Any], where: str) -> Place:
    try:
        sensor, source = (
            np.array([float(value) for value in entry[name].split(",")]) for name in ("sensor_position", "source_position")
        )
    except (AttributeError, ValueError):
        sensor = source = np.array([np.nan])
    if sensor.shape != (3,) or source.shape != (3,) or not np.isfinite(sensor + source).all():
        raise ManifestError(f"{where}: sensor_position and source_position are {entry}; expected 'x,y,z', finite numbers.")
    azimuth_deg, elevation_deg, distance_m = vector_to_direction(soundspaces_to_internal(source - sensor))
    azimuth_deg = float(wrap_azimuth_deg(round(float(azimuth_deg), 4)))
    return azimuth_deg, round(float(elevation_deg), 4), round(float(distance_m), 4)


def _read_entries(path: Path, fields: tuple[str, ...], bare: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (file: entry n, entry) of {"data": [...]}, or of a bare list if `bare`."""
    content = _read_json(path)
    entries = content.get("data") if isinstance(content, dict) else content if bare else None
    if not isinstance(entries, list):
        raise ManifestError(f'{path}: expected {{"data": [entry, ...]}} as SpatialSoundQA has it.')
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or any(name not in entry for name in fields):
            raise ManifestError(f"{path}: entry {number}: expected an object with {', '.join(fields)}.")
        yield f"{path}: entry {number}", entry


def read_label_csv(path: str | Path) -> list[str]:
    """Returns the label names of class_labels_indices_subset.csv (index, mid, display_name), in the order of the file. A
    display name may contain commas, quoted or not. Raises ManifestError on a missing file, another header, encoding or
    row."""
    return [name for _, name in _read_label_rows(Path(path))]


def _read_label_rows(path: Path) -> list[tuple[str, str]]:
    """Returns (mid, display name) of each row."""
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; give a CSV with the columns index,mid,display_name.")
    header, *rows = read_utf8(path, ManifestError).splitlines() or [""]
    if header.strip().split(",")[2:] != ["display_name"]:
        raise ManifestError(f"{path}: the header is {header!r}, expected index,mid,display_name.")
    labels = []
    for number, row in enumerate(rows, start=2):
        parts = [part.strip().strip('"').strip() for part in row.strip().split(",", 2)]
        if row.strip() and (len(parts) != 3 or not parts[2]):
            raise ManifestError(f"{path}:{number}: {row!r}; expected index, mid and the name of a label.")
        labels += [(parts[1], parts[2])] if row.strip() else []
    double = [label for label, count in Counter(name.lower() for _, name in labels).items() if count > 1]
    if double or not labels:
        raise ManifestError(f"{path}: {len(labels)} labels, twice: {double}; expected different names.")
    return labels


def _read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields (where, row) of a question file: {"data": [...]}, or JSONL, which the official loader also reads."""
    if path.suffix == ".jsonl":
        yield from ((f"{path}:{number}", row) for number, row in iter_jsonl(path))
        return
    content = _read_json(path)
    rows = content.get("data") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ManifestError(f'{path}: expected {{"data": [row, ...]}} with one object a question, as SpatialSoundQA has it.')
    yield from ((f"{path}: row {number}", row) for number, row in enumerate(rows, start=1))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 (byte {error.start}); re-encode it.") from None
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not JSON ({error}); was the download cut?") from None


def _check_row(row: dict[str, Any], where: str) -> list[tuple[str, str]]:
    """Checks the fields of a row; returns (audio_id, reverb_id) of each source."""
    wrong = [name for name in _FIELDS if not (isinstance(row.get(name), str) and row[name].strip())]
    if wrong:
        raise ManifestError(f"{where}: {', '.join(wrong)} missing or not text; expected the fields {', '.join(_FIELDS)}.")
    if any("\ud800" <= character <= "\udfff" for name in _FIELDS for character in row[name]):
        raise ManifestError(f"{where}: half a surrogate pair, which is no character, in a text; correct it.")
    if row["question_type"] not in OFFICIAL_TYPES:
        raise ManifestError(f"{where}: question_type {row['question_type']!r}; known are {', '.join(OFFICIAL_TYPES)}.")
    second = (row.get("audio_id2"), row.get("reverb_id2"))
    if (second[0] is None) != (second[1] is None):
        raise ManifestError(f"{where}: audio_id2 and reverb_id2 are {second}; give both, or null for both.")
    ids = [(row["audio_id"], row["reverb_id"])] + ([second] if second[0] is not None else [])
    for name in (name for source in ids for name in source):
        if not isinstance(name, str) or leads_out(name):
            raise ManifestError(f"{where}: {name!r} leads out of the data folder; expected a relative path inside it.")
    return ids


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:16]
