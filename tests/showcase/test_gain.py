"""The share of right answers before and after a training: values counted by hand, and which row comes first."""

from pathlib import Path

import pytest

from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet, read_evaluation_set
from spatial_llm.evaluation.predicting.predictions import PredictionWriter
from spatial_llm.showcase.gain import format_gain, gain
from tests.evaluation.fixtures_small import write_small_set


def answered(folder: Path, questions: EvaluationSet, wrong: set[str]) -> Path:
    """Predictions that are the true answers, but for the questions of these ids."""
    writer = PredictionWriter(folder, {"manifest_sha256": questions.sha256})
    writer.add({item.id: "nothing" if item.id in wrong else item.answer for item in questions.items})
    return writer.finish(questions.items)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("gain")
    questions = read_evaluation_set(write_small_set(folder / "data"))
    of_type = {letter: [item.id for item in questions.items if item.type == letter] for letter in "ABCDE"}
    before = answered(folder / "before", questions, {*of_type["A"], of_type["B"][0], *of_type["E"][:9]})
    after = answered(folder / "after", questions, {of_type["A"][0], *of_type["B"][:2]})
    return {row["type"]: row for row in gain(before, after, questions)}


def test_shares_are_those_counted_by_hand(rows: dict[str, dict]) -> None:
    assert list(rows) == ["A", "B", "C", "D", "E"]
    assert (rows["A"]["n"], rows["A"]["recordings"], rows["E"]["n"]) == (3, 3, 15)
    assert (rows["A"]["before"], rows["A"]["after"]) == (0.0, pytest.approx(200 / 3))
    assert (rows["B"]["before"], rows["B"]["gain"]) == (pytest.approx(200 / 3), pytest.approx(-100 / 3))
    assert (rows["C"]["before"], rows["C"]["gain_low"], rows["C"]["gain_high"]) == (100.0, 0.0, 0.0)
    assert (rows["E"]["before"], rows["E"]["gain"]) == (40.0, 60.0)
    for row in rows.values():
        assert 0.0 <= row["guess"] <= 100.0
        assert all(row[f"{key}_low"] <= row[key] + 1e-9 <= row[f"{key}_high"] + 2e-9 for key in ("before", "after", "gain"))


def test_the_trained_type_comes_first(rows: dict[str, dict]) -> None:
    lines = format_gain(list(rows.values()), "E").splitlines()
    assert lines[2].startswith("| E (trained now) ") and "+60.0 (" in lines[2] and "| 15 " in lines[2]
    assert [line[2] for line in lines[3:]] == ["A", "B", "C", "D"] and all("(known before)" in line for line in lines[3:])
