"""Makes pairs from the structured truth of a manifest: the true answer beside one that is wrong in a known way.

What is preferred over what is balanced: left over right as often as right over left, yes over no as often as no over yes,
within each kind of pair and question type. So no word is preferred as such, and the recording has to be heard.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from spatial_llm.answers import is_refusal
from spatial_llm.answers.kind import Value
from spatial_llm.data.manifest import Manifest, open_manifest
from spatial_llm.data.preference.kinds import KINDS
from spatial_llm.data.preference.kinds.kind import Draft, Given
from spatial_llm.data.preference.pair import pair_line, recording_sha256
from spatial_llm.data.record import Record, source_meant, sources_of
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.jsonl import write_jsonl
from spatial_llm.questions.families.own import OPEN
from spatial_llm.questions.types import VALUE_KINDS, format_value, parse_value
from spatial_llm.ranges import Checked, Count, Seed


@dataclass
class PairSettings(Checked):
    """Sets which pairs are made.

    Attributes:
        kinds: names of kinds (`data.preference.kinds`).
        most_per_kind: most pairs of one kind; null for no bound.
        level_is_known: whether the recordings have the level of training. If not, nobody can tell a distance from them, and
            "I cannot tell" is preferred over every one.
        seed: of what is drawn.
    """

    called: ClassVar[str] = "pairs"

    kinds: list[Literal[*KINDS]] = field(default_factory=lambda: list(KINDS))
    most_per_kind: Count | None = None
    level_is_known: bool = True
    seed: Seed = 0


@dataclass(frozen=True)
class Made:
    """Holds a pair that was drafted: the row of the manifest, its answers as texts, and what is preferred over what."""

    row: int
    question_type: str
    chosen: str
    rejected: str
    way: tuple[str, str] | None


def make_pairs(manifest: str | Path, out: str | Path, settings: PairSettings) -> dict[str, dict[str, Any]]:
    """Writes pairs about the recordings of a manifest; returns the number of pairs of each kind ("pairs"), and of each thing
    that is preferred over another ("ways").

    The same manifest and settings give the same file.

    Args:
        manifest: of ours, whose records say what their questions are about.
        out: the file, in the manifest's folder, at which the names of recordings start.
        settings: which pairs.

    Raises:
        ManifestError: the manifest is not one; `out` is elsewhere; or there is no pair of any kind.
    """
    manifest, out = Path(manifest), Path(out)
    if out.resolve().parent != manifest.resolve().parent:
        raise ManifestError(
            f"{out}: pairs name their recordings as {manifest} does, relative to its folder; write them beside it."
        )
    records = open_manifest(manifest)
    drafted: dict[str, list[Made]] = {name: [] for name in KINDS if name in settings.kinds}
    for given, row in _questions(records, settings):
        of_unknown = "unknown" in given.answer_kind
        for name in drafted:
            if KINDS[name].of_unknown != of_unknown:
                continue
            draft = KINDS[name].make(_seeded(given, settings.seed, name))
            if draft is not None:
                drafted[name].append(_written(row, given, draft, name))
    kept = _balanced(drafted, settings)
    if not any(kept.values()):
        raise ManifestError(f"{manifest}: no pair of {', '.join(drafted)}; docs/preference.md says what they need.")
    write_jsonl(out, _lines(records, kept))
    return {
        name: {
            "pairs": len(made),
            "ways": {
                " over ".join(way): count for way, count in sorted(Counter(one.way for one in made if one.way).items())
            },
        }
        for name, made in kept.items()
    }


def _questions(records: Manifest, settings: PairSettings) -> Iterator[tuple[Given, int]]:
    """Yields what is known of each question that has one typed answer about one recording, and its row."""
    beside: dict[str, list[tuple[str, str]]] = defaultdict(list)
    answers: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in records.lines():
        beside[line["recording_id"]].append((line["question"], line["answer"]))
        answers[line["question_type"]][line["answer"]].add(line["recording_id"])
    sorted_answers = {name: sorted(found) for name, found in answers.items()}
    rng = np.random.default_rng(0)  # replaced for each kind
    for row, record in enumerate(records):
        value = parse_value(record.question_type, record.answer)
        single = record.earlier is None and record.others is None
        kind = VALUE_KINDS[record.question_type]
        # Answers with steps in front are not taken apart; one that declines has a place only where a family says it may.
        untold = is_refusal(record.answer) and "unknown" not in kind
        if not single or "thought" in kind or value is None or record.question_type == OPEN or untold:
            continue
        sources = sources_of(record)
        source = None if record.about is None else source_meant(record, record.about, sources)
        others = beside[record.recording_id]
        elsewhere = sorted_answers[record.question_type]
        yield Given(record, value, source, sources, others, elsewhere, settings.level_is_known, rng), row


def _seeded(given: Given, seed: int, kind: str) -> Given:
    """Returns the same question with random numbers of its own, which depend on neither other questions nor other kinds."""
    rng = np.random.default_rng([seed, zlib.crc32(given.record.id.encode()), zlib.crc32(kind.encode())])
    return Given(**{**vars(given), "rng": rng})


def _written(row: int, given: Given, draft: Draft, kind: str) -> Made:
    """Returns the answers of a draft as texts, read again: the chosen one states the truth or declines, the rejected one
    does not state the truth."""
    record = given.record
    texts = [
        one if isinstance(one, str) else format_value(record.question_type, one) for one in (draft.chosen, draft.rejected)
    ]
    values: list[Value | None] = [None if is_refusal(text) else parse_value(record.question_type, text) for text in texts]
    declines = is_refusal(texts[0])
    if (values[0] != given.value and not declines) or values[1] == values[0]:
        raise SpatialLLMError(f"record {record.id!r}: the pair {texts} of kind {kind} reads as {values}, which is a bug.")
    return Made(row, record.question_type, *texts, draft.way)


def _balanced(drafted: dict[str, list[Made]], settings: PairSettings) -> dict[str, list[Made]]:
    """Returns the pairs that are kept: each way as often as its opposite, at most so many of a kind."""
    kept: dict[str, list[Made]] = {}
    for name, made in sorted(drafted.items(), key=lambda item: bool(KINDS[item[0]].as_often_as)):
        rng = np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
        made = [made[index] for index in rng.permutation(len(made))]
        if KINDS[name].as_often_as:
            left = Counter(one.question_type for other in KINDS[name].as_often_as for one in kept.get(other, ()))
            made = [one for one in made if _taken(left, one.question_type)]
        units = _units(made)
        units = [units[index] for index in rng.permutation(len(units))]
        most, found = settings.most_per_kind, []
        for unit in units:
            if most is None or len(found) + len(unit) <= most:
                found += unit
        kept[name] = sorted(found, key=lambda one: one.row)
    return {name: kept[name] for name in drafted}


def _taken(left: Counter, question_type: str) -> bool:
    left[question_type] -= 1
    return left[question_type] >= 0


def _units(made: Sequence[Made]) -> list[list[Made]]:
    """Returns pairs that are kept or left out together: one of each way and one of the opposite way."""
    by_way: dict[tuple[str, tuple[str, str]], list[Made]] = defaultdict(list)
    for one in made:
        if one.way is not None:
            by_way[one.question_type, one.way].append(one)
    units = [[one] for one in made if one.way is None]
    for (question_type, way), one_way in by_way.items():
        if way < way[::-1]:
            units += [list(pair) for pair in zip(one_way, by_way.get((question_type, way[::-1]), ()), strict=False)]
    return units


def _lines(records: Manifest, kept: dict[str, list[Made]]) -> Iterator[dict[str, Any]]:
    known: dict[str, str] = {}
    hashes: dict[str, str] = {}
    by_row: dict[int, list[tuple[str, Made]]] = defaultdict(list)
    for kind, found in kept.items():
        for one in found:
            by_row[one.row].append((kind, one))
    for row in sorted(by_row):
        record: Record = records[row]
        if record.recording_id not in hashes:
            hashes[record.recording_id] = recording_sha256(record, records.root, known)
        for kind, made in by_row[row]:
            truth = None if is_refusal(made.chosen) else parse_value(record.question_type, made.chosen)
            yield pair_line(record, made.chosen, made.rejected, kind, truth, hashes[record.recording_id])
