"""Refusals: the paper's measures by hand, and the gain index."""

import numpy as np
import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.metrics.reliability import reliability_gain, reliability_statistics
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap


def value_of(statistic, weights=None) -> float:
    return float(statistic(np.ones((1, statistic.items)) if weights is None else np.asarray(weights)[None])[0])


def test_by_hand() -> None:
    """Of ten items five right, two wrong, three refused (one of which would have been right)."""
    right = [1, 1, 1, 1, 1, 0, 0, 0, 0, 1]
    refused = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    found = {name: value_of(statistic) for name, statistic in reliability_statistics(right, refused).items()}
    assert found["accuracy"] == pytest.approx(0.5)
    assert found["truthfulness"] == pytest.approx(0.8)
    assert found["rejection_rate"] == pytest.approx(0.3)
    assert found["reliability"] == pytest.approx(0.3 * 0.5 + 0.7 * 0.8)


def test_extremes() -> None:
    """Nothing refused: truthfulness is the accuracy and so is reliability. All refused: reliability is the accuracy, 0."""
    never = reliability_statistics([1, 0, 0, 0], [0, 0, 0, 0])
    assert value_of(never["reliability"]) == value_of(never["truthfulness"]) == value_of(never["accuracy"]) == 0.25
    always = reliability_statistics([1, 0], [1, 1])
    assert (value_of(always["truthfulness"]), value_of(always["reliability"])) == (1.0, 0.0)
    assert np.isnan(value_of(reliability_statistics([], [])["reliability"]))


def test_weights_are_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    right, refused, after = (rng.random(50) < share for share in (0.5, 0.2, 0.4))
    counts = rng.integers(4, size=50)
    again = np.repeat(np.arange(50), counts)
    for name, statistic in reliability_statistics(right, refused).items():
        wanted = value_of(reliability_statistics(right[again], refused[again])[name])
        assert value_of(statistic, counts) == pytest.approx(wanted, abs=1e-12)
    gain, repeated = (reliability_gain(right[r], refused[r], after[r])[0] for r in (np.arange(50), again))
    assert value_of(gain, counts) == pytest.approx(value_of(repeated), abs=1e-12)


def test_gain_by_hand() -> None:
    """Four right before, of which one is now refused; five wrong, of which three are; one refused before already."""
    right, refused = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    after = [1, 0, 0, 0, 1, 1, 1, 0, 0, 1]
    gain, counts = reliability_gain(right, refused, after)
    assert (counts.right_before, counts.right_now_refused, counts.wrong_before, counts.wrong_now_refused) == (4, 1, 5, 3)
    assert value_of(gain) == pytest.approx(np.log10((3.5 / 6) / (1.5 / 5)))


def test_gain_without_a_share_of_nothing() -> None:
    gain, counts = reliability_gain([1, 0], [0, 0], [0, 1])
    assert value_of(gain) == pytest.approx(np.log10((1.5 / 2) / (0.5 / 2))) and counts.right_now_refused == 0
    assert np.isnan(value_of(reliability_gain([1, 0, 0], [0, 0, 0], [0, 0, 0])[0])), "nothing refused"
    assert np.isnan(value_of(reliability_gain([1, 1], [0, 0], [0, 1])[0]))
    assert np.isnan(value_of(reliability_gain([0, 0], [0, 0], [0, 1])[0]))


def test_the_gain_tells_knowing_from_fear() -> None:
    """Refusals on the wrong items give a gain above 0, refusals by lot none, with intervals that say so."""
    rng = np.random.default_rng(1)
    right = rng.random(600) < 0.5
    bootstrap, rows = Bootstrap(range(600), resamples=300), np.arange(600)
    knowing, _ = reliability_gain(right, np.zeros(600), ~right & (rng.random(600) < 0.5) | (rng.random(600) < 0.05))
    blind, _ = reliability_gain(right, np.zeros(600), rng.random(600) < 0.3)
    assert bootstrap.interval(knowing, rows)[0] > 0.5
    low, high = bootstrap.interval(blind, rows)
    assert low < 0 < high


def test_values_that_are_no_verdict_are_errors() -> None:
    with pytest.raises(SpatialLLMError, match="0 and 1"):
        reliability_statistics([0.5], [0])
    with pytest.raises(SpatialLLMError, match="shape"):
        reliability_statistics([1, 0], [0])
