"""The bench of training, once, for what it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_bench_training_measures_four_pairs(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    command = [sys.executable, "eval/bench_training.py", "--repeats", "2", "--out", str(out)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    gradient, memory, asked, steps = (found["results"][name] for name in sorted(found["results"]))
    assert steps["cached_steps_per_s"] > steps["uncached_steps_per_s"]
    assert memory["checkpointed_bytes"] < 0.5 * memory["plain_bytes"], "counted, so the same on every machine"
    assert set(gradient) == {"ratio_median", "ours_s", "other_s"} <= set(asked) and found["git_hash"] is not None
