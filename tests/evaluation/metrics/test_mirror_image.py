"""The mirror image: what is true of it is compared with the truth of the mirrored scene, whether the question's meaning is
recorded or inferred from its wording."""

import dataclasses
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from spatial_llm.data.simulate.questions import records_of
from spatial_llm.evaluation.metrics import mirrored_truths, read_truths
from spatial_llm.evaluation.metrics.about_of_others import infer_mirrored
from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter
from spatial_llm.questions.about import About
from spatial_llm.questions.mirroring import mirror
from spatial_llm.questions.types import QUESTION_TYPES, format_value, parse_value
from spatial_llm.scenes.scene import SceneTruth, SourceTruth, direction_of, mirror_room
from tests.questions.scenes import LABELS, SEVERAL, WRITTEN, draw_scenes, expected

MANY = QuestionConfig(ask=SEVERAL | {"rotated": 4, "negative": 6}, limit=16)
# of these the mirror image's truth is not said by the item where the question names left or right
NOT_SAID = {
    "MIXUP_SINGLE_CLASSIFICATION", "MIXUP_NONBINARY_SOURCE", "RELATION_LEFT", "RELATION_RIGHT", "PRESENT_AT_PLACE",
    "THINK_RELATION",
}  # fmt: skip
FOUND = {
    "RELATION_LEFT",
    "RELATION_RIGHT",
    "THINK_RELATION",
}  # but of some of these it follows from the recorded meaning and the scene


@dataclasses.dataclass
class Asked:
    """What the inference needs of a record without a scene."""

    question_type: str
    question: str
    answer: str
    scene: None = None


def mirrored(item):
    """The inferred truth of the mirror image; None where it is not known, or the answer cannot be read."""
    value = parse_value(item.question_type, item.answer)
    return None if value is None else infer_mirrored(item, value)


def mirror_scene(drawn):
    """The scene in the mirror: room, listener and sources, and the truth that follows from their positions."""
    positions = [each.position_m for each in drawn.sources]
    room, listener, positions = mirror_room(drawn.room, drawn.listener, positions)
    truths = tuple(
        SourceTruth(*direction_of(listener, position), true.onset_s, true.offset_s)
        for position, true in zip(positions, drawn.truth.sources, strict=True)
    )
    sources = tuple(dataclasses.replace(s, position_m=p) for s, p in zip(drawn.sources, positions, strict=True))
    truth = SceneTruth(truths, drawn.truth.rt60_s, drawn.truth.volume_m3)
    return dataclasses.replace(drawn, room=room, listener=listener, sources=sources, truth=truth)


def official(item, heard):
    """The answer to a question of types A to E, from the question's text and the writer's facts about the scene."""
    named = sorted((m.start(), s) for s in heard.sources for m in re.finditer(rf"\b{s.label}\b", item.question))
    x, y = ([s for _, s in named] + [None, None])[:2] if len({s.label for s in heard.sources}) > 1 else (None, None)
    words = re.findall(r"\b(left|right|front|behind|above|below)\b", item.question)
    match item.question_type:
        case "CLASSIFICATION":
            return "; ".join(heard.labels)
        case "DOA":
            return format_value("DOA", heard.sources[0].location.to_dict())
        case "MIXUP_SINGLE_DOA":
            return format_value("DOA", x.location.to_dict())
        case "MIXUP_SINGLE_CLASSIFICATION":
            far = float(re.search(r"([\d.]+) meter", item.question)[1])
            there = [s for s in heard.sources if list(s.words) == words and s.location.distance_m == far]
            return "; ".join(sorted(s.label for s in there)) or None
        case "MIXUP_DISTANCE_BOTH":
            return "Yes" if (x.distance_m < y.distance_m) == ("farther" not in item.question) else "No"
        case "MIXUP_NONBINARY_DISTANCE":
            return f"{round(2 * float(np.linalg.norm(x.xyz - y.xyz))) / 2:g}m"
        case "MIXUP_NONBINARY_DIRECTION":
            return next(word for word in words if word in x.words)
        case "MIXUP_NONBINARY_SOURCE":
            (other,) = [s for s in heard.sources if s is not x]
            return other.label if words[0] in other.words and words[0] not in x.words else None
    if len(words) == 2:  # "the X from the left, the Y from the right"
        return "Yes" if words[0] in x.words and words[1] in y.words else "No"
    return "Yes" if words[0] in x.words and words[0] not in y.words else "No"


@pytest.fixture(scope="module")
def records():
    """Questions of all types about many scenes, their meaning recorded."""
    writer = QuestionWriter(MANY, np.random.default_rng(18), LABELS)
    return [record for drawn in draw_scenes(500, seed=17) for record in records_of(drawn, writer)]


def answer_in(item, drawn):
    if QUESTION_TYPES[item.question_type] in "ABCDE":
        return official(item, HeardScene.from_scene(drawn))
    return expected(item, drawn)


def images(records):
    """(record, value of its mirror image, or None)"""
    found = mirrored_truths(records, read_truths(records))
    return [(record, None if image is None else image.value) for record, image in zip(records, found, strict=True)]


def test_the_second_reading_of_official_questions_is_right(records):
    """Of the scene as it is; else the comparison with the mirrored one would prove nothing."""
    checked = [item for item in records if QUESTION_TYPES[item.question_type] in "ABCDE"]
    wrong = [item for item in checked if official(item, HeardScene.from_scene(item.scene)) != item.answer]
    assert len(checked) > 500 and wrong == []


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "inferred"])
def test_mirrored_truth_is_that_of_the_mirrored_scene(records, recorded):
    """The same question about the scene in the mirror has the mirrored value as its truth, whatever is asked."""
    wrong, found, counts = [], set(), defaultdict(Counter)
    for item, value in images(records if recorded else [dataclasses.replace(record, about=None) for record in records]):
        changed = "unknown" if value is None else "same" if value == item.truth else "other"
        counts[item.question_type][changed] += 1
        if value is not None:
            found |= {item.question_type} if re.search(r"\b(left|right)\b", item.question) else set()
            answer = answer_in(item, mirror_scene(item.scene))
            if answer is None or parse_value(item.question_type, answer) != value:
                wrong.append((item.question_type, item.question, item.answer, value, answer))
    assert wrong == []
    assert found & NOT_SAID == (FOUND if recorded else set())
    assert set(counts) == WRITTEN
    for name, count in counts.items():
        assert (count["unknown"] > 0) == (name in NOT_SAID), name
    for name in ("DOA", "MIXUP_SINGLE_DOA", "MIXUP_DIRECTION", "MIXUP_NONBINARY_DIRECTION", "AZIMUTH_DEG", "AZIMUTH_CLOCK",
                 "SAME_CLASS", "ROTATED", "ROTATED_AZIMUTH", "ABSENT", "WRONG_PLACE", "SWAPPED", "THINK_NEAREST",
                 "THINK_SIDE", "THINK_DIRECTION", "LOCATION_IF_KNOWN"):  # fmt: skip
        assert counts[name]["other"] > 0, name
    for name in ("CLASSIFICATION", "ELEVATION_DEG", "DISTANCE", "NEAREST", "ONSET_ORDER", "ROOM_RT60", "PRESENT"):
        assert set(counts[name]) == {"same"}, name


def test_the_class_at_a_mirrored_place_is_known_where_one_sound_is_clearly_there():
    """Two sounds whose places mirror each other, and a third sound that may be taken for one of them."""

    def at(label, azimuth_deg, elevation_deg=30.0, distance_m=2.0):
        return HeardSource(label, azimuth_deg, elevation_deg, distance_m)

    def what(*sources):
        about = About((0,), places=(sources[0].location,))
        return mirror("MIXUP_SINGLE_CLASSIFICATION", about, {"labels": [sources[0].label]}, sources)

    assert what(at("bell", 40.0), at("rain", -50.0)) == {"labels": ["rain"]}
    assert what(at("bell", 40.0), at("rain", -50.0, distance_m=2.6)) is None  # half a metre farther than the place
    assert what(at("bell", 40.0), at("rain", -95.0)) is None  # behind
    assert what(at("bell", 40.0), at("rain", -85.0)) is None  # hardly in front
    assert what(at("bell", 40.0), at("rain", -50.0), at("dog", -30.0, distance_m=2.5)) is None
    assert what(at("bell", 40.0), at("rain", -50.0), at("dog", -30.0, distance_m=3.1)) == {"labels": ["rain"]}


def test_mirrored_twice_is_the_truth(records):
    """Where the question names no side, so that it asks the same of both."""
    neutral = [
        dataclasses.replace(item, about=None) for item in records if not re.search(r"\b(left|right)\b", item.question)
    ]
    for item, value in images(neutral):
        again = dataclasses.replace(item, answer=format_value(item.question_type, value), truth=value)
        assert infer_mirrored(again, value) == item.truth


@pytest.mark.parametrize(
    ("kind", "question", "answer", "value"),
    [
        ("DOA", "Where is it?", "left, front, above; 2m", "right, front, above; 2m"),
        ("AZIMUTH_DEG", "At what azimuth is it?", "180 degrees", "180 degrees"),
        ("AZIMUTH_DEG", "At what azimuth is it?", "0 degrees", "0 degrees"),
        ("AZIMUTH_DEG", "At what azimuth is it?", "-35 degrees", "35 degrees"),
        ("AZIMUTH_CLOCK", "At what hour is it?", "2 o'clock", "10 o'clock"),
        ("AZIMUTH_CLOCK", "At what hour is it?", "12 o'clock", "12 o'clock"),
        ("AZIMUTH_CLOCK", "At what hour is it?", "6 o'clock", "6 o'clock"),
        ("MIXUP_NONBINARY_DIRECTION", "Is the bell above or below the dog?", "above", "above"),
        ("MIXUP_NONBINARY_DIRECTION", "Is the bell on the left or right of the dog?", "left", "right"),
        ("MIXUP_DIRECTION", "Is the bell on the left of the dog?", "Yes", "No"),
        ("MIXUP_DIRECTION", "Is the bell in front of the dog?", "Yes", "Yes"),
        ("MIXUP_DIRECTION", "Is the bell's sound coming from the left and the dog's sound from the right?", "No", None),
        ("MIXUP_DIRECTION", "Is the bell's sound coming from the left and the dog's sound from the right?", "Yes", None),
        ("MIXUP_NONBINARY_SOURCE", "What is the sound behind the sound of the dog?", "bell", "bell"),
        ("MIXUP_NONBINARY_SOURCE", "What is the sound on the right side of the sound of the dog?", "bell", None),
        ("ABSENT", "Where is the dog?", "There is no dog", "There is no dog"),
        ("SWAPPED", "Is the a at left, front, above, 2 meters away, and the b at right, front, above, 2 meters away?", "No",
         "Yes"),
        ("SWAPPED", "Is the a at left, front, above, 2 meters away, and the b at left, front, above, 1 meter away?", "No",
         "No"),
        ("SWAPPED", "Are they exchanged?", "No", None),
        ("ROTATED", "Where is it now?", "left, front, above; 2m", None),
        ("ROTATED", "Turn 90 degrees to the left. Where is it?", "left, front, above; 2m", "left, behind, above; 2m"),
        ("DOA", "Where is it?", "somewhere", None),
    ],
)  # fmt: skip
def test_worked_examples(kind, question, answer, value):
    found = mirrored(Asked(kind, question, answer))
    assert found == (None if value is None else parse_value(kind, value))
