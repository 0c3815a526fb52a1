"""eval/bench_scores.py as it is called, small: every part is timed, the goal stands beside."""

import json
import runpy
import sys


def test_every_part_is_timed(repository, monkeypatch, tmp_path, capsys):
    out = tmp_path / "bench_scores.json"
    monkeypatch.setattr(sys, "argv", ["bench_scores", "--items=80", "--resamples=10", f"--out={out}"])
    runpy.run_path(str(repository / "eval" / "bench_scores.py"), run_name="__main__")
    report = json.loads(out.read_text())
    assert (report["items"], report["recordings"], report["resamples"], report["goal_s"]) == (80, 20, 10, 180)
    assert len(report["seconds"]) == 7 and all(set(part) == {"wall", "cpu"} for part in report["seconds"].values())
    assert any(part.startswith("eval/score.py, whole") for part in report["seconds"])
    assert "texts embedded" in capsys.readouterr().out
