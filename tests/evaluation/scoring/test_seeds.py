"""Kinds of encoders over several seeds: means, Student's interval and Welch's p against scipy's own, and what is refused."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from scipy import stats

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.scoring.seeds import REPORTS, compare_kinds, format_kinds, read_metrics

METRICS = REPORTS["encoder.json"]


def report(value: float, manifest: str = "m") -> dict:
    return {"metrics": {metric: {"value": value} for metric in METRICS}, "provenance": {"manifest_sha256": manifest}}


GIVEN = {"dspast": [report(value) for value in (14.0, 15.0, 16.0)], "other": [report(value) for value in (20.0, 22.0, 27.0)]}


def test_interval_and_difference_are_those_of_the_runs() -> None:
    found = compare_kinds(GIVEN, "dspast", METRICS)
    score = found["kinds"]["other"]["ER20"]
    low, high = stats.t.interval(0.95, 2, loc=23.0, scale=stats.sem([20.0, 22.0, 27.0]))
    assert score["value"] == 23.0 and score["runs"] == [20.0, 22.0, 27.0]
    assert (score["low"], score["high"]) == pytest.approx((low, high))
    assert score["difference"] == 8.0
    p_value = stats.ttest_ind([14.0, 15.0, 16.0], [20.0, 22.0, 27.0], equal_var=False).pvalue
    assert score["p_holm"] == pytest.approx(min(1.0, 4 * p_value)), "four tests of the same p-value"
    assert "p_holm" not in found["kinds"]["dspast"]["ER20"]
    table = format_kinds(found, METRICS)
    assert f"23.0 ({low:.1f} to {high:.1f}; p {4 * p_value:.2g})" in table and "15.0 (12.5 to 17.5)" in table


def test_runs_that_are_all_alike_are_no_sign_of_a_difference() -> None:
    """Welch's test makes 0 / 0 of them, which no JSON holds."""
    same = {kind: [report(100.0), report(100.0)] for kind in ("dspast", "other")}
    assert compare_kinds(same, "dspast", METRICS)["kinds"]["other"]["DER"]["p_holm"] == 1.0
    # Nor are those of two kinds that differ: without any spread Welch's test gives 0, whatever the difference.
    alike = {"dspast": [report(78.0)] * 3, "other": [report(77.333333), report(77.333333 + 1e-12), report(77.333333)]}
    found = compare_kinds(alike, "dspast", METRICS)
    assert found["kinds"]["other"]["DER"]["p_holm"] == 1.0
    assert "cannot be told apart" in format_kinds(found, METRICS).splitlines()[-1]
    # A fixed model beside runs that vary is tested by their spread.
    fixed = {"dspast": [report(78.0)] * 3, "other": [report(value) for value in (70.0, 71.0, 70.5)]}
    wanted = stats.ttest_1samp([70.0, 71.0, 70.5], 78.0).pvalue
    assert compare_kinds(fixed, "dspast", METRICS)["kinds"]["other"]["DER"]["p_holm"] == pytest.approx(4 * wanted)


def test_metrics_can_be_chosen_and_say_themselves_what_is_better() -> None:
    def events(f1: float, onset_s: float | None) -> dict:
        metrics = {
            "event_F1_200ms": {"value": f1, "unit": "%", "higher_is_better": True},
            "event_onset_error": {"value": onset_s, "unit": "s", "higher_is_better": False},
        }
        return {"metrics": metrics, "provenance": {"manifest_sha256": "m"}}

    given = {"plain": [events(40.0, 0.21), events(41.0, 0.22)], "tokens": [events(70.0, 0.11), events(71.0, 0.12)]}
    metrics = read_metrics(given, ["event_onset_error", "event_F1_200ms"])
    assert metrics == {"event_onset_error": "s", "event_F1_200ms": "%"}
    found = compare_kinds(given, "plain", metrics)
    assert found["lower_is_better"] == ["event_onset_error"]
    assert found["kinds"]["tokens"]["event_onset_error"]["difference"] == pytest.approx(-0.1)
    table = format_kinds(found, metrics)
    assert "| 0.215 (0.151 to 0.279)" in table and "| 40.5 (34.1 to 46.9)" in table
    better, worse = table.splitlines()[-1].partition("worse")[::2]
    assert "-0.1; p" in better and "+30.0; p" in better and not worse
    for reports, words in (({"plain": [events(40.0, None)]}, "no value of event_onset_error"), (given, "no value of B_DER")):
        with pytest.raises(SpatialLLMError, match=words):
            read_metrics(reports, ["event_onset_error", *(["B_DER"] if reports is given else [])])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(SpatialLLMError, match="2 manifests"):
        compare_kinds({**GIVEN, "third": [report(1.0), report(2.0, "another")]}, "dspast", METRICS)
    with pytest.raises(SpatialLLMError, match=r"third \(1\)"):
        compare_kinds({**GIVEN, "third": [report(1.0)]}, "dspast", METRICS)
    with pytest.raises(SpatialLLMError, match="'nobody'"):
        compare_kinds(GIVEN, "nobody", METRICS)


def test_the_door_reads_folders_by_kind_and_seed(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for kind, runs in {"dspast": GIVEN["dspast"], "dspast_no_attention": GIVEN["other"]}.items():
        for seed, scores in enumerate(runs):
            folder = tmp_path / "scores" / f"{kind}-{seed}"
            folder.mkdir(parents=True)
            (folder / "encoder.json").write_text(json.dumps(scores))
    monkeypatch.setattr(sys, "argv", ["door", f"--scores={tmp_path / 'scores'}", "--reference=dspast", f"--out={tmp_path}"])
    runpy.run_path(str(repository / "eval/seeds.py"), run_name="__main__")
    found = json.loads((tmp_path / "seeds.json").read_text())
    assert found["kinds"]["dspast_no_attention"]["DER"]["runs"] == [20.0, 22.0, 27.0] and "git" in str(found["provenance"])
    assert capsys.readouterr().out.strip() == (tmp_path / "seeds.md").read_text().strip()
    further = REPORTS["retrieval.json"]
    retrieval = {"metrics": {name: {"value": 7.0} for name in further}, "provenance": {"manifest_sha256": "m"}}
    both = [
        "door",
        f"--scores={tmp_path / 'scores'}",
        "--reference=dspast",
        f"--out={tmp_path}",
        "--further=[retrieval.json]",
    ]
    monkeypatch.setattr(sys, "argv", both)
    with pytest.raises(SystemExit, match=r"retrieval\.json: no such file"):
        runpy.run_path(str(repository / "eval/seeds.py"), run_name="__main__")
    for folder in (tmp_path / "scores").iterdir():
        (folder / "retrieval.json").write_text(json.dumps(retrieval))
    runpy.run_path(str(repository / "eval/seeds.py"), run_name="__main__")
    joined = json.loads((tmp_path / "seeds.json").read_text())["kinds"]["dspast_no_attention"]
    assert set(joined) == {*METRICS, *further} and joined["DER"]["runs"] == [20.0, 22.0, 27.0]
    monkeypatch.setattr(sys, "argv", ["door", f"--scores={tmp_path}", "--reference=dspast", f"--out={tmp_path}"])
    with pytest.raises(SystemExit, match=r"encoder\.json"):
        runpy.run_path(str(repository / "eval/seeds.py"), run_name="__main__")
