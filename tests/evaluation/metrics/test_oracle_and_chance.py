"""Every metric at its two ends: the truth as prediction is perfect, and a shuffled or constant one scores chance."""

import numpy as np
import pytest

from spatial_llm.answers import format_bearing
from spatial_llm.evaluation.metrics import (
    compute_metrics,
    interval_of,
    measures_of_items,
    read_answers,
    read_truths,
    right_of,
)
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap
from spatial_llm.questions.types import QUESTION_TYPES
from tests.evaluation.fixtures_ours import moving_records, our_records, own_records
from tests.evaluation.fixtures_toy import embed_words
from tests.questions.scenes import LABELS


@pytest.fixture(scope="module")
def oracle():
    records = [*our_records(), *moving_records(), *own_records()]
    return read_answers(records, [record.answer for record in records])


def value(statistic):
    return float(statistic(np.ones((1, statistic.items)))[0])


def metrics_of(run):
    return compute_metrics(run, embed_words([*LABELS, "unclear", "kitchen", "hall", "db"]), "toy", LABELS)


def test_truth_is_perfect_on_every_metric_of_every_question_type(oracle):
    assert {item.question_type for item in oracle.items} == set(QUESTION_TYPES)
    metrics = metrics_of(oracle)
    assert len(metrics) > 150
    for name, metric in metrics.items():
        perfect = 100.0 if metric.unit == "%" else 1.0
        perfect = perfect if metric.higher_is_better else 0.0
        if name.endswith("yes_rate"):  # no error: how often the answer is not no, and so how often the truth is not
            said = [oracle.truths[row].value for row in metric.rows]
            perfect = 100 * np.mean(["absent" not in each and each.get("yes", True) for each in said])
        for statistic in (metric.strict, metric.lenient or metric.strict):
            assert value(statistic) == pytest.approx(perfect, abs=1e-9), name
        assert metric.unparsed == metric.refused == 0 and metric.lenient_unparsed in (0, None), name
    # each form of an error is there
    assert {"B_region_distance_mean", "B_region_ER20", "AZIMUTH_DEG_MAE", "SPAN_onset_error", "SPAN_temporal_iou"} < set(
        metrics
    )


def test_the_truth_in_degrees_is_perfect_on_the_metrics_of_degrees(oracle):
    """Places asked for in words and answered in degrees: the great circle is 0, and no octant is read strictly."""
    rows = [row for row, item in enumerate(oracle.items) if item.question_type in ("DOA", "ROTATED")]
    items, truths = [oracle.items[row] for row in rows], [oracle.truths[row] for row in rows]
    texts = [format_bearing(truth.source.azimuth_deg, truth.source.elevation_deg) for truth in truths]
    found = metrics_of(read_answers(items, texts, truths))
    for prefix in ("B", "ROTATED"):
        for name in ("great_circle_mean", "great_circle_median", "great_circle_ER20"):
            metric = found[f"{prefix}_{name}"]
            assert value(metric.strict) == pytest.approx(0, abs=1e-5), name  # arc of two equal vectors
            assert metric.unparsed == 0 and metric.random is None and metric.protocol == "diagnostic, angle"
        words = found[f"{prefix}_region_ER20"]
        assert value(words.strict) == 100 and words.unparsed == len(words.rows) and words.protocol == "diagnostic, region"
        assert value(words.lenient) == 0
    assert not [name for name in metrics_of(oracle) if "great_circle" in name], "no answer in degrees, no number of them"


def test_the_main_measure_of_every_question_type_is_right_for_the_truth(oracle):
    assert right_of(oracle).tolist() == [1.0] * len(oracle.items)
    for item, measures in zip(oracle.items, measures_of_items(oracle), strict=True):
        assert measures["right"] == 1.0, item.question_type


def test_the_worst_answers_are_wrong_everywhere(oracle):
    """What no parser reads is wrong in every share and an error in every rate; it has no error to average."""
    run = read_answers(oracle.items, ["?"] * len(oracle.items), oracle.truths)
    for name, metric in metrics_of(run).items():
        if metric.lenient is None or name.endswith(("rejection_rate", "yes_rate", "precision_no")):
            continue
        worst = 0.0 if metric.higher_is_better else 100.0
        found = value(metric.strict)
        if metric.unit == "%" and not name.endswith("relative_error"):
            assert found == worst, name
        else:
            assert np.isnan(found), name
        if not name.endswith(("F1", "set_acc", "onset_error")) and not name.startswith("reliability"):
            names_of_sounds = metric.unparsed == 0  # a name may be any text
            assert names_of_sounds or metric.unparsed == len(metric.rows), name


def test_shuffled_answers_score_chance_within_their_interval(oracle):
    """Answers of each question type in another order: 95 % intervals hold the closed form, of about 95 % of the metrics."""
    rng = np.random.default_rng(1)
    texts = np.array([item.answer for item in oracle.items], dtype=object)
    for group in oracle.groups.values():
        texts[group.rows] = texts[rng.permutation(group.rows)]
    metrics = metrics_of(read_answers(oracle.items, list(texts), oracle.truths))
    bootstrap = Bootstrap([item.recording_id for item in oracle.items], resamples=300, seed=0)
    held = {}
    for name, metric in metrics.items():
        if len(metric.rows) < 40 or name.startswith("reliability_rejection") or metric.random is None:
            continue
        if "_IF_KNOWN_" in name and not name.endswith("exact"):
            continue  # of what is known alone; here half of it is answered with "I cannot tell"
        found = interval_of(metric.strict, metric.rows, bootstrap, 0.95)
        held[name] = found["low"] <= metric.random <= found["high"]
    assert len(held) > 120
    missed = sorted(name for name, hit in held.items() if not hit)
    assert len(missed) / len(held) < 0.1, missed


def test_chance_is_the_mean_over_all_constant_predictions():
    """Brute force: each true answer given to all items, averaged over the answers."""
    records = our_records(60, seed=2)
    truths = read_truths(records)
    by_type: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        by_type.setdefault(record.question_type, []).append(row)
    by_type = {name: rows[:12] for name, rows in by_type.items()}
    kept = sorted(row for rows in by_type.values() for row in rows)
    records, truths = [records[row] for row in kept], [truths[row] for row in kept]
    runs: dict[str, list[float]] = {}
    random, most = {}, max(map(len, by_type.values()))
    answers = {}
    for record in records:
        answers.setdefault(record.question_type, []).append(record.answer)
    for turn in range(most):
        texts = [answers[record.question_type][turn % len(answers[record.question_type])] for record in records]
        for name, metric in compute_metrics(read_answers(records, texts, truths), None).items():
            is_mean = metric.strict.values is not None and len(metric.rows) == most and not name.startswith("reliab")
            if is_mean and metric.random is not None and not np.isnan(metric.strict.values).any():
                runs.setdefault(name, []).append(value(metric.strict))
                random[name] = metric.random
    full = {name: values for name, values in runs.items() if len(values) == most}
    assert len(full) > 50
    for name, values in full.items():
        assert np.mean(values) == pytest.approx(random[name], abs=1e-6), name


def test_both_readings_are_scored_and_refusals_counted(oracle):
    rows = oracle.groups["AZIMUTH_CLOCK"].rows
    items = [oracle.items[row] for row in rows[:2]]
    hour = items[0].answer.split()[0]
    run = read_answers(items, [f"It is at {hour} o'clock, I would say.", "I cannot tell."])
    metric = compute_metrics(run, None)["AZIMUTH_CLOCK_exact"]
    assert (metric.unparsed, metric.lenient_unparsed, metric.refused) == (1, 1, 1)
    assert value(metric.lenient) == 50.0
