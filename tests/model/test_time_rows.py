"""Rows of time tokens: how they begin, that they alone are added, and that both saved forms give them back bit for bit."""

import copy
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from spatial_llm.checkpoints import export_folder
from spatial_llm.checkpoints.merged import export_merged
from spatial_llm.encoders import SpatialASTModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration, SpatialLLMProcessor, add_lora
from spatial_llm.model.parts import save_parts
from spatial_llm.model.time_rows import AMPLITUDE, sinusoid, start_time_rows, time_rows
from spatial_llm.projectors import QFormerProjector
from spatial_llm.testing import tiny_config, tiny_processor

FORMS = {"digits": {"form": "digits"}, "absolute": {"form": "absolute", "longest_s": 3.0}}
MODELS = [("llama", False), ("llama", True), ("qwen2", False), ("qwen2", True)]
EVERY = [(form, *model) for form in FORMS for model in MODELS]


def parts(folder: Path, language_model: str, tied: bool) -> dict:
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration", language_model=language_model)
    config.text_config.tie_word_embeddings = tied
    SpatialASTModel(config.encoder_config).save_pretrained(folder / "encoder")
    AutoModelForCausalLM.from_config(config.text_config).save_pretrained(folder / "text")
    return {
        "encoder": SpatialASTModel.from_pretrained(folder / "encoder"),
        "language_model": AutoModelForCausalLM.from_pretrained(folder / "text"),
        "projector": QFormerProjector(config.projector_config),
    }


def built(folder: Path, form: str | None, language_model: str = "llama", tied: bool = False) -> SpatialLLM:
    """A composite with LoRA that changes answers, and with rows of time tokens if there is a form."""
    given, tokenizer = parts(folder, language_model, tied), tiny_processor().tokenizer
    model = SpatialLLMForConditionalGeneration.from_parts(**given, time_tokens=FORMS.get(form))
    add_lora(model, rank=2, dropout=0.0)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data.normal_(std=0.5)
    processor = SpatialLLMProcessor.for_model(model, tokenizer)
    if form is not None:
        start_time_rows(model.language_model, processor.times, processor.characters, seed=0)
    return SpatialLLM(model.eval(), processor)


def batch_of(model: SpatialLLM, **options: float) -> dict:
    features = torch.randn(2, *model.model.config.encoder_config.input_shape, generator=torch.Generator().manual_seed(0))
    texts = {"text": ["Where is the bell at 1.5 s?", "When?"], "answers": ["left at 0.5 s", "1.1 to 2.4 s"]}
    return {**model.processor(**texts, return_tensors="pt", **options), "input_features": features}


def answers_of(model: SpatialLLM, **options: int) -> torch.Tensor:
    batch = batch_of(model)
    prompts = model.processor(text=["Where is the bell at 1.5 s?", "When?"], return_tensors="pt")
    given = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, **options}
    return model.model.generate(**prompts, input_features=batch["input_features"], **given)


@pytest.mark.parametrize(("form", "language_model", "tied"), EVERY)
def test_training_moves_the_new_rows_and_no_old_ones(form: str, language_model: str, tied: bool, tmp_path: Path) -> None:
    model = built(tmp_path, form, language_model, tied)
    net = model.model.train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    optimizer = torch.optim.SGD([one for one in net.parameters() if one.requires_grad], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        net(**batch_of(model, time_weight=5.0)).loss.backward()
        optimizer.step()
    moved = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    rows = {f"language_model.lm_head.time_tokens.{one}_rows" for one in ("input", "head")}
    assert rows <= moved
    assert {name for name in moved if name.startswith("language_model.") and "lora_" not in name} == rows
    # Of the embeddings, those of the times that were read; no gradient leaks to others.
    changed = (net.state_dict()[min(rows, key=len)] != before[min(rows, key=len)]).any(-1)
    assert 0 < changed.sum() <= len(changed)
    input_rows = next(name for name in rows if "input" in name)
    read = (net.state_dict()[input_rows] != before[input_rows]).any(-1).nonzero().flatten().tolist()
    ids = batch_of(model)["input_ids"]
    assert read == sorted(
        {int(one) - model.processor.times.first_id for one in ids.flatten() if int(one) in model.processor.times}
    )


@pytest.mark.parametrize(("form", "language_model", "tied"), EVERY)
@pytest.mark.parametrize("trained_only", [False, True])
def test_save_load_save_is_identical(form: str, language_model: str, tied: bool, trained_only: bool, tmp_path: Path) -> None:
    model = built(tmp_path, form, language_model, tied)
    with torch.no_grad():  # so that times are answered
        time_rows(model.model.language_model).head_rows.mul_(3).add_(0.05 * torch.randn(model.processor.times.count, 32))
    model.save_pretrained(tmp_path / "one", trained_only=trained_only)
    loaded = SpatialLLM.from_pretrained(tmp_path / "one")
    loaded.save_pretrained(tmp_path / "two", trained_only=trained_only)
    names = {file.name for file in (tmp_path / "one").iterdir()}
    # transformers notes in these that parts were loaded from a folder, and their number type.
    for name in names - {"tokenizer_config.json", "config.json", "seal.json"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    (weights,) = (tmp_path / "one").glob("*.safetensors")
    assert {name for name in load_file(weights) if "time_tokens" in name} == {
        "language_model.lm_head.time_tokens.input_rows", "language_model.lm_head.time_tokens.head_rows"
    }  # fmt: skip
    written = answers_of(model)
    assert torch.equal(answers_of(loaded), written)
    assert answers_of(loaded, num_beams=2).shape == written.shape
    assert {name for name, one in loaded.model.named_parameters() if one.requires_grad} == {
        name for name, one in model.model.named_parameters() if one.requires_grad
    }
    assert loaded.processor.times == model.processor.times == loaded.model.config.times


@pytest.mark.parametrize("form", FORMS)
def test_the_vocabulary_is_answered_as_without(form: str, tmp_path: Path) -> None:
    (tmp_path / "with").mkdir(), (tmp_path / "without").mkdir()
    model, plain = built(tmp_path / "with", form), built(tmp_path / "without", None)
    plain.model.projector.load_state_dict(model.model.projector.state_dict())
    for name, parameter in plain.model.named_parameters():
        parameter.data.copy_(model.model.state_dict()[name])
    size = plain.model.config.text_config.vocab_size
    features, logits = batch_of(model)["input_features"], []
    for one in (model, plain):
        prompt = one.processor(text="Where is the bell?", return_tensors="pt")
        with torch.no_grad():
            logits.append(one.model(**prompt, input_features=features[:1]).logits)
    assert logits[0].shape[-1] == size + model.processor.times.count and logits[1].shape[-1] == size
    assert torch.equal(logits[0][..., :size], logits[1])


@pytest.mark.parametrize(("language_model", "tied"), MODELS)
def test_rows_begin_at_the_mean_of_their_spelling(language_model: str, tied: bool, tmp_path: Path) -> None:
    for form in FORMS:
        model = built(tmp_path / form, form, language_model, tied)
        rows, times, ids = time_rows(model.model.language_model), model.processor.times, model.processor.characters
        for own, matrix in (
            (rows.input_rows, model.model.get_input_embeddings().weight),
            (rows.head_rows, model.model.get_output_embeddings().weight),
        ):
            number = times.ids("1.2" if form == "absolute" else "2")[0] - times.first_id
            expected = matrix[[ids[one] for one in ("1.2" if form == "absolute" else "2")]].mean(0)
            if form == "absolute":
                deviation = own[number] - expected
                scale = AMPLITUDE * matrix[sorted(ids.values())].std()
                torch.testing.assert_close(deviation, scale * sinusoid(times.count, 3.0, own.shape[1], 0)[number])
                same = (own[times.ids("1.02")[0] - times.first_id] - own[number]).abs().max()
                assert same > 0.1 * scale, "1.02 and 1.2 differ although they have almost the same characters"
            else:
                torch.testing.assert_close(own[number], expected)
                tenths = matrix[[ids["."], ids["2"]]].mean(0)
                torch.testing.assert_close(own[times.ids("0.2")[1] - times.first_id], tenths)


def test_the_sinusoid_is_seeded_and_alike_for_neighbours() -> None:
    waves = sinusoid(1001, 10.0, 64, 3)
    assert torch.equal(waves, sinusoid(1001, 10.0, 64, 3)) and not torch.equal(waves, sinusoid(1001, 10.0, 64, 4))
    assert waves.square().mean().item() == pytest.approx(1.0, abs=0.1)
    alike = torch.nn.functional.cosine_similarity(waves[500], waves[[501, 510, 550, 800]])
    assert alike[0] > alike[1] > alike[2:].max() and alike[0] > 0.9


def test_merged_lora_keeps_the_rows(tmp_path: Path) -> None:
    model = built(tmp_path, "digits")
    with torch.no_grad():
        model.model.projector.linear.weight.mul_(0.1)
        before = model.model(**batch_of(model)).logits
        with model.lora_merged():
            torch.testing.assert_close(model.model(**batch_of(model)).logits, before, atol=1e-4, rtol=1e-4)
        copied = copy.deepcopy(model.model).merge_and_unload()
        copied.save_pretrained(tmp_path / "merged")
        merged = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "merged").eval()
        torch.testing.assert_close(merged(**batch_of(model)).logits, before, atol=1e-4, rtol=1e-4)
        assert torch.equal(model.model(**batch_of(model)).logits, before), "the original is as it was"
    model.save_pretrained(tmp_path / "whole")
    for export, words in ((export_merged, "behind the vocabulary"), (partial(export_folder, "bat"), "time_tokens are")):
        with pytest.raises(SpatialLLMError, match=words):
            export(tmp_path / "whole", tmp_path / "exported.pt")
        assert not (tmp_path / "exported.pt").exists()
    with pytest.raises(SpatialLLMError, match="leave out merged"):
        save_parts(model, tmp_path / "apart", merged=True)
    assert not (tmp_path / "apart").exists()
    save_parts(model, tmp_path / "apart")
    base, alone = (load_file(tmp_path / one / "model.safetensors") for one in ("text", "apart/language_model"))
    assert base.keys() == alone.keys() and all(torch.equal(alone[name], tensor) for name, tensor in base.items())


def test_what_cannot_have_time_tokens_is_refused(tmp_path: Path) -> None:
    model = built(tmp_path, "digits").model
    size = model.config.text_config.vocab_size
    assert model.config.audio_token_id == size + 20
    with pytest.raises(SpatialLLMError, match=f"vocabulary of {size} is to have {size + 5}"):
        model.resize_token_embeddings(size + 5)
    fresh = SpatialLLMForConditionalGeneration.from_parts(**parts(tmp_path, "llama", False), time_tokens=FORMS["digits"])
    with pytest.raises(SpatialLLMError, match="with LoRA: leave it out of lora"):
        add_lora(fresh, target_modules=["q_proj", "lm_head"])
    assert fresh.config.lora is None
