"""Average precision and mean cosine of types A and C: against scikit-learn, their definitions, and by hand."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from spatial_llm.answers import format_labels
from spatial_llm.data.records import Record
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics import compute_metrics, read_answers
from spatial_llm.evaluation.metrics.chance import expected_average_precision
from spatial_llm.questions.types import parse_value
from tests.evaluation.fixtures_toy import embed_words

LABELS = ["Bell", "Dog bark", "Speech", "Rain"]
axis_embed = embed_words(LABELS)


def item(index, labels):
    """A question of type A about a file."""
    answer, file = format_labels(labels), f"r{index}.wav"
    truth = parse_value("CLASSIFICATION", answer) or {}
    return Record(f"q{index}", f"r{index}", "A", "CLASSIFICATION", "What is it?", answer, truth, "eval", 32_000, audio=file)


def score(texts, truths, embed=axis_embed, labels=LABELS):
    """Value and metric of type A by name."""
    items = [item(index, names) for index, names in enumerate(truths)]
    metrics = compute_metrics(read_answers(items, texts), embed, "toy", labels)
    return {name: (float(metric.strict(np.ones((1, len(items))))[0]), metric) for name, metric in metrics.items()}


def precision_by_hand(similarity, targets):
    """Average precision by its definition: mean over positives of the precision at their rank (scores are distinct)."""
    values = []
    for k in range(targets.shape[1]):
        order = np.argsort(-similarity[:, k])
        hits, precisions = 0, []
        for rank, row in enumerate(order, start=1):
            if targets[row, k]:
                hits += 1
                precisions.append(hits / rank)
        if precisions:
            values.append(np.mean(precisions))
    return np.mean(values)


def test_average_precision_is_scikit_learns_and_its_definition():
    """Random vectors in place of an embedding: answers, labels and truths all lie anywhere."""
    rng = np.random.default_rng(0)
    names = [f"label {index:02d}" for index in range(12)]
    truths = [list(rng.choice(names[:11], rng.integers(1, 3), replace=False)) for _ in range(80)]
    texts = [f"answer {index}" for index in range(80)]
    vectors = {}

    def embed(wanted):
        for text in wanted:
            if text not in vectors:
                vector = rng.normal(size=16)
                vectors[text] = vector / np.linalg.norm(vector)
        return np.array([vectors[text] for text in wanted])

    value, metric = score(texts, truths, embed, names)["A_mAP"]
    similarity = np.array([vectors[text] for text in texts]) @ np.array([vectors[name] for name in names]).T
    targets = np.array([[name in truth for name in names] for truth in truths])
    of_labels = [average_precision_score(targets[:, k], similarity[:, k]) for k in range(11) if targets[:, k].any()]
    assert value == pytest.approx(100 * np.mean(of_labels), abs=1e-9)
    assert value == pytest.approx(100 * precision_by_hand(similarity, targets), abs=1e-9)
    assert metric.details["labels_averaged"] == len(of_labels) and metric.details["labels"] == 12
    assert metric.lenient is None and metric.lenient_unparsed is None, "the whole text is embedded, no parser takes part"


def test_expected_average_precision_of_a_random_order():
    targets = np.array([[True], [True], [False], [False], [False]])
    values = [
        precision_by_hand(-np.array(order, dtype=float)[:, None], targets) for order in itertools.permutations(range(5))
    ]
    assert expected_average_precision(targets) == pytest.approx(np.mean(values), abs=1e-12)


def test_oracle_and_worked_example():
    truths = [["bell"], ["dog bark"], ["speech"], ["bell"]]
    oracle = score(["Bell", "a dog bark", "speech.", "bell"], truths)
    assert oracle["A_mAP"][0] == 100
    assert oracle["A_mAP"][1].details == {"labels": 4, "labels_averaged": 3, "of_true_answers": 100}
    assert oracle["A_mean_cosine"][0] == pytest.approx(1)
    wrong = score(["", "speech", "dog bark", "bell"], truths)
    # bell: item 3 alone on top, item 0 among the ties below (2 positives in 4): (1 + 2/4) / 2; the other two come last
    assert wrong["A_mAP"][0] == pytest.approx(100 * (0.75 + 0.25 + 0.25) / 3)
    assert wrong["A_mAP"][1].unparsed == 1 and wrong["A_mean_cosine"][0] == pytest.approx(0.25)


def test_equal_answers_tie_exactly():
    """Whatever rows of a matrix product they stand in: else the order of the items would decide."""
    rng = np.random.default_rng(3)
    labels = [f"label {index}" for index in range(97)]
    table = {text: rng.normal(size=384).astype(np.float32) for text in ["yes", "no", *labels]}

    def embed(texts):
        vectors = np.array([table[text] for text in texts]).reshape(-1, 384)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    texts = [["yes", "no"][bit] for bit in rng.integers(2, size=301)]
    truths = [[labels[index]] for index in rng.integers(97, size=301)]
    value = score(texts, truths, embed, labels)["A_mAP"][0]
    order = rng.permutation(301)
    again = score([texts[row] for row in order], [truths[row] for row in order], embed, labels)["A_mAP"][0]
    assert again == pytest.approx(value, abs=1e-12)


def test_what_the_true_answers_reach():
    """The truth "bell; dog bark" lies nearer to neither label than "bell" alone to its own: 100 is out of reach."""
    truths = [["bell", "dog bark", "speech"], ["rain"], ["bell"]]

    def embed(texts):
        # rain is a little like a bell; an answer of three labels is spread thinly over them
        vectors = np.stack([[label.lower() in text.lower() for label in LABELS] for text in texts]).astype(np.float32)
        vectors[:, 0] += 1.5 * vectors[:, 3]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    value, metric = score(["bell; dog bark; speech", "rain", "bell"], truths, embed)["A_mAP"]
    assert value == metric.details["of_true_answers"] < 100


def test_mean_cosine_of_random_answers_is_that_of_all_pairs():
    vectors = axis_embed(["bell", "dog bark", "bell; speech"])
    random = score(["", "", ""], [["bell"], ["dog bark"], ["bell", "speech"]])["A_mean_cosine"][1].random
    assert random == pytest.approx(float(np.mean(vectors @ vectors.T)), abs=1e-6)


def test_sets_of_names_beside():
    found = score(["B; a", "a", ""], [["a", "b"], ["a", "b"], ["a"]], embed_words(["a", "b"]), ["a", "b"])
    assert found["A_set_acc"][0] == pytest.approx(100 / 3)
    assert found["A_F1"][0] == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)


def test_a_label_that_the_set_lacks_is_refused():
    with pytest.raises(ManifestError, match=r"record 'q0': label 'siren' is not in the label set of 4"):
        score(["siren"], [["siren"]])
