"""The guesser of multiple choice who never hears: as good as a planted habit, near chance without one, blind to itself."""

from dataclasses import replace

import numpy as np
import pytest

from spatial_llm.answers import parse_choice
from spatial_llm.evaluation.benchmarks import read_mmau_pro, read_star_bench, score_mmau_pro, score_star_bench
from spatial_llm.evaluation.benchmarks.question_only import NOTE, question_only_choices
from spatial_llm.evaluation.predicting.predictions import prediction_line
from spatial_llm.evaluation.report.scores_table import format_table
from spatial_llm.evaluation.scoring.choices import question_only_texts
from spatial_llm.evaluation.scoring.score import score_run
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.jsonl import write_jsonl
from tests.evaluation.benchmarks.layouts import RELATION, STATIC, mmau_row, write_mmau_pro, write_star_bench
from tests.evaluation.benchmarks.test_mmau_pro import counted

SIDES = ["Left", "Right", "Ahead"]


def star(folder, answers, category=STATIC, options=SIDES, start=0):
    """One question a recording, answered so; the rows of the release."""
    return [
        {
            "id": f"{category}-{start + n}", "question": "Where is it?", "options": options, "answer": answer,
            "audio_paths": [f"a/{category}-{start + n}.wav"], "task": "Spatial Reasoning", "category": category,
        }
        for n, answer in enumerate(answers)
    ]  # fmt: skip


def right(questions, chosen):
    return [item.choices[index] == item.answer for item, index in zip(questions.items, chosen, strict=True)]


def test_a_habit_of_a_category_is_found_in_every_rotation(tmp_path):
    """27 of 30 are "Left" in one category, and 18 of 20 "Right" in another: that is what is said of all of them."""
    rows = star(tmp_path, ["Left"] * 27 + SIDES) + star(tmp_path, ["Right"] * 18 + ["Left"] * 2, RELATION)
    questions = read_star_bench(write_star_bench(tmp_path, rows, audio=False))
    chosen = question_only_choices(questions.items)
    said = {(item.task, item.choices[index]) for item, index in zip(questions.items, chosen, strict=True)}
    assert said == {(STATIC, "Left"), (RELATION, "Right")}
    scores = score_star_bench(questions, question_only_texts(questions, 0), parse_choice).metrics
    for name in ("AA", "ACR", "string_match"):  # 28 and 18 of 50, by the rule's letters as by our parser
        assert scores[name].entry["value"] == pytest.approx(100 * 46 / 50) and scores[name].entry["unparsed"] == 0, name


def test_no_question_has_seen_its_own_recording(tmp_path):
    answers = (SIDES * 9)[:26]
    rows = star(tmp_path, answers)
    questions = read_star_bench(write_star_bench(tmp_path, rows, audio=False))
    before = question_only_choices(questions.items, seed=1)
    for number in (0, 7):
        own = {row for row, item in enumerate(questions.items) if item.source_id == rows[number]["id"]}
        other = [replace(i, answer="Right" if i.answer != "Right" else "Ahead") if row in own else i
                 for row, i in enumerate(questions.items)]  # fmt: skip
        after = question_only_choices(other, seed=1)
        assert [after[row] for row in own] == [before[row] for row in own]
    # a second question about the same recording tells nothing either
    shared = [*questions.items, *(replace(i, id=f"{i.id}+", source_id="more") for i in questions.items[:1])]
    assert question_only_choices(shared, seed=1)[:3] == before[:3]


def test_the_place_decides_where_no_text_is_known(tmp_path):
    """Options that stand in one question only; the right one is mostly the second of three, and the first of two."""
    rows = [
        mmau_row(f"m{n}", "Which?", [f"{n}{letter}" for letter in "abc"], f"{n}{'b' if n % 10 else 'c'}", [f"data/{n}.wav"])
        for n in range(40)
    ]
    rows += [mmau_row(f"t{n}", "Which?", [f"{n}x", f"{n}y"], f"{n}x", [f"data/t{n}.wav"]) for n in range(9)]
    questions = read_mmau_pro(write_mmau_pro(tmp_path, rows, audio=False))
    assert question_only_choices(questions.items) == [1] * 40 + [0] * 9
    scores = score_mmau_pro(questions, question_only_texts(questions, 0), lambda texts: np.eye(len(texts)), "eye")
    assert scores.metrics["accuracy"].entry["value"] == pytest.approx(100 * (36 + 9) / 49)


def test_even_answers_are_near_chance_and_a_lone_question_gets_a_lot(tmp_path):
    questions = read_star_bench(write_star_bench(tmp_path, star(tmp_path, SIDES * 10), audio=False))
    share = np.mean([right(questions, question_only_choices(questions.items, seed)) for seed in range(40)])
    assert 1 / 3 - 0.13 < share < 1 / 3 + 0.02  # a little below, as documented
    assert question_only_choices(questions.items, 3) == question_only_choices(questions.items, 3)
    alone = [item for item in questions.items if item.source_id == questions.items[0].source_id]
    assert {question_only_choices(alone[:1], seed)[0] for seed in range(30)} == {0, 1, 2}


@pytest.mark.parametrize("benchmark", ["star", "mmau"])
def test_it_stands_beside_the_models_own_controls(tmp_path, benchmark):
    if benchmark == "star":
        questions, main = read_star_bench(write_star_bench(tmp_path / "d", star(tmp_path, ["Left"] * 8), audio=False)), "AA"
    else:
        rows = [mmau_row(f"m{n}", "Which?", ["left", "right"], "left", [f"data/{n}.wav"]) for n in range(8)]
        questions, main = read_mmau_pro(write_mmau_pro(tmp_path / "d", rows, audio=False)), "accuracy"
    wrong = [item.choices[item.choices.index(item.answer) - 1] for item in questions.items]
    path = tmp_path / "out" / "predictions.jsonl"
    write_jsonl(path, map(prediction_line, questions.items, wrong))
    report, _ = score_run(path, questions, counted, "letters", settings=ScoreSettings(resamples=20, controls=("no_audio",)))
    assert list(report["controls"]) == ["question_only"] and report["controls_missing"] == ["no_audio"]
    control = report["controls"]["question_only"]
    assert (control["from"], control["note"], control["recordings"]) == ("question", NOTE, 8)
    assert control["metrics"][main]["value"] == 100 and control["metrics"][main]["same_items"]["value"] == 0
    assert set(control["metrics"]) == set(report["metrics"]) and report["metrics"][main]["random"] > 0
    assert "### question alone, 8 recordings (no model: the option" in format_table(report)
