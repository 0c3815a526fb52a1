"""Two runs compared: the differences that are there and those that are not, as JSON and as tables."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.compare import Run, compare, format_comparison
from spatial_llm.evaluation.statistics import Bootstrap, Statistic, macro_average_precision, mean_of, rmse

N = 120


@dataclass(frozen=True)
class Metric:
    name: str
    rows: np.ndarray
    strict: Statistic
    lenient: Statistic | None = None
    unit: str = "%"
    higher_is_better: bool = True
    protocol: str = "bat"


def run(quality: float, seed: int) -> Run:
    """Right with that probability; the first half of the items has locations, the second labels."""
    rng, truth = np.random.default_rng(seed), np.random.default_rng(0)
    right = (rng.random(N) < quality).astype(float)
    half, targets = np.arange(N // 2), truth.random((N // 2, 4)) < 0.3
    metrics = [
        Metric("B_acc", half, mean_of(right[half]), mean_of(np.maximum(right[half], 1.0 * (half < 40)))),
        Metric("B_error", half, rmse(3.0 - 2.0 * right[half]), unit="m", higher_is_better=False, protocol="diagnostic"),
        Metric("B_DER", half, mean_of(100.0 * (1.0 - right[half])), higher_is_better=False),
        Metric("A_mAP", half + N // 2, macro_average_precision(rng.standard_normal(targets.shape) + 4 * quality * targets,
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
    for entry in [*report["metrics"].values(), *report["reliability"].values()]:
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
    assert report["reliability"]["truthfulness"]["second"] == 1.0
    assert report["reliability"]["accuracy"]["difference"] == 0.0
    assert report["reliability"]["accuracy"]["n"] == N - 1


def test_without_any_verdict_the_numbers_are_null(bootstrap: Bootstrap) -> None:
    silent = replace(run(0.5, 1), right=np.full(N, np.nan))
    report = compare(silent, silent, bootstrap)
    assert report["rgi"]["value"] is None and report["reliability"]["accuracy"]["p_holm"] is None
    assert "RGI from the first run to the second: - (-)" in format_comparison(report)


def test_other_metrics_items_or_protocols_are_refused(bootstrap: Bootstrap) -> None:
    first, second = run(0.5, 1), run(0.5, 2)
    with pytest.raises(SpatialLLMError, match=r"differ in their metrics.*A_mAP"):
        compare(first, replace(second, metrics=second.metrics[:-1]), bootstrap)
    for change in ({"rows": np.arange(1, N // 2 + 1)}, {"protocol": "dspast"}):
        other = [replace(second.metrics[0], **change), *second.metrics[1:]]
        with pytest.raises(SpatialLLMError, match="B_acc: the runs have other items or another protocol"):
            compare(first, replace(second, metrics=other), bootstrap)


def test_protocols_share_no_table(bootstrap: Bootstrap) -> None:
    text = format_comparison(compare(run(0.3, 1), run(0.9, 2), bootstrap))
    bat, diagnostic = text.split("## Protocol: bat")[1].split("## Protocol: diagnostic")
    assert "B_acc (%)" in bat and "B_error (m)" in diagnostic and "B_error" not in bat
    assert "60 recordings; strict reading; intervals 95% of 400 resamples" in text
