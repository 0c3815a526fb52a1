"""How many CPU threads a training takes."""

import os

import pytest
import torch

from spatial_llm.training.engine.launching import prepare


@pytest.fixture(autouse=True)
def restored():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("given", "environment", "threads"),
    [
        (3, {"OMP_NUM_THREADS": "2"}, 3),
        (None, {"OMP_NUM_THREADS": "2"}, 2),
        (None, {"OMP_NUM_THREADS": "1", "ACCELERATE_MIXED_PRECISION": "no"}, 5),
        (None, {"OMP_NUM_THREADS": "1", "TORCHELASTIC_RUN_ID": "none"}, 5),
        (None, {"OMP_NUM_THREADS": "1", "TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2"}, 2),
        (None, {"LOCAL_WORLD_SIZE": "8"}, 1),
        (None, {"OMP_NUM_THREADS": "2,1"}, 5),
        (None, {}, 5),
    ],
)
def test_threads_are_those_given_or_those_of_the_environment_or_all_cores(given, environment, threads, monkeypatch):
    for name in ("OMP_NUM_THREADS", "ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(5))
    prepare(0, given)
    assert torch.get_num_threads() == threads
