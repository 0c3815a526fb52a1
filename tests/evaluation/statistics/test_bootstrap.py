"""Statistics of weights against scikit-learn, scipy and physically repeated rows; intervals that cover; paired tests."""

import numpy as np
import pytest
import scipy.stats
from sklearn import metrics as sklearn_metrics

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.statistics import bootstrap as statistics
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap, Statistic, holm

NAN = float("nan")
N = 60


def value_of(statistic: Statistic, weights=None) -> float:
    weights = np.ones(statistic.items) if weights is None else weights
    return float(statistic(np.asarray(weights)[None])[0])


def data(ties: bool, rows=None) -> dict:
    """What is known of N items, or of those `rows` of them."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(N)
    y = x + rng.standard_normal(N)
    similarity = rng.standard_normal((N, 7))
    if ties:
        x, y, similarity = np.round(x), np.round(y), np.round(similarity)
    x_gaps = np.where(rng.random(N) < 0.2, NAN, x)
    targets = rng.random((N, 7)) < 0.2
    targets[:, 6] = False  # a label that does not occur is left out
    columns = {
        "x": x,
        "y": y,
        "x_gaps": x_gaps,
        "similarity": similarity,
        "targets": targets,
        "right": (rng.random(N) < 0.7).astype(float),
        "classes": rng.choice(["bell", "dog", "rain"], size=N),
        "predicted": rng.random(N) < 0.4,
        "true": rng.random(N) < 0.5,
        "halves": np.where(np.arange(N)[:, None] % 2 == np.arange(2), x[:, None], NAN),
    }
    return columns if rows is None else {name: column[rows] for name, column in columns.items()}


STATISTICS = {
    "mean": lambda d: statistics.mean_of(d["x_gaps"]),
    "mean_of_means": lambda d: statistics.mean_of_means(d["halves"]),
    "mae": lambda d: statistics.mae(d["x"] - d["y"]),
    "rmse": lambda d: statistics.rmse(d["x_gaps"] - d["y"]),
    "balanced": lambda d: statistics.balanced_accuracy(d["right"], d["classes"]),
    "ratio": lambda d: statistics.ratio_of_sums(d["right"] * 2, d["right"] + d["true"]),
    "mean_ratio": lambda d: statistics.mean_ratio_of_sums(d["targets"] * d["right"][:, None], d["targets"]),
    "f1": lambda d: statistics.f1_of_class(d["predicted"], d["true"]),
    "precision": lambda d: statistics.precision_of_class(d["predicted"], d["true"]),
    "recall": lambda d: statistics.recall_of_class(d["predicted"], d["true"]),
    "pearson": lambda d: statistics.pearson(d["x_gaps"], d["y"]),
    "spearman": lambda d: statistics.spearman(d["x_gaps"], d["y"]),
    "average_precision": lambda d: statistics.macro_average_precision(d["similarity"], d["targets"]),
}


def correlation_of(function, d: dict) -> float:
    known = ~np.isnan(d["x_gaps"])
    return function(d["x_gaps"][known], d["y"][known]).statistic


INDEPENDENT = {
    "mean": lambda d: np.nanmean(d["x_gaps"]),
    "mean_of_means": lambda d: (np.nanmean(d["halves"][:, 0]) + np.nanmean(d["halves"][:, 1])) / 2,
    "mae": lambda d: sklearn_metrics.mean_absolute_error(d["x"], d["y"]),
    "rmse": lambda d: np.sqrt(np.nanmean((d["x_gaps"] - d["y"]) ** 2)),
    "ratio": lambda d: 2 * np.sum(d["right"]) / (np.sum(d["right"]) + np.count_nonzero(d["true"])),
    "mean_ratio": lambda d: np.mean(
        [np.mean(d["right"][positive]) for positive in d["targets"].T.astype(bool) if positive.any()]
    ),
    # right or wrong against one class of each: sklearn's own from labels that are right or another
    "balanced": lambda d: sklearn_metrics.balanced_accuracy_score(
        d["classes"], np.where(d["right"] > 0, d["classes"], "other")
    ),
    "f1": lambda d: sklearn_metrics.f1_score(d["true"], d["predicted"]),
    "precision": lambda d: sklearn_metrics.precision_score(d["true"], d["predicted"]),
    "recall": lambda d: sklearn_metrics.recall_score(d["true"], d["predicted"]),
    "pearson": lambda d: correlation_of(scipy.stats.pearsonr, d),
    "spearman": lambda d: correlation_of(scipy.stats.spearmanr, d),
    "average_precision": lambda d: np.mean(
        [
            sklearn_metrics.average_precision_score(d["targets"][:, k], d["similarity"][:, k])
            for k in np.flatnonzero(d["targets"].any(axis=0))
        ]
    ),
}


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("name", STATISTICS)
def test_a_weight_is_a_row_that_often_and_the_value_is_that_of_others(name: str, ties: bool) -> None:
    statistic = STATISTICS[name](data(ties))
    rng = np.random.default_rng(0)
    counts = [np.ones(N, dtype=int), *(np.bincount(rng.integers(N, size=N), minlength=N) for _ in range(20))]
    together = statistic(np.stack(counts))
    for weights, value in zip(counts, together, strict=True):
        repeated = data(ties, np.repeat(np.arange(N), weights))
        assert value == pytest.approx(value_of(STATISTICS[name](repeated)), abs=1e-12)
        assert value == pytest.approx(INDEPENDENT[name](repeated), abs=1e-9)
    assert value_of(statistic, np.full(N, 0.1)) == pytest.approx(together[0]), "only the ratios of weights matter"


@pytest.mark.parametrize("name", STATISTICS)
def test_stacked_items_with_weight_zero_do_not_count(name: str) -> None:
    d = data(ties=True)
    shuffled = data(True, np.random.default_rng(1).permutation(N))
    # the true side of a stack belongs to the item, so only what was predicted differs between the runs
    first, second = STATISTICS[name](d), STATISTICS[name](shuffled)
    both, some = first.stacked(second), np.random.default_rng(2).integers(3, size=N)
    assert both.items == 2 * N
    assert value_of(both, [*some, *np.zeros(N)]) == pytest.approx(value_of(first, some), abs=1e-12)
    assert value_of(both, [*np.zeros(N), *some]) == pytest.approx(value_of(second, some), abs=1e-12)


def test_worked_examples_by_hand() -> None:
    assert value_of(statistics.mean_of([1, NAN, 0, 1])) == pytest.approx(2 / 3)
    assert value_of(statistics.mean_of([1, NAN, 0, 1]), [0, 5, 3, 1]) == pytest.approx(1 / 4)
    assert value_of(statistics.mean_of_means([[1, NAN], [0, NAN], [NAN, 1]])) == pytest.approx(0.75)
    assert value_of(statistics.rmse([3, -4])) == pytest.approx(np.sqrt(12.5))
    # right: 1 of 2 bells, 1 of 1 dog
    assert value_of(statistics.balanced_accuracy([1, 0, 1], ["bell", "bell", "dog"])) == pytest.approx(0.75)
    # 1 true positive, 1 false positive, 2 missed
    assert value_of(statistics.f1_of_class([1, 1, 0, 0], [1, 0, 1, 1])) == pytest.approx(2 / 5)
    # positives at ranks 1 and 3: (1/1 + 2/3) / 2
    ranked = statistics.macro_average_precision([[0.9], [0.8], [0.7], [0.1]], [[1], [0], [1], [0]])
    assert value_of(ranked) == pytest.approx(5 / 6)
    # the item between counts twice: (1/1 + 2/4) / 2
    assert value_of(ranked, [1, 2, 1, 1]) == pytest.approx(0.75)


def test_what_is_undefined_is_nan() -> None:
    undefined = [
        statistics.mean_of([NAN, NAN]),
        statistics.mean_of([]),
        statistics.mean_of_means([[1, NAN], [0, NAN]]),
        statistics.rmse([NAN]),
        statistics.balanced_accuracy([NAN], ["bell"]),
        statistics.f1_of_class([0, 0], [0, 0]),
        statistics.precision_of_class([0, 0], [1, 0]),
        statistics.recall_of_class([1, 0], [0, 0]),
        statistics.ratio_of_sums([1, 2], [0, 0]),
        statistics.mean_ratio_of_sums([[1, 2]], [[0, 0]]),
        statistics.mean_ratio_of_sums(np.ones((2, 0)), np.ones((2, 0))),
        statistics.pearson([1, NAN], [2, 3]),
        statistics.pearson([0.1] * 7, np.arange(7)),
        statistics.spearman(np.arange(7), [0.3] * 7),
        statistics.spearman([], []),
        statistics.macro_average_precision(np.ones((3, 2)), np.zeros((3, 2))),
        statistics.macro_average_precision(np.ones((0, 2)), np.zeros((0, 2))),
    ]
    for statistic in undefined:
        assert np.isnan(value_of(statistic))
    for name, make in STATISTICS.items():
        assert np.isnan(value_of(make(data(ties=True)), np.zeros(N))), name
    assert value_of(statistics.f1_of_class([0, 0], [1, 0])) == 0.0


def test_wrong_shapes_and_infinities_are_errors() -> None:
    with pytest.raises(SpatialLLMError, match=r"infinite"):
        statistics.mean_of([1.0, np.inf])
    with pytest.raises(SpatialLLMError, match=r"shape"):
        statistics.macro_average_precision(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(SpatialLLMError, match=r"finite"):
        statistics.macro_average_precision([[NAN]], [[1]])
    with pytest.raises(SpatialLLMError, match=r"\[2, 3\] items"):
        statistics.pearson([1, 2], [1, 2, 3])
    with pytest.raises(SpatialLLMError, match=r"expected \(resamples, 2 items\)"):
        statistics.mean_of([1, 2])(np.ones((1, 3)))
    with pytest.raises(SpatialLLMError, match=r"cannot be stacked"):
        statistics.mean_of([1, 2]).stacked(statistics.rmse([1, 2]))
    with pytest.raises(SpatialLLMError, match=r"at least one"):
        Bootstrap(["a"], resamples=0)


def test_a_resample_draws_whole_recordings() -> None:
    """Against a loop that repeats the rows of each drawn recording, with the same draw; rows are a part of the set."""
    d, recordings = data(ties=True), np.repeat(np.arange(20), 3)
    rows = np.flatnonzero(np.arange(N) % 4 > 0)
    bootstrap = Bootstrap([f"r{number}" for number in recordings], resamples=200, seed=5)
    rng = np.random.default_rng(5)
    drawn = [rng.integers(20, size=20) for _ in range(200)]
    repeated = [np.concatenate([rows[recordings[rows] == number] for number in draw]) for draw in drawn]
    for name in ("mean", "spearman", "average_precision"):
        statistic = STATISTICS[name](data(True, rows))
        wanted = [value_of(STATISTICS[name](data(True, again))) for again in repeated]
        np.testing.assert_allclose(bootstrap.samples(statistic, rows), wanted, atol=1e-12)
        value = bootstrap.value(statistic, rows)
        assert value == pytest.approx(INDEPENDENT[name](data(True, rows)))
        bias = np.mean(wanted) - value
        biased = abs(bias) > np.std(wanted) / 4
        assert biased == (name == "average_precision")
        for confidence, middle in ((0.95, [2.5, 97.5]), (0.5, [25, 75])):
            found = bootstrap.interval(statistic, rows, confidence)
            assert found == pytest.approx(np.percentile(wanted, middle) - biased * bias)
    assert bootstrap.recordings == 20 and bootstrap.recordings_of(rows[:2]) == len(set(recordings[rows[:2]]))
    assert d["x"].shape == (N,)


def test_the_interval_is_scipys_where_each_item_is_a_recording() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=150)
    ours = Bootstrap(range(150), resamples=4000).interval(statistics.mean_of(values), np.arange(150))
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert ours == pytest.approx(tuple(theirs), rel=0.02)


def test_intervals_cover_the_truth_and_items_of_one_recording_do_not_count_as_many() -> None:
    """200 sets of 40 recordings with five items each that are nearly alike: over recordings the interval holds the true
    mean about 95 times in 100; over items, as if they were independent, far less often."""
    rng = np.random.default_rng(11)
    recordings, covered, covered_items = np.repeat(np.arange(40), 5), 0, 0
    for repetition in range(200):
        values = np.repeat(rng.standard_normal(40), 5) + 0.3 * rng.standard_normal(200)
        for names in (recordings, np.arange(200)):
            bootstrap = Bootstrap(names, resamples=200, seed=repetition)
            low, high = bootstrap.interval(statistics.mean_of(values), np.arange(200))
            if names is recordings:
                covered += low <= 0 <= high
            else:
                covered_items += low <= 0 <= high
    assert 180 <= covered <= 198
    assert covered_items < 140


def test_intervals_of_average_precision_cover_and_hold_their_value() -> None:
    """Few positives a label: resamples repeat them, which lifts average precision. The percentile interval as it is misses
    the expected value of such sets, and at chance its own value."""

    shares = 1 / np.arange(1, 41)

    def draw(rng: np.random.Generator, lift: float) -> Statistic:
        targets = np.eye(40, dtype=bool)[rng.choice(40, size=200, p=shares / shares.sum())]
        return statistics.macro_average_precision(rng.standard_normal(targets.shape) + lift * targets, targets)

    rows, covered, plain, held = np.arange(200), 0, 0, 0
    for lift in (0.0, 1.5):
        rng = np.random.default_rng(8)
        expected = np.mean([value_of(draw(rng, lift)) for _ in range(200)])
        for repetition in range(40):
            statistic, bootstrap = draw(rng, lift), Bootstrap(range(200), 100, repetition)
            low, high = bootstrap.interval(statistic, rows)
            covered += low <= expected <= high
            held += low <= bootstrap.value(statistic, rows) <= high
            low, high = np.percentile(bootstrap.samples(statistic, rows), [2.5, 97.5])
            plain += low <= expected <= high
    assert held == 80 and covered >= 70 and plain < 60


def test_one_recording_and_equal_values() -> None:
    alone = Bootstrap(["a", "a", "b"], resamples=50)
    mean = statistics.mean_of([1.0, 0.0])
    assert alone.value(mean, np.array([0, 1])) == 0.5
    assert np.isnan(alone.interval(mean, np.array([0, 1]))).all(), "one recording shows no spread"
    assert np.isnan(alone.interval(statistics.mean_of([]), np.array([], dtype=int))).all()
    assert alone.interval(statistics.mean_of([0.3, 0.3, 0.3]), np.arange(3)) == pytest.approx((0.3, 0.3))
    same = alone.paired(mean, mean, np.array([0, 1]))
    assert (same.difference, same.p_value) == (0.0, 1.0) and np.isnan(same.low)
    lone = Bootstrap(["a"], resamples=10)
    assert lone.paired(statistics.mean_of([0.0]), statistics.mean_of([1.0]), np.array([0])).p_value == 1.0


def test_the_draw_is_seeded_and_does_not_depend_on_the_metric() -> None:
    names = [f"r{i % 13}" for i in range(N)]
    statistic, rows = STATISTICS["average_precision"](data(False)), np.arange(N)
    first = Bootstrap(names, resamples=100, seed=1)
    before = first.samples(statistic, rows)
    first.samples(STATISTICS["mean"](data(False)), rows)
    np.testing.assert_array_equal(first.samples(statistic, rows), before)
    np.testing.assert_array_equal(Bootstrap(names, resamples=100, seed=1).samples(statistic, rows), before)
    assert (Bootstrap(names, resamples=100, seed=2).samples(statistic, rows) != before).any()


def test_paired_p_values_are_uniform_where_runs_are_alike() -> None:
    """Two runs of the same quality; items of a recording are right or wrong together in each run."""
    rng, rows, p_values = np.random.default_rng(4), np.arange(90), []
    for repetition in range(150):
        bootstrap = Bootstrap(np.repeat(np.arange(30), 3), resamples=199, seed=repetition)
        first, second = (statistics.mean_of(np.repeat(rng.standard_normal(30), 3)) for _ in range(2))
        p_values.append(bootstrap.paired(first, second, rows).p_value)
    assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.01
    assert 0.0 <= np.mean(np.array(p_values) <= 0.05) < 0.11


@pytest.mark.parametrize("name", ["balanced", "average_precision", "spearman", "mae"])
def test_paired_test_finds_a_planted_difference(name: str) -> None:
    rng, d = np.random.default_rng(6), data(ties=False)
    better = d | {
        "right": np.maximum(d["right"], rng.random(N) < 0.8),
        "similarity": d["similarity"] + 3.0 * d["targets"],
        "x_gaps": d["y"] + 0.1 * d["x"],
        "x": d["y"] + 0.1 * d["x"],
    }
    bootstrap = Bootstrap([f"r{i // 2}" for i in range(N)], resamples=400)
    found = bootstrap.paired(STATISTICS[name](d), STATISTICS[name](better), np.arange(N))
    assert found.p_value < 0.02 and found.difference == pytest.approx(found.second - found.first)
    assert 0 < found.low < found.difference < found.high or found.low < found.difference < found.high < 0
    back = bootstrap.paired(STATISTICS[name](better), STATISTICS[name](d), np.arange(N))
    assert (back.difference, back.p_value) == (-found.difference, found.p_value)


def test_paired_p_value_is_that_of_all_exchanges() -> None:
    """Five recordings: 32 exchanges, of which the observed one and its mirror are the most extreme: p = 2 / 32."""
    bootstrap = Bootstrap(range(5), resamples=20_000)
    found = bootstrap.paired(statistics.mean_of(np.zeros(5)), statistics.mean_of(np.ones(5)), np.arange(5))
    assert found.p_value == pytest.approx(2 / 32, abs=0.01)


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 of three: 3 * .01, max(.03, 2 * .02), max(.04, 1 * .03)
    assert holm([0.03, NAN, 0.01, 0.02]) == pytest.approx([0.04, NAN, 0.03, 0.04], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
