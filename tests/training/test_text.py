"""The tiny language model: any text round-trips, the prompt is the processor's, and a few examples are learned exactly."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from spatial_llm.audio.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.questions.text_corpus import text_examples
from spatial_llm.training.text import PROMPT, TextDataset, exact_answers, text_collator
from spatial_llm.training.text_model import build_tokenizer

LEARN: tuple[Literal["answers", "everything"], ...] = ("answers", "everything")
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


@pytest.mark.parametrize("learn", LEARN)
def test_a_row_of_many_questions_has_the_loss_of_a_row_each(learn: Literal["answers", "everything"]) -> None:
    """Questions of a scene share it and do not see each other: every token is predicted as if its question were alone."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENIZER), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    together = TextDataset(EXAMPLES, TOKENIZER)
    collate = text_collator(TOKENIZER.pad_token_id, learn)
    assert len(together) < len(EXAMPLES) and len({len(turns) for _, turns in together}) > 1  # padded rows are among them
    with torch.no_grad():
        batch = collate([*together])
        many = _surprise(model, batch)
        row = 0
        for number, (scene, turns) in enumerate(together):
            counted = batch["labels"][number, 1:] != -100
            expected = []
            for turn, (_, answer) in enumerate(turns):
                alone = collate([TextDataset([EXAMPLES[row]], TOKENIZER)[0]])
                surprise, labels = _surprise(model, alone)[0], alone["labels"][0, 1:]
                # The scene, where it is learned, is learned once.
                start = len(scene) if turn or learn == "answers" else 0
                expected.append(surprise[start:][labels[start:] != -100])
                assert labels[-len(answer) :].tolist() == answer
                row += 1
            assert torch.allclose(many[number][counted], torch.cat(expected), atol=1e-5)


def _surprise(model: LlamaForCausalLM, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Negative log-likelihood of each next token, (B, length - 1)."""
    given = {name: value for name, value in batch.items() if name != "labels"}
    logits, following = model(**given).logits[:, :-1], batch["input_ids"][:, 1:]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), following, reduction="none")


def test_labels_are_answers_and_eos_or_all_but_the_first_of_each_part() -> None:
    dataset = TextDataset(EXAMPLES, TOKENIZER)
    answers, everything = (text_collator(TOKENIZER.pad_token_id, learn)([dataset[1]]) for learn in LEARN)
    scene, turns = dataset[1]
    assert answers["labels"][answers["labels"] != -100].tolist() == [token for _, answer in turns for token in answer]
    parts = [scene, *([*prompt, *answer] for prompt, answer in turns)]
    assert everything["labels"][0].tolist() == [token for first, *rest in parts for token in (-100, *rest)]
    assert everything["input_ids"][0].tolist() == [token for part in parts for token in part]


def test_overfits_to_exact_answers(data: Path, text_run: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(text_run / "model")
    model = AutoModelForCausalLM.from_pretrained(text_run / "model")
    scenes = [json.loads(line) for line in (data / "train_scenes.jsonl").read_text().splitlines()]
    labels = {source["label"] for scene in scenes for source in scene["sources"]}
    dataset = TextDataset(text_examples(labels, 24, seed=0), tokenizer)
    assert all(exact_answers(model, tokenizer, dataset, batch_size=7))
    assert not all(exact_answers(model, tokenizer, TextDataset(text_examples(labels, 24, seed=5), tokenizer)))
