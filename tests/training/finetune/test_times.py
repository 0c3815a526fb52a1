"""Time tokens and their weight in fine-tuning: what trains, what the loss is divided by, and exact answers in each form."""

import dataclasses
from pathlib import Path

import pytest
import torch

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration, SpatialLLMProcessor, add_lora
from spatial_llm.model.time_rows import start_time_rows, time_rows
from spatial_llm.model.time_tokens import time_settings
from spatial_llm.profiling.memory import build_on_meta, plan
from spatial_llm.testing import tiny_config, tiny_processor
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.engine.trainable import what_trains
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import finetune_bat
from tests.model.test_label_loss import by_hand
from tests.training.engine.test_scale import gradients_of
from tests.training.finetune.test_run import arguments, losses_of, parts  # noqa: F401  (a fixture)

WEIGHT = 5.0


@pytest.fixture
def timed(data: Path, parts: dict[str, Path]) -> str:  # noqa: F811
    """A manifest of eight questions, of which three have times in their answers: batches differ in their weight."""
    records = read_manifest(data / "few.jsonl")
    for index in (0, 1, 4):
        truth = {"onset_s": 0.1 + index, "offset_s": 5.5}
        records[index] = dataclasses.replace(
            records[index], type="span", question_type="SPAN", question="When is the sound there?",
            answer=f"{truth['onset_s']} to 5.5 s", truth=truth, about=None,
        )  # fmt: skip
    write_manifest(data / "timed.jsonl", records)
    return str(data / "timed.jsonl")


@pytest.mark.parametrize("form", ["none", "digits", "absolute"])
def test_the_loss_is_divided_by_the_weight_of_all_batches_of_a_step(
    form: str,
    timed: str,
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    losses, cache = {}, {"encoder_cache": True, "cache_folder": str(tmp_path / "cache")}
    for size in (8, 2):
        schedule = Schedule(steps=1, batch_size=size, gradient_accumulation=8 // size, learning_rate=1e-12, log_every=1)
        run = arguments(data, parts, tmp_path / f"run{size}", train_manifest=timed, schedule=schedule, time_tokens=form,
                        time_weight=WEIGHT, **cache)  # fmt: skip
        folder = finetune_bat(run)
        (losses[size],) = losses_of(tmp_path / f"run{size}")
    assert losses[2] == pytest.approx(losses[8], abs=2e-4)
    model = SpatialLLM.from_pretrained(folder)
    config = model.model.config.encoder_config
    dataset = SpatialQADataset(timed, config.sampling_rate, config.window_samples)
    total, weight = 0.0, 0.0
    for index in range(len(dataset)):
        batch = SpatialQACollator(model.processor, WEIGHT)([dataset[index]])
        with torch.no_grad():
            logits = model.model(**batch).logits
        sums = by_hand(logits, batch["labels"], batch["token_weights"])
        total, weight = total + sums[0], weight + sums[1]
    assert losses[8] == pytest.approx(total / weight, rel=1e-3)
    numbers = {"none": 3 * 6, "digits": 3 * 4, "absolute": 3 * 2}[form]
    labels = SpatialQACollator(model.processor)([dataset[index] for index in range(8)])["labels"]
    assert weight == pytest.approx(int((labels != -100).sum()) + WEIGHT * numbers)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["none", "digits"])
def test_two_processes_give_the_weighted_gradients_of_one(
    form: str,
    timed: str,
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    schedule = Schedule(steps=1, batch_size=8, learning_rate=1e-3, log_every=1, max_grad_norm=0.0)
    run = arguments(data, parts, tmp_path / "one", train_manifest=timed, schedule=schedule, encoder_cache=True,
                    cache_folder=str(tmp_path / "cache"), time_tokens=form, time_weight=WEIGHT)  # fmt: skip
    one = gradients_of(run, 1, tmp_path)
    two = gradients_of(run, 2, tmp_path)
    assert set(one) == set(two) and any("time_tokens" in name for name in one) == (form == "digits")
    for name, gradient in one.items():
        torch.testing.assert_close(two[name], gradient, rtol=0, atol=1e-5, msg=name)
    assert max(float(gradient.abs().max()) for gradient in one.values()) > 0.01


@pytest.mark.parametrize("form", ["digits", "absolute"])
def test_rows_train_with_lora_and_are_planned(form: str, data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    given = arguments(data, parts, tmp_path, time_tokens=form)
    (model, processor), planned = build_bat(given), build_on_meta(given)
    trains = {part for part, state, *_ in what_trains(model) if state == "trains"}
    assert trains == {"projector", "language_model LoRA", "language_model TimeTokenRows"}
    assert {n: p.shape for n, p in planned.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    assert planned.config.audio_token_id == model.config.audio_token_id
    rows = time_rows(model.language_model)
    assert {rows.input_rows.dtype, rows.head_rows.dtype} == {torch.float32}
    assert processor.times.count == len(rows.input_rows) == (20 if form == "digits" else 1001)
    none = arguments(data, parts, tmp_path)
    assert all(
        mode.training > before.training and mode.step > before.step
        for mode, before in zip(plan(given, text_tokens=20), plan(none, text_tokens=20), strict=True)
    )
    model, _ = build_bat(dataclasses.replace(given, trains="projector"))
    assert {part for part, state, *_ in what_trains(model) if state == "trains"} == {"projector"}


@pytest.mark.slow
def test_rows_begin_from_a_run_with_them_and_are_fresh_after_one_without(
    timed: str,
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    def run(name: str, form: str, **changes: object) -> object:
        schedule = Schedule(steps=2, batch_size=8, learning_rate=1e-3)  # the first one warms up, at a rate of 0
        return arguments(data, parts, tmp_path / name, train_manifest=timed, schedule=schedule, time_tokens=form, **changes)

    plain, digits = (str(finetune_bat(run(form, form))) for form in ("none", "digits"))
    fresh, _ = build_bat(run("a", "digits"))
    after, _ = build_bat(run("a", "digits", start_from=plain))
    loaded, _ = build_bat(run("a", "digits", start_from=digits))
    saved = SpatialLLM.from_pretrained(digits).model
    name = "input_rows"
    rows = [getattr(time_rows(model.language_model), name) for model in (fresh, after, loaded, saved)]
    assert torch.equal(rows[0], rows[1]) and torch.equal(rows[2], rows[3]) and not torch.equal(rows[0], rows[2])
    for start, form in ((digits, "absolute"), (digits, "none")):
        with pytest.raises(CheckpointError, match="time_tokens"):
            build_bat(run("a", form, start_from=start))


def test_options_that_say_nothing_are_refused(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    for options, words in (
        ({"longest_time_s": 20.0}, "counts for 'absolute' alone"),
        ({"time_tokens": "absolute", "longest_time_s": 10.005}, r"longest_s is 10.005; expected seconds, 0.01 to 600"),
        ({"time_weight": -1.0}, "time_weight"),
        ({"time_weight": 5.0, "teach": "scenes"}, "a lesson without answers"),
        ({"time_tokens": "digits", "encoder": None, "language_model": None, "start_from": "tiny"}, "leave out projector"),
    ):
        with pytest.raises(SpatialLLMError, match=words):
            arguments(data, parts, tmp_path, **options)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["none", "digits", "absolute"])
def test_sixteen_timed_questions_are_learnt_word_for_word(form: str) -> None:
    """A random language model, whose vocabulary stays frozen; LoRA, the projector and the rows of times learn."""
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.lora, config.time_tokens = None, time_settings(form, 10.0)
    model = SpatialLLMForConditionalGeneration(config).eval()
    for parameter in model.language_model.parameters():
        parameter.data.mul_(3)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    add_lora(model, rank=16, dropout=0.0, target_modules=targets)
    processor = SpatialLLMProcessor.for_model(model, tiny_processor().tokenizer)
    if processor.times is not None:
        start_time_rows(model.language_model, processor.times, processor.characters, 0)
    random = torch.Generator().manual_seed(0)
    spans_s = [(4 * onset, 4 * onset + 0.3 + 5 * length) for onset, length in torch.rand(16, 2, generator=random).tolist()]
    texts = {
        "text": [f"When, at {number / 2:.1f} s?" for number in range(16)],
        "answers": [f"{onset_s:.1f} to {offset_s:.1f} s" for onset_s, offset_s in spans_s],
    }
    features = torch.randn(16, *config.encoder_config.input_shape, generator=random)
    batch = processor(**texts, return_tensors="pt", time_weight=WEIGHT)
    frozen = model.get_output_embeddings().weight.clone()
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        model(**batch, input_features=features).loss.backward()
        optimizer.step()
    prompts = processor(text=texts["text"], return_tensors="pt")
    ids = model.generate(**prompts, input_features=features, max_new_tokens=20, do_sample=False)
    answers = processor.batch_decode(ids[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    assert [answer.strip() for answer in answers] == texts["answers"]
    assert torch.equal(model.get_output_embeddings().weight, frozen)
