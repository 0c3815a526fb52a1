"""The tiny language model: any text round-trips, the prompt is the processor's, and a few examples are learned exactly."""

import json
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from spatial_llm.audio.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.questions.text_corpus import text_examples
from spatial_llm.training.text import PROMPT, TextDataset, exact_answers, text_collator
from spatial_llm.training.text_model import build_tokenizer

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
    assert TOKENIZER.tokenize("12.5m")[:2] == ["1", "2"]
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


def test_labels_are_answer_and_eos_only() -> None:
    dataset = TextDataset(EXAMPLES[:6], TOKENIZER)
    batch = text_collator(TOKENIZER.pad_token_id)([dataset[i] for i in range(6)])
    for row, example in enumerate(EXAMPLES[:6]):
        labels = batch["labels"][row]
        supervised = labels[labels != -100]
        assert TOKENIZER.decode(supervised) == example["answer"] + TOKENIZER.eos_token
        assert torch.equal(batch["input_ids"][row][labels != -100], supervised)
        assert batch["attention_mask"][row][labels != -100].all()


def test_everything_may_be_supervised_but_padding() -> None:
    dataset = TextDataset(EXAMPLES[:6], TOKENIZER)
    batch = text_collator(TOKENIZER.pad_token_id, "everything")([dataset[i] for i in range(6)])
    for row, example in enumerate(EXAMPLES[:6]):
        supervised = batch["labels"][row][batch["labels"][row] != -100]
        assert len(supervised) == batch["attention_mask"][row].sum()
        text = TOKENIZER.decode(supervised)
        assert text.startswith(example["scene"]) and text.endswith(example["answer"] + TOKENIZER.eos_token)


def test_overfits_to_exact_answers(data: Path, text_run: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(text_run / "model")
    model = AutoModelForCausalLM.from_pretrained(text_run / "model")
    scenes = [json.loads(line) for line in (data / "train_scenes.jsonl").read_text().splitlines()]
    labels = {source["label"] for scene in scenes for source in scene["sources"]}
    dataset = TextDataset(text_examples(labels, 24, seed=0), tokenizer)
    assert all(exact_answers(model, tokenizer, dataset, batch_size=7))
    assert not all(exact_answers(model, tokenizer, TextDataset(text_examples(labels, 24, seed=5), tokenizer)))
