"""Half and double precision: loaded so or cast so, whole models answer nearly as in float32."""

import copy

import numpy as np
import pytest
import torch

from spatial_llm.encoders import DSpASTForLocalization, SpatialASTForLocalization
from spatial_llm.encoders.precision import within
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.precision import spare_ours
from spatial_llm.testing import tiny_config, tiny_inputs

# Largest difference of logits of about 0.5 from those of float32.
CLOSE = {torch.bfloat16: 2e-2, torch.float16: 3e-3, torch.float64: 1e-6}
HALF = (torch.bfloat16, torch.float16)
QUESTION = "Where is the sound in this audio clip coming from?"


def _model(encoder, freeze_encoder=True):
    torch.manual_seed(0)
    config = tiny_config("spatial_llm", encoder)
    config.freeze_encoder = freeze_encoder
    return SpatialLLMForConditionalGeneration(config).eval()


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize(
    ("encoder", "freeze_encoder"),
    [
        ("dspast", True),
        pytest.param("dspast", False, marks=pytest.mark.slow),
        pytest.param("spatial_ast", True, marks=pytest.mark.slow),
        pytest.param("spatial_ast", False, marks=pytest.mark.slow),
    ],
)
def test_loaded_and_cast_models_answer_as_in_float32(encoder, dtype, freeze_encoder, tmp_path):
    model = _model(encoder, freeze_encoder)
    inputs = tiny_inputs(model.config)
    expected = model(**inputs).logits
    model.save_pretrained(tmp_path / "float32")
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "float32", dtype=dtype)
    assert {tensor.dtype for tensor in loaded.language_model.parameters()} == {dtype}
    assert {tensor.dtype for tensor in loaded.projector.parameters()} == {dtype}
    kept = {name for name, tensor in loaded.named_parameters() if tensor.dtype != dtype}
    assert all(name.startswith("encoder.branches.") and ".gate." in name for name in kept)
    cast_inputs = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in inputs.items()}
    for other in (loaded, copy.deepcopy(model).to(dtype)):
        assert other(**inputs).logits.dtype == dtype
        for given in (inputs, cast_inputs):
            torch.testing.assert_close(other(**given).logits.float(), expected, atol=CLOSE[dtype], rtol=0)
    loaded.save_pretrained(tmp_path / "again")
    again = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "again")
    torch.testing.assert_close(again(**inputs).logits, loaded(**inputs).logits, atol=1e-12, rtol=0)
    loaded.train()
    loaded(**inputs, labels=inputs["input_ids"]).loss.backward()


@pytest.mark.parametrize("dtype", HALF)
def test_statistics_of_cues_come_through_half_precision_unchanged(dtype):
    """An ILD plane has variances beyond float16."""
    model = _model("dspast")
    model.encoder.cue_norm.norm.running_var.fill_(1e6 + 1)
    there_and_back = copy.deepcopy(model).to(dtype).float().state_dict()
    for name, tensor in model.state_dict().items():
        if ".cue_norm." in name or ".gate." in name:
            assert torch.equal(there_and_back[name], tensor)


@pytest.mark.parametrize("model_class", [SpatialASTForLocalization, DSpASTForLocalization])
@pytest.mark.parametrize("dtype", CLOSE)
def test_encoders_with_heads_train_in_any_precision(model_class, dtype):
    torch.manual_seed(0)
    model = model_class(tiny_config(model_class.__name__)).train()
    classes = torch.tensor([1, 2, 3])
    labels = {f"{name}_labels": classes for name in ("distance", "azimuth", "elevation")}
    labels["event_labels"] = torch.rand(3, model.config.num_event_classes)
    inputs = {**tiny_inputs(model.config), **labels}
    expected = copy.deepcopy(model)(**inputs).loss
    loss = model.to(dtype)(**inputs).loss
    torch.testing.assert_close(loss.float(), expected, rtol=1e-2, atol=0)
    loss.backward()


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, *(pytest.param(dtype, marks=pytest.mark.slow) for dtype in (torch.float16, torch.float64))]
)
def test_the_shipped_model_answers_alike(dtype):
    sound = (0.05 * np.random.default_rng(0).standard_normal((2, 64_000))).astype(np.float32)
    expected = SpatialLLM.from_pretrained("tiny").ask(sound, QUESTION, sampling_rate=32_000)
    loaded = SpatialLLM.from_pretrained("tiny", dtype=dtype)
    assert {tensor.dtype for tensor in loaded.model.language_model.parameters()} == {dtype}
    assert loaded.ask(sound, QUESTION, sampling_rate=32_000) == expected


def test_torch_dtype_is_dtype(tmp_path):
    assert SpatialLLM.from_pretrained("tiny", torch_dtype=torch.bfloat16).model.dtype == torch.bfloat16
    _model("dspast").save_pretrained(tmp_path)
    load = SpatialLLMForConditionalGeneration.from_pretrained
    assert load(tmp_path, torch_dtype="bfloat16", dtype=torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(SpatialLLMError, match=r"dtype is torch.float16 and torch_dtype.*bfloat16; give dtype alone"):
        load(tmp_path, torch_dtype="bfloat16", dtype=torch.float16)


def test_what_a_part_keeps_in_float32_is_no_matter_of_the_others():
    model = _model("dspast")
    assert model._keep_in_fp32_modules_strict == {
        r"^encoder\.(?:encoder\.)?cue_norm",
        r"^encoder\.(?:encoder\.)?branches\.\d+\.gate",
    }
    assert within("language_model", "gate.weight") == r"^language_model\.(?:.+)?(?:gate.weight)"


def test_what_is_not_the_language_models_own_is_not_quantised():
    spared = spare_ours({"load_in_4bit": True, "llm_int8_skip_modules": ["mine"]})
    assert spared["llm_int8_skip_modules"] == [
        "mine",
        "encoder",
        "projector",
        "fusion_modules",
        r".*\.lora_[AB]",
        r".*\.audio_fusion",
    ]
    assert r".*\.(?:lm_head|embed_out)" in spare_ours({"load_in_8bit": True})["llm_int8_skip_modules"]
    assert "projector" in spare_ours({"quant_method": "other"})["modules_to_not_convert"]
