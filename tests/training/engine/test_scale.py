"""Several processes: the gradients of one, who writes, what a launcher may not do silently, and ZeRO on the CPU."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.settings import to_yaml
from spatial_llm.testing import TINY_FUSIONS
from spatial_llm.training.encoder.arguments import EncoderStage
from spatial_llm.training.engine.curves import read_losses
from spatial_llm.training.engine.launching import check_launch, is_main, processes
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments
from tests.training.encoder.test_stages import EVENTS, JOINT
from tests.training.encoder.test_stages import arguments as encoder_arguments
from tests.training.finetune.test_run import arguments, parts  # noqa: F401  (a fixture)

needs_deepspeed = pytest.mark.skipif(
    not (importlib.util.find_spec("deepspeed") and shutil.which("g++") and shutil.which("ninja")),
    reason="DeepSpeed on a CPU needs pip install 'spatial-llm[deepspeed]', g++ and ninja",
)
REPOSITORY = Path(__file__).parents[3]
SCRIPT = "tests/training/engine/two_processes.py"
LAUNCH = {path.stem: path for path in sorted((REPOSITORY / "recipes/launch").glob("*.yaml"))}
FUSIONS = {name: TINY_FUSIONS[name] for name in ("lal", "hybrid", "gated_cross_attention")}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
ENVIRONMENT["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])


def launch(*command: str, stops: bool = False, **environment: str) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=REPOSITORY, env={**ENVIRONMENT, **environment}, capture_output=True, text=True
    )
    assert (done.returncode != 0) == stops, done.stdout[-3000:] + done.stderr[-9000:]
    return done


def torchrun(count: int, *command: str) -> subprocess.CompletedProcess:
    return launch("torch.distributed.run", "--standalone", "--nproc_per_node", str(count), *command)


def test_launch_files_are_configs_of_accelerate() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    assert set(LAUNCH) == {"cpu", "single_gpu", "ddp", "fsdp", "zero2", "zero3"}
    for name, path in LAUNCH.items():
        config = load_config_from_file(str(path))
        assert config.mixed_precision == "no", "precision is the recipe's"
        assert config.deepspeed_config.get("zero_stage") == {"zero2": 2, "zero3": 3}.get(name)
    assert "Not run" in LAUNCH["fsdp"].read_text().splitlines()[0]
    assert yaml.safe_load(LAUNCH["fsdp"].read_text())["distributed_type"] == "FSDP"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_fsdp_without_a_gpu_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    check_launch()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(SpatialLLMError, match=r"fsdp\.yaml.*no GPU.*silently"):
        check_launch()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.slow
def test_fsdp_yaml_is_refused_by_the_recipe(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(LAUNCH["fsdp"]), "--num_processes", "1",
         "recipes/finetune_bat.py", "--config", "tests/doors/configs/bat.yaml", "--run_folder", str(tmp_path / "run")],
        cwd=REPOSITORY, env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0 and "this machine has no GPU" in done.stderr
    assert not (tmp_path / "run").exists()


def test_one_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (processes(), is_main()) == (1, True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert (processes(), is_main()) == (4, False)


@pytest.fixture
def one_step(data: Path, parts: dict[str, Path], tmp_path: Path) -> BatArguments:  # noqa: F811
    """Eight samples, a step; plain gradients, not shortened."""
    schedule = Schedule(steps=1, batch_size=8, learning_rate=1e-3, log_every=1, max_grad_norm=0.0)
    return arguments(
        data, parts, tmp_path / "one", schedule=schedule, encoder_cache=True, cache_folder=str(tmp_path / "cache")
    )


def gradients_of(run: BatArguments, count: int, tmp_path: Path) -> dict[str, torch.Tensor]:
    """The first step's gradients of so many processes; together they have batches of eight."""
    run.run_folder, run.schedule.batch_size = str(tmp_path / f"run{count}"), 8 // count
    file, out = tmp_path / f"{count}.yaml", tmp_path / f"{count}.pt"
    file.write_text(to_yaml(run))
    done = torchrun(count, SCRIPT, "gradients", str(file), str(out), str(count))
    assert done.stdout.count("effective batch 8") == 1, "said once"
    return torch.load(out, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["plain", "checkpointed", "checkpointed, encoder runs", *(f"checkpointed, {name}" for name in FUSIONS)]
)
def test_two_processes_give_the_gradients_of_one(one_step: BatArguments, tmp_path: Path, way: str) -> None:
    one_step.encoder_cache = "encoder runs" not in way
    one_step.fusion = FUSIONS.get(way.rpartition(", ")[2])
    one = gradients_of(one_step, 1, tmp_path)
    one_step.schedule.steps = 3  # what is amiss with the first step, DDP says in the second
    one_step.schedule.activation_checkpointing = way != "plain"
    two = gradients_of(one_step, 2, tmp_path)
    assert set(one) == set(two) and len(one) > 40
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=0, atol=1e-5, msg=name)
    assert max(float(gradient.abs().max()) for gradient in one.values()) > 0.01
    assert SpatialLLM.from_pretrained(tmp_path / "run2" / "model")
    assert not list(tmp_path.rglob("*.tmp")) and not list(tmp_path.rglob("*.old")), "nobody got in another's way"


@pytest.mark.slow
@pytest.mark.parametrize("model_type", ["spatial_ast", "dspast"])
def test_two_processes_train_a_stage_that_leaves_heads_out(data: Path, tmp_path: Path, model_type: str) -> None:
    stages = [EncoderStage("events", EVENTS, epochs=2, warmup_epochs=0), EncoderStage("all", JOINT, 2, 0)]
    run = encoder_arguments(data, tmp_path / "run", model_type, stages, eval_manifest=None)
    run.schedule.batch_size, run.schedule.activation_checkpointing = 2, True
    file = tmp_path / "arguments.yaml"
    file.write_text(to_yaml(run))
    done = torchrun(2, SCRIPT, "encoder", str(file))
    assert all(f"process {process} of 2 ended" in done.stdout for process in (0, 1))
    for name in ("events", "all"):
        steps, losses = read_losses(tmp_path / "run" / name / "metrics.jsonl")
        assert steps == list(range(1, 7)) and all(loss > 0 for loss in losses)
    after_events, after_all = (load_file(tmp_path / f"run/{name}/model/model.safetensors") for name in ("events", "all"))
    moved = {name for name, tensor in after_events.items() if not torch.equal(tensor, after_all[name])}
    assert {"event_head.weight", "distance_head.weight", "azimuth_head.weight", "elevation_head.weight"} <= moved


def with_zero(zero: str, *arguments: str, stops: bool = False) -> subprocess.CompletedProcess:
    command = ("accelerate.commands.launch", "--config_file", str(LAUNCH[zero]), "--num_processes", "2", SCRIPT, "train")
    return launch(*command, *arguments, stops=stops, DS_ACCELERATOR="cpu")


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("zero", ["zero2", "zero3"])
@pytest.mark.parametrize("save", ["whole", "trained"])
@pytest.mark.parametrize("fusion", [None, *FUSIONS])
def test_zero_saves_whole_tensors(one_step: BatArguments, tmp_path: Path, zero: str, save: str, fusion: str | None) -> None:
    one_step.fusion = FUSIONS.get(fusion)
    one_step.schedule = Schedule(steps=3, batch_size=4, learning_rate=1e-3, log_every=1)
    one_step.save = save
    file = tmp_path / "arguments.yaml"
    file.write_text(to_yaml(one_step))
    done = with_zero(zero, str(file))
    for process in (0, 1):
        assert f"process {process} of 2 ended, ZeRO-{zero[-1]}" in done.stdout
    folder = Path(one_step.run_folder) / "model"
    for saved in folder.glob("*.safetensors"):
        with safe_open(saved, "pt") as tensors:
            empty = [key for key in tensors.keys() if 0 in tensors.get_slice(key).get_shape()]  # noqa: SIM118
            assert empty == []
    model = SpatialLLMForConditionalGeneration.from_pretrained(folder)
    assert any("lora_B" in name and tensor.abs().max() > 0 for name, tensor in model.state_dict().items())


@pytest.mark.slow
@needs_deepspeed
def test_zero_goes_on_where_it_was_stopped(one_step: BatArguments, tmp_path: Path) -> None:
    one_step.schedule = Schedule(steps=6, batch_size=2, learning_rate=1e-3, log_every=1, save_every=2)
    saved = {}
    for name in ("whole", "stopped"):
        one_step.run_folder = str(tmp_path / name)
        (tmp_path / f"{name}.yaml").write_text(to_yaml(one_step))
        if name == "stopped":
            done = with_zero("zero2", str(tmp_path / "stopped.yaml"), "3", stops=True)
            assert "stopped at step 3 with a checkpoint" in done.stdout and not (tmp_path / "stopped/model").exists()
        done = with_zero("zero2", str(tmp_path / f"{name}.yaml"))
        assert ("step 3 of 6" in done.stdout) == (name == "stopped")
        saved[name] = load_file(tmp_path / name / "model" / "model.safetensors")
        assert "process 1 of 2 ended, ZeRO-2" in done.stdout
    assert saved["whole"].keys() == saved["stopped"].keys()
    different = [key for key, tensor in saved["whole"].items() if not torch.equal(tensor, saved["stopped"][key])]
    assert different == [], "the very same bits"
    assert read_losses(tmp_path / "whole/metrics.jsonl") == read_losses(tmp_path / "stopped/metrics.jsonl")
