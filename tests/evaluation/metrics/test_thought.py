"""Measures of thought-out answers, by hand: the truth scores 1 everywhere, and each fault is seen by its own measure."""

import numpy as np
import pytest

from spatial_llm import answers
from spatial_llm.evaluation.metrics import compute_metrics, measures_of_items, read_answers
from spatial_llm.evaluation.metrics.kinds import thought
from spatial_llm.evaluation.metrics.metric import interval_of
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap
from tests.evaluation.fixtures_ours import our_records

TRUE = "I hear the bell: left, front, 2.5m. I hear the dog: right, 4m. The bell is nearer than the dog. Answer: bell"
NAMES = ("steps_right", "steps_sounds", "steps_place", "steps_distance", "steps_faithful", "conclusion_follows")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRUE, (1, 1, 1, 1, 1, 1)),
        ("Answer: bell", (0, 0, 0, 0, 0, 0)),
        # one place wrong: the comparison stays right and faithful
        (TRUE.replace("left, front", "right, front"), (2 / 3, 1, 1 / 2, 1, 1, 1)),
        # one distance wrong, so that the comparison is true but not faithful
        (TRUE.replace("2.5m", "5m"), (2 / 3, 1, 1, 1 / 2, 0, 1)),
        # within half a metre
        (TRUE.replace("2.5m", "3m"), (1, 1, 1, 1, 1, 1)),
        # faithful to wrong distances, and wrong to the end
        (
            "I hear the bell: left, front, 5m. I hear the dog: right, 4m. The dog is nearer than the bell. Answer: dog",
            (1 / 3, 1, 1, 1 / 2, 1, 1),
        ),
        # the same comparison the other way round is right, but does not say which is nearer
        (TRUE.replace("The bell is nearer than the dog", "The dog is farther than the bell"), (1, 1, 1, 1, 1, 0)),
        # right steps, another conclusion
        (TRUE.replace("Answer: bell", "Answer: dog"), (1, 1, 1, 1, 1, 0)),
        # a sound that does not sound, and one that is missing
        (TRUE.replace("the dog", "the cat"), (1 / 3, 1 / 2, 1 / 2, 1 / 2, 1, 1)),
        # a sentence too many
        (TRUE.replace("The bell", "It is loud. The bell"), (3 / 4, 1, 1, 1, 1, 1)),
    ],
)
def test_each_fault_is_seen_by_its_own_measure(text, expected) -> None:
    true, own = (answers.read("thought_labels", each) for each in (TRUE, text))
    found = {name: of(own, true) for name, of, _ in thought._MEASURES}
    assert tuple(found) == NAMES
    assert tuple(found.values()) == pytest.approx(expected)


def test_of_an_answer_without_a_conclusion_the_steps_are_measured() -> None:
    items = [record for record in our_records() if record.question_type == "THINK_NEAREST"][:20]
    cut = [item.answer.partition("Answer:")[0] for item in items]
    metrics = compute_metrics(read_answers(items, cut), None)
    everything = np.ones((1, len(items)))
    assert metrics["THINK_NEAREST_exact"].strict(everything) == 0 and metrics["THINK_NEAREST_exact"].unparsed == len(items)
    assert metrics["THINK_NEAREST_steps_right"].strict(everything) == 100
    assert metrics["THINK_NEAREST_steps_right"].unparsed == 0 and metrics["THINK_NEAREST_steps_right"].random is None
    assert metrics["THINK_NEAREST_conclusion_follows"].strict(everything) == 0


def test_metrics_have_n_and_intervals_and_stand_with_each_item() -> None:
    items = [record for record in our_records() if record.question_type.startswith("THINK_")]
    rng = np.random.default_rng(0)
    texts = [item.answer if rng.random() < 0.7 else "Answer: nothing" for item in items]
    run = read_answers(items, texts)
    bootstrap = Bootstrap([item.recording_id for item in items], 200)
    metrics = compute_metrics(run, None)
    prefixes = {item.question_type for item in items}
    for prefix in prefixes:
        metric = metrics[f"{prefix}_steps_right"]
        found = interval_of(metric.strict, metric.rows, bootstrap, 0.95)
        said = [text == item.answer for item, text in zip(items, texts, strict=True) if item.question_type == prefix]
        assert len(metric.rows) == len(said) and found["value"] == pytest.approx(100 * np.mean(said))
        assert found["low"] < found["value"] < found["high"]
    assert all(set(NAMES) <= set(found) for found in measures_of_items(run))
    assert {f"{prefix}_{name}" for prefix in prefixes for name in NAMES} - set(metrics) == {"THINK_RELATION_steps_distance"}
