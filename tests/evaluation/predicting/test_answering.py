"""Answers do not depend on batches: what a batch does to the logits, how near-ties are found, and that they are repeated."""

import numpy as np
import pytest
import torch

from spatial_llm.evaluation.predicting.answering import Answerer
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.near_ties import NEAR_TIE, NearTies
from spatial_llm.testing import tiny_config, tiny_processor
from tests.evaluation.fixtures_tasks import short_task
from tests.mono_bases import tiny_plugged

WORDS = ("bell", "dog", "rain", "left", "right", "front", "behind", "nearer", "Is", "the", "sound", "of", "where", "which")
RECORDINGS, QUESTIONS = 8, 64


class Item:
    """A question about a recording, and nothing else."""

    def __init__(self, id, recording_id, question):
        self.id, self.recording_id, self.question = id, recording_id, question


def tiny_model():
    """Untrained, with weights large enough that its answers depend on what it hears and is asked."""
    torch.manual_seed(0)
    net = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() > 1 and "conv" not in name:
                parameter.mul_(8)
    return SpatialLLM(net, tiny_processor())


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def undecided():
    """A model whose tokens come in pairs that are equally likely but for the last bits: every step is a near-tie."""
    model = tiny_model()
    with torch.no_grad():
        weight = model.model.get_output_embeddings().weight
        weight[1::2] = weight[: len(weight) // 2 * 2 : 2] * (1 + 1e-7)
    return model


@pytest.fixture(scope="module")
def items():
    """Questions of all lengths, ten about each recording."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(2, 25))) + "?" for _ in range(QUESTIONS)]
    return [Item(f"q{i}", f"r{i % RECORDINGS}", text) for i, text in enumerate(texts)]


def load(item, sampling_rate, window_samples, format):
    seed = int(item.recording_id[1:])
    return np.random.default_rng(seed).normal(0, 0.1, (2, window_samples)).astype(np.float32)


def answers(model, items, batch_size, **task):
    by_recording = {}
    for item in items:
        by_recording.setdefault(item.recording_id, []).append(item)
    found = {}
    for some in Answerer(model, short_task(**task), batch_size).answer(by_recording, load, {}):
        found |= some
    return found


def test_batch_size_changes_no_answer(model, items):
    found = [answers(model, items, n) for n in (1, 4, 16)]
    assert len(set(found[0].values())) > 40, "else the test would pass with a model that says one thing"
    assert found[0] == found[1] == found[2]


def test_the_projector_runs_once_a_recording_and_the_answers_are_those_of_generate(model, items, monkeypatch):
    projected, forward = [], model.model.projector.forward

    def counting(hidden, *arguments, **options):
        projected.append(len(hidden))
        return forward(hidden, *arguments, **options)

    monkeypatch.setattr(model.model.projector, "forward", counting)
    found = answers(model, items, 4)
    assert projected == [1] * RECORDINGS
    monkeypatch.undo()
    net, config = model.model, model.model.config.encoder_config
    for item in items[:10]:  # as each would be answered with nothing computed ahead
        waveform = load(item, config.sampling_rate, config.window_samples, None)
        options = {"sampling_rate": config.sampling_rate, "return_tensors": "pt", "scale_known": True}
        inputs = model.processor(audio=waveform, text=short_task().ask(item.question), **options)
        new = short_task().decoding.max_new_tokens
        tokens = net.generate(**inputs, do_sample=False, max_new_tokens=new, suppress_tokens=model.suppressed_token_ids)
        text = model.processor.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        assert found[item.id] == text.strip()


def test_batch_size_changes_no_answer_with_lora_merged_either(items):
    model = tiny_model()
    with torch.no_grad():
        for name, parameter in model.model.named_parameters():
            if ".lora_B" in name:
                parameter.normal_()
    apart = answers(model, items, 1)
    with model.lora_merged():
        merged = [answers(model, items, n) for n in (1, 16)]
    assert merged[0] == merged[1]
    assert sum(merged[0][name] != text for name, text in apart.items()) <= 2, "other bits, nearly the same answers"
    assert answers(model, items, 16) == apart


def test_nor_where_the_last_bits_decide(undecided, items, monkeypatch):
    """Without the watch the answers differ, so that the test can fail; with it they are those of each question alone."""
    some = items[:32]
    alone = answers(undecided, some, 1)
    monkeypatch.setitem(NEAR_TIE, torch.float32, 0)
    assert answers(undecided, some, 16) != alone
    monkeypatch.undo()
    assert answers(undecided, some, 4) == alone and answers(undecided, some, 16) == alone


def test_with_beams_too(undecided, items):
    found = [answers(undecided, items[:12], n, decoding__num_beams=4) for n in (1, 16)]
    assert found[0] == found[1] and len(set(found[0].values())) > 6


def test_near_ties_are_answered_again_and_others_are_not(model, undecided, items, monkeypatch):
    batches = []
    generate = Answerer._generate

    def counting(self, some, hidden):
        batches.append(len(some))
        return generate(self, some, hidden)

    monkeypatch.setattr(Answerer, "_generate", counting)
    answers(undecided, items[:8], 4)
    assert batches == [4, 1, 1, 1, 1, 4, 1, 1, 1, 1]
    batches.clear()
    answers(model, items[:8], 4)
    assert batches == [4, 4]


def test_a_placeholder_is_never_an_answer(undecided, items):
    """A model that writes the audio placeholder would ask for a recording that is not there."""
    model = tiny_model()
    with torch.no_grad():
        model.model.get_output_embeddings().weight[model.model.config.audio_token_id] *= 50
    assert len(answers(model, items[:4], 4)) == 4


def test_a_tie_is_seen_until_the_answer_has_ended():
    eps = torch.finfo(torch.float32).eps
    watch = NearTies(prompt_length=2, end_ids=[9], dtype=torch.float32)
    one, near = 100.0, 100.0 * (1 - 0.5 * NEAR_TIE[torch.float32] * eps)
    scores = torch.tensor([[one, near, 0.0], [one, 50.0, 0.0], [one, 50.0, 0.0]])
    assert watch(torch.tensor([[9, 9], [9, 9], [9, 9]]), scores) is scores
    assert watch.rows.tolist() == [True, False, False], "end tokens of the prompt end nothing"
    far, tie = [one, 50.0, 0.0], [near, one, 0.0]
    watch(torch.tensor([[9, 9, 1], [9, 9, 1], [9, 9, 9]]), torch.tensor([far, tie, tie]))
    assert watch.rows.tolist() == [True, True, False], "a tie counts at any step, but not after the end"


@pytest.mark.parametrize(("dtype", "room"), [(torch.float32, 6), (torch.bfloat16, 2)])
def test_a_batch_moves_logits_far_less_than_a_near_tie(items, dtype, room):
    """The guarantee rests on this: padding and other rows move a logit by much less than half a near-tie."""
    model = tiny_model()
    net, processor = model.model, model.processor
    net.language_model.to(dtype)
    net.projector.to(dtype)
    hidden = torch.randn(16, 19, net.config.encoder_config.hidden_size, generator=torch.Generator().manual_seed(0)).to(dtype)
    questions = [item.question for item in items[:16]]
    with torch.inference_mode():
        together = net(**processor(text=questions, return_tensors="pt"), audio_hidden_states=hidden).logits[:, -1]
        alone = [
            net(**processor(text=[question], return_tensors="pt"), audio_hidden_states=hidden[i : i + 1]).logits[0, -1]
            for i, question in enumerate(questions)
        ]
    moved = (together - torch.stack(alone)).float().abs().amax(dim=1)
    largest = torch.stack(alone).float().abs().amax(dim=1)
    roundings = float((moved / largest).max()) / torch.finfo(dtype).eps
    print(f"\nmoved by {roundings:.1f} roundings of the largest logit")
    assert 0 < roundings < NEAR_TIE[dtype] / 2 / room


def test_a_base_that_hears_by_itself_hears_each_recording_too(items):
    model = tiny_plugged("granite_speech")
    some = items[:6]
    found = answers(model, some, batch_size=3)
    for item in some[:2]:
        window = load(item, 32_000, model.processor.window_samples, None)
        asked = model.ask(window, item.question, sampling_rate=32_000, max_new_tokens=short_task().decoding.max_new_tokens)
        assert found[item.id] == str(asked)
