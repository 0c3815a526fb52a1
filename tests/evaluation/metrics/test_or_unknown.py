"""Values that may not be known: what declining and what confidence counts, against loops and by hand."""

import numpy as np
import pytest

from spatial_llm.evaluation.metrics import compute_metrics, declined_of, read_answers, right_of
from spatial_llm.evaluation.metrics.reliability import reliability_gain
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap
from tests.evaluation.fixtures_ours import our_records

CANNOT = "I cannot tell"


@pytest.fixture(scope="module")
def items() -> list:
    found = [record for record in our_records() if record.question_type.endswith("_IF_KNOWN")]
    assert {item.question_type[:4] for item in found} == {"ELEV", "DIST", "LOCA", "SPAN"}
    return found


def value(metric, reading="strict") -> float:
    return float(metric.by(reading)(np.ones((1, len(metric.rows))))[0])


def test_the_truth_is_right_everywhere(items) -> None:
    run = read_answers(items, [item.answer for item in items])
    assert (right_of(run) == 1).all() and not run.refused.any()
    metrics = compute_metrics(run, None)
    assert value(metrics["reliability_accuracy"]) == 100 and value(metrics["reliability_rejection_rate"]) == 0
    for name, metric in metrics.items():
        if name.endswith(("unknown_declined", "exact")):
            assert value(metric) == 100 and metric.unparsed == 0
    (unknown,) = {len(metric.rows) for name, metric in metrics.items() if name == "DISTANCE_IF_KNOWN_unknown_declined"}
    known = len(metrics["DISTANCE_IF_KNOWN_DER"].rows)
    assert unknown == sum(i.question_type == "DISTANCE_IF_KNOWN" and i.answer == CANNOT for i in items)
    assert unknown + known == sum(i.question_type == "DISTANCE_IF_KNOWN" for i in items), "errors are of what is known"


@pytest.mark.parametrize("reading", ["strict", "lenient"])
@pytest.mark.parametrize("said", [CANNOT, "It is impossible to say."])
def test_a_refusal_is_right_where_nobody_could_know_and_rejected_elsewhere(items, said, reading) -> None:
    run = read_answers(items, [said] * len(items))
    unknown = np.array([item.answer == CANNOT for item in items])
    due = unknown if said == CANNOT or reading == "lenient" else np.zeros(len(items), bool)
    assert (right_of(run, reading) == due).all(), "the strict reading takes the one form"
    assert (run.refused == ~unknown).all()
    assert (declined_of(run, reading) == (~unknown | due)).all()
    metrics = compute_metrics(run, None)
    assert value(metrics["reliability_rejection_rate"]) == pytest.approx(100 * (1 - unknown.mean()))
    assert metrics["DISTANCE_IF_KNOWN_DER"].refused == len(metrics["DISTANCE_IF_KNOWN_DER"].rows)


def test_a_confident_answer_where_nobody_could_know_is_wrong(items) -> None:
    confident = {
        "ELEVATION_IF_KNOWN": "10 degrees",
        "DISTANCE_IF_KNOWN": "2m",
        "LOCATION_IF_KNOWN": "left, front, above; 2m",
        "SPAN_IF_KNOWN": "1 to 2 s",
    }
    run = read_answers(items, [confident[item.question_type] for item in items])
    right, metrics = right_of(run), compute_metrics(run, None)
    assert not right[[item.answer == CANNOT for item in items]].any() and right.any()
    assert all(value(metrics[f"{name}_unknown_declined"]) == 0 for name in confident)
    assert not run.refused.any() and not declined_of(run).any()
    near = [
        abs(item.truth["distance_m"] - 2.0) <= 0.5 for item in items if "distance_m" in item.truth and len(item.truth) == 1
    ]
    assert value(metrics["DISTANCE_IF_KNOWN_DER"]) == pytest.approx(100 * (1 - np.mean(near)))


def test_chance_answers_each_with_the_truth_of_another(items) -> None:
    """The closed form against all pairs of answers and items, by a loop."""
    some = [item for item in items if item.question_type == "DISTANCE_IF_KNOWN"][:40]
    metrics = compute_metrics(read_answers(some, [item.answer for item in some]), None)
    right = rejected = 0
    for said in some:
        for asked in some:
            if "unknown" in asked.truth:
                right += "unknown" in said.truth
            elif "unknown" in said.truth:
                rejected += 1
            else:
                right += abs(said.truth["distance_m"] - asked.truth["distance_m"]) <= 0.5 + 1e-9
    pairs = len(some) ** 2
    assert metrics["DISTANCE_IF_KNOWN_unknown_declined"].random is None
    assert metrics["reliability_accuracy"].random == pytest.approx(100 * right / pairs)
    assert metrics["reliability_rejection_rate"].random == pytest.approx(100 * rejected / pairs)
    assert metrics["reliability_truthfulness"].random == pytest.approx(100 * (right + rejected) / pairs)


def test_the_gain_counts_what_is_declined_rightly(items) -> None:
    """By hand: before, everything is answered confidently; after, the unknown are declined, and two of the known."""
    known = [item for item in items if "unknown" not in item.truth and item.question_type == "DISTANCE_IF_KNOWN"][:10]
    unknown = [item for item in items if "unknown" in item.truth and item.question_type == "DISTANCE_IF_KNOWN"][:6]
    some = [*known, *unknown]
    before = read_answers(some, [*(item.answer for item in known), *["2m"] * 6])
    after = read_answers(some, [CANNOT, CANNOT, *(item.answer for item in known[2:]), *[CANNOT] * 5, "2m"])
    gain, counts = reliability_gain(right_of(before), declined_of(before), declined_of(after))
    assert (counts.right_before, counts.right_now_refused) == (10, 2)
    assert (counts.wrong_before, counts.wrong_now_refused) == (6, 5)
    expected = np.log10((5.5 / 7) / (2.5 / 11))
    assert Bootstrap(range(16), 10).value(gain, np.arange(16)) == pytest.approx(expected)
    # the other way round: what was declined before does not count
    _, counts = reliability_gain(right_of(after), declined_of(after), declined_of(before))
    assert (counts.right_before, counts.wrong_before) == (8, 1)
