"""What other programs do to a composite with a fusion: offload, export, compile, half precision, 4 bits, LoRA merged."""

import copy

import pytest
import torch
from accelerate import cpu_offload, disk_offload, dispatch_model
from torch.export import Dim
from transformers import BitsAndBytesConfig

from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_inputs
from tests.fusion.conftest import composite, prompts
from tests.fusion.test_generation import FUSIONS

pytestmark = pytest.mark.slow
CHOSEN = {
    name: FUSIONS[name]
    for name in ("delayed", "lal", "lal with a projector a layer", "hybrid", "per encoder with a projector a layer", "gated")
}


@pytest.fixture(params=CHOSEN.values(), ids=CHOSEN)
def model(request):
    return composite(request.param)


@torch.no_grad()
def logits(model, inputs):
    return model(**inputs, use_cache=False).logits


def test_weights_may_lie_on_disk_or_wait_on_the_cpu(model, tmp_path):
    inputs = tiny_inputs(model.config)
    expected = logits(model, inputs)
    waiting = cpu_offload(copy.deepcopy(model), torch.device("cpu"))
    torch.testing.assert_close(logits(waiting, inputs), expected, atol=1e-5, rtol=1e-5)
    on_disk = disk_offload(copy.deepcopy(model), str(tmp_path / "disk"), torch.device("cpu"), offload_buffers=True)
    assert all(parameter.is_meta for parameter in on_disk.parameters())
    torch.testing.assert_close(logits(on_disk, inputs), expected, atol=1e-5, rtol=1e-5)


def test_layers_may_be_dispatched_one_by_one(model):
    places = {name: "cpu" for name, _ in model.named_children()}
    del places["language_model"]
    decoder = "language_model.model"
    places |= {f"{decoder}.layers.{index}": "cpu" for index in range(4)}
    places |= dict.fromkeys(
        (f"{decoder}.embed_tokens", f"{decoder}.norm", f"{decoder}.rotary_emb", "language_model.lm_head"), "cpu"
    )
    inputs = tiny_inputs(model.config)
    expected = logits(model, inputs)
    spread = dispatch_model(copy.deepcopy(model), places, main_device="cpu", force_hooks=True)
    torch.testing.assert_close(logits(spread, inputs), expected, atol=1e-5, rtol=1e-5)


def test_compiled_without_a_break(model):
    torch.compiler.reset()
    inputs = tiny_inputs(model.config)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    torch.testing.assert_close(logits(compiled, inputs), logits(model, inputs), atol=1e-4, rtol=1e-4)


def test_compiled_prompts_with_different_numbers_of_recordings_are_refused(model):
    """Their number in each prompt is taken from the shapes; only the sum would be right."""
    torch.compiler.reset()
    inputs = prompts(model, "AAt", "t" * (2 * model.config.num_audio_tokens + 1))
    assert torch.isfinite(logits(model, inputs)).all()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    with pytest.raises(RuntimeError, match=r"different numbers|assert"):
        logits(compiled, inputs)


def test_export_with_any_batch(model):
    inputs = tiny_inputs(model.config)
    shapes = {**{key: {0: Dim("batch", min=1, max=64)} for key in inputs}, "use_cache": None}
    exported = torch.export.export(model, (), {**inputs, "use_cache": False}, dynamic_shapes=shapes).module()
    for size in (1, 2, 5):
        other = tiny_inputs(model.config, batch_size=size, seed=1)
        found = exported(**other, use_cache=False).logits
        torch.testing.assert_close(found, logits(model, other), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_answers_nearly_alike(model, dtype, tmp_path):
    model.save_pretrained(tmp_path)
    half = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, dtype=dtype)
    inputs = prompts(model, "tAtt", "Att")
    found, expected = logits(half, inputs), logits(model, inputs)
    assert found.dtype == dtype and torch.isfinite(found).all()
    assert torch.nn.functional.cosine_similarity(found[:, -1].float(), expected[:, -1]).min() > 0.97
    options = {"max_new_tokens": 3, "do_sample": False, "suppress_tokens": [model.config.audio_token_id]}
    assert torch.equal(half.generate(**inputs, **options), half.generate(**inputs, **options))


def test_a_frozen_language_model_in_bf16_under_modules_in_float32(model):
    """As the recipes train: what trains is float32, the rest bf16, under autocast."""
    for name, parameter in model.language_model.named_parameters():
        if "lora_" not in name and "audio_fusion" not in name:
            parameter.data = parameter.data.bfloat16()
    inputs = prompts(model, "tAtt", "Att")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(logits(model, inputs)).all()
        options = {"max_new_tokens": 3, "do_sample": False, "suppress_tokens": [model.config.audio_token_id]}
        answers = model.generate(**inputs, **options)
        assert torch.equal(answers, model.generate(**inputs, **options, cache_implementation="static", disable_compile=True))


def test_lora_is_merged_into_what_the_audio_passes_too(model):
    inputs = prompts(model, "tAtt", "Att")
    expected = logits(model, inputs)
    merged = model.merge_and_unload()
    torch.testing.assert_close(logits(merged, inputs), expected, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("fusion", CHOSEN.values(), ids=CHOSEN)
def test_a_whole_folder_in_four_bits(fusion, tmp_path):
    pytest.importorskip("bitsandbytes")
    # On a CPU, bitsandbytes needs wider layers than those of the other tests.
    model = composite(fusion, text={"hidden_size": 128, "intermediate_size": 128, "head_dim": 32})
    model.save_pretrained(tmp_path)
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    small = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, quantization_config=settings)
    ours = [module for name, module in small.named_modules() if "audio_fusion" in name or "fusion_modules" in name]
    assert not [module for module in ours if type(module).__name__ == "Linear4bit"]
    layer = small.language_model.get_decoder().layers[0]
    assert type(layer.mlp.gate_proj).__name__ == "Linear4bit"
    inputs = prompts(model, "tAtt", "Att", audio="input_features")
    found, expected = small(**inputs).logits, logits(model, inputs)
    # The weights of `composite` are three times as large as fresh ones, and so is the error of 4 bits.
    assert torch.nn.functional.cosine_similarity(found[:, -1], expected[:, -1]).min() > 0.6
    found.square().sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters() if parameter.requires_grad)
