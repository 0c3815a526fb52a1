"""eval/bench_answer.py as it is called: every time of a fresh process, the goals beside, and a model that is not there."""

import json
import runpy
import sys

import pytest


def bench(repository, monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["bench_answer", *options])
    runpy.run_path(str(repository / "eval" / "bench_answer.py"), run_name="__main__")


@pytest.mark.slow  # a process that imports everything
def test_times_and_memory_of_a_fresh_process(repository, monkeypatch, tmp_path, toy_model, capsys):
    out = tmp_path / "bench_answer.json"
    bench(repository, monkeypatch, f"--model={toy_model}", "--runs=1", f"--out={out}")
    report = json.loads(out.read_text())
    numbers = report["median"]
    assert numbers["load_s"] < numbers["first_answer_s"], "counted from the import on, loading included"
    assert numbers["next_answer_s"] > 0 and 100 < numbers["peak_mb"] < 4000
    assert report["goals"] == {"first_answer_s": 5.0, "peak_mb": 1500.0}
    assert "goal: at most 5" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="no such folder"):
        bench(repository, monkeypatch, f"--model={tmp_path / 'none'}", "--runs=1", f"--out={out}")
