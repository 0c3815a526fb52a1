"""The recorded meaning of a question: with the scene it gives the true answer, without a look at the wording; and it names
what the wording names."""

import re
from collections import Counter

import numpy as np
import pytest

from spatial_llm.answers import AXES
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import clock_hour
from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.questions.about import About, check_about, check_place
from spatial_llm.questions.facts import HeardSource, step_distance_m
from tests.questions.scenes import LABELS, SEVERAL, WRITTEN, draw_scenes

MANY = QuestionConfig(ask=SEVERAL, limit=16)
PLACE = r"(left|right), (front|behind), (above|below),(?: approximately| about)? ([\d.]+) meters?"


@pytest.fixture(scope="module")
def asked():
    writer = QuestionWriter(MANY, np.random.default_rng(3), LABELS)
    scenes = map(HeardScene.from_scene, draw_scenes(600, seed=2))
    return [(item, scene) for scene in scenes for item in writer.write(scene)]


def answer_of(question_type, about, scene):
    """The true value, from the meaning and the scene alone."""
    every = scene.sources
    sources = [every[index] for index in about.sources]
    turned = [source.after_turn(about.turn_deg) for source in sources]
    labels = {"labels": sorted({source.label for source in sources})}
    far = [source.distance_m for source in sources]
    match question_type:
        case "CLASSIFICATION":
            return labels
        case "MIXUP_SINGLE_CLASSIFICATION":
            (there,) = [source for source in every if source.location == about.places[0]]
            assert there is sources[0]
            return labels
        case "DOA" | "MIXUP_SINGLE_DOA" | "ROTATED":
            return turned[0].location.to_dict()
        case "ABSENT":
            return {"absent": about.absent} if about.absent else turned[0].location.to_dict()
        case "AZIMUTH_DEG" | "ROTATED_AZIMUTH":
            return {"azimuth_deg": turned[0].whole_azimuth_deg}
        case "AZIMUTH_CLOCK":
            return {"clock_hour": clock_hour(sources[0].azimuth_deg)}
        case "ELEVATION_DEG":
            return {"elevation_deg": round(sources[0].elevation_deg)}
        case "DISTANCE":
            return {"distance_m": round(far[0], 1)}
        case "MIXUP_DIRECTION":
            return {"yes": [source.word(about.axis) == about.side for source in sources] == [True, False]}
        case "MIXUP_DISTANCE_BOTH":
            return {"yes": (far[0] < far[1]) == (about.side == "nearer")}
        case "MIXUP_NONBINARY_DIRECTION":
            assert about.side is None
            return {about.axis: sources[0].word(about.axis)}
        case "MIXUP_NONBINARY_DISTANCE":
            return {"distance_m": step_distance_m(np.linalg.norm(sources[0].xyz - sources[1].xyz))}
        case "MIXUP_NONBINARY_SOURCE" | "RELATION_LEFT" | "RELATION_RIGHT" | "RELATION_FRONT" | "RELATION_BEHIND":
            axis = ("front_behind", "left_right", "above_below").index(about.axis)
            sign = 1 if about.side == AXES[about.axis][0] else -1
            beside = [i for i, s in enumerate(every) if sign * (s.xyz[axis] - every[about.reference].xyz[axis]) > 0]
            assert sorted(about.sources) == beside
            return labels
        case "COUNT_SOURCES":
            return {"count": len(every)}
        case "COUNT_CLASSES":
            return {"count": len({source.label for source in every})}
        case "NEAREST" | "FARTHEST":
            assert (about.axis, about.side) == ("distance", "nearer" if question_type == "NEAREST" else "farther")
            extreme = min if about.side == "nearer" else max
            assert far[0] == extreme(source.distance_m for source in every)
            return labels
        case "SAME_CLASS":
            assert len({source.label for source in sources}) == 1
            return {"locations": [source.location.to_dict() for source in sources]}
        case "ONSET_FIRST":
            assert sources[0].onset_s == min(source.onset_s for source in every)
            return labels
        case "ONSET_ORDER":
            assert [source.onset_s for source in sources] == sorted(source.onset_s for source in every)
            return {"order": [source.label for source in sources]}
        case "STARTS_AT":
            assert about.time_s == round(sources[0].onset_s, 1)
            return labels
        case "DURATION":
            return {"duration_s": round(sources[0].offset_s - sources[0].onset_s, 1)}
        case "SPAN":
            return {"onset_s": round(sources[0].onset_s, 1), "offset_s": round(sources[0].offset_s, 1)}
        case "OVERLAP":
            x, y = sources
            return {"yes": x.onset_s < y.offset_s and y.onset_s < x.offset_s}
        case "CAPTION":
            return {"events": [
                {"label": source.label, "onset_s": round(source.onset_s, 1), "offset_s": round(source.offset_s, 1),
                 **{axis: source.word(axis) for axis in ("left_right", "front_behind")},
                 "distance_m": source.location.distance_m}
                for source in sources
            ]}  # fmt: skip
        case "PRESENT":
            assert about.absent not in scene.labels
            return {"yes": bool(sources)}
        case "PRESENT_AT_PLACE":
            assert [source.location for source in sources] == list(about.places) * len(sources)
            return {"yes": about.absent is None}
        case "WRONG_PLACE":
            return {"yes": sources[0].word(about.axis) == about.side}
        case "SWAPPED":
            return {"yes": [source.location for source in sources] == list(about.places)}
        case "ROOM_RT60" | "ROOM_SIZE" | "ROOM_REVERB":
            assert about == About()
            return None


def test_the_answer_follows_from_the_meaning_and_the_scene(asked):
    seen = Counter()
    for item, scene in asked:
        check_about(item.about, [(source.label,) for source in scene.sources], item.truth)
        value = answer_of(item.question_type, item.about, scene)
        assert value in (None, item.truth), item
        seen[item.question_type] += 1
    assert set(seen) == WRITTEN


def test_the_meaning_names_what_the_wording_names(asked):
    sides = {word: axis for axis, words in AXES.items() for word in words}
    for item, scene in asked:
        about, text = item.about, item.question
        positions = {label: at.start() for label in LABELS if (at := re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text))}
        named = sorted(positions, key=positions.get)
        meant = [scene.sources[index].label for index in about.sources]
        if item.question_type in ("MIXUP_DIRECTION", "MIXUP_DISTANCE_BOTH", "MIXUP_NONBINARY_DIRECTION", "SWAPPED",
                                  "MIXUP_NONBINARY_DISTANCE"):  # fmt: skip
            assert named == meant
        elif about.reference is not None:
            assert named == [scene.sources[about.reference].label]
        elif named:
            assert named == ([about.absent] if about.absent else list(dict.fromkeys(meant)))
        turns = re.findall(r"(\d+) degrees(?: to the (left|right))?", text) if item.type == "rotated" else []
        if turns:
            assert about.turn_deg == float(turns[0][0]) * (-1 if turns[0][1] == "right" else 1)
        assert bool(turns) == (about.turn_deg != 0)
        places = [(*words, float(far_m)) for *words, far_m in re.findall(PLACE, text)]
        assert not places or places == [(*place.words, place.distance_m) for place in about.places]
        if item.question_type == "STARTS_AT":
            assert f"{about.time_s:g} s" in text
        if about.side in sides:
            others = r"ahead|back|over|under|high(er|est)|low(er|est)"
            assert re.search(rf"\b({about.side}|{others})\b", text), text
            assert sides[about.side] == about.axis


def test_a_turned_source_is_not_one_of_the_scene():
    scene = HeardScene.from_scene(draw_scenes(1, seed=5)[0])
    assert scene.indices(*reversed(scene.sources)) == tuple(reversed(range(len(scene.sources))))
    with pytest.raises(KeyError):
        scene.indices(scene.sources[0].after_turn(90.0))


def test_a_place_in_an_answer_is_that_of_the_source_asked_about(asked):
    checked = 0
    for item, scene in asked:
        if len(item.about.sources) == 1:
            source = scene.sources[item.about.sources[0]].after_turn(item.about.turn_deg)
            check_place(item.about, item.truth, source)
            checked += bool({"azimuth_deg", "distance_m"} & set(item.truth))
    assert checked > 500
    left = HeardSource("bark", 179.8, 20.0, 2.0)
    check_place(About((0,)), {"azimuth_deg": -180.0, "left_right": "right", "distance_m": 2.25}, left)
    for value in ({"front_behind": "front"}, {"azimuth_deg": 175.0}, {"distance_m": 2.5}, {"elevation_deg": -20.0}):
        with pytest.raises(SpatialLLMError, match=f"source 0, .* left, behind, above .*: {next(iter(value))} differ"):
            check_place(About((0,)), value, left)


def test_the_sources_of_an_order_stand_in_that_order():
    labels, truth = [{"bark"}, {"bell"}], {"order": ["bell", "bark"]}
    check_about(About((1, 0)), labels, truth)
    with pytest.raises(SpatialLLMError, match="expected the same order"):
        check_about(About((0, 1)), labels, truth)
