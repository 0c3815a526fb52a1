"""The plan's numbers against counted parameters, against a real model's bytes, and against a real step's."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig

from spatial_llm.cli import main
from spatial_llm.encoders import DSpASTModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.mono_base import language_model_class
from spatial_llm.profiling.memory import KNOWN, PeakBytes, build_on_meta, format_plan, plan, step_bytes, weight_bytes
from spatial_llm.settings import parse_arguments
from spatial_llm.testing import TINY_FUSIONS, tiny_config
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.build import build_bat
from tests.training.conftest import data, text_run  # noqa: F401  (fixtures)
from tests.training.finetune.test_run import arguments, parts  # noqa: F401  (a fixture)

REPOSITORY = Path(__file__).parents[2]
# As their authors count them.
PARAMETERS = {
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "HuggingFaceTB/SmolLM2-360M": 361_821_120,
    "HuggingFaceTB/SmolLM2-1.7B": 1_711_376_384,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2-Audio-7B-Instruct": 8_397_094_912,
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_language_models_have_their_size(name: str) -> None:
    with torch.device("meta"):
        model = language_model_class(KNOWN[name]()).from_config(KNOWN[name]())
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


def test_bat_has_its_published_size_and_needs_what_its_bytes_say() -> None:
    run = parse_arguments(
        BatArguments, ["--config", str(REPOSITORY / "recipes/configs/spatialsoundqa_single_stage.yaml"), "--encoder", "none"]
    )
    model = build_on_meta(run)
    trains = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert trains == 73_561_600, "projector and LoRA: the 73.56 M parameters that BAT trains"
    weights, training = weight_bytes(model, "none")
    frozen_encoder = sum(p.numel() for p in model.encoder.parameters())
    assert weights == pytest.approx(6_738_415_616 * 2 + trains * 4 + frozen_encoder * 4, rel=1e-3)
    assert training == trains * 12
    # QLoRA: 4.127 bits a weight; what stays in bf16 are the embeddings and the head, 32,000 x 4,096 each.
    linear = 6_738_415_616 - 2 * 32_000 * 4096 - 65 * 4096
    assert weights - weight_bytes(model, "4bit")[0] == pytest.approx(linear * (2 - 4.127 / 8), rel=1e-3)


@pytest.mark.parametrize(
    "fusion", [one if one in ("prefix", "lal") else pytest.param(one, marks=pytest.mark.slow) for one in TINY_FUSIONS]
)
def test_bytes_on_meta_are_those_of_a_real_model_and_of_its_step(
    fusion: str,
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    encoder = parts["encoder"]
    if fusion == "per_encoder":
        encoder = tmp_path / "dspast"
        DSpASTModel(tiny_config("dspast")).save_pretrained(encoder)
    run = arguments(data, parts, tmp_path, fusion=TINY_FUSIONS[fusion], encoder=str(encoder))
    real, _ = build_bat(run)
    shape = build_on_meta(run)
    assert weight_bytes(shape, "none") == weight_bytes(real, "none")
    for encode in (True, False):
        steps = []
        for model in (real, shape):
            model.set_attn_implementation("eager")
            steps.append(step_bytes(model.train(), batch_size=4, text_tokens=50, encode=encode))
        assert steps[1] == pytest.approx(steps[0], rel=0.02)
    more = step_bytes(shape, batch_size=8, text_tokens=50, encode=False)
    assert more == pytest.approx(2 * steps[1], rel=0.1)


def test_counted_bytes_are_those_alive() -> None:
    with PeakBytes() as counted:
        one = torch.zeros(1000)
        view = one[:10]
        two = one + 1
        del two
        three = torch.zeros(500)
        assert (counted.now, counted.peak) == (6000, 8000)
        del one, three
        assert counted.now == 4000, "a view keeps its storage"
        del view
    assert (counted.now, counted.peak) == (0, 8000)


def shallow_llama(folder: Path) -> Path:
    """A folder with the configuration of a small language model."""
    LlamaConfig(
        hidden_size=64, intermediate_size=256, num_hidden_layers=8, num_attention_heads=4, vocab_size=300
    ).save_pretrained(folder)
    return folder


def test_modes_differ_as_they_should(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    run = arguments(data, parts, tmp_path, language_model=str(shallow_llama(tmp_path / "text")))
    modes = {(m.quantization, m.activation_checkpointing, m.encoder_cache): m for m in plan(run)}
    assert len(modes) == 8
    for (quantization, checkpointing, cache), mode in modes.items():
        assert modes["4bit", checkpointing, cache].weights <= mode.weights
        assert modes[quantization, True, cache].step < 0.5 * modes[quantization, False, cache].step
        assert modes[quantization, checkpointing, True].step <= modes[quantization, checkpointing, False].step
    encoder = sum(t.numel() * t.element_size() for t in build_on_meta(run).encoder.state_dict().values())
    cached, runs = modes["none", False, True], modes["none", False, False]
    assert runs.weights - cached.weights >= encoder, "what is stored needs no encoder on the GPU"
    assert format_plan(run, list(modes.values())).count("<- this config") == 1


def test_door_and_its_error(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = str(REPOSITORY / "recipes/configs/spatialsoundqa_single_stage.yaml")
    text = shallow_llama(tmp_path / "text")
    assert main(["plan", config, "--language_model", str(text), "--schedule.batch_size", "1"]) == 0
    assert f"{text}, bf16, batches of 1" in capsys.readouterr().out
    assert main(["plan", config, "--language_model", str(tmp_path)]) == 1
    assert "give a folder with its config.json" in capsys.readouterr().err
    with pytest.raises(SpatialLLMError, match="no config to be had"):
        build_on_meta(parse_arguments(BatArguments, ["--config", config, "--language_model", str(tmp_path / "x")]))


@pytest.mark.slow
def test_a_curriculum_is_planned_by_the_stage_that_trains_most() -> None:
    run = parse_arguments(
        BatArguments, ["--config", str(REPOSITORY / "recipes/configs/fusion/lal.yaml"), "--encoder", "none"]
    )
    model = build_on_meta(run)
    assert model.config.num_audio_tokens == 512 and not any(p.requires_grad for p in model.encoder.parameters())
    added = sum(parameter.numel() for parameter in model.projector.parameters()) + 12 * (768 * 2048 + 2048)
    trains = PARAMETERS["meta-llama/Llama-3.2-1B"] + added
    weights, training = weight_bytes(model, "none", encode=False)
    assert training == 12 * trains and weights == pytest.approx(4 * trains, rel=1e-4), "float32 weights, bf16 products"
    modes = plan(run, text_tokens=16)
    assert {(m.quantization, m.encoder_cache) for m in modes} == {("none", True), ("none", False)} and len(modes) == 4
    prefix = parse_arguments(
        BatArguments, ["--config", str(REPOSITORY / "recipes/configs/fusion/plits.yaml"), "--encoder", "none"]
    )
    rows = {name: max(m.step for m in found) for name, found in (("lal", modes), ("plits", plan(prefix, text_tokens=16)))}
    assert rows["lal"] < 0.5 * rows["plits"], "no rows of audio in 16 layers"
