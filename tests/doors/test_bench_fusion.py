"""eval/bench_fusion.py as it is called, on a language model of a few thousand weights: the table, and what it writes."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from tests.profiling.test_fusion import FUSIONS, TEXT


@pytest.mark.slow
def test_the_command(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, folder, threads = tmp_path / "bench_fusion.json", tmp_path / "text", torch.get_num_threads()
    TEXT.save_pretrained(folder)
    fusions = {"attention only": FUSIONS["lal"], "late": FUSIONS["delayed"]}
    monkeypatch.setattr(sys, "argv", ["bench_fusion", f"--language_model={folder}", f"--fusions={json.dumps(fusions)}",
                                      "--text_tokens=16", "--repeats=1", f"--out={out}"])  # fmt: skip
    try:
        runpy.run_path(str(repository / "eval" / "bench_fusion.py"), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    report = json.loads(out.read_text())
    assert (report["audio_tokens"], report["text_tokens"], report["shape"]["hidden_size"]) == (512, 16, 64)
    assert list(report["fusions"]) == list(fusions) and report["git_hash"]
    late, attention = report["fusions"]["late"], report["fusions"]["attention only"]
    assert 1 < late["multiply_adds_ratio"] < attention["multiply_adds_ratio"]
    for row in (late, attention):
        assert row["training step"]["ratio_median"] > 0 and row["answer"]["ratio_median"] > 0
    step = attention["training step"]
    assert step["kept_bytes"] < 0.75 * step["prefix_kept_bytes"] and step["peak_bytes"] < 0.75 * step["prefix_peak_bytes"]
    lines = capsys.readouterr().out.splitlines()
    table = next(index for index, line in enumerate(lines) if line.startswith("fusion"))
    assert lines[table + 1].startswith("attention only") and lines[table + 2].startswith("late")
    assert f"{100 * (step['kept_bytes'] / step['prefix_kept_bytes'] - 1):+.0f} %" in lines[table + 1]
