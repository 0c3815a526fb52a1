"""Writes manifests of what a SpatialSoundQA release folder holds: checks the folder, and writes for each split the questions
whose sound files are all present.

    train-stage1-clsdoa.jsonl, train-stage2-single.jsonl, train-stage3-mixup.jsonl      from the stages' train.json
    eval.jsonl                                                                          from all eval-*.json
    prepared.json                                                                       what is kept, what is missing

The manifests are written into the release folder, because their names start there. Where AudioSet or the responses are
elsewhere, the names stay the same ("AudioSet/eval/audio/Y1.wav"), and the reader of the manifest gives the folder of
AudioSet (`--audio_root`, `data.paths.DataRoot`), because a manifest itself can open no other folder.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatial_llm.answers import Location
from spatial_llm.data.paths import DataRoot, FileCheck, FileFacts
from spatial_llm.data.records import Record, paths_of
from spatial_llm.data.spatialsoundqa.release import (
    AUDIO,
    LABELS_CSV,
    QUESTIONS,
    REVERB,
    STAGES,
    ReleaseLists,
    iter_official,
    read_lists,
    roots_elsewhere,
)
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import atomic_files, sha256_of, write_json
from spatial_llm.geometry import bat_distance_class, direction_to_vector, direction_words, distance_from_bat_class
from spatial_llm.jsonl import write_jsonl
from spatial_llm.locks import one_writer
from spatial_llm.provenance import provenance

REPORT, EXPORTED = "prepared.json", "exported.json"  # the second marks a folder that we wrote ourselves
PUBLISHED_ROWS = {"stage1-clsdoa": 278_784, "stage2-single": 514_784, "stage3-mixup": 872_312}  # rows of train.json
SHOWN = 10  # names of missing files in the report


def question_files_of_split() -> dict[str, list[str]]:
    """Returns the released question files of each split, relative to the release folder."""
    files = {f"train-{stage}": [f"{QUESTIONS}/{stage}/train.json"] for stage in STAGES}
    return files | {"eval": [f"{QUESTIONS}/{stage}/{name}.json" for stage, names in STAGES.items() for name in names]}


def prepare_release(
    release: str | Path,
    audio_root: str | Path | None = None,
    reverb_root: str | Path | None = None,
    protocol: str = "official_bat",
    fingerprints: bool = False,
) -> dict[str, Any]:
    """Writes the manifests of a release folder and prepared.json beside them; returns the content of the latter.

    Args:
        release: the SpatialSoundQA folder, with closed-end/.
        audio_root, reverb_root: see `spatialsoundqa.roots_elsewhere`.
        protocol: of the records: "official_bat", or "checkpoint_matched" (responses of 2 s).
        fingerprints: keep size and SHA-256 of every sound file in the manifests. They are compared at each reading, which
            then takes as long as reading all files once.

    Raises:
        ManifestError: there is no question file, or one is not as released; file and row are named.
    """
    release = Path(release)
    root = DataRoot(release, roots_elsewhere(audio_root, reverb_root))
    ours = (release / EXPORTED).is_file()
    present = {
        split: [name for name in names if (release / name).is_file()] for split, names in question_files_of_split().items()
    }
    if not any(present.values()):
        raise ManifestError(
            f"{release}: none of {sum(map(len, question_files_of_split().values()))} question files is there, such as "
            f"{QUESTIONS}/stage1-clsdoa/train.json; give the SpatialSoundQA folder."
        )
    with one_writer(release / REPORT, "manifests are being prepared"):
        return _prepare(release, root, ours, present, protocol, fingerprints)


def _prepare(
    release: Path, root: DataRoot, ours: bool, present: dict[str, list[str]], protocol: str, fingerprints: bool
) -> dict[str, Any]:
    splits = {}
    with atomic_files(release) as into:
        for split, names in present.items():
            lists = read_lists(root, split.partition("-")[0])
            facts = functools.cache(lambda name: _facts(root, name)) if fingerprints else None
            splits[split] = _prepare_split(release, into, root, split, names, lists, protocol, facts)
            published = None if ours else PUBLISHED_ROWS.get(split.removeprefix("train-"))
            if published is not None:
                splits[split]["rows_published"] = published
            absent = [name for name in question_files_of_split()[split] if name not in names]
            splits[split]["question_files_missing"] = absent
        label_csv = root.path(f"{AUDIO}/{LABELS_CSV}")
        report = {
            "splits": splits,
            "label_csv_sha256": sha256_of(label_csv) if label_csv.is_file() else None,
            "protocol": protocol,
            "provenance": provenance(),
        }
        write_json(into / REPORT, report)
    for split, prepared in splits.items():
        if prepared["manifest"] is None:  # of an earlier call, when there was more
            (release / f"{split}.jsonl").unlink(missing_ok=True)
    return report


def _prepare_split(
    release: Path,
    into: Path,
    root: DataRoot,
    split: str,
    names: list[str],
    lists: ReleaseLists,
    protocol: str,
    facts: Any,
) -> dict[str, Any]:
    files, counts, missing_rows = FileCheck(root), Counter(), Counter()
    by_file: dict[str, dict[str, int]] = {}

    def kept() -> Iterator[dict[str, Any]]:
        for name in names:
            before = counts.copy()
            for record in iter_official(release / name, lists):
                counts["rows"] += 1
                if _present(record, files):
                    counts["kept"] += 1
                    _count(record, counts)
                    noted = {path: facts(path) for _, path in paths_of(record)} if facts is not None else None
                    yield replace(record, protocol=protocol, files=noted).to_dict()
                else:
                    missing_rows[record.question_type] += 1
            by_file[name] = {key: counts[key] - before[key] for key in ("rows", "kept")}

    manifest = into / f"{split}.jsonl"
    write_jsonl(manifest, kept())
    if not counts["kept"]:
        manifest.unlink()
    return {
        "manifest": manifest.name if counts["kept"] else None,
        "sha256": sha256_of(manifest) if counts["kept"] else None,
        "files": by_file,
        "kept_by_question_type": {key.removeprefix("type "): n for key, n in sorted(counts.items()) if "type " in key},
        "left_out_by_question_type": dict(sorted(missing_rows.items())),
        "missing_sounds": _missing(files, AUDIO),
        "missing_responses": _missing(files, REVERB),
        **{key: counts[key] for key in ("rows", "kept", "unreadable_answers", "without_labels", "without_place")},
        "locations": {"compared_with_the_lists": counts["compared"], "other_than_the_lists": counts["other"]},
    }


def _present(record: Record, files: FileCheck) -> bool:
    there = [files.add(f"record {record.id!r}", field, name) for field, name in paths_of(record)]
    return all(there)  # looks for all of them first, so that the report is complete


def _count(record: Record, counts: Counter) -> None:
    counts[f"type {record.question_type}"] += 1
    counts["unreadable_answers"] += not record.truth
    counts["without_labels"] += any(pair.labels is None for pair in record.pairs)
    counts["without_place"] += any(pair.distance_m is None for pair in record.pairs)
    (pair, *others) = record.pairs
    if record.type == "B" and record.truth and not others and pair.distance_m is not None:
        # The only check that the data allow of our reading of frames and lists against the released answers.
        words = direction_words(direction_to_vector(pair.azimuth_deg, pair.elevation_deg, pair.distance_m))
        counts["compared"] += 1
        try:
            step_m = float(distance_from_bat_class(bat_distance_class(pair.distance_m)))
            counts["other"] += Location(*words, step_m).to_dict() != record.truth
        except SpatialLLMError:  # beyond the last class
            counts["other"] += 1


def _missing(files: FileCheck, folder: str) -> dict[str, Any]:
    names = sorted(name for name in files.problems if name.startswith(f"{folder}/"))
    return {"files": len(names), "first": names[:SHOWN]}


def _facts(root: DataRoot, name: str) -> FileFacts:
    path = root.path(name)
    return FileFacts(path.stat().st_size, sha256_of(path))


def format_report(report: dict[str, Any]) -> Iterable[str]:
    """Formats the report as lines for reading."""
    for split, said in report["splits"].items():
        if not said["rows"]:
            yield f"{split}: no question file"
            continue
        yield f"{split}: {said['kept']} of {said['rows']} questions kept" + (
            f" -> {said['manifest']} (sha256 {said['sha256']})" if said["manifest"] else "; no manifest written"
        )
        if said.get("rows_published", said["rows"]) != said["rows"]:
            yield f"    {said['rows_published']} questions were released: is the file whole?"
        for name, rows in said["files"].items():
            yield f"    {name}: {rows['kept']} of {rows['rows']}"
        for name in said["question_files_missing"]:
            yield f"    {name}: missing"
        for kind in ("missing_sounds", "missing_responses"):
            if said[kind]["files"]:
                shown = ", ".join(said[kind]["first"])
                more = ", ..." if said[kind]["files"] > len(said[kind]["first"]) else ""
                yield f"    {kind.replace('_', ' ')}: {said[kind]['files']}: {shown}{more}"
        for key in ("unreadable_answers", "without_labels", "without_place"):
            if said[key]:
                yield f"    {key.replace('_', ' ')}: {said[key]}"
        compared, other = said["locations"].values()
        if compared:
            yield f"    answers of type DOA that differ from the lists' positions: {other} of {compared}"
