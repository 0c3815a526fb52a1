"""Every kind of pair: the chosen answer is the truth, the rejected one is wrong, and neither is preferred by its words."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from spatial_llm.answers import is_refusal, parse_absent
from spatial_llm.answers.closeness import apart_deg, is_right
from spatial_llm.answers.kinds.or_unknown import UNKNOWN
from spatial_llm.commands import load
from spatial_llm.data.preference.kinds import KINDS
from spatial_llm.data.preference.kinds.kind import DOUBTS, way_of
from spatial_llm.data.preference.make import PairSettings, make_pairs
from spatial_llm.data.preference.pair import PairFile
from spatial_llm.data.record import Record, labels_of, source_meant, sources_of
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import ManifestError
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.types import QUESTION_TYPES, VALUE_KINDS, parse_value
from tests.data.preference.scenes import SQUARE, written


class Case(NamedTuple):
    """One pair, with the record it was made from and the values of its answers."""

    record: Record
    chosen: str
    rejected: str
    truth: dict | None
    wrong: dict | None

    @property
    def source(self) -> HeardSource | None:
        return source_meant(self.record, self.record.about, sources_of(self.record))

    @property
    def kind(self) -> str:
        return VALUE_KINDS[self.record.question_type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Case]], dict, Path]:
    """Pairs of 40 scenes by kind, the counts that were returned, and the file."""
    folder = tmp_path_factory.mktemp("pairs")
    records = {record.id: record for record in written(folder / "train.jsonl", 40)}
    counts = make_pairs(folder / "train.jsonl", folder / "pairs.jsonl", PairSettings())
    cases: dict[str, list[Case]] = {name: [] for name in KINDS}
    for pair in PairFile(folder / "pairs.jsonl"):
        record = records[pair.record.id.removesuffix(f"-{pair.kind}")]
        values = [
            None if is_refusal(text) else parse_value(record.question_type, text)
            for text in (pair.record.answer, pair.rejected)
        ]
        assert pair.truth == values[0] and pair.question_type == record.question_type
        cases[pair.kind].append(Case(record, pair.record.answer, pair.rejected, *values))
    return cases, counts, folder / "pairs.jsonl"


def differing(case: Case) -> set[str]:
    return {name for name in case.truth if case.truth[name] != case.wrong.get(name)}


def cases_of(made, kind: str, least: int) -> Iterator[Case]:
    cases, counts, _ = made
    assert len(cases[kind]) == counts[kind]["pairs"] >= least
    for case in cases[kind]:
        if kind != "unknowable_direction":
            assert case.chosen == case.record.answer and case.truth == case.record.truth
        yield case


def test_mirrored_exchanges_the_sides_and_is_wrong(made):
    for case in cases_of(made, "mirrored", 30):
        assert not is_right(case.kind, case.wrong, case.truth)
        if case.kind == "azimuth" and case.record.about.turn_deg == 0:
            assert case.wrong["azimuth_deg"] % 360 == -case.truth["azimuth_deg"] % 360
        if case.kind in ("location", "location_or_absent") and case.record.about.turn_deg == 0:
            assert differing(case) == {"left_right"}


def test_front_for_behind_and_nothing_else(made):
    for case in cases_of(made, "front_back", 30):
        assert not is_right(case.kind, case.wrong, case.truth)
        if "azimuth_deg" in case.truth:
            assert apart_deg(case.wrong["azimuth_deg"], 180 - case.truth["azimuth_deg"]) < 1e-9
        elif "clock_hour" in case.truth:
            assert (case.wrong["clock_hour"] + case.truth["clock_hour"]) % 12 == 6
        else:
            assert differing(case) in ({"front_behind"}, {"yes"})


def test_half_a_metre_is_further_from_the_source_than_the_tolerance(made):
    for case in cases_of(made, "half_metre", 30):
        assert differing(case) == {"distance_m"}
        assert abs(case.wrong["distance_m"] - case.truth["distance_m"]) == pytest.approx(0.5)
        assert abs(case.wrong["distance_m"] - case.source.distance_m) > 0.5
        assert abs(case.truth["distance_m"] - case.source.distance_m) <= 0.25 + 1e-9


def test_one_metre_is_wrong(made):
    for case in cases_of(made, "one_metre", 30):
        assert differing(case) == {"distance_m"} and not is_right(case.kind, case.wrong, case.truth)
        assert abs(case.wrong["distance_m"] - case.truth["distance_m"]) == pytest.approx(1.0)


def test_the_swapped_source_is_another_one_of_the_recording(made):
    for case in cases_of(made, "swapped_source", 40):
        assert not is_right(case.kind, case.wrong, case.truth)
        if "labels" in case.wrong:
            assert set(case.wrong["labels"]) <= {name for names in labels_of(case.record) for name in names}
        elif case.kind == "location" and case.record.about.turn_deg == 0:
            places = [source.location.to_dict() for source in sources_of(case.record)]
            assert case.wrong in places and case.truth in places


def test_the_answer_to_another_question_is_true_of_the_recording_but_not_asked(made):
    answers: dict[str, set[str]] = {}
    cases = made[0]
    for record in read_manifest(made[2].with_name("train.jsonl")):
        answers.setdefault(record.recording_id, set()).add(record.answer)
    unread = 0
    for case in cases_of(made, "other_question", 150):
        assert case.rejected in answers[case.record.recording_id]
        assert case.wrong is None or not is_right(case.kind, case.wrong, case.truth)
        unread += case.wrong is None
    assert 0 < unread < len(cases["other_question"])


def test_an_absent_sound_has_no_place_and_a_present_one_is_there(made):
    absent = 0
    for case in cases_of(made, "absent_sound", 30):
        assert not is_right(case.kind, case.wrong, case.truth)
        if case.kind == "location_or_absent":
            assert ("absent" in case.truth) != ("absent" in case.wrong)
            named = parse_absent(case.chosen) or parse_absent(case.rejected)
            assert (named in {name for names in labels_of(case.record) for name in names}) == ("absent" in case.wrong)
            absent += 1
    assert absent > 2


def test_what_the_microphones_cannot_tell_is_declined(made):
    types = set()
    for case in cases_of(made, "unknowable_direction", 5):
        assert case.record.format == SQUARE and case.chosen in DOUBTS and case.truth is None
        assert not is_right(case.kind, case.wrong, case.record.truth)
        if case.kind == "elevation":
            assert case.wrong["elevation_deg"] == -case.record.truth["elevation_deg"]
        types.add(case.record.question_type)
    assert "ELEVATION_DEG" in types


def test_doubt_is_rejected_as_often_as_preferred(made):
    cases = made[0]
    for case in cases_of(made, "needless_doubt", 5):
        assert case.rejected in DOUBTS and case.wrong is None
        assert case.record.format != SQUARE or case.kind != "elevation" or abs(case.truth["elevation_deg"]) <= 11
    preferred, rejected = (
        Counter(case.record.question_type for case in cases[kind]) for kind in ("unknowable_direction", "needless_doubt")
    )
    assert rejected["ELEVATION_DEG"] == preferred["ELEVATION_DEG"]
    assert all(rejected[name] <= preferred[name] for name in rejected)


def test_where_a_family_says_what_cannot_be_told_both_are_preferred_equally_often(tmp_path):
    records = {record.id: record for record in written(tmp_path / "train.jsonl", 80, ask={"humility": 3})}
    counts = make_pairs(tmp_path / "train.jsonl", tmp_path / "pairs.jsonl", PairSettings())
    assert {kind for kind, found in counts.items() if found["pairs"]} == {"humility"}
    assert counts["humility"]["ways"]["doubt over value"] == counts["humility"]["ways"]["value over doubt"] >= 20
    declined = Counter()
    for pair in PairFile(tmp_path / "pairs.jsonl"):
        record = records[pair.record.id.removesuffix("-humility")]
        unknown, rejected = record.truth == UNKNOWN, parse_value(record.question_type, pair.rejected)
        assert pair.record.answer == record.answer and is_refusal(pair.rejected) != unknown
        assert rejected is not None and not is_right(VALUE_KINDS[record.question_type], rejected, record.truth)
        declined[record.question_type, unknown] += 1
    assert all(declined[name, True] == declined[name, False] for name, _ in declined) and len(declined) >= 4
    # Where the level is not known, no distance is preferred over a doubt.
    counts = make_pairs(tmp_path / "train.jsonl", tmp_path / "unknown.jsonl", PairSettings(level_is_known=False))
    truths = [pair.truth for pair in PairFile(tmp_path / "unknown.jsonl") if pair.kind == "humility"]
    assert len(truths) == counts["humility"]["pairs"] > 0
    assert not any(truth is not None and "distance_m" in truth for truth in truths)


def test_no_parser_takes_a_doubt_for_a_value():
    for text in DOUBTS:
        assert is_refusal(text)
        for question_type in QUESTION_TYPES:
            kind = VALUE_KINDS[question_type]
            if kind not in ("labels", "order", "text") and "unknown" not in kind:  # any text is a name; a doubt is a value
                assert parse_value(question_type, text) is None and parse_value(question_type, text, "lenient") is None


def test_each_way_is_preferred_as_often_as_its_opposite(made):
    cases, counts, _ = made
    for name in ("mirrored", "front_back", "half_metre", "one_metre", "absent_sound"):
        ways = counts[name]["ways"]
        # Names of sounds, and places of several, are preferred over others in no way that could be balanced.
        named = sum(name != "absent_sound" and way_of(case.truth, case.wrong) is None for case in cases[name])
        assert ways and sum(ways.values()) + named == counts[name]["pairs"]
        assert named < counts[name]["pairs"] / 4
        assert all(ways[" over ".join(reversed(way.split(" over ")))] == count for way, count in ways.items()), name
    sides = Counter((case.truth["left_right"], case.record.question_type) for case in cases["mirrored"]
                    if "left_right" in case.truth and case.truth["left_right"] != case.wrong["left_right"])  # fmt: skip
    assert sum(sides.values()) > 10
    assert all(sides["left", name] == sides["right", name] for _, name in sides)


def test_the_file_is_the_same_again_and_depends_on_the_seed(made, tmp_path):
    path = made[2]
    again = path.with_name("again.jsonl")
    make_pairs(path.with_name("train.jsonl"), again, PairSettings())
    assert again.read_bytes() == path.read_bytes()
    make_pairs(path.with_name("train.jsonl"), again, PairSettings(seed=1))
    assert again.read_bytes() != path.read_bytes()
    # A kind draws the same whether others are made or not.
    counts = make_pairs(path.with_name("train.jsonl"), again, PairSettings(kinds=["one_metre"]))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [json.loads(line) for line in again.read_text().splitlines()] == [
        line for line in lines if line["kind"] == "one_metre"
    ]
    assert list(counts) == ["one_metre"]


def test_distances_are_unknowable_where_the_level_is(made):
    path = made[2]
    out = path.with_name("unknown.jsonl")
    settings = PairSettings(kinds=["unknowable_distance", "needless_doubt"], level_is_known=False, most_per_kind=7)
    counts = make_pairs(path.with_name("train.jsonl"), out, settings)
    assert counts["unknowable_distance"]["pairs"] == 7 and counts["needless_doubt"]["pairs"] == 0
    records = {record.id: record for record in written(path.with_name("copy.jsonl"), 40)}
    for pair in PairFile(out):
        truth = records[pair.record.id.removesuffix("-unknowable_distance")].truth
        assert pair.record.answer in DOUBTS and not is_right("distance", parse_value("DISTANCE", pair.rejected), truth)


def test_pairs_elsewhere_and_no_pairs_are_refused(made, tmp_path):
    manifest = made[2].with_name("train.jsonl")
    with pytest.raises(ManifestError, match="write them beside it"):
        make_pairs(manifest, tmp_path / "pairs.jsonl", PairSettings())
    with pytest.raises(ManifestError, match="no pair of unknowable_distance"):
        make_pairs(manifest, manifest.with_name("none.jsonl"), PairSettings(kinds=["unknowable_distance"]))
    assert not manifest.with_name("none.jsonl").exists()


def test_the_command_writes_beside_the_manifest(made, capsys):
    manifest = made[2].with_name("train.jsonl")
    load("pairs").main(["--manifest", str(manifest), "--pairs.kinds=[mirrored]", "--pairs.most_per_kind=12"])
    printed = capsys.readouterr().out
    assert "mirrored" in printed and "left over right" in printed and "train_pairs.jsonl" in printed
    assert len(PairFile(manifest.with_name("train_pairs.jsonl"))) == 12
