"""A part of a checkpoint is gone: refused, unless it is named; then what is fresh is said, and nothing else is."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from transformers import get_cosine_schedule_with_warmup

from spatial_llm.errors import CheckpointError
from spatial_llm.files import sha256_of
from spatial_llm.settings import parse_arguments
from spatial_llm.training.engine.checkpoint_parts import load_optimizer_and_scheduler
from spatial_llm.training.engine.checkpointing import PARTS, find_latest_valid
from spatial_llm.training.finetune.arguments import BatArguments
from tests.training.engine.test_checkpointing import cut, emptied, removed
from tests.training.engine.toy_run import Crash, crash, everything, toy_run

TINY_BAT = Path(__file__).parents[3] / "recipes/configs/demo_train/bat.yaml"
FILES = {"optimizer": "optimizer.pt", "scheduler": "scheduler.pt", "rng": "rng_state.pth"}


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that ended without a word after step 10, with one checkpoint, of step 5."""
    with pytest.raises(Crash):
        toy_run(tmp_path / "run", at_batch=(9, crash), log_every=1)
    return tmp_path / "run"


def rates(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["learning_rate"] for line in lines if "learning_rate" in line}


def test_a_missing_part_is_refused_and_the_error_names_it(stopped: Path) -> None:
    assert set(FILES) == set(PARTS)
    (stopped / "checkpoints/step-00000005/optimizer.pt").unlink()
    with pytest.raises(CheckpointError) as refused:
        toy_run(stopped, log_every=1)
    assert "schedule.resume_without=[optimizer]" in str(refused.value)
    assert "optimizer, scheduler, rng" in str(refused.value), "all that can be named"
    with pytest.raises(CheckpointError, match=r"optimizer\.pt is missing"):
        toy_run(stopped, log_every=1, resume_without=["rng", "scheduler"])


@pytest.mark.parametrize("part, damage", [("optimizer", removed), ("scheduler", cut), ("rng", emptied)])
def test_a_named_part_begins_anew_with_a_warning(stopped: Path, tmp_path: Path, part: str, damage: object) -> None:
    whole = toy_run(tmp_path / "whole", log_every=1)
    damage(stopped / "checkpoints/step-00000005" / FILES[part])
    with pytest.warns(UserWarning, match=f"(?s){FILES[part]}.*Going on from it with fresh {part}, as"):
        resumed = toy_run(stopped, log_every=1, resume_without=[part])
    assert rates(stopped) == rates(tmp_path / "whole"), "never the rate of the beginning again"
    said = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    assert [line for line in said if "resumed_without" in line] == [{"step": 5, "resumed_without": [part]}]
    # Of the three, only the scheduler can be had again as it was.
    assert (resumed[0] == whole[0]) == (part == "scheduler")


def test_two_named_parts(stopped: Path) -> None:
    for part in ("optimizer", "rng"):
        (stopped / "checkpoints/step-00000005" / FILES[part]).unlink()
    with pytest.warns(UserWarning, match="fresh optimizer, rng, as"):
        toy_run(stopped, log_every=1, resume_without=["rng", "optimizer", "scheduler"])


def test_a_named_part_that_is_whole_is_used(stopped: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="spatial_llm")
        toy_run(stopped, log_every=1, resume_without=list(FILES))
    toy_run(tmp_path / "whole", log_every=1)
    assert everything(stopped) == everything(tmp_path / "whole")


def test_what_was_not_named_is_never_excused(stopped: Path) -> None:
    folder = stopped / "checkpoints/step-00000005"
    (folder / "optimizer.pt").unlink()
    emptied(folder / "progress-0.json")
    with pytest.raises(CheckpointError, match=r"progress-0\.json has 0 bytes") as refused:
        toy_run(stopped, log_every=1, resume_without=list(FILES))
    assert "resume_without=[" not in str(refused.value), "there is no name that would help"


def test_the_newest_that_lacks_only_what_it_may_is_taken(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        toy_run(tmp_path, at_batch=(14, crash))
    newest, older = (tmp_path / "checkpoints" / name for name in ("step-00000010", "step-00000005"))
    removed(newest / "rng_state.pth")
    with pytest.warns(UserWarning, match="Going on from step-00000005, the newest whole one"):
        assert find_latest_valid(tmp_path / "checkpoints").path == older
    with pytest.warns(UserWarning, match="fresh rng"):
        found = find_latest_valid(tmp_path / "checkpoints", ["rng"])
    assert (found.path, found.fresh) == (newest, ("rng",))
    assert sha256_of(newest / "optimizer.pt")


def test_the_command_line_knows_the_names(capsys: pytest.CaptureFixture) -> None:
    given = parse_arguments(BatArguments, ["--schedule.resume_without", "[optimizer, rng]"], default_config=TINY_BAT)
    assert given.schedule.resume_without == ["optimizer", "rng"]
    with pytest.raises(SystemExit):
        parse_arguments(BatArguments, ["--schedule.resume_without", "[weights]"], default_config=TINY_BAT)
    said = capsys.readouterr().err
    assert all(name in said for name in FILES) and "weights" in said


@pytest.mark.parametrize("fresh", [("optimizer",), ("scheduler",), ("optimizer", "scheduler"), ()], ids=str)
def test_the_next_step_is_made_at_the_rate_it_would_have_had(tmp_path: Path, fresh: tuple[str, ...]) -> None:
    """What the Trainer logs is the scheduler's rate; what counts is the optimiser's."""

    def pair() -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=0.5)
        return optimizer, get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=4, num_training_steps=10)

    optimizer, scheduler = pair()
    for _ in range(6):
        optimizer.param_groups[0]["params"][0].sum().backward()
        optimizer.step()
        scheduler.step()
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    torch.save(scheduler.state_dict(), tmp_path / "scheduler.pt")
    new_optimizer, new_scheduler = pair()
    load_optimizer_and_scheduler(new_optimizer, new_scheduler, tmp_path, fresh, step=6, device=torch.device("cpu"))
    assert 0 < optimizer.param_groups[0]["lr"] < 0.5
    assert bool(new_optimizer.state_dict()["state"]) == ("optimizer" not in fresh)
    for _ in range(3):
        assert new_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        for one in (optimizer, scheduler, new_optimizer, new_scheduler):
            one.step()
