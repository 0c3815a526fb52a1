"""Runs in stages on a miniature of the released layout: which questions, from which weights, one curve a stage."""

import json
import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.data.records import read_manifest
from spatial_llm.data.spatialsoundqa.export import export_release
from spatial_llm.data.spatialsoundqa.prepare import prepare_release
from spatial_llm.errors import CheckpointError, ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.settings import flat_fields
from spatial_llm.training.engine.curves import read_losses
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import RESUMABLE, Schedule
from spatial_llm.training.finetune.arguments import BatArguments, BatStage, LoraArguments
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import finetune_bat, stage_arguments
from spatial_llm.training.finetune.version_0_1 import fields_of_version_0_1
from spatial_llm.workflow import fingerprint_of, write_finished
from tests.training.finetune.test_run import arguments, parts  # noqa: F401  (a fixture)

FILES = ("train-stage1-clsdoa", "train-stage2-single", "train-stage3-mixup")
STAGES = [BatStage("hearing", ["A", "B"]), BatStage("one-of-two", list("ABCD")), BatStage("both", list("ABCDE"))]


@pytest.fixture(scope="module")
def release(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our few clips in the layout of the release, prepared."""
    folder = tmp_path_factory.mktemp("release") / "SpatialSoundQA"
    export_release([data / "train.jsonl"], folder)
    prepare_release(folder)
    return folder


def test_three_stages_on_the_released_layout(
    release: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    run = arguments(
        release, parts, tmp_path / "run",
        train_manifest=str(release / f"{FILES[2]}.jsonl"), stages=STAGES, encoder_cache=True, save="trained",
        group_by_length=True,
        schedule=Schedule(epochs=1, warmup_fraction=0.2, batch_size=8, learning_rate=3e-3, log_every=1,
                          gradient_accumulation=2),
    )  # fmt: skip
    model = finetune_bat(run)
    said = capsys.readouterr().out
    assert model == tmp_path / "run" / "3-both" / "model" and (tmp_path / "run" / "losses.png").stat().st_size > 5000
    before = None
    for stage, name, file in zip(STAGES, ("1-hearing", "2-one-of-two", "3-both"), FILES, strict=True):
        folder = tmp_path / "run" / name
        asked = len(read_manifest(release / f"{file}.jsonl"))  # the released cumulative file asks the same
        steps, losses = read_losses(folder / "metrics.jsonl")
        assert steps == list(range(1, -(-asked // 16) + 1)) and all(loss > 0 for loss in losses)
        assert f"{asked} questions about" in said and "effective batch 16 = 8 a batch x 2 accumulated" in said
        config = (folder / "config.yaml").read_text()
        assert f"start_from: {before or 'null'}" in config and f"- {stage.types[-1]}" in config
        before = folder / "model"
    caches = list((tmp_path / "run" / "encoded").glob("encoded-*"))
    assert len(caches) == 1, "the stages share what they heard"

    finetune_bat(run)
    assert capsys.readouterr().out.count("reused") == 3
    markers = [tmp_path / "run" / name / "stage.json" for name in ("1-hearing", "2-one-of-two")]
    for marker in markers:
        marker.unlink()
    # As version 0.1 marked the first stage: another name of the file, other names of the fields.
    fields = {name: value for name, value in flat_fields(stage_arguments(run)[0]).items() if name not in RESUMABLE}
    made_from = [fields_of_version_0_1(fields)[0], sha256_of(run.train_manifest), ""]
    write_finished(markers[0].with_name("finished.json"), fingerprint_of(made_from))
    assert finetune_bat(run) == model
    assert capsys.readouterr().out.count("reused") == 2, "the same weights come out of the stage that ran again"


@pytest.mark.slow
def test_killed_in_the_middle_of_the_second_of_three_stages(
    release: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """kill -9 between two saves of stage two, LoRA and accumulated gradients on: the same weights as a run left alone."""

    def run(folder: Path) -> BatArguments:
        schedule = Schedule(epochs=1, warmup_fraction=0.2, batch_size=4, learning_rate=3e-3, log_every=1, save_every=2,
                            gradient_accumulation=2)  # fmt: skip
        return arguments(
            release, parts, folder, train_manifest=str(release / f"{FILES[2]}.jsonl"), stages=STAGES, schedule=schedule
        )

    def killed_at_step_3_of_stage_2() -> None:
        log = RunFolder.log

        def log_and_die(self: RunFolder, row: dict) -> None:
            log(self, row)
            if self.path.name == "2-one-of-two" and row.get("step") == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        RunFolder.log = log_and_die  # in the forked process alone
        finetune_bat(run(tmp_path / "killed"))

    process = multiprocessing.get_context("fork").Process(target=killed_at_step_3_of_stage_2)
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    stopped = tmp_path / "killed" / "2-one-of-two"
    assert (stopped / "checkpoints" / "step-00000002").is_dir() and not (stopped / "model").exists()
    assert not (tmp_path / "killed" / "3-both").exists()
    capsys.readouterr()
    finetune_bat(run(tmp_path / "killed"))
    assert capsys.readouterr().out.count("reused") == 1
    finetune_bat(run(tmp_path / "whole"))
    for stage in ("1-hearing", "2-one-of-two", "3-both"):
        weights = [tmp_path / name / stage / "model" / "model.safetensors" for name in ("killed", "whole")]
        assert weights[0].read_bytes() == weights[1].read_bytes(), stage


def test_each_stage_goes_on_from_the_weights_before(
    release: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    first = finetune_bat(arguments(release, parts, tmp_path / "a", train_manifest=str(release / f"{FILES[0]}.jsonl")))
    saved = load_file(first / "model.safetensors")
    model, _ = build_bat(arguments(release, parts, tmp_path / "b", start_from=str(first)))
    state = model.state_dict()
    assert [key for key, tensor in saved.items() if not torch.equal(state[key], tensor)] == []
    assert {key for key in state if "lora_" in key or key.startswith("projector.")} <= set(saved)
    other = LoraArguments(rank=2, alpha=16, dropout=0.0, target_modules=["q_proj"])
    with pytest.raises(CheckpointError, match="lora_A"):
        build_bat(arguments(release, parts, tmp_path / "b", start_from=str(first), lora=other))
    with pytest.raises(CheckpointError, match=r"no \*\.safetensors"):
        build_bat(arguments(release, parts, tmp_path / "b", start_from=str(tmp_path)))


def test_stages_are_runs_of_their_own(tmp_path: Path) -> None:
    run = arguments(
        tmp_path,
        {"encoder": Path("e"), "text": Path("t")},
        tmp_path,
        stages=[*STAGES[:1], BatStage("own", None, "own.jsonl")],
    )
    first, second = stage_arguments(run)
    assert (first.types, first.train_manifest, Path(first.run_folder).name) == (["A", "B"], run.train_manifest, "1-hearing")
    assert (second.types, second.train_manifest, second.stages) == (None, "own.jsonl", [])
    assert first.cache_folder == second.cache_folder == str(tmp_path / "encoded")


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": [BatStage("a"), BatStage("a")]},
        {"stages": [BatStage("a/b")]},
        {"stages": [BatStage("a")], "types": ["A"]},
        {"quantization": "4bit"},
    ],
)
def test_arguments_that_contradict_each_other_stop(tmp_path: Path, changes: dict) -> None:
    with pytest.raises(SpatialLLMError):
        arguments(tmp_path, {"encoder": Path("e"), "text": Path("t")}, tmp_path, **changes)


def test_types_that_a_manifest_has_not_are_named(release: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    manifest = str(release / f"{FILES[0]}.jsonl")
    with pytest.raises(ManifestError, match=r"no question of types \['room'\]; it has A, B"):
        finetune_bat(arguments(release, parts, tmp_path, train_manifest=manifest, types=["room"]))


def test_sounds_may_lie_elsewhere(release: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    shutil.copytree(release, tmp_path / "copy")
    (tmp_path / "copy" / "AudioSet").rename(tmp_path / "elsewhere")
    manifest = str(tmp_path / "copy" / f"{FILES[0]}.jsonl")
    with pytest.raises(ManifestError, match="files are missing"):
        finetune_bat(arguments(release, parts, tmp_path / "run", train_manifest=manifest))
    audio_root = str(tmp_path / "elsewhere")
    assert finetune_bat(arguments(release, parts, tmp_path / "run", train_manifest=manifest, audio_root=audio_root)).is_dir()


def test_epochs_and_steps() -> None:
    schedule = Schedule(batch_size=4, learning_rate=1, epochs=2.5, gradient_accumulation=3)
    assert schedule.effective_batch(2) == 24
    assert schedule.optimizer_steps(samples=100, processes=2) == 13, "13 batches in 5 steps an epoch"
    assert Schedule(batch_size=4, learning_rate=1, steps=7).optimizer_steps(100, 2) == 7
    for wrong in ({}, {"steps": 1, "epochs": 1.0}):
        with pytest.raises(SpatialLLMError, match="give one of them"):
            Schedule(batch_size=1, learning_rate=1, **wrong)


def test_metrics_are_json_lines(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in ({"step": 1, "loss": 2.0}, {"step": 1, "x": 3}))
    )
    assert read_losses(tmp_path / "m.jsonl") == ([1], [2.0])
