"""Metrics against loops written from their definitions, against examples worked by hand, and at their two ends."""

import itertools

import numpy as np
import pytest

from spatial_llm import answers
from spatial_llm.answers import AXES, Location, format_distance, format_location
from spatial_llm.evaluation import metrics

LABELS = ["Bell", "Dog bark", "Speech", "Rain"]


def axis_embed(texts):
    """A toy embedding: one axis for each label, 1 where its name occurs in the text; a text of none points nowhere."""
    vectors = np.array([[label.lower() in text.lower() for label in LABELS] for text in texts], dtype=np.float32)
    return vectors.reshape(len(texts), len(LABELS)) / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)


def random_locations(rng, n):
    words = [rng.choice(pair, n) for pair in AXES.values()]
    return [Location(*map(str, row[:3]), float(row[3])) for row in zip(*words, rng.integers(1, 20, n) / 2, strict=True)]


def precision_by_hand(similarity, targets):
    """Average precision by its definition: mean over positives of the precision at their rank (scores are distinct)."""
    values = []
    for k in range(targets.shape[1]):
        order = np.argsort(-similarity[:, k])
        hits, precisions = 0, []
        for rank, item in enumerate(order, start=1):
            if targets[item, k]:
                hits += 1
                precisions.append(hits / rank)
        if precisions:
            values.append(np.mean(precisions))
    return np.mean(values), len(values)


def test_average_precision_equals_its_definition():
    rng = np.random.default_rng(0)
    similarity, targets = rng.normal(size=(60, 12)), rng.random((60, 12)) < 0.1
    targets[:, 3] = False
    value, classes, _ = metrics.average_precision(similarity, targets)
    expected, counted = precision_by_hand(similarity, targets)
    assert value == pytest.approx(expected, abs=1e-12) and classes == counted <= 11


def test_average_precision_worked_example():
    # one label, four items, positives at ranks 1 and 3: (1/1 + 2/3) / 2
    value, _, _ = metrics.average_precision(np.array([[0.9], [0.8], [0.7], [0.1]]), np.array([[1], [0], [1], [0]]) > 0)
    assert value == pytest.approx(5 / 6)


def test_expected_average_precision_of_a_random_order():
    targets = np.array([[True], [True], [False], [False], [False]])
    values = [
        precision_by_hand(-np.array(order, dtype=float)[:, None], targets)[0] for order in itertools.permutations(range(5))
    ]
    assert metrics.average_precision(np.zeros((5, 1)), targets)[2] == pytest.approx(np.mean(values), abs=1e-12)


def test_labels_oracle_shuffled_and_worked_example():
    truths = [["bell"], ["dog bark"], ["speech"], ["bell"]]
    oracle = metrics.score_labels(["Bell", "a dog bark", "speech.", "bell"], truths, LABELS, axis_embed)
    assert oracle["mAP"].value == 100
    assert oracle["mAP"].details == {"labels": 4, "labels_averaged": 3, "of_true_answers": 100}
    assert oracle["mean_cosine"].value == pytest.approx(1)
    wrong = metrics.score_labels(["", "speech", "dog bark", "bell"], truths, LABELS, axis_embed)
    # bell: item 3 alone on top, item 0 among the ties below (2 positives in 4): (1 + 2/4) / 2; the other two come last
    assert wrong["mAP"].value == pytest.approx(100 * (0.75 + 0.25 + 0.25) / 3)
    assert wrong["mAP"].unparsed == 1 and wrong["mean_cosine"].value == pytest.approx(0.25)


def test_what_the_true_answers_reach():
    """The truth "bell; dog bark" lies nearer to neither label than "bell" alone to its own: 100 is out of reach."""
    truths = [["bell", "dog bark", "speech"], ["rain"], ["bell"]]

    def embed(texts):
        # rain is a little like a bell; an answer of three labels is spread thinly over them
        vectors = np.stack([[label.lower() in text.lower() for label in LABELS] for text in texts]).astype(np.float32)
        vectors[:, 0] += 1.5 * vectors[:, 3]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    texts = ["bell; dog bark; speech", "rain", "bell"]
    scores = metrics.score_labels(texts, truths, LABELS, embed)
    assert scores["mAP"].value == scores["mAP"].details["of_true_answers"] < 100


def test_mean_cosine_of_random_answers_is_that_of_all_pairs():
    truths = [["bell"], ["dog bark"], ["bell", "speech"]]
    vectors = axis_embed(["bell", "dog bark", "bell; speech"])
    scores = metrics.score_labels(["", "", ""], truths, LABELS, axis_embed)
    assert scores["mean_cosine"].random == pytest.approx(float(np.mean(vectors @ vectors.T)), abs=1e-6)


def test_locations_oracle_and_by_loop():
    rng = np.random.default_rng(1)
    truths, guesses = random_locations(rng, 200), random_locations(rng, 200)
    oracle = metrics.score_locations([format_location(truth) for truth in truths], truths)
    assert {name: score.value for name, score in oracle.items()} == {
        "direction_acc": 100,
        "left_right_acc": 100,
        "front_behind_acc": 100,
        "above_below_acc": 100,
        "DER": 0,
    }
    found = metrics.score_locations([format_location(guess) for guess in guesses], truths)
    pairs = list(zip(guesses, truths, strict=True))
    assert found["direction_acc"].value == pytest.approx(100 * np.mean([a.words == b.words for a, b in pairs]))
    assert found["left_right_acc"].value == pytest.approx(100 * np.mean([a.left_right == b.left_right for a, b in pairs]))
    assert found["DER"].value == pytest.approx(100 * np.mean([abs(a.distance_m - b.distance_m) > 0.5 for a, b in pairs]))
    assert not found["DER"].higher_is_better


def test_random_is_the_mean_over_all_pairs():
    truths = random_locations(np.random.default_rng(2), 40)
    texts = [format_location(truth) for truth in truths]
    each = [metrics.score_locations([text] * len(truths), truths) for text in texts]
    for name, score in metrics.score_locations(texts, truths).items():
        assert score.random == pytest.approx(np.mean([other[name].value for other in each]), abs=1e-9), name


def test_unparsed_answers_count_as_wrong():
    truth = Location("left", "front", "above", 2.0)
    scores = metrics.score_locations(["left, front, above", "left, above; 2m", "left, right; 2.6m", "?"], [truth] * 4)
    assert (scores["direction_acc"].value, scores["direction_acc"].unparsed) == (25, 3)
    assert (scores["left_right_acc"].value, scores["left_right_acc"].unparsed) == (50, 2)
    assert (scores["DER"].value, scores["DER"].unparsed) == (75, 2)


@pytest.mark.parametrize(("guess", "wrong"), [(2.5, 0), (1.5, 0), (2.51, 100), (1.0, 100), (2.0, 0)])
def test_half_a_metre_off_is_right(guess, wrong):
    assert metrics.score_distances([format_distance(guess)], [2.0]).value == wrong


def test_half_a_metre_survives_binary_fractions():
    assert 2.3 - 1.8 != 0.5
    assert metrics.score_distances(["2.3m"], [1.8]).value == 0


def test_yes_no_words_and_sets():
    scores = metrics.score_yes_no(["Yes", "no.", "Yes", "perhaps"], [True, False, False, True])
    assert (scores.value, scores.unparsed, scores.n, scores.random) == (50, 1, 4, 50)
    assert metrics.score_direction_words(["left", "It is behind.", "left right"], ["left", "behind", "left"]).value == (
        pytest.approx(200 / 3)
    )
    assert metrics.score_label_sets(["B; a", "a", ""], [["a", "b"], ["a", "b"], ["a"]]).value == pytest.approx(100 / 3)


def test_mean_of_two_halves_is_plain():
    first, second = metrics.Score(60, 10, 1, 50), metrics.Score(80, 90, 2, 40)
    assert metrics.mean_of(first, second) == metrics.Score(70, 100, 3, 45)


def test_shuffled_answers_score_chance():
    rng = np.random.default_rng(3)
    truths = random_locations(rng, 4000)
    texts = [format_location(truths[index]) for index in rng.permutation(len(truths))]
    for name, score in metrics.score_locations(texts, truths).items():
        assert score.value == pytest.approx(score.random, abs=3), name


def test_families_of_ours_are_right_only_if_the_value_is():
    kind, truths = "AZIMUTH_DEG", [{"azimuth_deg": value} for value in (-35.0, -35.0, 90.0, 180.0)]
    assert [answers.parse_value(kind, f"{truth['azimuth_deg']:g} degrees") for truth in truths] == truths
    score = metrics.score_exact(kind, ["-35 degrees", "35 degrees", "left", "180 degrees"], truths)
    assert (score.value, score.n, score.unparsed) == (50.0, 4, 1)
    assert score.random == pytest.approx(100 * (2 * 0.5 + 0.25 + 0.25) / 4)
