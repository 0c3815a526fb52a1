"""General hearing: nearest label by embedding, micro-F1, average precision, captions, protocols only where asked."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from spatial_llm.data.record import Known, Record
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics import compute_metrics, embedded_texts, read_answers
from spatial_llm.evaluation.metrics.general_hearing import heard_text, label_text
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.questions.types import parse_value

LABELS = ["Dog_bark", "Bell", "Rain"]
CLASSES, SEVERAL, CAPTIONS = ("hearing_classes",), ("hearing_labels",), ("hearing_captions",)


def item(index, answer, labels=None, recording=None, question_type="OPEN"):
    known = None if labels is None else Known(labels=tuple(labels))
    kind = "open" if question_type == "OPEN" else "caption"
    truth, recording = parse_value(question_type, answer), recording or f"r{index}"
    return Record(
        f"q{index}",
        recording,
        kind,
        question_type,
        "Describe it.",
        answer,
        truth,
        "eval",
        16_000,
        audio="r.wav",
        known=known,
    )


def embed(texts):
    """Directions of the words dog, bell and rain; of two words the direction between them."""
    vectors = np.array([[text.count(word) for word in ("dog", "bell", "rain")] for text in texts], dtype=float) + 1e-3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def score(items, texts, asked, labels=LABELS):
    metrics = compute_metrics(read_answers(items, texts), embed, "toy", labels, asked)
    return {name: (float(metric.strict(np.ones((1, metric.strict.items)))[0]), metric) for name, metric in metrics.items()}


def test_the_nearest_label_is_what_was_heard():
    truths = ["Dog bark", "bell", "Rain", "Bell"]
    items = [item(index, "Labels: x", [label]) for index, label in enumerate(truths)]
    texts = ["Audio caption: A dog barks.", "a bell and a bell, then a dog", "bells", "Rain falls"]
    found = score(items, texts, CLASSES)
    assert found["OPEN_embedding_acc"][0] == 50 and found["OPEN_embedding_micro_F1"][0] == 50
    metric = found["OPEN_embedding_acc"][1]
    assert metric.protocol == "hearing_classes, toy"
    assert metric.random == pytest.approx(100 * (0.25**2 + 0.5**2 + 0.25**2))
    assert metric.details == {"labels": 3}
    without_set = score(items, texts, CLASSES, None)
    assert without_set["OPEN_embedding_acc"][0] == 50


def test_micro_f1_and_average_precision_are_scikit_learns():
    random = np.random.default_rng(0)
    targets = random.random((30, 3)) < 0.4
    targets[~targets.any(1), 0] = True
    items = [item(index, "y", [LABELS[k] for k in np.flatnonzero(row)]) for index, row in enumerate(targets)]
    texts = [" ".join(random.choice(["dog", "bell", "rain"], 3)) for _ in items]
    cosines = embed([heard_text(text) for text in texts]) @ embed([label_text(label) for label in LABELS]).T
    found = score(items, texts, CLASSES + SEVERAL)
    predicted = np.eye(3, dtype=bool)[cosines.argmax(1)]
    assert found["OPEN_embedding_micro_F1"][0] == pytest.approx(100 * f1_score(targets, predicted, average="micro"))
    expected = [average_precision_score(targets[:, k], cosines[:, k]) for k in range(3)]
    assert found["OPEN_embedding_mAP"][0] == pytest.approx(100 * np.mean(expected))
    assert found["OPEN_embedding_mAP"][1].protocol == "hearing_labels, toy"
    assert "OPEN_embedding_acc" not in found, "with several labels there is no one right label"


def test_captions_of_recordings_and_of_scenes():
    items = [item(0, "a dog barks", recording="a"), item(1, "dog barking", recording="a"), item(2, "rain", recording="b")]
    found = score(items, ["a dog barks", "a dog barks", "music"], CAPTIONS, None)
    assert found["OPEN_CIDEr"][1].unit == "CIDEr" and 0 < found["OPEN_CIDEr"][0] < 10
    scenes = [item(index, text, question_type="CAPTION") for index, text in enumerate(("1.0 s dog, left", "2.0 s bell"))]
    found = score(scenes, ["1.0 s dog, right", "2.0 s bell"], CAPTIONS, None)
    assert found["CAPTION_scene_tuple_F1"][0] == pytest.approx(100 * (2 * 2 / 6 + 1) / 2)
    assert found["CAPTION_scene_tuple_F1"][1].protocol == "hearing_captions"
    assert "not SPICE" in found["CAPTION_scene_tuple_F1"][1].rule
    assert found["CAPTION_CIDEr"][0] > 0


def test_protocols_are_computed_only_where_a_task_asks_for_them():
    items = [item(0, "a dog barks", ["Bell"])]
    assert not any("embedding" in name or "CIDEr" in name for name in score(items, ["a dog"], ()))
    run = read_answers(items, ["Caption: a dog"])
    assert "sound of a dog" not in embedded_texts(run, LABELS)
    assert set(embedded_texts(run, LABELS, CLASSES)) >= {"sound of a dog", "sound of dog bark", "sound of rain"}
    for name in ("hearing_classes", "hearing_labels", "hearing_captions"):
        assert name in read_task(name).protocols


def test_records_without_labels_or_with_others_are_refused():
    with pytest.raises(ManifestError, match="record 'q0': its labels are not known"):
        score([item(0, "a dog")], ["a dog"], CLASSES)
    with pytest.raises(ManifestError, match="record 'q1': label 'Horn' is not in the label set of 3"):
        score([item(0, "a", ["Bell"]), item(1, "a", ["Horn"])], ["a", "b"], SEVERAL)
