"""Imports OpenAQA, the questions about sounds that LTU learns from (arXiv 2305.10790), and sets of its layout.

A JSON array of objects with `instruction` (the question), `input` (text that was spoken; empty in OpenAQA), `audio_id` (a
path), `dataset` and `task` (both optional), and `output` (the answer). The recordings are not released with it: whoever has
them gives the folder, and what of the paths it stands for.

Source: github.com/YuanGongND/ltu: the README ("The format of the dataset is a JSON file of a list of dicts"; "use the
same sampling rate of 16kHz"), openaqa/utils/combine_*.py (`json.dump(..., indent=1)`; `dataset` and `task`),
src/ltu/inference_batch.py (its evaluation sets have the same layout; `audio_id` "empty" where a question has no recording)
and src/ltu/eval/*.py (labels stand behind the last colon of `output`, several divided by "; "). Not verified, because the
files themselves were not seen: the values of `dataset` and `task`, and that `input` is empty in all rows; so nothing
depends on the values, and a text in `input` is refused.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from tqdm import tqdm

from spatial_llm.audio.io import inspect_audio, read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.importing.json_rows import read_rows
from spatial_llm.data.importing.place import SUMMARY, check_out
from spatial_llm.data.importing.recordings import FOLDER, safe_stem
from spatial_llm.data.paths import FileFacts
from spatial_llm.data.record import Known, Record
from spatial_llm.data.records import record_from_dict, write_manifest
from spatial_llm.errors import AudioError, ManifestError
from spatial_llm.files import atomic_path, sha256_of, write_json
from spatial_llm.provenance import provenance
from spatial_llm.questions.families.own import FAMILY, OPEN
from spatial_llm.questions.types import parse_value
from spatial_llm.ranges import Checked

NEEDED, OPTIONAL = ("instruction", "audio_id", "output"), ("input", "dataset", "task")
NO_RECORDING = "empty"  # audio_id of a question about no recording
_SHOWN = 3


@dataclass
class OpenAqaArguments(Checked):
    """Sets what to import, and where to.

    Attributes:
        json: file of questions.
        audio: folder of the recordings.
        out: folder for the manifest and the recordings; one that an import has written is replaced.
        strip: beginning of `audio_id` that `audio` stands for, such as /data/sls/; "" takes audio_id as a path below it.
        split: manifest that is written.
        tasks: only rows of these tasks; null for all.
        labels: where the labels of a recording stand: "none"; "output": behind the last colon of the answer, divided by
            "; ", as in LTU's evaluation sets.
        mono: what happens to recordings of one channel: "refuse" the set; "both_ears": both ears get the same signal, so
            that nothing tells where it is from.
        missing: what happens to questions whose recording is not there: "refuse" the set, or "leave_out", counted.
        audio_limits: how long and large a recording may be, and whether truncated files are read.
    """

    json: str
    audio: str
    out: str
    strip: str = ""
    split: Literal["train", "eval"] = "train"
    tasks: list[str] | None = None
    labels: Literal["none", "output"] = "none"
    mono: Literal["refuse", "both_ears"] = "refuse"
    missing: Literal["refuse", "leave_out"] = "refuse"
    audio_limits: AudioLimits = field(default_factory=AudioLimits)


def import_openaqa(arguments: OpenAqaArguments, progress: bool = True) -> dict[str, Any]:
    """Writes a manifest and its recordings to a folder, all or nothing, and returns the counts, which import.json holds too.

    The file is read twice, row by row: once to check everything, once to write.

    Raises:
        ManifestError: fields, recordings or tasks are missing, or recordings have one channel: all that is wrong, with
            counts. Or `out` holds something else.
        OutputError: the folder cannot be written.
    """
    source, out = Path(arguments.json), Path(arguments.out)
    check_out(out, source)
    check_out(out, Path(arguments.audio))
    found = _Looked(arguments)
    for number, row in enumerate(_rows(source, "checking", progress)):
        found.look_at(number, row)
    found.refuse()
    with atomic_path(out) as temporary:
        (temporary / FOLDER).mkdir(parents=True)
        placed = _Placed(arguments, found.channels, temporary)
        rows = enumerate(_rows(source, "writing", progress))
        write_manifest(temporary / f"{arguments.split}.jsonl", _records(arguments, rows, found, placed))
        about = found.counts() | {"json_sha256": sha256_of(source), "mono": arguments.mono}
        write_json(temporary / SUMMARY, about | {"provenance": provenance()})
    return about


def main(arguments: OpenAqaArguments) -> None:
    """Imports a set and prints what came of it."""
    about = import_openaqa(arguments)
    for name, counts in about["tasks"].items():
        print(f"task {name}: {counts} questions")
    print(f"{arguments.split}: {about['questions']} questions about {about['recordings']} recordings")
    print(f"left out: {about['without_recording']} without a recording, {about['recording_missing']} whose own is missing")
    print(f"written: {Path(arguments.out) / arguments.split}.jsonl")


class _Looked:
    """What was seen of the rows: which are used, which recordings there are, and what is wrong."""

    def __init__(self, arguments: OpenAqaArguments) -> None:
        self.arguments = arguments
        self.channels: dict[str, int] = {}  # of recordings that are there, by audio_id
        self.absent: set[str] = set()
        self.tasks: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.wrong: dict[str, list[str]] = {}
        self.without, self.missing, self.missing_of = 0, 0, Counter[str]()

    def look_at(self, number: int, row: dict[str, Any]) -> None:
        where = f"entry {number}"
        absent = [name for name in NEEDED if name not in row]
        texts = [name for name in (*NEEDED, *OPTIONAL) if name in row and not isinstance(row[name], str)]
        blank = [name for name in NEEDED if isinstance(row.get(name), str) and not row[name].strip()]
        for name in absent:
            self._wrong(f"no field {name}", where)
        for name in texts:
            self._wrong(f"{name} is no text", where)
        for name in blank:
            self._wrong(f"{name} is empty", where)
        if absent or texts or blank:
            return
        task = row.get("task", "")
        self.tasks[task] += 1
        if self.arguments.tasks is not None and task not in self.arguments.tasks:
            return
        if row["audio_id"] == NO_RECORDING:
            self.without += 1
            return
        if row.get("input", "").strip():
            self._wrong("a text in input, which says what is spoken (a set of LTU-AS?)", where)
        if self.arguments.labels == "output" and not labels_of(row["output"]):
            self._wrong("no label behind the last colon of output", where)
        if self._there(row["audio_id"], where):
            self.kept[task] += 1
        else:
            self.missing += 1
            self.missing_of[row.get("dataset", "")] += 1

    def uses(self, row: dict[str, Any]) -> bool:
        """Returns whether a row that was looked at becomes a record."""
        tasks = self.arguments.tasks
        return row["audio_id"] in self.channels and (tasks is None or row.get("task", "") in tasks)

    def refuse(self) -> None:
        """Raises ManifestError that names all that is wrong."""
        told = [f"{len(places)} rows: {what} ({_some(places)})" for what, places in self.wrong.items()]
        unknown = sorted(set(self.arguments.tasks or ()) - set(self.tasks))
        if unknown:
            told.append(f"no row of task {', '.join(map(repr, unknown))}; there are {_counts(self.tasks)}")
        if self.absent and self.arguments.missing == "refuse":
            told.append(
                f"{len(self.absent)} recordings of {self.missing} rows are missing ({_some(sorted(self.absent))}; by "
                f"dataset: {_counts(self.missing_of)}): fetch them, give --strip, or --missing leave_out"
            )
        mono = [name for name, channels in self.channels.items() if channels == 1]
        if mono and self.arguments.mono == "refuse":
            told.append(
                f"{len(mono)} recordings have one channel ({_some(mono)}), and nothing in one channel tells where a sound "
                "is: give --mono both_ears to put the same signal on both ears"
            )
        if not told and not self.kept:
            told.append("no row is left")
        if told:
            raise ManifestError(f"{self.arguments.json}: {'; '.join(told)}. Nothing was written.")

    def counts(self) -> dict[str, Any]:
        """Returns the numbers for import.json."""
        return {
            "questions": self.kept.total(),
            "recordings": len(self.channels),
            "tasks": dict(sorted(self.kept.items())),
            "without_recording": self.without,
            "recording_missing": self.missing,
            "missing_of_dataset": dict(sorted(self.missing_of.items())),
        }

    def _there(self, audio_id: str, where: str) -> bool:
        if audio_id in self.channels or audio_id in self.absent:
            return audio_id in self.channels
        path = path_of(self.arguments, audio_id)
        if path is None or not path.is_file():
            self.absent.add(audio_id)
            return False
        try:
            channels = inspect_audio(path, limits=self.arguments.audio_limits).channels
        except AudioError as error:
            self._wrong(f"a recording that cannot be read ({error})", where)
            channels = 2
        if channels > 2:
            self._wrong("a recording of more than two channels", audio_id)
        self.channels[audio_id] = channels
        return True

    def _wrong(self, what: str, where: str) -> None:
        self.wrong.setdefault(what, []).append(where)


class _Placed:
    """Puts each recording once into the folder of the manifest."""

    def __init__(self, arguments: OpenAqaArguments, channels: dict[str, int], folder: Path) -> None:
        self.arguments, self.channels, self.folder = arguments, channels, folder
        self._done: dict[str, tuple[str, int, FileFacts]] = {}

    def place(self, audio_id: str) -> tuple[str, int, FileFacts]:
        """Returns name, rate and facts of a recording. Raises ManifestError if it is damaged."""
        if audio_id not in self._done:
            path = path_of(self.arguments, audio_id)
            try:
                waveform, rate = read_audio(path, self.arguments.audio_limits)
            except AudioError as error:
                raise ManifestError(f"audio_id {audio_id!r}: {error}") from None
            whole = self.channels[audio_id] == 2
            name = f"{FOLDER}/{len(self._done) + 1:07d}_{safe_stem(path)}{path.suffix.lower() if whole else '.wav'}"
            target = self.folder / name
            if whole:
                target.write_bytes(path.read_bytes())
            else:
                both = np.repeat(waveform, 2, axis=0)
                plain = np.array_equal(np.round(both * 2**15) / 2**15, both) and np.abs(both).max(initial=0) < 1
                soundfile.write(target, both.T, rate, subtype="PCM_16" if plain else "FLOAT")
            self._done[audio_id] = name, rate, FileFacts(target.stat().st_size, sha256_of(target))
        return self._done[audio_id]


def path_of(arguments: OpenAqaArguments, audio_id: str) -> Path | None:
    """Returns where a recording is to be found; None if audio_id does not begin with `strip` or leads out of the folder."""
    if not audio_id.startswith(arguments.strip):
        return None
    relative = Path(audio_id.removeprefix(arguments.strip).lstrip("/"))
    return None if ".." in relative.parts else Path(arguments.audio) / relative


def labels_of(output: str) -> tuple[str, ...]:
    """Returns the labels behind the last colon of an answer: "Labels: dog; bell" -> dog, bell."""
    return tuple(name.strip() for name in output.rpartition(":")[2].split(";") if name.strip())


def _records(
    arguments: OpenAqaArguments, rows: Iterator[tuple[int, dict[str, Any]]], found: _Looked, placed: _Placed
) -> Iterator[Record]:
    for number, row in rows:
        if not found.uses(row):
            continue
        name, rate, facts = placed.place(row["audio_id"])
        answer = row["output"].strip()
        record = Record(
            id=f"q{number:07d}",
            recording_id=Path(name).stem,
            type=FAMILY.type,
            question_type=OPEN,
            question=row["instruction"].strip(),
            answer=answer,
            truth=parse_value(OPEN, answer),
            split=arguments.split,
            sampling_rate=rate,
            audio=name,
            files={name: facts},
            known=Known(labels=labels_of(answer)) if arguments.labels == "output" else None,
        )
        yield record_from_dict(record.to_dict(), f"{arguments.json}: entry {number}")


def _rows(path: Path, doing: str, progress: bool) -> Iterator[dict[str, Any]]:
    size = path.stat().st_size if path.is_file() else 0
    with tqdm(total=size, unit="B", unit_scale=True, desc=doing, disable=not progress) as bar:
        yield from read_rows(path, bar.update)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name or '(none)'}" for name, count in counts.most_common())
