"""What a recording cannot tell: decided by the physics of scene and format, half of the answers, not told by the text."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.questions.balance import balance
from spatial_llm.questions.facts import distances_told
from spatial_llm.questions.knowable import directions_alike
from spatial_llm.scenes.scene import Scene
from spatial_llm.settings import read_yaml
from tests.questions.scenes import LABELS, draw_scenes, expected

REPOSITORY = Path(__file__).resolve().parents[2]
FLAT = parse_format("array:[[0.05, 0, 0], [0, 0.05, 0], [-0.05, 0, 0], [0, -0.05, 0]]")
HUMBLE = QuestionConfig(ask={"humility": 3, "humility_time": 1})


def varied(scene: Scene, rng: np.random.Generator) -> Scene:
    """Half of the scenes recorded by a planar array, half without reverberation and 20 dB too loud."""
    if rng.random() < 0.5:
        scene = replace(scene, format=FLAT)
    if rng.random() < 0.5:
        dry = replace(scene.room, max_order=0, ray_tracing=False)
        scene = replace(scene, room=dry, sources=tuple(replace(source, gain_db=20.0) for source in scene.sources))
    return scene


@pytest.fixture(scope="module")
def asked() -> list:
    rng = np.random.default_rng(1)
    scenes = [varied(scene, rng) for scene in draw_scenes(600, seed=3)]
    writer = QuestionWriter(HUMBLE, np.random.default_rng(0), LABELS)
    return [(scene, item) for scene in scenes for item in writer.write(HeardScene.from_scene(scene))]


def test_what_is_declined_cannot_be_known_and_the_rest_is_true(asked) -> None:
    reasons = Counter()
    for scene, item in asked:
        if "unknown" not in item.truth:
            assert item.answer == expected(item, scene) and item.about.absent is None
            assert item.question_type != "ELEVATION_IF_KNOWN" or scene.format != FLAT
            assert "DISTANCE" not in item.question_type or scene.sources[0].gain_db == 0
            continue
        assert item.answer == "I cannot tell"
        if item.about.absent is not None:
            assert item.about.absent not in [source.label for source in scene.sources]
            reasons["absent"] += 1
        elif item.question_type == "ELEVATION_IF_KNOWN":
            assert scene.format == FLAT
            assert abs(scene.truth.sources[item.about.sources[0]].elevation_deg) >= 10, "the horizon is told"
            reasons["flat"] += 1
        else:
            assert item.question_type == "DISTANCE_IF_KNOWN" and scene.sources[0].gain_db == 20
            reasons["loud"] += 1
    assert min(reasons.values()) > 80 and set(reasons) == {"absent", "flat", "loud"}


def test_the_text_of_a_question_does_not_tell_when_to_decline(asked) -> None:
    given = Counter()
    for scene, item in asked:
        name = item.about.absent or scene.sources[item.about.sources[0]].label
        given[item.question_type, name, "unknown" in item.truth] += 1
    for question_type, name, _ in list(given):
        known, unknown = (given[question_type, name, unknown] for unknown in (False, True))
        assert 0 <= known - unknown <= 1, "every class as often known as not"
    for name, row in balance([item for _, item in asked], by="question_type").items():
        assert row.question_only <= 0.5 + 3 * np.sqrt(0.25 / (row.n / 2)), name


def test_of_recordings_that_never_tell_it_nothing_is_asked() -> None:
    scenes = [replace(scene, format=FLAT) for scene in draw_scenes(100, seed=4)]
    writer = QuestionWriter(HUMBLE, np.random.default_rng(0), LABELS)
    asked = Counter(item.question_type for scene in scenes for item in writer.write(HeardScene.from_scene(scene)))
    assert set(asked) == {"DISTANCE_IF_KNOWN", "SPAN_IF_KNOWN"}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("recipes/configs/thinking/tiny/questions.yaml", {"thinking", "humility", "negative"}),
        ("recipes/configs/field/tiny/humble_questions.yaml", {"humility"}),
        ("data/configs/thinking_questions.yaml", {"thinking", "humility", "humility_time", "negative"}),
    ],
)
def test_the_configurations_ask_for_it(name, asked) -> None:
    given = read_yaml(REPOSITORY / name).content["writing"]["questions"]
    writer = QuestionWriter(QuestionConfig(**given), np.random.default_rng(0), LABELS)
    scenes = [varied(scene, np.random.default_rng(i)) for i, scene in enumerate(draw_scenes(60, seed=5))]
    items = [item for scene in scenes for item in writer.write(HeardScene.from_scene(scene))]
    assert asked <= {item.type for item in items}
    assert {item.answer == "I cannot tell" for item in items if item.type == "humility"} == {True, False}


def test_without_known_classes_no_absent_one_is_asked_for() -> None:
    writer = QuestionWriter(HUMBLE, np.random.default_rng(0))
    items = [item for scene in draw_scenes(50, seed=4) for item in writer.write(HeardScene.from_scene(scene))]
    assert items and not any("unknown" in item.truth for item in items)


@pytest.mark.parametrize(
    ("gain_db", "drr_db", "dry", "told"),
    [
        (0.0, None, False, True),  # the level tells it
        (0.0, 40.0, True, True),
        (20.0, None, True, False),  # a room without reflections
        (20.0, 25.0, False, False),  # ... or with inaudible ones
        (-20.0, 25.0, False, False),
        (20.0, 5.0, False, None),  # reverberation may tell it
        (20.0, None, False, None),
        (2.0, 25.0, False, None),  # nearly the level that it should have
    ],
)
def test_a_distance_is_told_by_level_or_by_reverberation(gain_db, drr_db, dry, told) -> None:
    scene = draw_scenes(1, seed=0)[0]
    truths = tuple(replace(true, drr_db=drr_db) for true in scene.truth.sources)
    scene = replace(
        scene,
        room=replace(scene.room, max_order=0, ray_tracing=False) if dry else scene.room,
        sources=tuple(replace(source, gain_db=gain_db) for source in scene.sources),
        truth=replace(scene.truth, sources=truths),
    )
    assert set(distances_told(scene)) == {told}
    assert HeardScene.from_scene(scene).tells_distance(0) is told


@pytest.mark.parametrize(
    "text",
    [
        "binaural", "foa", "mono", "stereo_ms",
        "array:[[0.05, 0, 0], [0, 0.05, 0], [-0.05, 0, 0]]",  # level
        "array:[[0.05, 0, 0], [0, 0, 0.05], [-0.05, 0, 0]]",  # upright
        "array:[[0.05, 0, 0], [0, 0.05, 0.05], [-0.05, 0, 0]]",  # oblique
        "array:[[0, 0.05, 0], [0, -0.05, 0]]",
        "array:[[0, 0, 0.05], [0, 0, -0.05]]",
        "array:[[0.05, 0.05, 0.05], [0.05, -0.05, -0.05], [-0.05, 0.05, -0.05], [-0.05, -0.05, 0.05]]",
    ],
)  # fmt: skip
def test_an_elevation_is_told_where_no_direction_that_sounds_alike_has_another(text) -> None:
    format, rng = parse_format(text), np.random.default_rng(0)
    directions = [(float(rng.uniform(-170, 170)), float(rng.uniform(20, 70))) for _ in range(20)]
    apart = [abs(other - up) for around, up in directions for _, other in directions_alike(format, around, up)]
    assert format.tells_elevation == (max(apart, default=0.0) < 1e-6)
