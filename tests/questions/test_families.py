"""Our own families: what is too near a border is not asked, balance holds."""

from collections import Counter

import numpy as np
import pytest

from spatial_llm.geometry import clock_hour
from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter
from tests.questions.scenes import EVERY, LABELS, draw_scenes

BELL = HeardSource("bell", 45.0, 30.0, 2.62, 1.0, 3.5)
RAIN = HeardSource("rain", -135.0, -30.0, 1.1, 0.2, 9.9)
DOG = HeardSource("dog", -58.0, 20.0, 3.94, 4.04, 4.9)


def asked_of(*sources, family, seeds=30, labels=("bell", "dog", "rain", "siren"), split="train", **values):
    """Question type -> the answers given over some seeds, when one family is asked of one scene."""
    room = {name: values.pop(name, None) for name in ("rt60_s", "volume_m3", "duration_s")}
    config = QuestionConfig(ask={family: 6}, **values)
    found: dict[str, set[str]] = {}
    for seed in range(seeds):
        writer = QuestionWriter(config, np.random.default_rng(seed), labels, split)
        for item in writer.write(HeardScene(sources, **room)):
            found.setdefault(item.question_type, set()).add(item.answer)
    return found


def test_what_is_true_of_three_sounds():
    three = (BELL, RAIN, DOG)
    assert asked_of(*three, family="azimuth") == {
        "AZIMUTH_DEG": {"45 degrees", "-135 degrees", "-58 degrees"},
        "AZIMUTH_CLOCK": {"2 o'clock"},  # 45 and 135 degrees lie between two hours
    }
    assert asked_of(*three, family="elevation") == {"ELEVATION_DEG": {"30 degrees", "-30 degrees", "20 degrees"}}
    assert asked_of(*three, family="distance") == {"DISTANCE": {"2.6m", "1.1m", "3.9m"}}
    assert asked_of(*three, family="count") == {"COUNT_SOURCES": {"3"}, "COUNT_CLASSES": {"3"}}
    assert asked_of(*three, family="nearest") == {"NEAREST": {"rain"}, "FARTHEST": {"dog"}}
    assert asked_of(*three, family="relation") == {
        "RELATION_LEFT": {"bell", "bell; rain"},  # of the rain, of the dog, which is farther to the right
        "RELATION_RIGHT": {"dog", "dog; rain"},
        "RELATION_FRONT": {"bell; dog"},
    }
    assert asked_of(*three, family="time", duration_s=10.0) == {
        "ONSET_FIRST": {"rain"},
        "ONSET_ORDER": {"rain; bell; dog"},
        "STARTS_AT": {"bell", "dog", "rain"},
        "DURATION": {"2.5 s", "9.7 s", "0.9 s"},
    }
    assert asked_of(*three, family="span", duration_s=10.0) == {"SPAN": {"1 to 3.5 s", "0.2 to 9.9 s", "4 to 4.9 s"}}
    assert asked_of(*three, family="overlap", duration_s=10.0) == {"OVERLAP": {"Yes", "No"}}  # no: the bell and the dog
    assert asked_of(BELL, DOG, family="overlap", duration_s=10.0) == {"OVERLAP": {"No"}}
    assert asked_of(*three, family="rotated")["ROTATED"] > {"right, front, above; 2.5m", "left, behind, above; 2.5m"}


def test_angles_near_a_border_are_not_asked():
    steep = HeardSource("bell", 45.0, 65.0, 2.0)
    assert not asked_of(steep, family="azimuth") and "ROTATED_AZIMUTH" not in asked_of(steep, family="rotated")
    assert "AZIMUTH_CLOCK" not in asked_of(HeardSource("bell", 11.0, 0.0, 2.0), family="azimuth")
    assert asked_of(HeardSource("bell", 9.0, 0.0, 2.0), family="azimuth")["AZIMUTH_CLOCK"] == {"12 o'clock"}
    assert asked_of(HeardSource("bell", -179.7, 0.0, 2.0), family="azimuth")["AZIMUTH_DEG"] == {"180 degrees"}
    assert "ROTATED" not in asked_of(HeardSource("bell", 45.0, 3.0, 2.0), family="rotated")
    # 45 degrees on the left: a turn by 45 puts it on an axis, one by 90 or 180 does not
    assert asked_of(BELL, family="rotated")["ROTATED"] == {
        "right, front, above; 2.5m", "left, behind, above; 2.5m", "right, behind, above; 2.5m",
    }  # fmt: skip
    hours = {0: 12, 30: 11, 90: 9, 180: 6, -90: 3, -30: 1, -150: 5, 150: 7, 50: 10, -74: 2}
    assert {azimuth: clock_hour(azimuth) for azimuth in hours} == hours


def test_distances_and_sides_that_are_nearly_equal_are_not_asked():
    beside = HeardSource("siren", -130.0, -30.0, 1.4)
    assert "NEAREST" not in asked_of(RAIN, beside, BELL, family="nearest")
    assert asked_of(RAIN, beside, BELL, family="nearest")["FARTHEST"] == {"bell"}
    assert not asked_of(RAIN, beside, family="relation")
    # one side of the listener: the angle says siren, the metres say dog
    assert not asked_of(DOG, HeardSource("siren", -90.0, 10.0, 1.0), family="relation")
    # both in front: "in front of" could mean nearer or further ahead
    ahead = asked_of(BELL, DOG, family="relation")
    assert set(ahead) == {"RELATION_LEFT", "RELATION_RIGHT"}


def test_times_that_are_nearly_equal_or_unknown_are_not_asked():
    late = HeardSource("siren", 45.0, 30.0, 2.0, 1.2, 1.3)
    found = asked_of(BELL, late, RAIN, family="time", duration_s=9.7)
    assert found == {"ONSET_FIRST": {"rain"}, "STARTS_AT": {"rain"}, "DURATION": {"2.5 s"}}  # the siren is too short
    assert asked_of(BELL, late, RAIN, family="span", duration_s=9.7) == {"SPAN": {"1 to 3.5 s"}}  # the rain fills it all
    for family in ("time", "span", "overlap"):
        assert not asked_of(BELL, HeardSource("siren", 45.0, 30.0, 2.0), family=family)


def sounding(label, onset_s, offset_s):
    return HeardSource(label, 45.0, 30.0, 2.0, onset_s, offset_s)


@pytest.mark.parametrize(
    ("onset_s", "rt60_s", "answer"),
    [
        (1.0, 0.5, "Yes"),  # it begins with the bell
        (3.19, 0.5, "Yes"),  # 0.31 s in common
        (3.21, 0.5, None),
        (3.49, None, None),
        (3.79, None, None),
        (3.81, None, "No"),  # 0.31 s between them
        (3.81, 0.5, None),  # the bell has not died away
        (4.29, 0.5, None),
        (4.31, 0.5, "No"),
    ],
)
def test_an_overlap_or_a_gap_that_is_hardly_audible_is_not_asked(onset_s, rt60_s, answer):
    late = sounding("siren", onset_s, 9.0)
    for pair in ((BELL, late), (late, BELL)):  # the bell lasts from 1 to 3.5 s
        found = asked_of(*pair, family="overlap", rt60_s=rt60_s, duration_s=10.0)
        assert found == ({} if answer is None else {"OVERLAP": {answer}})
    short = sounding("siren", 2.0, 2.29)  # within the bell, and shorter than the margin
    assert not asked_of(BELL, short, family="overlap")
    assert asked_of(BELL, short, family="overlap", onset_margin_s=0.28) == {"OVERLAP": {"Yes"}}


def test_a_class_that_lasts_long_does_not_give_the_overlap_away():
    """Rain fills every recording, so that it overlaps with all: the other questions even the answers out, class by class."""
    rng = np.random.default_rng(0)
    writer = QuestionWriter(QuestionConfig(ask={"overlap": 2}), np.random.default_rng(1), LABELS)
    counts: dict[str, Counter] = {}
    for _ in range(800):
        names = rng.choice([label for label in LABELS if label != "rain"], 2, replace=False)
        onsets_s = rng.uniform(0.0, 8.0, 2)
        pair = [sounding(str(name), at, at + 1.5) for name, at in zip(names, onsets_s, strict=True)]
        scene = HeardScene((*pair, sounding("rain", 0.0, 10.0)), 0.4, 60.0, 10.0)
        for item in writer.write(scene):
            for index in item.about.sources:
                counts.setdefault(scene.sources[index].label, Counter())[item.answer] += 1
    assert counts.pop("rain") == {"Yes": 2}, "of the rain there is no other answer"
    assert len(counts) == len(LABELS) - 1
    for label, given in counts.items():
        assert given.total() > 20 and abs(given["Yes"] - given["No"]) <= 2, (label, given)


def test_rooms_near_a_border_or_unknown_are_not_asked():
    assert asked_of(BELL, family="room", rt60_s=0.2, volume_m3=40.0) == {
        "ROOM_RT60": {"below 0.3 s"}, "ROOM_SIZE": {"small"}, "ROOM_REVERB": {"dry"},
    }  # fmt: skip
    assert asked_of(BELL, family="room", rt60_s=0.9, volume_m3=200.0) == {
        "ROOM_RT60": {"above 0.6 s"}, "ROOM_SIZE": {"large"}, "ROOM_REVERB": {"reverberant"},
    }  # fmt: skip
    assert asked_of(BELL, family="room", rt60_s=0.45, volume_m3=100.0) == {"ROOM_RT60": {"0.3 to 0.6 s"}}
    assert asked_of(BELL, family="room", rt60_s=0.32) == {} == asked_of(BELL, family="room")


def test_two_of_one_class():
    other = HeardSource("bell", -135.0, -30.0, 1.1, 0.2, 9.9)
    assert asked_of(BELL, other, DOG, family="same_class") == {
        "SAME_CLASS": {"left, front, above; 2.5m | right, behind, below; 1m"}
    }
    assert asked_of(BELL, other, family="count")["COUNT_CLASSES"] == {"1"}
    for family in ("azimuth", "elevation", "distance", "relation", "rotated"):  # neither is "the bell"
        assert not asked_of(BELL, other, family=family)
    for family in ("time", "span", "overlap"):
        assert not asked_of(BELL, other, family=family, duration_s=10.0)
    beside = HeardSource("bell", 50.0, 25.0, 2.4)  # one place in words: two sources, or one?
    assert not asked_of(BELL, beside, family="same_class")
    assert "COUNT_SOURCES" not in asked_of(BELL, beside, family="count")
    near_axis = HeardSource("bell", 92.0, -30.0, 1.1)
    assert not asked_of(BELL, near_axis, family="same_class")


def test_negatives():
    found = asked_of(BELL, RAIN, family="negative", seeds=200)
    for question_type in ("PRESENT", "PRESENT_AT_PLACE", "WRONG_PLACE", "SWAPPED"):
        assert found[question_type] == {"Yes", "No"}
    assert found["ABSENT"] == {
        "There is no dog", "There is no siren", "left, front, above; 2.5m", "right, behind, below; 1m",
    }  # fmt: skip
    assert set(asked_of(BELL, RAIN, family="side", seeds=50)) == {"WRONG_PLACE"}  # of the negatives, the sides alone
    assert set(asked_of(BELL, RAIN, family="negative", labels=())) == {"WRONG_PLACE", "SWAPPED"}  # no class to miss
    alone = asked_of(HeardSource("bell", 45.0, 2.0, 2.0), family="negative")
    assert set(alone) == {"PRESENT", "WRONG_PLACE"}  # its place has no word for above or below
    same = HeardSource("rain", 50.0, 25.0, 2.4)
    assert "SWAPPED" not in asked_of(BELL, same, family="negative")  # exchanged, it would still be true


def test_a_class_that_is_often_there_is_not_given_away():
    """Speech sounds in most scenes: whether it is asked for as present or absent stays even, class by class."""
    skewed = ("speech",) * 12 + ("bell", "rain", "dog", "siren")
    rng = np.random.default_rng(3)
    writer = QuestionWriter(QuestionConfig(ask={"negative": 1}), rng, sorted(set(skewed)))
    answers: dict[tuple, Counter] = {}
    for _ in range(4000):
        sources = tuple(
            HeardSource(str(label), rng.uniform(-180, 180), rng.uniform(-60, 60), rng.uniform(0.5, 6))
            for label in {*rng.choice(skewed, size=2)}
        )
        for item in writer.write(HeardScene(sources)):
            if item.question_type in ("PRESENT", "PRESENT_AT_PLACE", "ABSENT"):
                label = next(label for label in set(skewed) if label in item.question)
                answers.setdefault((item.question_type, label), Counter())[
                    item.answer in ("No", f"There is no {label}")
                ] += 1
    for (question_type, label), counts in answers.items():
        assert counts.total() > 50 and abs(counts[True] - counts[False]) <= 1, (question_type, label, counts)


def test_sets_of_one_answer_ask_for_it_next_to_never():
    writer = QuestionWriter(QuestionConfig(ask=EVERY, limit=30), np.random.default_rng(0), LABELS)
    rng = np.random.default_rng(1)
    counts, elevations = Counter(), Counter()
    for _ in range(300):  # always two sources, on the floor of one room, through the whole clip
        pair = tuple(HeardSource(x, rng.uniform(-180, 180), 0.0, rng.uniform(0.5, 6), 0.0, 2.0) for x in ("bell", "dog"))
        for item in writer.write(HeardScene(pair, 0.2, 40.0, 2.0)):
            counts[item.question_type] += 1
            elevations.update([item.answer] if item.question_type == "ELEVATION_DEG" else [])
    assert counts["COUNT_SOURCES"] == counts["ROOM_SIZE"] == counts["ROOM_RT60"] == 1
    assert not {"DURATION", "SPAN"} & set(counts)
    assert elevations.total() <= 2 and counts["DISTANCE"] > 250


def test_from_a_scene():
    (scene,) = draw_scenes(1, seed=5)
    heard = HeardScene.from_scene(scene)
    assert heard.labels == tuple(sorted({source.label for source in scene.sources}))
    assert (heard.rt60_s, heard.volume_m3, heard.duration_s) == (scene.truth.rt60_s, scene.truth.volume_m3, 10.0)
    for source, true in zip(heard.sources, scene.truth.sources, strict=True):
        assert (source.azimuth_deg, source.onset_s, source.offset_s) == (true.azimuth_deg, true.onset_s, true.offset_s)
    with pytest.raises(Exception, match="has no truth"):
        HeardScene.from_scene(type(scene)(**{**vars(scene), "truth": None}))
