"""The doors for strangers' bytes under a fuzzer: a moment in the fast tier, FUZZ_MINUTES each in the slow one."""

import json
import os
from collections import Counter

import pytest

from tests.audio.apart import run_apart
from tests.fuzzing import Found, fuzz

# `make test-full` sets ten; without it the slow tier looks whether the machinery runs.
MINUTES = float(os.environ.get("FUZZ_MINUTES", "0.1"))


@pytest.mark.parametrize("target", ["audio", "manifest", "request"])
def test_a_few_examples_end_in_a_result_or_an_error_of_ours(target, tmp_path):
    found = Found(Counter())
    fuzz(target, tmp_path, found, quick=True, max_examples=40, derandomize=True)()
    assert sum(found.outcomes.values()) >= 40 and len(found.outcomes) > 1


@pytest.mark.slow
@pytest.mark.parametrize("target", ["audio", "manifest", "server"])
def test_minutes_of_examples_end_in_a_result_or_an_error_of_ours(target):
    done = run_apart("tests.fuzzing", target, MINUTES, timeout=60 * MINUTES + 300)
    assert done.returncode == 0, f"{done.stdout[-500:]}\n{done.stderr[-3000:]}"
    report = json.loads(done.stdout.splitlines()[-1])
    print(report)
    assert report["peak_mb"] < 2000
