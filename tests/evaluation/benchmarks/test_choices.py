"""Recordings that were not made for us: what cannot be used is named, and left out only when asked for."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from spatial_llm.answers import parse_choice
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks import read_star_bench, score_mmau_pro, score_star_bench
from spatial_llm.evaluation.benchmarks.choices import BY_RULE, LETTERS
from spatial_llm.evaluation.predicting.evaluation_set import read_questions
from spatial_llm.evaluation.predicting.predict import predict
from spatial_llm.evaluation.predicting.predictions import prediction_line
from spatial_llm.evaluation.predicting.tasks import Questions, read_task
from spatial_llm.evaluation.report import write_report
from spatial_llm.evaluation.report.scores_table import format_table
from spatial_llm.evaluation.scoring.compare import compare_predictions, format_comparison
from spatial_llm.evaluation.scoring.score import score_run
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.files import write_json
from spatial_llm.jsonl import write_jsonl
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_processor
from tests.evaluation.benchmarks.layouts import RATE, STAR_ROWS, write_mmau_pro, write_star_bench, write_wav
from tests.evaluation.benchmarks.test_mmau_pro import counted
from tests.evaluation.fixtures_tasks import TASKS

RELATION = "starbench_audios/holistic_reasoning/spatial/relation_000.wav"
SINGLE = "starbench_audios/holistic_reasoning/spatial/single_000.wav"


def test_the_two_ears_come_apart_and_in_order(tmp_path):
    questions = read_star_bench(write_star_bench(tmp_path))
    waveform = np.random.default_rng(1).normal(0, 0.1, (4000, 2)).astype(np.float32)
    soundfile.write(tmp_path / SINGLE, waveform, RATE, subtype="FLOAT")
    loaded = questions.load(questions.items[0], RATE, 6000)
    assert loaded.shape == (2, 6000) and loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded[:, :4000], waveform.T)
    assert not loaded[:, 4000:].any()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_mono_and_more_channels_are_errors_that_name_the_item(tmp_path, channels):
    questions = read_star_bench(write_star_bench(tmp_path))
    write_wav(tmp_path / RELATION, channels)
    item = questions.items[3]
    with pytest.raises(ManifestError, match=rf"item 'spatial_relation_000@0': .*2 channels needed, got {channels}"):
        questions.load(item, RATE, 6000)
    with pytest.raises(
        ManifestError, match=rf"1 questions .*\n  'spatial_relation_000': {RELATION}: 2 channels .* {channels}"
    ):
        questions.check_files()


def test_what_cannot_be_used_is_left_out_only_when_asked_counted_and_named(tmp_path):
    rows = [*STAR_ROWS, STAR_ROWS[0] | {"id": "two", "audio_paths": [SINGLE, RELATION]}]
    rows += [STAR_ROWS[0] | {"id": "text", "audio_paths": ["text.wav"]}]
    rows += [STAR_ROWS[0] | {"id": "pipe", "audio_paths": ["pipe.wav"]}]
    write_star_bench(tmp_path, rows)
    write_wav(tmp_path / RELATION, channels=1)
    (tmp_path / SINGLE).unlink()
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "pipe.wav").unlink()
    os.mkfifo(tmp_path / "pipe.wav")
    whole = read_star_bench(tmp_path)
    assert len(whole.items) == 3 * len(rows) and whole.left_out == {}
    with pytest.warns(UserWarning, match="5 questions are left out:\n  'spatial_single_000'"):
        part = read_star_bench(tmp_path, leave_out_unusable=True)
    assert {item.source_id for item in part.items} == {"spatial_trajectory_000", "spatial_trajectory_001"}
    assert part.left_out["spatial_single_000"] == f"{SINGLE}: no such file"
    assert part.left_out["spatial_relation_000"] == f"{RELATION}: 2 channels needed, got 1"
    assert part.left_out["two"].startswith(f"names 2 sound files ({SINGLE}, {RELATION})")
    assert part.left_out["text"].startswith("text.wav: not a readable sound file")
    assert part.left_out["pipe"] == "pipe.wav: no such file"
    assert str(tmp_path) not in json.dumps(part.left_out)  # it goes into scores.json
    assert part.sha256 != whole.sha256
    scores = score_star_bench(part, ["<A>"] * 6)
    assert scores.metrics["AA"].entry["details"]["left_out"] == dict(sorted(part.left_out.items()))


def test_nothing_to_leave_out_changes_nothing_and_nothing_left_is_an_error(tmp_path):
    write_star_bench(tmp_path)
    assert read_star_bench(tmp_path, leave_out_unusable=True) == read_star_bench(tmp_path)
    write_star_bench(tmp_path / "bare", audio=False)
    with pytest.raises(ManifestError, match="no recording of STAR-Bench spatial can be used"):
        read_star_bench(tmp_path / "bare", leave_out_unusable=True)


def test_complete_means_every_question_of_the_release(tmp_path):
    questions = read_star_bench(write_star_bench(tmp_path))
    assert not questions.complete  # four of 502
    assert replace(questions, released=4).complete
    assert replace(questions, released=5, left_out={"x": BY_RULE}).complete
    assert not replace(questions, released=5, left_out={"x": "x.wav: no such file"}).complete


def test_released_recordings_have_their_room_already(tmp_path):
    questions = read_star_bench(write_star_bench(tmp_path, audio=False))
    assert questions.with_responses("as_recorded") is questions
    with pytest.raises(ManifestError, match="responses 'official_bat'; give a task with responses: as_recorded"):
        questions.with_responses("official_bat")


def answered(folder, task_name, data):
    """Task, questions, path of the predictions and their lines, of a fresh tiny model with all controls of the task."""
    model = SpatialLLM(
        SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration")), tiny_processor()
    )
    model.save_pretrained(folder / "model")
    task = read_task(TASKS / f"{task_name}.yaml").override({"decoding.max_new_tokens": 6})
    questions = read_questions(task.questions, data)
    path = predict(folder / "model", questions, folder / "out", task, batch_size=4)
    return task, questions, path, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def page_of(folder, questions, report, items):
    """The HTML report."""
    write_json(folder / "scores" / "scores.json", report)
    write_jsonl(folder / "scores" / "items.jsonl", items)
    return write_report(folder / "scores", questions, folder / "report").read_text(encoding="utf-8")


def assert_all_controls_stand_there(task, report, page, metric):
    """Four of the model, the question alone and chance: in scores.json and on the page."""
    assert list(report["controls"]) == sorted([*task.controls, "question_only"]) and report["controls_missing"] == []
    assert {name: found["from"] for name, found in report["controls"].items()} == {
        **dict.fromkeys(task.controls, "model"), "question_only": "question",
    }  # fmt: skip
    for control in report["controls"].values():  # on all recordings, so the same items are all items
        assert control["metrics"][metric]["same_items"]["value"] == report["metrics"][metric]["value"]
    shown = page[page.index('<section id="controls">') :]
    for name in ("no audio", "another recording", "question alone", "both ears equal", "ears swapped"):
        assert f"<th scope='col'>{name}<" in shown and f"<li><strong>{name}</strong>: " in shown, name
    assert "<th scope='col'>random<" in page and all(metric["random"] is not None for metric in report["metrics"].values())


def test_a_model_answers_mmau_pro_with_all_its_controls(tmp_path):
    task, questions, path, lines = answered(tmp_path, "mmau_pro_spatial", write_mmau_pro(tmp_path / "data"))
    assert [line["id"] for line in lines] == [item.id for item in questions.items]
    settings = ScoreSettings(resamples=50, protocols=task.protocols, task=task.identity(), controls=task.controls)
    report, items = score_run(path, questions, counted, "letters", settings=settings)
    expected = score_mmau_pro(questions, [line["prediction"] for line in lines], counted, "letters", parse_choice).metrics
    for name in ("accuracy", "string_match"):
        assert report["metrics"][name]["value"] == expected[name].entry["value"]
    page = page_of(tmp_path, questions, report, items)
    assert_all_controls_stand_there(task, report, page, "accuracy")
    assert "MMAU-Pro" in page


def test_a_model_answers_such_a_set_and_its_answers_are_scored(tmp_path):
    """The task gives questions and rule; two questions of one recording share its encoding; controls stand beside."""
    task, questions, path, lines = answered(tmp_path, "star_bench_spatial", write_star_bench(tmp_path / "data"))
    assert [line["id"] for line in lines] == [f"{row['id']}@{run}" for row in STAR_ROWS for run in range(3)]
    assert {(line["type"], line["question_type"]) for line in lines} == {("choice", "CHOICE")}
    assert lines[6]["recording_id"] == lines[9]["recording_id"]

    settings = ScoreSettings(resamples=50, protocols=task.protocols, task=task.identity())
    report, items = score_run(path, questions, None, "no embedding", settings=settings)
    texts = [line["prediction"] for line in lines]
    expected = score_star_bench(questions, texts).metrics
    assert {name: report["metrics"][name]["value"] for name in expected} == {
        name: metric.entry["value"] for name, metric in expected.items()
    }
    assert report["metrics"]["AA"]["n"] == 12 and report["metrics"]["string_match"]["lenient"]["low"] is not None
    assert "STAR-Bench spatial" in format_table(report)
    page = page_of(tmp_path, questions, report, items)
    assert_all_controls_stand_there(task, report, page, "AA")
    assert "STAR-Bench spatial" in page and page.count("<audio") >= 1 and STAR_ROWS[0]["question"].split()[0] in page
    assert [line["measures"]["right"] for line in items] == score_star_bench(questions, texts).right.tolist()


def test_right_answers_score_a_hundred_and_their_interval_holds_nothing_else(tmp_path):
    questions = read_questions(Questions("star_bench"), write_star_bench(tmp_path / "data"))
    letters = [LETTERS[item.choices.index(item.answer)] for item in questions.items]
    write_jsonl(tmp_path / "predictions.jsonl", map(prediction_line, questions.items, letters))
    report, _ = score_run(tmp_path / "predictions.jsonl", questions, None, "", settings=ScoreSettings(resamples=50))
    several = [metric for metric in report["metrics"].values() if metric["recordings"] > 1]
    assert several and all(metric[key] == 100 for metric in several for key in ("value", "low", "high"))
    with pytest.raises(ManifestError, match="one folder"):
        read_questions(Questions("star_bench"), tmp_path / "data", audio_root=tmp_path)


def test_two_runs_are_compared_by_the_rule_of_the_benchmark(tmp_path):
    questions = read_questions(Questions("star_bench"), write_star_bench(tmp_path / "data"))
    right = [LETTERS[item.choices.index(item.answer)] for item in questions.items]
    wrong = [LETTERS[(item.choices.index(item.answer) + 1) % len(item.choices)] for item in questions.items]
    paths = [tmp_path / name / "predictions.jsonl" for name in ("first", "second")]
    for path, texts in zip(paths, (wrong, right), strict=True):
        write_jsonl(path, map(prediction_line, questions.items, texts))
    report = compare_predictions(*paths, questions, None, "", settings=ScoreSettings(resamples=100))
    found = report["metrics"]["AA"]
    assert (found["first"], found["second"], found["difference"]) == (0, 100, 100)
    assert found["discordant"] == {"only_first_right": 0, "only_second_right": len(questions.items)}
    assert "star_bench" in report["protocols"] and "| `AA` " in format_comparison(report)


def test_a_task_says_whether_unusable_recordings_are_left_out(tmp_path):
    folder = write_star_bench(tmp_path / "data")
    write_wav(folder / SINGLE, channels=1)
    with pytest.raises(ManifestError, match="two channels are needed"):
        read_questions(Questions("star_bench"), folder).check_files()
    with pytest.warns(UserWarning, match="left out"):
        left = read_questions(Questions("star_bench", unusable="leave_out"), folder)
    left.check_files()
    assert left.left_out and not left.complete
