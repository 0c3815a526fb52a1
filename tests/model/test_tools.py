"""What other programs do to a model: offload, export, compile, patch, merge, quantise, copy, train."""

import copy
import types
import warnings

import datasets
import pytest
import torch
from accelerate import cpu_offload, disk_offload
from torch.export import Dim
from transformers import AutoModel, AutoModelForMultimodalLM, BitsAndBytesConfig, Trainer, TrainingArguments

import spatial_llm.testing
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration, SpatialLLMModel
from spatial_llm.testing import TINY_ENCODERS, tiny_config, tiny_inputs

pytestmark = pytest.mark.slow
ENCODERS = list(TINY_ENCODERS)
CLASSES = [
    "SpatialASTModel",
    "SpatialASTForLocalization",
    "DSpASTModel",
    "DSpASTForLocalization",
    "QFormerProjector",
    "SpatialLLMModel",
    "SpatialLLMForConditionalGeneration",
]
CASES = [(name, encoder) for name in CLASSES for encoder in ENCODERS if name.startswith("SpatialLLM") or encoder == "dspast"]


def _build(name="SpatialLLMForConditionalGeneration", encoder="dspast"):
    torch.manual_seed(0)
    model = getattr(spatial_llm, name)(tiny_config(name, encoder)).eval()
    for parameter_name, parameter in model.named_parameters():
        if ".lora_B" in parameter_name:
            parameter.data.normal_(std=0.5)
    # A cache is no tensor.
    options = {"use_cache": False} if name.startswith("SpatialLLM") else {}
    return model, tiny_inputs(model.config), options


def _outputs(model, inputs, options):
    with torch.no_grad():
        return {key: tensor for key, tensor in model(**inputs, **options).items() if isinstance(tensor, torch.Tensor)}


def _same(given, expected, **tolerance):
    assert set(given) == set(expected)
    for key, tensor in expected.items():
        torch.testing.assert_close(given[key], tensor, msg=lambda text, key=key: f"{key}: {text}", **tolerance)


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_weights_may_lie_on_disk_or_wait_on_the_cpu(name, encoder, tmp_path):
    model, inputs, options = _build(name, encoder)
    expected = _outputs(model, inputs, options)
    _same(_outputs(cpu_offload(copy.deepcopy(model), torch.device("cpu")), inputs, options), expected)
    offloaded = disk_offload(copy.deepcopy(model), str(tmp_path / "disk"), torch.device("cpu"), offload_buffers=True)
    assert all(parameter.is_meta for parameter in offloaded.parameters())
    _same(_outputs(offloaded, inputs, options), expected)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_folder_may_be_loaded_to_disk(encoder, tmp_path):
    model, inputs, options = _build(encoder=encoder)
    expected = _outputs(model, inputs, options)
    model.save_pretrained(tmp_path / "model")
    places = {"language_model": "disk", "projector": "cpu", "encoder": "disk"}
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(
        tmp_path / "model", device_map=places, offload_folder=str(tmp_path / "disk")
    )
    assert all(parameter.is_meta for parameter in loaded.encoder.parameters())
    _same(_outputs(loaded, inputs, options), expected)


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_export_with_any_batch(name, encoder):
    model, inputs, options = _build(name, encoder)
    batch = Dim("batch", min=1, max=64)
    shapes = {**{key: {0: batch} for key in inputs}, **dict.fromkeys(options)}
    exported = torch.export.export(model, (), {**inputs, **options}, dynamic_shapes=shapes).module()
    for size in (1, 2, 5):
        other = tiny_inputs(model.config, batch_size=size, seed=1)
        _same(_outputs(exported, other, options), _outputs(model, other, options))


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_compiled_without_a_break(name, encoder):
    model, inputs, options = _build(name, encoder)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=False)
    _same(_outputs(compiled, inputs, options), _outputs(model, inputs, options))
    if "input_ids" in inputs:
        wrong = inputs["input_ids"].clone()
        wrong[0, 0] = model.config.text_config.bos_token_id
        with pytest.raises(SpatialLLMError, match="audio placeholders"):
            model(**{**inputs, "input_ids": wrong}, **options)
        with pytest.raises(RuntimeError, match="assert"):
            compiled(**{**inputs, "input_ids": wrong}, **options)


def test_a_patched_forward_of_the_whole_is_not_the_bodys():
    """As TRL's trainers patch it: a new `forward` runs the body, then the output layer itself."""
    model, inputs, options = _build()
    expected = _outputs(model, inputs, options)
    calls = []

    def forward(self, **kwargs):
        calls.append("whole")
        assert len(calls) < 3, "the patched forward calls itself"
        body = self.base_model(**kwargs)
        return {"logits": self.get_output_embeddings()(body.last_hidden_state), "audio_embeds": body.audio_embeds}

    model.forward = types.MethodType(forward, model)
    model.register_forward_hook(lambda *_: calls.append("hook"))
    _same(_outputs(model, inputs, options), expected)
    assert calls == ["whole", "hook"]
    body = model.base_model
    assert type(body) is SpatialLLMModel
    assert body.projector is model.projector
    assert "forward" not in vars(body)


def test_lora_is_merged_once(tmp_path):
    model, inputs, options = _build()
    expected = _outputs(model, inputs, options)
    merged = copy.deepcopy(model)
    assert merged.merge_and_unload() is merged
    assert merged.config.lora is None
    assert not any("lora_" in name or "base_layer" in name for name in merged.state_dict())
    _same(_outputs(merged, inputs, options), expected, atol=1e-5, rtol=1e-4)
    merged.save_pretrained(tmp_path / "merged")
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "merged")
    _same(_outputs(loaded, inputs, options), _outputs(merged, inputs, options))
    trains = [{name for name, parameter in each.named_parameters() if parameter.requires_grad} for each in (loaded, merged)]
    assert trains[0] == trains[1]
    with pytest.raises(SpatialLLMError, match="no LoRA to merge"):
        merged.merge_and_unload()
    infinite = copy.deepcopy(model).half()
    layer = infinite.language_model.model.layers[1].self_attn.q_proj
    layer.lora_A["default"].weight.data.fill_(1)
    layer.lora_B["default"].weight.data.fill_(6e4)
    before = {name: tensor.clone() for name, tensor in infinite.state_dict().items()}
    with pytest.raises(SpatialLLMError, match=r"1\.self_attn\.q_proj with LoRA added is not finite in torch.float16"):
        infinite.merge_and_unload()
    assert all(torch.equal(tensor, before[name]) for name, tensor in infinite.state_dict().items())


def _by_hand(model):
    for module in model.language_model.modules():
        if hasattr(module, "lora_A"):
            module.merge()


def _taken_away(model):
    lora = model.config.lora
    model.merge_and_unload()
    model.config.lora = lora


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_by_hand, r"q_proj is merged into its weight and still beside it.*merge_and_unload"),
        (_taken_away, "no layer of the language model carries LoRA, as after a merge by hand"),
        (lambda model: setattr(model.config, "lora", None), "carries LoRA, but config.lora is None"),
        (lambda model: model.config.lora.update(alpha=9), r"rank 2 and scale 2.0, but config.lora says rank 2, alpha 9"),
        (lambda model: model.config.lora.update(target_modules=["q_proj"]), r"LoRA lies on \['q_proj', 'v_proj'\], but"),
    ],
)
@pytest.mark.parametrize("trained_only", [False, True])
def test_lora_that_its_config_does_not_describe_is_not_saved(change, words, trained_only, tmp_path):
    model, _, _ = _build()
    change(model)
    with pytest.raises(SpatialLLMError, match=words):
        model.save_pretrained(tmp_path / "out", trained_only=trained_only)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("bits", [4, 8])
def test_a_whole_folder_in_few_bits(encoder, bits, tmp_path):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: pip install 'spatial-llm[4bit]'")
    config = tiny_config("spatial_llm", encoder)
    # Kernels for the CPU work on blocks of 64.
    wide = {"hidden_size": 128, "intermediate_size": 128, "head_dim": 32, "num_key_value_heads": 4}
    for name, value in wide.items():
        setattr(config.text_config, name, value)
    config.projector_config.text_hidden_size = 128
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(config).eval()
    inputs, options = tiny_inputs(config), {"use_cache": False}
    expected = _outputs(model, inputs, options)
    model.save_pretrained(tmp_path)
    quantization = BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8)
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, quantization_config=quantization)
    few = {name.split(".")[0] for name, tensor in loaded.named_parameters() if not tensor.is_floating_point()}
    assert few == {"language_model"}
    assert all(tensor.is_floating_point() for name, tensor in loaded.named_parameters() if ".lora_" in name)
    given = _outputs(loaded, inputs, options)
    torch.testing.assert_close(given["audio_embeds"].float(), expected["audio_embeds"], atol=1e-2, rtol=0)
    assert (given["logits"] - expected["logits"]).abs().max() < (0.3 if bits == 4 else 0.05)
    with pytest.raises(SpatialLLMError, match=r"is quantised .*load the model without quantization_config"):
        loaded.merge_and_unload()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_copies_are_whole_and_apart(encoder):
    model, inputs, options = _build(encoder=encoder)
    expected = _outputs(model, inputs, options)
    other = copy.deepcopy(model)  # by the protocol of pickle
    _same(_outputs(other, inputs, options), expected)
    other.projector.query.data.zero_()
    _same(_outputs(model, inputs, options), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parallel = torch.nn.DataParallel(model)  # on a machine without accelerators: the model itself
    _same(_outputs(parallel, inputs, options), expected)


class _Rows(torch.utils.data.Dataset):
    def __init__(self, config):
        inputs = tiny_inputs(config, batch_size=4)
        self.rows = [{key: tensor[i] for key, tensor in inputs.items()} for i in range(4)]
        for row in self.rows:
            row["labels"] = row["input_ids"].clone()

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("precision", ["bf16_full_eval", "fp16_full_eval"])
def test_trainer_evaluates_in_half_precision(encoder, precision, tmp_path):
    model, _, _ = _build(encoder=encoder)
    rows = _Rows(model.config)
    losses = [
        Trainer(
            copy.deepcopy(model),
            TrainingArguments(str(tmp_path), per_device_eval_batch_size=2, report_to=[], use_cpu=True, **options),
            eval_dataset=rows,
        ).evaluate()["eval_loss"]
        for options in ({}, {precision: True})
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_trl_trains(encoder, tmp_path):
    trl = pytest.importorskip("trl", reason="trl is not installed")
    model, _, _ = _build(encoder=encoder)
    rows = datasets.Dataset.from_list([{key: tensor.tolist() for key, tensor in row.items()} for row in _Rows(model.config)])
    arguments = trl.SFTConfig(
        str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        bf16=False,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    before = model.projector.query.detach().clone()
    trainer = trl.SFTTrainer(
        model,
        args=arguments,
        train_dataset=rows.with_format("torch"),
        data_collator=torch.utils.data.default_collate,
        processing_class=spatial_llm.testing.tiny_processor(encoder).tokenizer,
    )
    trainer.train()
    assert not torch.equal(model.projector.query, before)


def test_auto_classes_give_the_body_and_the_whole(tmp_path):
    model, inputs, options = _build()
    model.save_pretrained(tmp_path)
    body, whole = AutoModel.from_pretrained(tmp_path), AutoModelForMultimodalLM.from_pretrained(tmp_path)
    assert (type(body), type(whole)) == (SpatialLLMModel, SpatialLLMForConditionalGeneration)
    _same(_outputs(whole, inputs, options), _outputs(model, inputs, options))
    hidden = body(**inputs, **options).last_hidden_state
    assert torch.equal(whole.get_output_embeddings()(hidden), whole(**inputs, **options).logits)
