"""The task that tests of predicting share: ours.yaml, with short answers and without controls unless asked for."""

from pathlib import Path
from typing import Any

from spatial_llm.evaluation.predicting.tasks import Task, read_task

TASKS = Path(__file__).resolve().parents[2] / "eval" / "tasks"


def short_task(**overrides: Any) -> Task:
    """`ours` with six new tokens and no controls; overrides by key, dots as two underscores."""
    changes = {"decoding.max_new_tokens": 6, "controls": []}
    changes |= {key.replace("__", "."): value for key, value in overrides.items()}
    return read_task(TASKS / "ours.yaml").override(changes)
