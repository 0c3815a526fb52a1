"""eval/bench_serve.py as it is called, small: two servers answer alike, and their figures stand side by side."""

import json
import runpy
import sys

import pytest


@pytest.mark.slow
def test_both_ways_give_the_same_answers_and_their_figures(repository, monkeypatch, tmp_path, capsys):
    out = tmp_path / "bench_serve.json"
    given = ["--questions=8", "--clients=4", "--batch_size=4", "--repeats=1", f"--out={out}"]
    monkeypatch.setattr(sys, "argv", ["bench_serve", *given])
    runpy.run_path(str(repository / "eval" / "bench_serve.py"), run_name="__main__")
    report = json.loads(out.read_text())
    assert (report["questions"], report["clients"], report["batch_size"]) == (8, 4, 4)
    said = capsys.readouterr().out
    for name in ("heard", "fresh"):
        found = report["results"][name]
        assert set(found["together"]) == {"questions_per_s", "p95_s", "cpu_ms_a_question"} == set(found["one at a time"])
        assert found["cpu_ratio_median"] > 0 and f"{name}: " in said
