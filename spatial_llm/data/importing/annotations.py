"""Imports a table of annotations: file, start, end, label, azimuth, elevation, distance under a declared convention."""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatial_llm import answers
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.importing.convention import Convention
from spatial_llm.data.importing.heard import Span, Track
from spatial_llm.data.importing.place import check_out
from spatial_llm.data.importing.recordings import find_audio, safe_stem
from spatial_llm.data.importing.splits import Member, assign_splits, given_split
from spatial_llm.data.importing.table import Row, read_table
from spatial_llm.data.importing.windows import (
    Cutting,
    Manifests,
    Recording,
    WindowSeconds,
    format_of,
    format_summary,
    open_recording,
    questions_about_annotations,
)
from spatial_llm.files import atomic_path, sha256_of
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.ranges import Checked, Seed, Share

_OF_A_FILE = ("split", "room", "recording")
_SLACK_S = 0.01  # by which an end may lie behind that of its file


@dataclass
class TableArguments(Checked):
    """Sets what to import, what its numbers mean, and where to.

    Attributes:
        csv: a table with the columns file, start, end, label, azimuth and, if wanted, elevation, distance, source, split,
            room, recording; see data/README.md.
        out: folder for train.jsonl, eval.jsonl and the windows; one that an import has written is replaced.
        format: what the channels of all files are, as a text: foa, array:[[x, y, z], ...], binaural ...; must be given.
        convention: what the numbers mean; must be declared.
        all_listed: whether the table lists all that sounds; only then are sounds counted, compared, or said to be absent.
        window_s: length of a window in seconds.
        questions: what is asked.
        eval_share: share of the rows to evaluate on, of those that the column split leaves open.
        seed: of that choice, and of the choice of questions.
        audio_limits: how long and large a recording may be, and whether truncated files are read.
    """

    csv: str
    out: str
    format: str | None = None
    convention: Convention = field(default_factory=Convention)
    all_listed: bool = False
    window_s: WindowSeconds = 10.0
    questions: QuestionConfig = field(default_factory=questions_about_annotations)
    eval_share: Share = 0.25
    seed: Seed = 0
    audio_limits: AudioLimits = field(default_factory=AudioLimits)


def import_table(arguments: TableArguments) -> dict[str, Any]:
    """Writes the manifests and windows of a table to a folder, all or nothing, and returns the counts, which import.json
    holds too, as `dcase.import_dcase` does.

    Raises:
        ManifestError: the convention is not declared, a row is wrong (the message shows it as it would be right), or `out`
            holds something else.
        OutputError: the folder cannot be written.
    """
    out, table, convention = Path(arguments.out), Path(arguments.csv), arguments.convention
    check_out(out, table)
    rows = read_table(table, convention.columns())
    convention.check(rows[0].texts, arguments.format, str(table))
    format = format_of(arguments.format)
    groups = _by_file(rows, table.parent, out)
    items = _items(groups, arguments)
    labels = sorted({_label(row) for row in rows})
    folded = format.kind == "stereo_ms"
    known = labels if arguments.all_listed else ()
    cutting = Cutting(
        arguments.format,
        arguments.window_s,
        known,
        folded,
        arguments.all_listed,
        arguments.questions,
        arguments.seed,
        arguments.audio_limits,
    )
    with atomic_path(out) as temporary:
        temporary.mkdir()
        manifests = Manifests(cutting, temporary)
        for item, group in zip(items, groups.values(), strict=True):
            waveform, rate = open_recording(item.audio, format, arguments.audio_limits, item.where)
            manifests.add(item, _tracks(group, convention, folded, waveform.shape[1] / rate), waveform, rate)
        about = {"source": str(table), "csv_sha256": sha256_of(table), "format": arguments.format}
        splits = manifests.write(about | {"convention": vars(convention), "window_s": arguments.window_s})
    for doubt in convention.doubts(rows):
        warnings.warn(f"{table}: {doubt}", stacklevel=2)
    return splits


def main(arguments: TableArguments) -> None:
    """Imports a table and prints what came of it."""
    print("\n".join(format_summary(import_table(arguments), Path(arguments.out))))


def _by_file(rows: Sequence[Row], beside: Path, out: Path) -> dict[Path, list[Row]]:
    """Returns the rows of each file. Raises ManifestError if two rows of a file differ in what is of the whole file."""
    groups: dict[Path, list[Row]] = defaultdict(list)
    for row in rows:
        group = groups[find_audio(row, "file", beside, out)]
        for column in _OF_A_FILE:
            if group and row.text(column) != group[0].text(column):
                first = group[0].text(column)
                raise row.error(
                    f"{column} is {row.text(column)!r}, and {group[0].where} has the same file with {first!r}",
                    **{column: first},
                )
        group.append(row)
    return dict(groups)


def _items(groups: dict[Path, list[Row]], arguments: TableArguments) -> list[Recording]:
    members = []
    for path, group in groups.items():
        named = ((column, group[0].text(column)) for column in ("recording", "room"))
        ties = (("sound file", sha256_of(path)), *((column, name) for column, name in named if name))
        members += [Member(row, given_split(row), ties) for row in group]
    splits = assign_splits(members, arguments.eval_share, arguments.seed)
    of_row = {id(member.row): split for member, split in zip(members, splits, strict=True)}
    return [
        Recording(
            group[0].where,
            path,
            f"{number:04d}_{safe_stem(path)}",
            of_row[id(group[0])],
            group[0].text("recording") or group[0].text("file"),
            group[0].text("room") or None,
        )
        for number, (path, group) in enumerate(groups.items(), 1)
    ]


def _label(row: Row) -> str:
    labels = answers.parse_labels(row.text("label")) if row.text("label") else None
    if not labels or len(labels) > 1:
        raise row.error(f"label is {row.text('label')!r}; expected the name of one sound", label="bell")
    return labels[0]


def _tracks(rows: Sequence[Row], convention: Convention, folded: bool, lasts_s: float) -> list[Track]:
    """Returns the sounds of a file: rows of one label and source are one, and each row without a source is one."""
    spans: dict[tuple[str, Any], list[Span]] = defaultdict(list)
    for index, row in enumerate(rows):
        azimuth_deg, elevation_deg, distance_m = convention.place(row)
        if folded:
            azimuth_deg, elevation_deg = _folded(azimuth_deg), None
        span = Span(*_times(row, lasts_s), azimuth_deg, elevation_deg, distance_m)
        spans[_label(row), row.text("source") or index].append(span)
    return [Track(label, key, tuple(sorted(each, key=lambda span: span.start_s))) for (label, key), each in spans.items()]


def _folded(azimuth_deg: float | None) -> float | None:
    """Returns the azimuth of the mirror image ahead of a direction behind."""
    if azimuth_deg is None or abs(azimuth_deg) <= 90:
        return azimuth_deg
    return (180.0 if azimuth_deg > 0 else -180.0) - azimuth_deg


def _times(row: Row, lasts_s: float) -> tuple[float, float]:
    start_s, end_s = row.number("start"), row.number("end")
    right = {"start": "0", "end": f"{int(1000 * lasts_s) / 1000:g}"}
    for name, value in (("start", start_s), ("end", end_s)):
        if value is None:
            raise row.error(f"{name} is empty; expected seconds from the beginning of the file", **{name: right[name]})
    if end_s > lasts_s + _SLACK_S:
        raise row.error(f"end is {end_s:g} s, and {row.text('file')!r} lasts {lasts_s:g} s", end=right["end"])
    if end_s <= start_s:
        raise row.error(f"start is {start_s:g} s and end {end_s:g} s; expected an end after the start", **right)
    return start_s, min(end_s, lasts_s)
