"""A folder that cannot be written, a disk that fills up, a model that is not there: one sentence each, nothing half."""

import json
from pathlib import Path

import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, OfflineModeIsEnabled, RepositoryNotFoundError
from transformers import AutoModelForCausalLM, AutoTokenizer

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.settings import flat_fields
from spatial_llm.training.engine.base_models import load_base
from spatial_llm.training.engine.checkpointing import find_latest_valid, problems
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from tests.training.engine.kill_harness import RunStarter
from tests.training.engine.toy_run import Crash, ToyArguments, crash, everything, toy_run


@pytest.mark.parametrize(
    "limit", [pytest.param(0, marks=pytest.mark.slow), 1_000, pytest.param(2_000, marks=pytest.mark.slow), 3_000, 5_000]
)
def test_a_full_disk_stops_the_run_and_spoils_nothing(starter: RunStarter, tmp_path: Path, limit: int) -> None:
    folder = tmp_path / "run"
    status = starter.wait(starter.start(folder, file_limit=limit))
    last = folder.with_suffix(".log").read_text().splitlines()[-1]
    assert status == 1 and ("File too large" in last or "a file could not be written" in last), last
    assert str(folder) in last and "same command again" in last
    assert not list(folder.rglob(".*")), "no temporary is left"
    assert find_latest_valid(folder / "checkpoints").step == 10
    assert problems(folder / "checkpoints" / "step-00000005") == []
    assert toy_run(folder) == toy_run(tmp_path / "whole"), "with room again it goes on"
    assert everything(folder) == everything(tmp_path / "whole")


def test_the_model_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    run = RunFolder(ToyArguments(str(tmp_path / "run")))
    run.save(lambda where: (where / "weights").write_text("old"))

    def full(where: Path) -> None:
        (where / "weights").write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(SpatialLLMError, match=r"model could not be written.*No space left"):
        run.save(full)
    assert (run.model / "weights").read_text() == "old" and not list(run.path.glob(".*"))


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpatialLLMError, match=r"run folder .*file/run cannot be written.*Not a directory"):
        RunFolder(ToyArguments(str(tmp_path / "file" / "run")))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("spatial_llm.training.engine.run_folder.lock_folder", refuse)
    with pytest.raises(SpatialLLMError, match=r"cannot be written.*Permission denied"):
        RunFolder(ToyArguments(str(tmp_path / "run")))
    assert list((tmp_path / "run").iterdir()) == []


def test_only_the_first_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    run = RunFolder(ToyArguments(str(tmp_path / "run")))
    run.log({"step": 1})
    run.save(lambda where: pytest.fail("a second process writes"))
    assert not (tmp_path / "run").exists()


def test_damaged_checkpoints_alone_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        toy_run(tmp_path, at_batch=(12, crash))
    newest, older = (tmp_path / "checkpoints" / name for name in ("step-00000010", "step-00000005"))
    (newest / "optimizer.pt").unlink()
    with pytest.warns(UserWarning, match="optimizer.pt is missing. Going on from step-00000005"), pytest.raises(Crash):
        toy_run(tmp_path, at_batch=(2, crash))
    (older / "rng_state.pth").unlink()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CheckpointError, match=r"rng_state.pth is missing.*resume=never"):
        toy_run(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    assert toy_run(tmp_path, resume="never") == toy_run(tmp_path / "whole")


def test_fields_are_compared_by_their_full_names() -> None:
    arguments = BatArguments("r", "m", Schedule(steps=1, batch_size=2, learning_rate=0.5), "e", "l", lora=None)
    fields = flat_fields(arguments)
    assert fields["schedule.batch_size"] == 2 and fields["lora"] is None and fields["projector"] == {}
    assert fields == json.loads(json.dumps(fields))


class Hub:
    """Stands for an Auto class whose hub answers with an error, wrapped as transformers wraps it."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def from_pretrained(self, name: str) -> None:
        try:
            raise self.kind.__new__(self.kind)
        except Exception as error:
            raise OSError("You are trying to access something.\nOver several lines.") from error


@pytest.mark.parametrize(
    "kind, said",
    [
        (GatedRepoError, "it is gated"),
        (RepositoryNotFoundError, "no model of that name"),
        (OfflineModeIsEnabled, "HF_HUB_OFFLINE"),
        (LocalEntryNotFoundError, "out of reach"),
        (OSError, "You are trying to access something."),
    ],
)
def test_a_hub_that_refuses_is_one_sentence(kind: type[Exception], said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as refused:
        load_base(Hub(kind), "some/model", "language_model")
    assert str(refused.value).startswith("language_model 'some/model'") and "\n" not in str(refused.value)


@pytest.mark.parametrize("auto_class", [AutoModelForCausalLM, AutoTokenizer])
def test_an_absent_model_is_one_sentence(auto_class: type, tmp_path: Path) -> None:
    for name, said in (
        ("nobody/nothing", "not in the cache"),
        (str(tmp_path / "none"), "no such folder"),
        ("runs/none/model", "no such folder"),
        (str(tmp_path), "cannot be loaded"),
    ):
        with pytest.raises(CheckpointError, match=said) as refused:
            load_base(auto_class, name, "language_model")
        assert name in str(refused.value) and "\n" not in str(refused.value)
