"""Answers do not depend on batches: what a batch does to the logits, how near-ties are found, and that they are repeated."""

import numpy as np
import pytest
import torch

from spatial_llm.evaluation import answering
from spatial_llm.evaluation.answering import TIE_ULPS, Answerer, NearTies
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_processor
from tests.evaluation.tasks import short_task

WORDS = ("bell", "dog", "rain", "left", "right", "front", "behind", "nearer", "Is", "the", "sound", "of", "where", "which")
RECORDINGS, QUESTIONS = 20, 200


class Item:
    """A question about a recording, and nothing else."""

    def __init__(self, id, recording_id, question):
        self.id, self.recording_id, self.question = id, recording_id, question


@pytest.fixture(scope="module")
def model():
    """A tiny model, untrained: its tokens are nearly equally likely, so that near-ties are as common as they can be."""
    torch.manual_seed(0)
    return SpatialLLM(
        SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration")), tiny_processor()
    )


@pytest.fixture(scope="module")
def items():
    """Questions of all lengths, ten about each recording."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(2, 25))) + "?" for _ in range(QUESTIONS)]
    return [Item(f"q{i}", f"r{i % RECORDINGS}", text) for i, text in enumerate(texts)]


def load(item, sampling_rate, window_samples):
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
    """Of 200 answers of an undecided model; without the watch some would differ (see the next test)."""
    found = [answers(model, items, n) for n in (1, 4, 16)]
    assert len(set(found[0].values())) > 50, "else the test would pass with a model that says one thing"
    assert found[0] == found[1] == found[2]


def test_with_beams_too(model, items):
    found = [answers(model, items[:40], n, decoding__num_beams=4) for n in (1, 16)]
    assert found[0] == found[1] and len(set(found[0].values())) > 20


def test_near_ties_are_answered_alone(model, items, monkeypatch):
    """With a model for which every step is a tie, all questions of a batch are asked again, each once."""
    batches = []
    generate = Answerer._generate

    def counting(self, some, hidden):
        batches.append(len(some))
        return generate(self, some, hidden)

    monkeypatch.setattr(Answerer, "_generate", counting)
    monkeypatch.setattr(answering, "TIE_ULPS", 1e9)
    assert answers(model, items[:8], 4) == answers(model, items[:8], 1)
    assert batches == [4, 1, 1, 1, 1, 4, 1, 1, 1, 1, *[1] * 8]


def test_a_tie_is_seen_until_the_answer_has_ended():
    eps = torch.finfo(torch.float32).eps
    watch = NearTies(prompt_length=2, end_ids=[9])
    one, near = 100.0, 100.0 * (1 - 0.5 * TIE_ULPS * eps)
    scores = torch.tensor([[one, near, 0.0], [one, 50.0, 0.0], [one, 50.0, 0.0]])
    assert watch(torch.tensor([[9, 9], [9, 9], [9, 9]]), scores) is scores
    assert watch.rows.tolist() == [True, False, False], "end tokens of the prompt end nothing"
    far, tie = [one, 50.0, 0.0], [near, one, 0.0]
    watch(torch.tensor([[9, 9, 1], [9, 9, 1], [9, 9, 9]]), torch.tensor([far, tie, tie]))
    assert watch.rows.tolist() == [True, True, False], "a tie counts at any step, but not after the end"


def test_a_batch_moves_logits_far_less_than_a_near_tie(model, items):
    """The guarantee rests on this: padding and other rows change a logit by less than half the tolerance."""
    net, processor = model.model, model.processor
    hidden = torch.randn(16, 19, net.config.encoder_config.hidden_size, generator=torch.Generator().manual_seed(0))
    questions = [item.question for item in items[:16]]
    with torch.inference_mode():
        together = net(**processor(text=questions, return_tensors="pt"), audio_hidden_states=hidden).logits[:, -1]
        alone = [
            net(**processor(text=[question], return_tensors="pt"), audio_hidden_states=hidden[i : i + 1]).logits[0, -1]
            for i, question in enumerate(questions)
        ]
    alone = torch.stack(alone)
    moved = (together - alone).abs().max()
    tolerance = TIE_ULPS * torch.finfo(torch.float32).eps * alone.abs().max().clamp(min=1.0)
    print(f"\nmoved by {moved:.2e}, near-tie {tolerance:.2e}")
    assert moved < tolerance / 16
