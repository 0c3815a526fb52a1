"""Two runs compared: the differences that are there and those that are not, as JSON and as tables."""

import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest

from spatial_llm.data.records import write_manifest
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.metrics import Metric, family_name
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predictions import PredictionWriter, prediction_line
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.evaluation.scoring.compare import Run, compare, compare_predictions
from spatial_llm.evaluation.scoring.score import score
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap, Statistic, macro_average_precision, mean_of, rmse
from spatial_llm.files import sha256_of
from spatial_llm.jsonl import write_jsonl
from tests.evaluation.fixtures_ours import our_records
from tests.evaluation.fixtures_small import write_small_set
from tests.evaluation.fixtures_toy import embed_words

N = 120


def metric(name: str, rows: np.ndarray, strict: Statistic, **changes) -> Metric:
    given = {"lenient": None, "unit": "%", "higher_is_better": True, "protocol": "bat"} | changes
    return Metric(
        name=name, rows=rows, strict=strict, rule="", random=None, unparsed=0, lenient_unparsed=0, refused=0, **given
    )


def run(quality: float, seed: int) -> Run:
    """Right with that probability; the first half of the items has locations, the second labels."""
    rng, truth = np.random.default_rng(seed), np.random.default_rng(0)
    right = (rng.random(N) < quality).astype(float)
    half, targets = np.arange(N // 2), truth.random((N // 2, 4)) < 0.3
    metrics = [
        metric("B_acc", half, mean_of(right[half]), lenient=mean_of(np.maximum(right[half], 1.0 * (half < 40)))),
        metric("B_error", half, rmse(3.0 - 2.0 * right[half]), unit="m", higher_is_better=False, protocol="diagnostic"),
        metric("B_DER", half, mean_of(100.0 * (1.0 - right[half])), higher_is_better=False),
        metric("A_mAP", half + N // 2, macro_average_precision(rng.standard_normal(targets.shape) + 4 * quality * targets,
                                                               targets)),
    ]  # fmt: skip
    return Run(metrics, right, rng.random(N) < 0.1)


@pytest.fixture(scope="module")
def bootstrap() -> Bootstrap:
    return Bootstrap([f"r{i // 2}" for i in range(N)], resamples=400, seed=0)


def test_a_better_run_is_found_better_by_every_metric(bootstrap: Bootstrap) -> None:
    first, second = run(0.3, 1), run(0.9, 2)
    report = compare(first, second, bootstrap)
    assert list(report["metrics"]) == ["A_mAP", "B_DER", "B_acc", "B_error"]
    for name, entry in report["metrics"].items():
        sign = 1 if entry["higher_is_better"] else -1
        assert min(sign * entry["low"], sign * entry["high"]) > 0, name
        assert entry["difference"] == pytest.approx(entry["second"] - entry["first"])
        assert entry["p_value"] <= entry["p_holm"] < 0.05
        assert (entry["n"], entry["recordings"]) == (N // 2, N // 4)
    one, two = first.right[: N // 2], second.right[: N // 2]
    discordant = {"only_first_right": int(np.sum(one > two)), "only_second_right": int(np.sum(two > one))}
    assert report["metrics"]["B_acc"]["discordant"] == report["metrics"]["B_DER"]["discordant"] == discordant
    assert report["metrics"]["B_error"]["discordant"] is report["metrics"]["A_mAP"]["discordant"] is None
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert compare(run(0.3, 1), run(0.9, 2), bootstrap) == report, "seeded"


def test_a_run_against_itself_differs_in_nothing(bootstrap: Bootstrap) -> None:
    report = compare(run(0.5, 1), run(0.5, 1), bootstrap)
    for entry in report["metrics"].values():
        assert (entry["difference"], entry["low"], entry["high"], entry["p_value"]) == (0, 0, 0, 1)
    assert report["metrics"]["B_acc"]["discordant"] == {"only_first_right": 0, "only_second_right": 0}


def test_the_lenient_reading_is_another_comparison(bootstrap: Bootstrap) -> None:
    strict, lenient = (compare(run(0.3, 1), run(0.9, 2), bootstrap, reading) for reading in ("strict", "lenient"))
    assert lenient["reading"] == "lenient"
    assert lenient["metrics"]["B_acc"]["first"] > strict["metrics"]["B_acc"]["first"]
    assert lenient["metrics"]["A_mAP"] == strict["metrics"]["A_mAP"], "where no parser takes part there is one reading"


def test_refusals_before_and_after(bootstrap: Bootstrap) -> None:
    before = replace(run(0.5, 1), refused=np.zeros(N, dtype=bool))
    before.right[-1] = np.nan  # an item without a verdict is left out
    after = replace(before, refused=before.right == 0)
    report = compare(before, after, bootstrap)
    counts, rgi = report["rgi"]["counts"], report["rgi"]
    wrong = int(np.sum(before.right == 0))
    assert counts == {
        "right_before": N - 1 - wrong,
        "right_now_refused": 0,
        "wrong_before": wrong,
        "wrong_now_refused": wrong,
    }
    assert rgi["low"] < rgi["value"] < rgi["high"] and rgi["low"] > 1


def test_without_any_verdict_the_gain_is_null(bootstrap: Bootstrap) -> None:
    silent = replace(run(0.5, 1), right=np.full(N, np.nan))
    assert compare(silent, silent, bootstrap)["rgi"]["value"] is None


def test_other_metrics_items_or_protocols_are_refused(bootstrap: Bootstrap) -> None:
    first, second = run(0.5, 1), run(0.5, 2)
    with pytest.raises(SpatialLLMError, match=r"differ in their metrics.*A_mAP"):
        compare(first, replace(second, metrics=second.metrics[:-1]), bootstrap)
    for change in ({"rows": np.arange(1, N // 2 + 1)}, {"protocol": "dspast"}):
        other = [replace(second.metrics[0], **change), *second.metrics[1:]]
        with pytest.raises(SpatialLLMError, match="B_acc: the runs have other items or another protocol"):
            compare(first, replace(second, metrics=other), bootstrap)


@pytest.fixture
def compared(repository, monkeypatch, tmp_path):
    """eval/compare.py as it is called."""

    def call(first, second, data, *flags):
        out = tmp_path / "compared"
        flags = [f"--first={first}", f"--second={second}", f"--data={data}", f"--out={out}", "--resamples=50", *flags]
        monkeypatch.setattr(sys, "argv", ["compare", *flags])
        runpy.run_path(str(repository / "eval" / "compare.py"), run_name="__main__")
        return (out / "compare.json").read_bytes(), (out / "compare.md").read_text(encoding="utf-8")

    return call


def write_run(folder, data, texts=None):
    """predictions.jsonl and run.json: the true answers, or `texts` for the first questions."""
    items = read_evaluation_set(data).items
    writer = PredictionWriter(folder, {"manifest_sha256": sha256_of(data), "model": {"name": folder.name}})
    said = [*(texts or []), *(item.answer for item in items[len(texts or []) :])]
    writer.add({item.id: text for item, text in zip(items, said, strict=True)})
    return writer.finish(items)


def test_the_door_compares_two_files(compared, tmp_path, capsys) -> None:
    data = write_small_set(tmp_path / "data")
    first = write_run(tmp_path / "worse", data, ["rain", "rain", "bell", "no idea", "right, front, below; 9m"])
    second = write_run(tmp_path / "truth", data)
    content, text = compared(first, second, data)
    report = json.loads(content)
    located = report["metrics"]["B_direction_acc"]
    assert (located["first"], located["second"]) == (pytest.approx(100 / 3), 100.0)
    assert located["discordant"] == {"only_first_right": 0, "only_second_right": 2}
    assert report["metrics"]["A_mAP"]["second"] > report["metrics"]["A_mAP"]["first"]
    assert report["metrics"]["A_mAP"]["protocol"] == "bat, all-MiniLM-L6-v2"
    assert report["runs"]["first"]["model"] == {"name": "worse"} and report["items"] == 27
    assert "The runs differ in: model." in text and capsys.readouterr().out.endswith(text)
    assert text.splitlines()[-1].startswith("Verdict: the two runs cannot be told apart on any of ")
    bat, diagnostic = (text.split(f"## Protocol: {name}\n")[1].split("## ")[0] for name in ("bat", "diagnostic"))
    assert "`B_DER`" in bat and "B_left_right_acc" not in bat and "B_left_right_acc" in diagnostic
    assert str(tmp_path) not in content.decode() + text
    assert compared(first, second, data) == (content, text), "twice the same bytes"


def test_the_task_names_protocols_and_reading(compared, tmp_path, repository) -> None:
    data = write_small_set(tmp_path / "data")
    path = write_run(tmp_path / "truth", data)
    report = json.loads(compared(path, path, data, f"--task={repository / 'eval/tasks/spatialsoundqa.yaml'}")[0])
    task = read_task(repository / "eval/tasks/spatialsoundqa.yaml")
    assert report["task"] == task.identity() and report["reading"] == task.reading
    assert {family_name(entry["protocol"]) for entry in report["metrics"].values()} <= set(task.protocols)


def test_runs_on_other_questions_are_refused(compared, tmp_path) -> None:
    data, other = write_small_set(tmp_path / "data"), write_small_set(tmp_path / "other")
    other.write_text(other.read_text(encoding="utf-8").replace("What is it?", "What is that?"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"error: .*was made for questions of sha256"):
        compared(write_run(tmp_path / "a", data), write_run(tmp_path / "b", other), data)


def test_answers_in_degrees_of_one_run_have_nothing_to_be_compared_with(tmp_path) -> None:
    """Their metrics stand in the scores of that run alone; all the others are compared."""
    records = [record for record in our_records() if record.question_type == "DOA"][:6]
    write_manifest(tmp_path / "eval.jsonl", records)
    questions = read_evaluation_set(tmp_path / "eval.jsonl")
    runs = {"words": [record.answer for record in records], "degrees": ["azimuth 30 degrees, elevation 10 degrees"] * 6}
    for name, texts in runs.items():
        write_jsonl(tmp_path / name / "predictions.jsonl", map(prediction_line, questions.items, texts))
    paths = [tmp_path / name / "predictions.jsonl" for name in runs]
    scores = [score(path, questions, embed_words(["bell"]), "toy")["metrics"] for path in paths]
    alone = set(scores[1]) - set(scores[0])
    assert alone == {"B_great_circle_ER20", "B_great_circle_mean", "B_great_circle_median"} and set(scores[0]) < set(
        scores[1]
    )
    found = compare_predictions(*paths, questions, embed_words(["bell"]), "toy")["metrics"]
    assert set(found) == set(scores[0]) and found["B_region_ER20"]["difference"] == 100
