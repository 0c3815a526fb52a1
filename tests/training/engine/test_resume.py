"""A resumed run ends with the same bits as one that never stopped."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.errors import CheckpointError
from spatial_llm.model import trained_keys
from tests.training.engine.toy_run import SAMPLES, Crash, Toy, ToySamples, composite, crash, everything, terminate, toy_run


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulation": 2},
        {"accumulation": 2, "loader_workers": 2},
        {"build": composite},
        {"build": composite, "accumulation": 3},
    ],
    ids=["dropout", "accumulation", "workers", "lora", "lora-accumulation"],
)
def test_two_stops_leave_no_trace(tmp_path: Path, options: dict) -> None:
    whole = toy_run(tmp_path / "whole", **options)
    stopped = tmp_path / "stopped"
    with pytest.raises(SystemExit) as signalled:
        toy_run(stopped, at_batch=(7 * options.get("accumulation", 1), terminate), **options)
    assert signalled.value.code == 75
    first, second = sorted(path.name for path in (stopped / "checkpoints").iterdir())
    assert first == "step-00000005" and int(second[-2:]) >= 7, "saved where it was stopped, between two regular saves"
    with pytest.raises(Crash):  # after step 10, and not in a step that saves
        toy_run(stopped, at_batch=(6 * options.get("accumulation", 1), crash), **options)
    assert toy_run(stopped, **options) == whole
    assert everything(stopped) == everything(tmp_path / "whole")
    started = [json.loads(line)["from_step"] for line in (stopped / "timing.jsonl").read_text().splitlines()]
    assert len(started) == 1 and started[0] in (10, 15)


def test_the_last_checkpoint_is_the_finished_run(tmp_path: Path) -> None:
    whole = toy_run(tmp_path)
    losses = (tmp_path / "metrics.jsonl").read_bytes()
    never = pytest.fail
    assert toy_run(tmp_path, at_batch=(1, lambda: never("a finished run trains no more"))) == whole
    assert (tmp_path / "metrics.jsonl").read_bytes() == losses
    with pytest.raises(Crash):
        toy_run(tmp_path / "stopped", at_batch=(20, crash))
    (tmp_path / "stopped" / "metrics.jsonl").write_text("half a li")
    with pytest.warns(UserWarning, match="lines are lost"):
        assert toy_run(tmp_path / "stopped") == whole


def test_a_signal_in_the_last_step_still_ends_the_process(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        toy_run(tmp_path / "stopped", at_batch=(20, terminate))
    assert toy_run(tmp_path / "stopped") == toy_run(tmp_path / "whole")
    assert everything(tmp_path / "stopped") == everything(tmp_path / "whole")


def test_stopped_in_the_middle_of_the_second_of_three_stages(tmp_path: Path) -> None:
    """A recipe of several stages gives each a run folder below its own; one model goes through all of them."""

    def recipe(folder: Path, stop: bool = False) -> str:
        torch.manual_seed(3)
        model = Toy()
        for number in (1, 2, 3):
            result = toy_run(
                folder / f"stage-{number}",
                build=lambda: model,
                steps=8 + number,
                at_batch=(7, terminate) if stop and number == 2 else None,
            )
        return result[0]

    whole = recipe(tmp_path / "whole")
    with pytest.raises(SystemExit):
        recipe(tmp_path / "stopped", stop=True)
    assert not (tmp_path / "stopped" / "stage-3").exists()
    assert recipe(tmp_path / "stopped") == whole
    for number in (1, 2, 3):
        assert everything(tmp_path / "stopped" / f"stage-{number}") == everything(tmp_path / "whole" / f"stage-{number}")


def test_a_stage_whose_beginning_changed_is_not_taken_for_finished(tmp_path: Path) -> None:
    """Its arguments and its files are the same; but the stage before it was trained anew."""

    def second_stage(moved: float) -> str:
        torch.manual_seed(3)
        model = Toy()
        with torch.no_grad():
            model.head.weight *= 1 + moved
        return toy_run(tmp_path, build=lambda: model)[0]

    whole = second_stage(0.0)
    assert second_stage(1e-6) == whole, "rounding of another machine"
    with pytest.raises(CheckpointError, match=r"began with other weights than this run .head\.weight.*stage before"):
        second_stage(0.01)


def test_two_runs_of_one_seed_are_equal_and_another_seed_is_not(tmp_path: Path) -> None:
    assert toy_run(tmp_path / "a") == toy_run(tmp_path / "b")
    assert everything(tmp_path / "a") == everything(tmp_path / "b")
    assert toy_run(tmp_path / "c", learning_rate=1.1e-2) != toy_run(tmp_path / "a")


def test_samples_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    assert toy_run(tmp_path / "none") == toy_run(tmp_path / "two", loader_workers=2)


class Remembering(ToySamples):
    """Remembers which samples were asked for."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        self.seen.append(index)
        return super().__getitem__(index)


def test_each_sample_is_seen_once_an_epoch_also_after_a_stop(tmp_path: Path) -> None:
    whole, first, second = Remembering(), Remembering(), Remembering()
    toy_run(tmp_path / "whole", samples=whole)
    epochs = [whole.seen[start : start + SAMPLES] for start in (0, SAMPLES)]
    assert all(sorted(epoch) == list(range(SAMPLES)) for epoch in epochs) and epochs[0] != epochs[1]
    with pytest.raises(SystemExit):
        toy_run(tmp_path / "run", samples=first, at_batch=(10, terminate))
    toy_run(tmp_path / "run", samples=second)
    trained = SAMPLES + 3 * 4  # an epoch of seven batches, and three
    assert first.seen[:trained] + second.seen == whole.seen

    chosen = [[5, 3, 9, 1, 7, 2, 8, 4], [0, 25, 1, 24, 2, 23, 3, 22]]
    weighted = Remembering()
    toy_run(tmp_path / "order", samples=weighted, steps=4, order=lambda epoch: chosen[epoch])
    assert weighted.seen == chosen[0] + chosen[1]


def test_changed_arguments_are_listed(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        toy_run(tmp_path, at_batch=(8, crash))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError) as refused:
        toy_run(tmp_path, learning_rate=0.5, steps=30)
    assert "schedule.learning_rate (was 0.01, is 0.5)" in str(refused.value)
    assert "schedule.steps (was 20, is 30)" in str(refused.value) and "seed" not in str(refused.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before, "nothing was written"

    toy_run(tmp_path, save_every=7, keep_checkpoints=1, loader_workers=0)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000020"]
    fresh = toy_run(tmp_path, learning_rate=0.5, steps=6, resume="never")
    assert fresh == toy_run(tmp_path / "other", learning_rate=0.5, steps=6)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step-00000005", "step-00000006"]


def test_checkpoint_holds_what_trains_and_knows_the_rest(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        toy_run(tmp_path / "lora", build=composite, at_batch=(8, crash))
    saved = load_file(tmp_path / "lora" / "checkpoints" / "step-00000005" / "model.safetensors")
    assert set(saved) == trained_keys(composite())

    with pytest.raises(Crash):
        toy_run(tmp_path / "toy", at_batch=(8, crash))
    saved = load_file(tmp_path / "toy" / "checkpoints" / "step-00000005" / "model.safetensors")
    assert {"projector.1.running_mean", "head.scale"} <= set(saved)
    assert not any(name.startswith("encoder.") for name in saved)

    def other_statistics() -> Toy:
        model = Toy()
        model.encoder[1].running_mean += 1e-6
        return model

    with pytest.raises(CheckpointError, match="another frozen encoder"):
        toy_run(tmp_path / "toy", build=other_statistics)


def test_a_frozen_part_that_moves_is_found(tmp_path: Path) -> None:
    class Leaky(Toy):
        def train(self, mode: bool = True) -> Toy:
            return torch.nn.Module.train(self, mode)  # the encoder's BatchNorm goes on averaging

    with pytest.raises(ValueError, match="frozen encoder changed"):
        toy_run(tmp_path, build=Leaky)
    assert not (tmp_path / "model").exists()


def test_a_sound_resume_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        toy_run(tmp_path, at_batch=(8, crash))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", module="spatial_llm")
        toy_run(tmp_path)
