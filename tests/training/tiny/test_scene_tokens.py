"""Scenes told in tokens: they hold class and place, are read as text is, are gone on from; and looking up is learned."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model.padding import IGNORED
from spatial_llm.questions import QuestionConfig, official_only
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.text_corpus import asked_scenes, in_words
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.tiny.arguments import TextArguments
from spatial_llm.training.tiny.language_model import build_tokenizer
from spatial_llm.training.tiny.pretrain_language_model import TextDataset, pretrain_text
from spatial_llm.training.tiny.scene_tokens import (
    NAME_SCALE,
    NO_SOURCE,
    PLACE_NUMBERS,
    PLACE_SCALE,
    SceneTokenDataset,
    SceneTokens,
    place_numbers,
    scene_token_collator,
)
from spatial_llm.training.tiny.text_rows import PROMPT
from tests.questions.scenes import EVERY

LABELS = ["bell", "dog bark", "rain"]
SCENES = list(asked_scenes(LABELS, 60, seed=1))
EXAMPLES = in_words(SCENES, None)
TOKENIZER = build_tokenizer((text for e in EXAMPLES for text in e.values()), 400, phrases=PROMPT.split("{question}"))
COUNT = 3


@pytest.fixture
def model() -> SceneTokens:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(TOKENIZER), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, initializer_range=0.3, bos_token_id=TOKENIZER.bos_token_id,
        eos_token_id=TOKENIZER.eos_token_id, pad_token_id=TOKENIZER.pad_token_id,
    )  # fmt: skip
    return SceneTokens(LlamaForCausalLM(config), TOKENIZER, LABELS).eval()


def test_the_numbers_of_a_place() -> None:
    left = place_numbers(HeardSource("bell", 90.0, 0.0, 1.0))
    assert left == pytest.approx([0, 1, 0, 0, 1, -1, 0, 0, 0.25], abs=1e-6)  # front, left, up; azimuth, its double; distance
    up = place_numbers(HeardSource("bell", -180.0, 30.0, 2.0))
    assert up[:5] == pytest.approx([-(0.75**0.5), 0, 0.5, -1, 0], abs=1e-6) and len(up) == PLACE_NUMBERS


def test_the_questions_are_those_of_the_scene_in_words_and_the_seats_are_drawn() -> None:
    told, words = SceneTokenDataset(SCENES, LABELS, TOKENIZER, COUNT), TextDataset(EXAMPLES, TOKENIZER)
    assert told.turns == [turns for _, turns in words]
    torch.manual_seed(0)
    seats = set()
    for index, (scene, _) in enumerate(SCENES):
        item = told[index]
        heard = [(seat, LABELS[name]) for seat, name in enumerate(item["classes"].tolist()) if name != NO_SOURCE]
        assert sorted(label for _, label in heard) == sorted(source.label for source in scene.sources)
        assert item["scene"] == [TOKENIZER.pad_token_id] * COUNT
        by_label = {source.label: source for source in scene.sources}
        for seat, label in heard:
            assert torch.allclose(item["places"][seat], torch.tensor(place_numbers(by_label[label])))
            seats.add(seat)
    assert seats == set(range(COUNT))


def test_a_token_is_the_name_as_it_is_spelled_and_the_place(model: SceneTokens) -> None:
    words = model.language_model.get_input_embeddings()
    classes, places = torch.tensor([[1, NO_SOURCE, 0]]), torch.randn(1, COUNT, PLACE_NUMBERS)
    tokens = model.tokens(classes, places)[0]
    for seat, label in ((0, "dog bark"), (2, "bell")):
        name = words(torch.tensor(TOKENIZER(label, add_special_tokens=False)["input_ids"])).mean(0)
        assert torch.allclose(tokens[seat], NAME_SCALE * name + PLACE_SCALE * model.place(places[0, seat]), atol=1e-6)
    assert torch.equal(tokens[1], model.nobody)


@torch.no_grad()
def test_asked_it_reads_what_it_was_taught_on(model: SceneTokens) -> None:
    """The next token behind a prompt, padded among others, is that of the row it is trained on."""
    dataset = SceneTokenDataset(SCENES, LABELS, TOKENIZER, COUNT)
    samples = [dataset[index] for index in range(4)]
    batch = scene_token_collator(TOKENIZER.pad_token_id)(samples)
    assert torch.equal(batch["classes"], torch.stack([sample["classes"] for sample in samples]))
    logits = model(**batch).logits
    asked = [((s["classes"], s["places"]), prompt) for s in samples for prompt, _ in s["turns"]]
    padded = model.prompts(asked)
    assert padded["attention_mask"].sum(1).tolist() == [COUNT + len(prompt) for _, prompt in asked]
    ids = padded["attention_mask"].cumsum(1).sub(1).clamp(min=0)
    alone = model.language_model(**padded, position_ids=ids).logits[:, -1]
    starts = [
        (row, place)
        for row, labels in enumerate(batch["labels"])
        for place in range(1, len(labels))
        if labels[place] != IGNORED and labels[place - 1] == IGNORED
    ]
    assert len(starts) == len(asked)
    for expected, (row, place) in zip(alone, starts, strict=True):
        torch.testing.assert_close(logits[row, place - 1], expected, atol=1e-4, rtol=1e-4)


def test_a_run_goes_on_from_it_with_the_same_classes_only(model: SceneTokens, tmp_path: Path) -> None:
    model.save(tmp_path)
    torch.manual_seed(1)
    other = SceneTokens(model.language_model, TOKENIZER, LABELS)
    before = other.place[0].weight.clone()
    other.go_on_from(None)
    other.go_on_from(str(tmp_path / "told in words"))
    assert torch.equal(other.place[0].weight, before)
    other.go_on_from(str(tmp_path))
    assert torch.equal(other.place[0].weight, model.place[0].weight) and torch.equal(other.nobody, model.nobody)
    with pytest.raises(CheckpointError, match="classes"):
        SceneTokens(model.language_model, TOKENIZER, [*LABELS, "siren"]).go_on_from(str(tmp_path))


@pytest.mark.slow  # two minutes
def test_it_learns_to_look_up_one_of_two_by_name(data: Path, tmp_path: Path) -> None:
    """On held-out scenes: where the named one of two is. Who takes either of the two is right half as often as about one."""
    questions = official_only({"direction_yes_no": 0, "distance_yes_no": 0, "open_relation": 0, "location_of_named": 2})
    arguments = TextArguments(
        run_folder=str(tmp_path / "run"), manifest=str(data / "train.jsonl"), examples=70_000, eval_examples=500,
        questions=questions, types=["B", "D"], scene_tokens=2, vocab_size=600, hidden_size=96, num_hidden_layers=3,
        num_attention_heads=3, schedule=Schedule(steps=1000, batch_size=32, learning_rate=2e-3), cpu_threads=1,
    )  # fmt: skip
    scores = pretrain_text(arguments)
    assert set(scores) == {"exact", "DOA", "MIXUP_SINGLE_DOA"}, "only the types that are taught"
    assert scores["DOA"] > 0.8 and scores["MIXUP_SINGLE_DOA"] > 0.8 * scores["DOA"]


def small(data: Path, run_folder: Path, **changes: object) -> TextArguments:
    """A run of a second or two."""
    arguments = TextArguments(
        run_folder=str(run_folder), manifest=str(data / "train.jsonl"), examples=60, eval_examples=60, scene_tokens=3,
        vocab_size=400, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, cpu_threads=1,
        schedule=Schedule(steps=4, batch_size=8, learning_rate=5e-3),
    )  # fmt: skip
    return replace(arguments, **changes)


def test_a_second_run_of_the_recipe_begins_with_the_first(data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "run" / "model", tmp_path / "again" / "model"
    scores = pretrain_text(small(data, first.parent))
    assert json.loads((first / "config.json").read_text()).get("use_cache", True)
    still = Schedule(steps=1, batch_size=4, learning_rate=1e-30, weight_decay=0.0)
    again = small(data, second.parent, initial_language_model=str(first), schedule=still, hidden_size=16)
    assert pretrain_text(again) == scores
    for name in ("model.safetensors", "scene_tokens.safetensors"):
        before, after = load_file(first / name), load_file(second / name)
        assert before.keys() == after.keys()
        assert all(torch.allclose(after[key], value, rtol=0, atol=1e-20) for key, value in before.items())


def test_types_are_all_that_is_taught_but_all_questions_make_the_tokenizer(data: Path, tmp_path: Path) -> None:
    assert {"CLASSIFICATION", "DOA", "MIXUP_DIRECTION"} < set(pretrain_text(small(data, tmp_path / "all")))
    assert set(pretrain_text(small(data, tmp_path / "some", types=["A"]))) == {"exact", "CLASSIFICATION"}
    tokenizers = [(tmp_path / run / "model" / "tokenizer.json").read_bytes() for run in ("all", "some")]
    assert tokenizers[0] == tokenizers[1]


def test_what_tokens_cannot_tell_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SpatialLLMError, match="scene_tokens is 1, and scenes have up to 2 sources"):
        small(data, tmp_path, scene_tokens=1)
    untold = {"time": 0, "span": 0, "overlap": 0, "caption": 0, "room": 0, "humility_time": 0}
    no_times = QuestionConfig(ask=EVERY | untold)
    with pytest.raises(SpatialLLMError, match="up to 4 sources"):
        small(data, tmp_path, questions=no_times)
    assert small(data, tmp_path, questions=no_times, most_sources=3)
    for family, need in (
        ("time", "times"),
        ("span", "times"),
        ("overlap", "times"),
        ("humility_time", "times"),
        ("room", "room"),
        ("moving", "motion, times"),
    ):
        with pytest.raises(SpatialLLMError, match=rf"needed: {need}\)"):
            small(
                data,
                tmp_path,
                questions=QuestionConfig(ask=EVERY | untold | {family: 1}),
                most_sources=3,
            )
