"""Answers that are thought out: each step is read again and is true of its scene, and one that is not is caught."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from spatial_llm.answers.steps import compared_in, heard_in, holds
from spatial_llm.data.record import check_meaning, sources_of
from spatial_llm.data.records import record_from_dict
from spatial_llm.data.simulate.questions import records_of
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.questions.mirroring import mirror
from spatial_llm.questions.thinking import check_steps
from spatial_llm.questions.types import format_value, parse_value
from tests.questions.scenes import LABELS, draw_scenes, expected

THINKING = QuestionConfig(ask={"thinking": 6})


def chains(scenes: int, seed: int) -> list:
    writer = QuestionWriter(THINKING, np.random.default_rng(seed), LABELS)
    return [(scene, item) for scene in draw_scenes(scenes, seed) for item in writer.write(HeardScene.from_scene(scene))]


def read_again(asked: list) -> int:
    """Reads every chain again, step by step; returns the number of steps."""
    steps = 0
    for scene, item in asked:
        value = parse_value(item.question_type, item.answer)
        assert value == item.truth == parse_value(item.question_type, item.answer, "lenient", LABELS)
        assert item.answer == expected(item, scene), "worked out a second time from the room's coordinates"
        heard = heard_in(value["steps"])
        for step in value["steps"]:
            assert "unread" not in step
            steps += 1
            if "side" in step:
                assert holds(step, heard)
            elif "distance_m" in step:
                (at,) = [i for i, source in enumerate(scene.sources) if source.label == step["heard"]]
                assert abs(step["distance_m"] - scene.truth.sources[at].distance_m) <= 0.05 + 1e-9
        check_steps(value, HeardScene.from_scene(scene).sources)
    return steps


@pytest.fixture(scope="module")
def asked() -> list:
    return chains(60, seed=5)


def test_every_chain_reads_back_to_the_truth(asked) -> None:
    assert {item.question_type for _, item in asked} == {
        "THINK_NEAREST", "THINK_FARTHEST", "THINK_RELATION", "THINK_NEARER", "THINK_DIRECTION", "THINK_SIDE",
    }  # fmt: skip
    assert len(asked) > 150 and read_again(asked) > 400


@pytest.mark.slow
def test_every_chain_of_a_thousand_scenes_reads_back_to_the_truth() -> None:
    asked = chains(1000, seed=6)
    print(f"{len(asked)} chains, {read_again(asked)} steps")
    assert len(asked) > 3000


def test_a_chain_in_words() -> None:
    ((_, item),) = [each for each in chains(60, seed=5) if each[1].question_type == "THINK_NEAREST"][:1]
    pattern = r"(I hear the [^:]+: ([a-z]+, )*[\d.]+m\. )+(The .+ is nearer than the .+\. )+Answer: .+"
    assert re.fullmatch(pattern, item.answer) and item.question.startswith(("Think", "Say", "Reason"))


def falsified(step: dict) -> list[dict]:
    """All the ways in which one thing that a step says is made false."""
    other = {"left": "right", "front": "behind", "above": "below", "nearer": "farther"}
    other |= {word: side for side, word in other.items()}
    wrong = []
    for key, said in step.items():
        if key in ("heard", "sound", "than"):
            wrong.append(step | {key: "accordion"})
        elif isinstance(said, str):
            wrong.append(step | {key: other[said]})
        else:
            wrong += [step | {key: round(said + 0.5, 1)}, step | {key: round(said - 1.0, 1)}]
    return wrong


def test_one_falsified_step_is_caught(asked) -> None:
    caught = 0
    for scene, item in asked:
        sources = HeardScene.from_scene(scene).sources
        for index, step in enumerate(item.truth["steps"]):
            for wrong in falsified(step):
                steps = [*item.truth["steps"][:index], wrong, *item.truth["steps"][index + 1 :]]
                with pytest.raises(SpatialLLMError, match="step"):
                    check_steps(item.truth | {"steps": steps}, sources, item.about)
                caught += 1
    assert caught > 1000


def test_a_conclusion_that_does_not_follow_is_caught(asked) -> None:
    for scene, item in asked:
        wrong = {"yes": not item.truth["yes"]} if "yes" in item.truth else {"labels": ["accordion"]}
        with pytest.raises(SpatialLLMError, match="does not follow"):
            check_steps(item.truth | wrong, HeardScene.from_scene(scene).sources, item.about)


def test_a_record_with_a_falsified_step_is_refused() -> None:
    writer = QuestionWriter(THINKING, np.random.default_rng(0), LABELS)
    (record, *_) = [record for scene in draw_scenes(5, 1) for record in records_of(scene, writer)]
    line = json.loads(json.dumps(record.to_dict()))
    again = record_from_dict(line)
    assert again == record and again.truth["steps"]
    check_meaning(again, again.truth, sources_of(again))
    (number,) = re.findall(r"([\d.]+)m\.", record.answer)[:1]
    wrong = record.answer.replace(f"{number}m.", f"{float(number) + 1:g}m.", 1)
    with pytest.raises(ManifestError, match="does not read as truth"):
        record_from_dict(line | {"answer": wrong})
    value = parse_value(record.question_type, wrong)
    both = record_from_dict(line | {"answer": wrong, "truth": value})  # text and truth agree; the scene does not
    with pytest.raises(ManifestError, match="differ from the scene"):
        check_meaning(both, value, sources_of(both))


def test_the_mirror_image_of_a_chain_is_true_of_the_mirrored_scene(asked) -> None:
    known = 0
    for scene, item in asked:
        heard = HeardScene.from_scene(scene)
        value = mirror(item.question_type, item.about, item.truth, heard.sources)
        if value is None:  # nothing is on that side of the mirror image
            assert item.question_type == "THINK_RELATION"
            continue
        images = tuple(source.mirror_image() for source in heard.sources)
        check_steps(value, images, item.about)
        assert parse_value(item.question_type, format_value(item.question_type, value)) == value
        changed = any(step != old for step, old in zip(value["steps"], item.truth["steps"], strict=True))
        assert changed == bool(re.search(r"\b(left|right)\b", item.answer.replace("0m to the left", "")))
        if item.question_type == "THINK_SIDE":
            flips = item.about.axis == "left_right"
            assert (value["yes"] != item.truth["yes"]) == flips
        known += 1
    assert known > 100


def test_what_is_equal_as_stated_is_not_thought_out() -> None:
    """Distances that differ by less than a tenth of a metre, with margins that would allow it."""
    scene = HeardScene(tuple(replace(source, distance_m=far) for source, far in zip(_two(), (2.01, 2.04), strict=True)))
    config = QuestionConfig(ask={"thinking": 6}, distance_margin_m=0.0)
    found = {item.question_type for item in QuestionWriter(config, np.random.default_rng(0), LABELS).write(scene)}
    assert found and not found & {"THINK_NEAREST", "THINK_FARTHEST", "THINK_NEARER"}


def test_of_two_bells_nothing_is_thought_out() -> None:
    bells = HeardScene(tuple(replace(source, label="bell") for source in _two()))
    assert QuestionWriter(THINKING, np.random.default_rng(0), LABELS).write(bells) == []


def test_another_family_asks_as_before_whether_or_not_its_questions_are_thought_out() -> None:
    """The memory of the answers given is the family's own, so that both stay balanced."""
    writer = QuestionWriter(QuestionConfig(ask={"nearest": 1, "thinking": 6}), np.random.default_rng(0), LABELS)
    for scene in draw_scenes(80, 3):
        writer.write(HeardScene.from_scene(scene))
    own, apart = writer.asker.given, writer.asker.memories["thinking"]
    assert own[("answers", "NEAREST")].total() and apart[("answers", "NEAREST")].total()
    assert not any("THINK" in str(key) for key in own) and ("WRONG_PLACE", "left") in apart


def _two() -> tuple:
    return HeardScene.from_scene(
        next(scene for scene in draw_scenes(30, 2) if len({s.label for s in scene.sources}) == 2)
    ).sources[:2]


def test_comparisons_are_of_the_sounds_that_are_stated(asked) -> None:
    for _, item in asked:
        stated = set(heard_in(item.truth["steps"]))
        assert all({step["sound"], step.get("than", step["sound"])} <= stated for step in compared_in(item.truth["steps"]))
