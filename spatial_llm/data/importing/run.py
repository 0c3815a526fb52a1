"""Imports a table of one's own recordings: manifests, and the recordings beside them."""

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.importing.meaning import Meaning, known_of, meaning_of
from spatial_llm.data.importing.place import SUMMARY, check_out, summaries
from spatial_llm.data.importing.recordings import Placed, Recordings
from spatial_llm.data.importing.splits import Member, assign_splits, given_split
from spatial_llm.data.importing.suspicions import doubts, refuse_exchanged
from spatial_llm.data.importing.table import Row, read_table
from spatial_llm.data.record import Known, Record
from spatial_llm.data.records import record_from_dict, write_manifest
from spatial_llm.errors import ManifestError
from spatial_llm.files import atomic_path, sha256_of, write_json
from spatial_llm.provenance import provenance
from spatial_llm.questions.families.own import FAMILY
from spatial_llm.ranges import Seed, Share


@dataclass
class ImportArguments:
    """Sets what to import, and where to.

    Attributes:
        csv: a table with the columns audio, question, answer and, if wanted, label, azimuth, elevation, distance, start,
            end, split, recording, room; see data/README.md.
        out: folder for train.jsonl, eval.jsonl and the recordings; one that an import has written is replaced.
        eval_share: share of the rows to evaluate on, of those that the column split leaves open.
        seed: of that choice.
        audio_limits: how long and large a recording may be, and whether truncated files are read.
    """

    csv: str
    out: str
    eval_share: Share = 0.25
    seed: Seed = 0
    audio_limits: AudioLimits = field(default_factory=AudioLimits)


@dataclass(frozen=True)
class _Entry:
    row: Row
    known: Known | None
    meaning: Meaning
    placed: Placed


def import_recordings(arguments: ImportArguments) -> dict[str, Any]:
    """Writes the manifests and recordings of a CSV to a folder, all or nothing, and returns the counts, which import.json
    holds too.

    Returns:
        for each split that has rows: `questions`, `recordings`, and `types`, the number of questions of each type.

    Raises:
        ManifestError: a row is wrong; the message names it and shows it as it would be right. Or `out` holds something else.
        OutputError: the folder cannot be written.
    """
    out, table = Path(arguments.out), Path(arguments.csv)
    check_out(out, table)
    rows = read_table(table)
    refuse_exchanged(rows)
    with atomic_path(out) as temporary:
        temporary.mkdir()
        recordings = Recordings(table.parent, temporary, out, arguments.audio_limits)
        entries = [_entry(row, recordings) for row in rows]
        _refuse_repeated(entries)
        _refuse_two_rooms(entries)
        members = [Member(each.row, given_split(each.row), _ties(each)) for each in entries]
        splits = assign_splits(members, arguments.eval_share, arguments.seed)
        records = [_record(*each) for each in zip(entries, splits, range(1, len(entries) + 1), strict=True)]
        summary = dict(summaries(records))
        for split in summary:
            write_manifest(temporary / f"{split}.jsonl", [record for record in records if record.split == split])
        about = {"csv_sha256": sha256_of(table), "eval_share": arguments.eval_share, "splits": summary}
        write_json(temporary / SUMMARY, {**about, "provenance": provenance(seed=arguments.seed)})
    for doubt in doubts(rows):
        warnings.warn(f"{table}: {doubt}", stacklevel=2)
    notes = [entry.meaning.note for entry in entries if entry.meaning.note is not None]
    if notes:
        more = f" So it is with {len(notes) - 1} other rows." if len(notes) > 1 else ""
        warnings.warn(f"{notes[0]}{more}", stacklevel=2)
    return summary


def main(arguments: ImportArguments) -> None:
    """Imports a table and prints what came of it."""
    summary = import_recordings(arguments)
    for split, counts in summary.items():
        types = ", ".join(f"{count} {name}" for name, count in counts["types"].items())
        print(f"{split}: {counts['questions']} questions about {counts['recordings']} recordings ({types})")
    for split in summary:
        print(f"written: {Path(arguments.out) / split}.jsonl")
    if "eval" not in summary:
        print("No row is left to evaluate on.")


def _entry(row: Row, recordings: Recordings) -> _Entry:
    given_split(row)
    known = known_of(row)
    return _Entry(row, known, meaning_of(row, known), recordings.place(row))


def _ties(entry: _Entry) -> tuple[tuple[str, str], ...]:
    known = entry.known or Known()
    named = (("recording", known.recording), ("room", known.room))
    return (("sound file", entry.placed.source), *((kind, name) for kind, name in named if name is not None))


def _refuse_repeated(entries: list[_Entry]) -> None:
    """Raises ManifestError if a question is asked twice about a recording and answered by one value in two ways, or a row is
    repeated. A free question may have several answers."""
    seen: dict[tuple[str, str], _Entry] = {}
    for entry in entries:
        question = " ".join(entry.row.text("question").lower().split())
        free = entry.meaning.type == FAMILY.type
        key = entry.placed.name, question + (f"\n{entry.meaning.answer}" if free else "")
        first = seen.setdefault(key, entry)
        if first is not entry:
            same = first.meaning.truth == entry.meaning.truth
            told = "repeats" if same else f"answers {entry.meaning.answer!r} to the question of"
            also = "leave it out" if same else f"there it is {first.meaning.answer!r}, keep one"
            raise ManifestError(f"{entry.row.where}: {told} {first.row.where}; {also}. {first.row.right_line()}")


def _refuse_two_rooms(entries: list[_Entry]) -> None:
    """Raises ManifestError if a file is in two rooms."""
    rooms: dict[str, _Entry] = {}
    for entry in entries:
        room = entry.row.text("room")
        first = rooms.setdefault(entry.placed.source, entry) if room else entry
        if first.row.text("room") != room:
            other = first.row.text("room")
            raise entry.row.error(
                f"room is {room!r}, and {first.row.where} has the same sound file in {other!r}", room=other
            )


def _record(entry: _Entry, split: str, number: int) -> Record:
    meaning, placed, known = entry.meaning, entry.placed, entry.known
    if placed.is_cut and (known is None or known.recording is None):
        known = replace(known or Known(), recording=entry.row.text("audio"))  # so that later checks know it too
    record = Record(
        id=f"q{number:05d}",
        recording_id=Path(placed.name).stem,
        type=meaning.type,
        question_type=meaning.question_type,
        question=entry.row.text("question"),
        answer=meaning.answer,
        truth=meaning.truth,
        split=split,
        sampling_rate=placed.rate,
        about=meaning.about,
        audio=placed.name,
        files={placed.name: placed.facts},
        known=known,
    )
    return record_from_dict(record.to_dict(), entry.row.where)
