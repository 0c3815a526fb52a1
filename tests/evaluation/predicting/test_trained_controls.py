"""What the controls are for: with its ears swapped a model answers in the mirror, and without them it guesses."""

from collections import Counter

import pytest
from scipy.stats import binomtest

from spatial_llm.answers import parse_axis
from spatial_llm.evaluation.metrics import mirrored_truths, read_truths
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predict import predict
from spatial_llm.evaluation.predicting.predictions import read_control, read_predictions
from spatial_llm.evaluation.predicting.tasks import CONTROLS
from tests.evaluation.fixtures_tasks import short_task

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """Sides said with each control (and "real"), the true ones, and those of the mirror image; one for each recording."""
    questions = read_evaluation_set(trained.manifest)
    task = short_task(decoding__max_new_tokens=24, controls=list(CONTROLS), control_recordings=None)
    path = predict(trained.model, questions, tmp_path_factory.mktemp("run"), task, batch_size=32)
    asked = (questions.items, questions.sha256)
    texts = {name: read_control(path, name, *asked)[1] for name in CONTROLS} | {"real": read_predictions(path, *asked)}
    said = {name: [parse_axis(text, "left_right") for text in of_control] for name, of_control in texts.items()}
    true = [parse_axis(item.answer, "left_right") for item in questions.items]
    assert len(true) == len({item.recording_id for item in questions.items}) == 120, "one question a recording"
    return (
        said,
        true,
        [image.value["left_right"] for image in mirrored_truths(questions.items, read_truths(questions.items))],
    )


def share(said, true):
    return sum(a == b for a, b in zip(said, true, strict=True)) / len(true)


def interval(said, true):
    """95 %, exact for independent recordings."""
    right = sum(a == b for a, b in zip(said, true, strict=True))
    return binomtest(right, len(true)).proportion_ci(0.95)


def test_the_model_has_learned_left_and_right(run):
    said, true, _ = run
    assert interval(said["real"], true).low > 0.8


def test_swapped_ears_mirror_the_answers(run):
    said, true, mirror = run
    real = interval(said["real"], true)
    assert real.low <= share(said["ears_swapped"], mirror) <= real.high
    assert share(said["ears_swapped"], true) == pytest.approx(1 - share(said["ears_swapped"], mirror), abs=0.03)
    assert interval(said["ears_swapped"], true).high < 0.2


@pytest.mark.parametrize("control", ["no_audio", "ears_equal", "other_audio"])
def test_without_its_ears_it_falls_to_what_the_question_gives_away(run, control):
    """One question is asked of all, so the best answer from it alone is the commoner side."""
    said, true, _ = run
    question_only = Counter(true).most_common(1)[0][1] / len(true)
    found = interval(said[control], true)
    assert found.low <= question_only <= found.high
    assert found.high < interval(said["real"], true).low


def test_with_no_audio_it_says_one_thing(run):
    said, _, _ = run
    assert len(set(said["no_audio"])) == 1
