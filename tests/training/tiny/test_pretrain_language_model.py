"""The tiny language model: any text round-trips, the prompt is the processor's, and a few examples are learned exactly."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import CheckpointError
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.model.padding import IGNORED
from spatial_llm.questions.text_corpus import text_examples
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.tiny.arguments import TextArguments
from spatial_llm.training.tiny.language_model import build_tokenizer
from spatial_llm.training.tiny.pretrain_language_model import TextDataset, exact_answers, pretrain_text
from spatial_llm.training.tiny.text_rows import PROMPT, text_collator

EXAMPLES = text_examples(["bell", "rain", "dog bark"], 40, seed=1)
TOKENIZER = build_tokenizer(
    (text for e in EXAMPLES for text in e.values()), vocab_size=400, phrases=PROMPT.split("{question}")
)


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    if any(token in text for token in TOKENIZER.all_special_tokens):
        return
    ids = TOKENIZER(text)["input_ids"]
    assert ids[0] == TOKENIZER.bos_token_id and TOKENIZER.decode(ids[1:]) == text


def test_digits_stand_alone_and_the_prompt_frame_is_short(tmp_path: Path) -> None:
    assert TOKENIZER.tokenize("12.5m")[:3] == ["Ġ", "1", "2"]
    assert len(TOKENIZER(PROMPT.format(question=""))["input_ids"]) == 3  # BOS, before and after the question
    TOKENIZER.save_pretrained(tmp_path)
    text = PROMPT.format(question="Is the dog bark nearer than 12.5m?")
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] == TOKENIZER(text)["input_ids"]


def test_text_rows_equal_the_processors_but_for_the_scene() -> None:
    """What the language model reads in words, it later reads with audio tokens in the place of the scene."""
    example = EXAMPLES[0]
    batch = text_collator(TOKENIZER.pad_token_id)([TextDataset([example], TOKENIZER)[0]])
    processor = SpatialLLMProcessor(SpatialFeatureExtractor(), TOKENIZER, num_audio_tokens=5)
    heard = processor(text=example["question"], answers=example["answer"], return_tensors="pt")
    scene = len(TOKENIZER(example["scene"], add_special_tokens=False)["input_ids"])
    assert batch["input_ids"][0, scene:].tolist() == heard["input_ids"][0, 5:].tolist()
    assert batch["labels"][0, scene:].tolist() == heard["labels"][0, 5:].tolist()
    assert TOKENIZER.decode(batch["input_ids"][0, :scene]) == example["scene"]


def test_a_class_is_the_same_tokens_wherever_it_stands() -> None:
    for label in ("bell", "dog bark"):
        ids = TOKENIZER(label, add_special_tokens=False)["input_ids"]
        for text in (f"{label}: left, front, below; 2.5m", f"Is the {label} near?", PROMPT.format(question=f"{label}?")):
            inside = TOKENIZER(text, add_special_tokens=False)["input_ids"]
            assert any(inside[at : at + len(ids)] == ids for at in range(len(inside))), (label, text)


def test_a_row_of_many_questions_has_the_loss_of_a_row_each() -> None:
    """Questions of a scene share it and do not see each other: every token is predicted as if its question were alone."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENIZER), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    together, collate = TextDataset(EXAMPLES, TOKENIZER), text_collator(TOKENIZER.pad_token_id)
    assert len(together) < len(EXAMPLES) and len({len(turns) for _, turns in together}) > 1  # padded rows are among them
    batch, examples = collate([*together]), iter(EXAMPLES)
    many = _surprise(model, batch)
    for row, (_, turns) in enumerate(together):
        singly = [collate([TextDataset([next(examples)], TOKENIZER)[0]]) for _ in turns]
        expected = [_surprise(model, alone)[alone["labels"][:, 1:] != IGNORED] for alone in singly]
        assert torch.allclose(many[row][batch["labels"][row, 1:] != IGNORED], torch.cat(expected), atol=1e-5)
    assert next(examples, None) is None


@torch.no_grad()
def _surprise(model: LlamaForCausalLM, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Negative log-likelihood of each next token, (B, length - 1)."""
    given = {name: value for name, value in batch.items() if name != "labels"}
    logits, following = model(**given).logits[:, :-1], batch["input_ids"][:, 1:]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), following, reduction="none")


def test_labels_are_answers_and_eos_only() -> None:
    dataset = TextDataset(EXAMPLES, TOKENIZER)
    batch = text_collator(TOKENIZER.pad_token_id)([*dataset])
    answers = iter(EXAMPLES)
    for row, (scene, turns) in enumerate(dataset):
        supervised = batch["labels"][row] != IGNORED
        assert torch.equal(batch["input_ids"][row][supervised], batch["labels"][row][supervised])
        said = "".join(next(answers)["answer"] + TOKENIZER.eos_token for _ in turns)
        assert _decoded(batch["labels"][row][supervised]) == said
        parts = [*scene, *(token for turn in turns for part in turn for token in part)]
        assert batch["input_ids"][row][: len(parts)].tolist() == parts


def _decoded(ids: torch.Tensor) -> str:
    """Several answers, each of which begins with the space that its first word is given."""
    eos = TOKENIZER.eos_token
    return "".join(part.removeprefix(" ") + eos for part in TOKENIZER.decode(ids).split(eos)[:-1])


def test_overfits_to_exact_answers(data: Path, text_run: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(text_run / "model")
    model = AutoModelForCausalLM.from_pretrained(text_run / "model")
    scenes = [json.loads(line) for line in (data / "train_scenes.jsonl").read_text().splitlines()]
    labels = {source["label"] for scene in scenes for source in scene["sources"]}
    dataset = TextDataset(text_examples(labels, 24, seed=0), tokenizer)
    assert all(exact_answers(model, tokenizer, dataset, batch_size=7))
    assert not all(exact_answers(model, tokenizer, TextDataset(text_examples(labels, 24, seed=5), tokenizer)))


def test_a_run_goes_on_from_the_model_of_another(data: Path, text_run: Path, tmp_path: Path) -> None:
    still = Schedule(steps=1, batch_size=4, learning_rate=1e-30, weight_decay=0.0)
    arguments = TextArguments(
        run_folder=str(tmp_path / "run"), manifest=str(data / "train.jsonl"), schedule=still, examples=40, eval_examples=4,
        initial_language_model=str(text_run / "model"), hidden_size=16, num_hidden_layers=7, cpu_threads=1,
    )  # fmt: skip
    pretrain_text(arguments)
    before, after = (AutoModelForCausalLM.from_pretrained(run / "model") for run in (text_run, tmp_path / "run"))
    weights = dict(before.named_parameters())
    assert all(torch.allclose(value, weights[name], rtol=0, atol=1e-20) for name, value in after.named_parameters())
    text = "Is the bell nearer than 12.5m?"
    of_before, of_after = (AutoTokenizer.from_pretrained(run / "model") for run in (text_run, tmp_path / "run"))
    assert of_before(text)["input_ids"] == of_after(text)["input_ids"]
    with pytest.raises(CheckpointError, match="initial_language_model"):
        pretrain_text(dataclasses.replace(arguments, run_folder=str(tmp_path / "no"), initial_language_model="./nothing"))
