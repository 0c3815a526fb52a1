"""The guesser who never hears: near chance on even data, as good as a planted bias, and blind to its own recording."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from spatial_llm.evaluation.metrics import compute_metrics, read_answers, right_of
from spatial_llm.evaluation.scoring.baselines import question_only_answers
from tests.evaluation.fixtures_ours import our_records


@dataclass(frozen=True)
class Asked:
    recording_id: str
    question: str
    answer: str
    question_type: str = "WRONG_PLACE"
    type: str = "negative"
    truth: dict[str, Any] = field(default_factory=dict)


def right(items: list[Asked], seed: int = 0) -> float:
    guesses = question_only_answers(items, seed)
    assert len(guesses) == len(items)
    return float(np.mean([guess == item.answer for guess, item in zip(guesses, items, strict=True)]))


def yes_no(yes, question: str = "Is it left?") -> list[Asked]:
    return [Asked(f"r{i}", question, "Yes" if flag else "No") for i, flag in enumerate(yes)]


def test_exactly_even_answers_are_near_chance() -> None:
    """Leaving one out makes its own answer the rarer one: whoever gives the commonest would always be wrong."""
    items = yes_no(np.arange(1000) % 2)
    few = [right(yes_no(np.arange(40) % 2), seed) for seed in range(30)]
    assert np.mean(few) == pytest.approx(0.5 - 1 / np.sqrt(4 * 40), abs=0.05)
    # the same with two questions of equal answers in each recording
    items = [replace(item, recording_id=f"r{i // 2}", answer="Yes" if i // 2 % 2 else "No") for i, item in enumerate(items)]
    assert right(items) == pytest.approx(0.5, abs=0.06)


def test_near_chance_on_answers_drawn_at_random() -> None:
    rng = np.random.default_rng(0)
    sides = [yes_no(rng.random(500) < 0.5, f"Is it {side}?") for side in ("left", "right", "above")]
    assert right([item for side in sides for item in side]) == pytest.approx(0.5, abs=0.05)
    eight = [Asked(f"r{i}", "Where?", str(rng.integers(8)), "DOA", "B") for i in range(2000)]
    assert right(eight) == pytest.approx(1 / 8, abs=0.03)


def test_a_planted_bias_is_found() -> None:
    """A word of the question gives the answer away in 9 of 10; over both words the answers are even."""
    rng = np.random.default_rng(1)
    items = yes_no(rng.random(300) < 0.9, "Is it left?") + yes_no(rng.random(300) < 0.1, "Is it right?")
    assert right(items) == pytest.approx(0.9, abs=0.04)


def test_the_own_recording_is_never_used() -> None:
    """Any answers given in a recording leave the guesses for it as they were."""
    rng = np.random.default_rng(2)
    items = [
        Asked(f"r{rng.integers(20)}", f"Is it {word}?", str(rng.integers(3)))
        for word in rng.choice(["left", "right", "above"], size=200)
    ]
    guesses = question_only_answers(items)
    for recording in {item.recording_id for item in items}:
        own = [i for i, item in enumerate(items) if item.recording_id == recording]
        for answer in ("0", "1", "2", "something else"):
            changed = [replace(item, answer=answer) if item.recording_id == recording else item for item in items]
            again = question_only_answers(changed)
            assert [again[i] for i in own] == [guesses[i] for i in own]


def test_one_recording_alone_gives_no_answer() -> None:
    assert question_only_answers([Asked("r", "Is it?", "Yes"), Asked("r", "Is it?", "Yes")]) == ["", ""]
    assert question_only_answers([]) == []


def test_names_are_repeated_from_the_question() -> None:
    names = ("bell", "dog", "rain")
    items = [
        Asked(f"r{i}", f"Where is the {names[i % 3]}?", f"There is no {names[i % 3]}", "ABSENT",
              truth={"absent": names[i % 3]})
        for i in range(30)
    ]  # fmt: skip
    assert right(items) == 1.0
    # A wording met once falls back on the question type; there is no name to fill "There is no {1}" with.
    items.append(Asked("last", "Where is it?", "left, front, above; 2m", "ABSENT"))
    assert question_only_answers(items)[-1] == ""


def test_numbers_are_masked_where_a_wording_is_rare() -> None:
    items = [Asked(f"r{i}", f"Is it {i / 7:.3f} m away?", "Yes" if i % 10 else "No") for i in range(200)]
    assert right(items) == pytest.approx(0.9)


def test_lots_are_seeded() -> None:
    items = yes_no(np.arange(100) % 2)
    assert question_only_answers(items, seed=3) == question_only_answers(items, seed=3)
    assert question_only_answers(items, seed=3) != question_only_answers(items, seed=4)


def test_conclusions_and_refusals_are_not_to_be_guessed() -> None:
    """Of thought-out answers the baseline guesses the conclusion, and it knows no better than chance when to decline."""
    items = [record for record in our_records() if record.type in ("thinking", "humility", "humility_time")]
    guesses = question_only_answers(items, seed=3)
    assert all(guess.startswith("Answer: ") for guess, item in zip(guesses, items, strict=True) if item.type == "thinking")
    run = read_answers(items, guesses)
    right, metrics = right_of(run), compute_metrics(run, None)
    for name in sorted({item.question_type for item in items}):
        rows = np.array([item.question_type == name for item in items])
        chance = 0.5 if name.endswith("_IF_KNOWN") or "yes" in items[int(np.argmax(rows))].truth else 0.13
        assert right[rows].mean() <= chance + 3 * np.sqrt(chance * (1 - chance) / rows.sum()), name
        assert name.endswith("_IF_KNOWN") or metrics[f"{name}_exact"].unparsed == 0
