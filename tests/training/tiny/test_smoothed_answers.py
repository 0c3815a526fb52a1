"""Answers with a drawn distance: right on average and in form, the rest of the answer untouched, other types left alone."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.records import Record
from spatial_llm.questions.types import parse_value
from spatial_llm.training.tiny.smoothed_answers import answers_smoothed_by, smoothed_answer


def record(question_type: str, answer: str) -> Record:
    return Record(
        id="r", recording_id="c", type="B", question_type=question_type, question="?", answer=answer,
        truth=parse_value(question_type, answer), split="train", sampling_rate=32_000, audio="a.wav",
    )  # fmt: skip


@pytest.mark.parametrize("question_type", ["DOA", "MIXUP_SINGLE_DOA", "ROTATED"])
def test_distances_are_drawn_around_the_true_one(question_type: str) -> None:
    torch.manual_seed(0)
    given = record(question_type, "left, behind, below; 3m")
    values = [parse_value(question_type, smoothed_answer(given, 0.5)) for _ in range(4000)]
    assert all({**value, "distance_m": 3.0} == given.truth for value in values), "directions stay"
    drawn = Counter(value["distance_m"] for value in values)
    weights = {3.0 + step / 2: 2.718281828 ** (-0.5 * step**2) for step in range(-3, 4)}
    for distance_m, weight in weights.items():
        assert drawn[distance_m] / 4000 == pytest.approx(weight / sum(weights.values()), abs=0.03)
    assert set(drawn) <= set(weights)


def test_nothing_is_said_to_be_at_the_ears_and_others_keep_their_answer() -> None:
    torch.manual_seed(0)
    near = record("DOA", "right, front, above; 0.5m")
    drawn = {parse_value("DOA", smoothed_answer(near, 0.5))["distance_m"] for _ in range(500)}
    assert drawn == {0.5, 1.0, 1.5, 2.0}
    for kind, answer in (("MIXUP_DIRECTION", "Yes"), ("AZIMUTH_DEG", "-35 degrees"), ("DISTANCE", "2.3m")):
        assert {smoothed_answer(record(kind, answer), 0.5) for _ in range(50)} == {answer}


def test_samples_are_drawn_anew_and_repeat_under_a_seed(data: Path) -> None:
    dataset = SpatialQADataset(data / "train.jsonl", 32_000, 32_000, answer_of=answers_smoothed_by(0.5))
    plain = SpatialQADataset(data / "train.jsonl", 32_000, 32_000, answer_of=answers_smoothed_by(0.0))
    (row,) = [i for i in range(len(plain)) if plain.records[plain.rows[i]].question_type == "DOA"][:1]
    assert plain[row]["answer"] == plain.records[plain.rows[row]].answer
    torch.manual_seed(3)
    first = [dataset[row]["answer"] for _ in range(20)]
    torch.manual_seed(3)
    assert first == [dataset[row]["answer"] for _ in range(20)] and len(set(first)) > 1
