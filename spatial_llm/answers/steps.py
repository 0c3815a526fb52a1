"""Steps of an answer that is thought out: what is heard and where, and how two sounds compare.

A step is one sentence and one value:

    I hear the bell: left, front, 2.5m.           {"heard": "bell", "left_right": "left", "front_behind": "front",
                                                   "distance_m": 2.5}
    I hear the bell: 1.2m to the right.           {"heard": "bell", "left_m": -1.2}; "front", "back": {"front_m": ...}
    I hear the bell: 1.5 m/s.                     {"heard": "bell", "speed_m_s": 1.5}
    The bell is nearer than the dog.              {"sound": "bell", "side": "nearer", "than": "dog"}
    The bell is on your left.                     {"sound": "bell", "side": "left"}

A sentence that is none of these is read as {"unread": the sentence}, so that it counts as a step that is wrong. Whether
steps agree with each other is decided by `holds` and `follows`, whether they are true of a scene by `questions.thinking`.
Source of the idea: OWL (arXiv 2509.26140), whose answers state what is heard and where before they conclude.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from spatial_llm.answers.axes import AXES, AXIS_OF_WORD, MIRROR_WORD, mirror_words
from spatial_llm.answers.text.numbers import format_number
from spatial_llm.answers.text.sounds import name_of
from spatial_llm.errors import SpatialLLMError

Step = dict[str, Any]
OPPOSITE = {word: other for first, second in AXES.values() for word, other in ((first, second), (second, first))}
OPPOSITE |= {"nearer": "farther", "farther": "nearer", "faster": "slower", "slower": "faster"}
_BESIDE = {
    "left": "on the left of",
    "right": "on the right of",
    "front": "in front of",
    "behind": "behind",
    "above": "above",
    "below": "below",
    "nearer": "nearer than",
    "farther": "farther than",
    "faster": "faster than",
    "slower": "slower than",
}
_OF_YOU = {
    "left": "on your left",
    "right": "on your right",
    "front": "in front of you",
    "behind": "behind you",
    "above": "above you",
    "below": "below you",
}
_SIDE_BESIDE = {words: side for side, words in _BESIDE.items()}
_SIDE_OF_YOU = {words: side for side, words in _OF_YOU.items()}
_WAYS = {"left": ("left_m", 1.0), "right": ("left_m", -1.0), "front": ("front_m", 1.0), "back": ("front_m", -1.0)}
_OFFSET_OF_AXIS = {"left_right": "left_m", "front_behind": "front_m"}
_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_HEARD = re.compile(r"i hear the ([^:]+)(?:: (.+))?")
_COMPARED = re.compile(rf"the (.+?) is ({'|'.join(_SIDE_BESIDE)}) the (.+)")
_ON_A_SIDE = re.compile(rf"the (.+) is ({'|'.join(_SIDE_OF_YOU)})")
_DISTANCE = re.compile(rf"{_NUMBER}m")
_OFFSET = re.compile(rf"{_NUMBER}m to the (left|right|front|back)")
_SPEED = re.compile(rf"{_NUMBER} m/s")
_SENTENCE_END = re.compile(r"\.(?:\s+|$)")
_LONGEST = 300  # characters of a sentence that may be a step, so that any text takes linear time


def format_steps(steps: Sequence[Step]) -> str:
    """Returns steps as sentences with blanks between, "" for none.

    Raises:
        SpatialLLMError: a step of another form, or one that would not be read back.
    """
    text = " ".join(f"{_sentence(step)}." for step in steps)
    for step, again in zip_longest(steps, read_steps(text)):
        if step != again:
            raise SpatialLLMError(
                f"step {step} would be read back as {again}; give names in lower case without colons and sentences inside, "
                "known words, and numbers of at most nine digits."
            )
    return text


def read_steps(text: str) -> list[Step]:
    """Returns the steps of a text in its order; `format_steps` is the inverse. Case and blanks do not matter."""
    line = " ".join(text.lower().split())
    return [_step(sentence.strip()) for sentence in _SENTENCE_END.split(line) if sentence.strip()]


def mirror_step(step: Step) -> Step:
    """Returns the step after left and right are exchanged."""
    mirrored = mirror_words(step)
    if "left_m" in step:
        mirrored["left_m"] = 0.0 - step["left_m"]
    if "side" in step:
        mirrored["side"] = MIRROR_WORD.get(step["side"], step["side"])
    return mirrored


def heard_in(steps: Sequence[Step]) -> dict[str, Step]:
    """Returns what the steps state of each sound that they say is heard; of one that is stated twice, only what both
    agree on."""
    found: dict[str, Step] = {}
    for step in steps:
        if "heard" in step:
            before = found.get(step["heard"], step)
            found[step["heard"]] = {key: value for key, value in step.items() if before.get(key) == value}
    return found


def compared_in(steps: Sequence[Step]) -> list[Step]:
    """Returns the steps that compare two sounds or put one on a side of the listener."""
    return [step for step in steps if "side" in step]


def holds(step: Step, heard: Mapping[str, Step]) -> bool:
    """Returns whether a comparison agrees with the values stated of its sounds; False where these do not decide it.

    Args:
        step: "side" in it.
        heard: the result of `heard_in`: of an answer's own steps, so that its faithfulness to itself is told, not its truth.
    """
    side, one = step["side"], heard.get(step["sound"], {})
    if "than" not in step:
        return one.get(AXIS_OF_WORD.get(side)) == side
    other = heard.get(step["than"], {})
    if side in AXIS_OF_WORD:
        axis = AXIS_OF_WORD[side]
        key, sign = _OFFSET_OF_AXIS.get(axis), 1 if side == AXES[axis][0] else -1
        if key is None or key not in one or key not in other:
            return one.get(axis) == side and other.get(axis) == OPPOSITE[side]
    else:
        key, sign = ("speed_m_s", 1) if side in ("faster", "slower") else ("distance_m", 1)
        sign = -sign if side in ("nearer", "slower") else sign
    return key in one and key in other and sign * (one[key] - other[key]) > 0


def follows(value: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
    """Returns whether the conclusion of an answer is what its own comparisons say.

    Names of sounds follow if they are the sounds that are put on the side in question and that no other is put before
    ("the bell is nearer than the dog": bell). Yes or no follows if the comparison in question is stated, of the same two
    sounds, or is stated the other way.

    Args:
        value: of the answer, with its `steps`.
        truth: value of the true answer; it tells which side, and which two sounds, the question is about.
    """
    if "steps" not in value:
        return False
    own, true = compared_in(value["steps"]), compared_in(truth["steps"])
    if "labels" in truth:
        side = next((step["side"] for step in true if step["sound"] in truth["labels"]), None)
        put = [step for step in own if step["side"] == side]
        first = {step["sound"] for step in put} - {step.get("than") for step in put}
        return bool(first) and value.get("labels") == sorted(first)
    if len(true) != 1 or "yes" not in value:
        return False
    (asked,) = true
    said = {same == truth["yes"] for step in own if (same := _same(step, asked)) is not None}
    return said == {value["yes"]}


def is_same(step: Step, other: Step) -> bool:
    """Returns whether two comparisons state the same, in either order of their sounds."""
    return _same(step, other) is True


def _same(step: Step, other: Step) -> bool | None:
    """Returns True if two comparisons state the same, False if the opposite, None if they are about something else."""
    sounds = step["sound"], step.get("than")
    if sounds == (other["sound"], other.get("than")):
        side = step["side"]
    elif sounds == (other.get("than"), other["sound"]):
        side = OPPOSITE[step["side"]]
    else:
        return None
    return {other["side"]: True, OPPOSITE[other["side"]]: False}.get(side)


def _sentence(step: Step) -> str:
    if "unread" in step:
        return step["unread"]
    if "side" in step:
        if "than" in step:
            return f"The {step['sound']} is {_BESIDE[step['side']]} the {step['than']}"
        return f"The {step['sound']} is {_OF_YOU[step['side']]}"
    parts = [step[axis] for axis in AXES if axis in step]
    for key, (above, below) in (("left_m", ("left", "right")), ("front_m", ("front", "back"))):
        if key in step:
            parts.append(f"{format_number(abs(step[key]))}m to the {above if step[key] >= 0 else below}")
    parts += [f"{format_number(step['distance_m'])}m"] if "distance_m" in step else []
    parts += [f"{format_number(step['speed_m_s'])} m/s"] if "speed_m_s" in step else []
    return f"I hear the {step['heard']}" + (f": {', '.join(parts)}" if parts else "")


def _step(sentence: str) -> Step:
    """Returns the value of one sentence in lower case, without its point."""
    if len(sentence) <= _LONGEST:
        if compared := _COMPARED.fullmatch(sentence):
            return {"sound": name_of(compared[1]), "side": _SIDE_BESIDE[compared[2]], "than": name_of(compared[3])}
        if beside := _ON_A_SIDE.fullmatch(sentence):
            return {"sound": name_of(beside[1]), "side": _SIDE_OF_YOU[beside[2]]}
        heard = _HEARD.fullmatch(sentence)
        place = None if heard is None else _place(heard[2])
        if place is not None:
            return {"heard": name_of(heard[1]), **place}
    return {"unread": sentence}


def _place(text: str | None) -> Step | None:
    """Returns what "left, front, 2.5m" states; None if a part of it is of another form, or two are of one kind."""
    place: Step = {}
    for part in text.split(", ") if text else ():
        if part in AXIS_OF_WORD:
            key, value = AXIS_OF_WORD[part], part
        elif found := _OFFSET.fullmatch(part):
            key, sign = _WAYS[found[2]]
            value = sign * float(found[1]) + 0.0
        elif found := _DISTANCE.fullmatch(part):
            key, value = "distance_m", float(found[1])
        elif found := _SPEED.fullmatch(part):
            key, value = "speed_m_s", float(found[1])
        else:
            return None
        if key in place:
            return None
        place[key] = value
    return place
