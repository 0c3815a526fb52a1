"""scores.md: intervals, both readings, controls beside the real run, protocols kept apart."""

import copy

import pytest

from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.published import SPATIALSOUNDQA
from spatial_llm.evaluation.report.scores_table import first_part, format_table, not_heard
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.evaluation.verdicts import hearing_verdict, verdict
from tests.evaluation.report.case import control_of, scores_of


def line(number, question_type, right, recording="r0"):
    kind = {"CLASSIFICATION": "A", "DOA": "B"}.get(question_type, "azimuth")
    return {
        "id": f"q{number}", "recording_id": recording, "type": kind, "question_type": question_type, "strict": {"x": 1},
        "refused": False, "measures": {"right": right},
    }  # fmt: skip


@pytest.fixture
def scores():
    lines = [line(number, kind, number % 4 > 0) for kind in ("CLASSIFICATION", "DOA", "AZIMUTH_DEG") for number in range(8)]
    return scores_of(lines, "a" * 64)


def cells(table, start):
    return [
        [cell.strip() for cell in row.split("|")[1:-1]]
        for row in table.splitlines()
        if row.startswith(f"| {titled(start)} ")
    ]


def test_ours_with_interval_both_readings_and_counts(scores):
    scores["metrics"]["B_direction_acc"] |= {"unparsed": 3, "refused": 2}
    table = format_table(scores)
    first = cells(table, "B_direction_acc")[0]
    assert first == [
        "8-way direction (B), `B_direction_acc`",
        "75.00",
        "70.00 to 80.00",
        "77.00, 0 unparsed",
        "25.00",
        "higher",
        "8",
        "1",
        "3",
        "2",
        "bat",
    ]
    assert cells(table, "A_mAP")[0][3] == "-"  # no parser takes part
    assert "95 %" in table and "100 resamples" in table and "sha256 aaaaaaaaaaaa" in table
    assert "Task: toy, version 1" in table and "max_new_tokens 200, num_beams 1" in table
    assert table.endswith("\n") and "None of these is comparable" in table


def test_controls_stand_beside_the_real_run_on_the_same_items(scores):
    scores["controls"]["no_audio"]["metrics"]["A_mAP"] |= {"value": 73.0, "low": 68.0, "high": 78.0}
    table = format_table(scores)
    heard, unheard = cells(table, "B_direction_acc")[1], cells(table, "A_mAP")[1]
    assert heard[1:5] == ["20.00", "15.00 to 25.00", "75.00", "70.00 to 80.00"] and heard[-1] == "real run better"
    assert unheard[-1] == "not told apart"
    assert "on 2 of 3 metrics it is better than without sound" in table
    assert "intervals apart: A_mAP (1 of these on fewer than 30 questions)." in table
    assert first_part(table).splitlines()[-1] == hearing_verdict(scores)


def test_a_verdict_knows_which_way_is_better():
    entry = {"value": 50.0, "low": 45.0, "high": 55.0, "same_items": {"value": 20.0, "low": 15.0, "high": 25.0}}
    assert verdict(entry, {"higher_is_better": False}) == "real run better"
    assert verdict(entry, {"higher_is_better": True}) == "control better"
    assert verdict(entry | {"low": 25.0}, {"higher_is_better": False}) == "not told apart"
    assert verdict(entry | {"low": None, "high": None}, {"higher_is_better": False}) == "not told apart"


def test_without_controls_it_says_so(scores):
    scores["controls"] = {}
    assert "nothing shows whether the model listens" in format_table(scores)
    scores["controls"] = {"ears_swapped": control_of(scores["metrics"], 1.0)}
    assert "no control without its sound was run" in hearing_verdict(scores)
    assert "left and right must be answered mirrored" in format_table(scores)


def test_protocols_share_neither_row_nor_column(scores):
    for benchmark, words in ((None, "None of these is comparable"), (SPATIALSOUNDQA, "cannot be compared with ours")):
        scores["benchmark"] = benchmark
        for entry in scores["metrics"].values():
            for row in entry["published"]:
                row["comparable"] = benchmark is not None and row["protocol"] == entry["protocol"]
        table = format_table(scores)
        assert words in table
        rows = {tuple(row[1:3]): row for row in cells(table[table.index("## Beside") :], "A_mAP")}
        ours, beams = rows["bat, all-MiniLM-L6-v2", "greedy"], rows["bat, all-MiniLM-L6-v2", "4 beams"]
        assert ours[3] == "75.00" and "27.15" in ours and "24.50" not in ours and "26.34" not in ours
        assert beams[3] == "-" and "24.50" in beams
        others = rows["bat, text-embedding-3-small", "4 beams"]
        assert others[3] == "-" and "26.34" in others
    for entry in scores["metrics"].values():  # the benchmark, but other room responses
        for row in entry["published"]:
            row["comparable"] = False
    assert "None of these is comparable with ours: ours is of another protocol" in format_table(scores)


def test_controls_of_the_task_that_were_not_run_are_named(scores):
    scores["controls_missing"] = ["ears_swapped"]
    assert "Controls of the task that were not run: ears_swapped; run predict again" in first_part(format_table(scores))


def test_a_long_list_is_cut(scores):
    entry = scores["metrics"]["A_mAP"]
    silent = scores["controls"]["no_audio"]["metrics"]
    for number in range(40):
        scores["metrics"][f"A{number}"] = entry
        silent[f"A{number}"] = silent["A_mAP"] | {"value": 75.0, "low": 70.0, "high": 80.0}
    assert "and 30 more (40 of these" in not_heard(scores)[0]


def test_undefined_values_and_other_units_are_printed(scores):
    scores = copy.deepcopy(scores)
    entry = scores["metrics"]["AZIMUTH_DEG_exact"]
    entry |= {"value": None, "low": None, "high": None, "unit": "deg", "lenient": None, "random": 90.0}
    scores["unreadable_truths"] = {"DOA": 2}
    table = format_table(scores)
    assert cells(table, "AZIMUTH_DEG_exact")[0][1:5] == ["-", "-", "-", "90.000 (deg)"]
    assert "Left out: 2 records of DOA" in table


def test_a_cell_cannot_break_the_grid():
    assert format_grid(["a"], [["x|y"]]).splitlines()[-1] == r"| x\|y |"
