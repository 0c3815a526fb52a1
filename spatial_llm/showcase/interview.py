"""One recording, a handful of questions: the model's answers beside the truth, which are right, and where it places the
sounds.

This is for a first look by a person; scores are made on manifests (`predict`, `score`). With one source it asks for the
event, the place in words and the azimuth in degrees. With two it asks where each is, and, as yes or no, which is on the left
and which is nearer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_llm.answers.closeness import ANGLE_TOLERANCE_DEG, DISTANCE_TOLERANCE_M, ROUNDING
from spatial_llm.geometry import wrap_azimuth_deg
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.families import azimuth, detection, direction_yes_no, distance_yes_no, location, location_of_named
from spatial_llm.questions.types import format_value, parse_value
from spatial_llm.scenes.scene import Scene

MAX_NEW_TOKENS = 60
SIDE, MIDDLE_DEG = {"left": 1.0, "right": -1.0}, {"front": 45.0, "behind": 135.0}


@dataclass(frozen=True)
class Asked:
    """A question with the model's answer and the true one, as texts. `source` is the index of the source in question, or
    None."""

    question_type: str
    question: str
    answer: str
    truth: str
    source: int | None = None

    @property
    def right(self) -> bool:
        """Returns whether the value of the answer is the true one, by the tolerances of the scores: an azimuth within 20
        degrees, a distance within 0.5 m, everything else equal. An answer that cannot be read is wrong."""
        said, true = (parse_value(self.question_type, text) for text in (self.answer, self.truth))
        return said is not None and all(_agrees(name, said[name], value) for name, value in true.items())


def interview(model: SpatialLLM, scene: Scene, audio: str | Path) -> list[Asked]:
    """Asks `model` about the recording `audio` of a scene with one or two sources, whose truth is known."""
    asked = _questions(HeardScene.from_scene(scene).sources)
    answers = model.listen(audio).ask([question for _, question, _, _ in asked], max_new_tokens=MAX_NEW_TOKENS)
    return [
        Asked(kind, question, answer, format_value(kind, truth), source)
        for (kind, question, truth, source), answer in zip(asked, answers, strict=True)
    ]


def believed_places(asked: Sequence[Asked], sources: int) -> list[tuple[float, float] | None]:
    """Returns where the model places each source: azimuth_deg, from the answer in degrees, or else from that in words (the
    middle of the quarter that they name), and distance_m; None where no answer can be read."""
    places: list[tuple[float, float] | None] = []
    for source in range(sources):
        said: dict[str, Any] = {}
        about = [each for each in asked if each.source == source]
        for each in sorted(about, key=lambda each: each.question_type == "AZIMUTH_DEG"):  # degrees replace words
            value = parse_value(each.question_type, each.answer, "lenient") or {}
            if "left_right" in value:
                middle_deg = SIDE[value["left_right"]] * MIDDLE_DEG[value["front_behind"]]
                value = {"azimuth_deg": middle_deg, "distance_m": value["distance_m"]}
            said |= value
        found = said.get("azimuth_deg"), said.get("distance_m")
        places.append(None if None in found else found)
    return places


def format_interview(asked: Sequence[Asked]) -> str:
    """Formats one question a line, below it the truth and the answer with a tick or a cross, and at the end how many are
    right."""
    lines = [
        f"  {each.question}\n      truth:  {each.truth}\n      answer: {each.answer}  {'✓' if each.right else '✗'}"
        for each in asked
    ]
    return "\n".join([*lines, f"  {count_right(asked)}"])


def count_right(asked: Sequence[Asked]) -> str:
    """Formats "3 of 4 right"."""
    return f"{sum(each.right for each in asked)} of {len(asked)} right"


def _agrees(name: str, said: Any, true: Any) -> bool:
    """Returns whether one part of a value is right; `name` is its key in the value."""
    if name == "azimuth_deg":
        return abs(wrap_azimuth_deg(said - true)) <= ANGLE_TOLERANCE_DEG + ROUNDING
    if name == "distance_m":
        return abs(said - true) <= DISTANCE_TOLERANCE_M + ROUNDING
    if name == "labels":
        return set(said) == set(true)
    return said == true


def _questions(sources: Sequence[HeardSource]) -> list[tuple[str, str, dict[str, Any], int | None]]:
    """Returns question_type, question, true value and index of the source for each question."""
    one = len(sources) == 1
    asked: list[tuple[str, str, dict[str, Any], int | None]] = []
    if one:
        asked.append(("CLASSIFICATION", detection.WORDINGS.official[1], {"labels": [sources[0].label]}, None))
    for number, source in enumerate(sources):
        if one:
            asked.append(("DOA", location.WORDINGS.official[1], source.location.to_dict(), number))
        else:
            question = location_of_named.WORDINGS.official[0].format(x=source.label)
            asked.append(("MIXUP_SINGLE_DOA", question, source.location.to_dict(), number))
        question = azimuth.DEGREES.of("train")[0].format(x=source.label)
        asked.append(("AZIMUTH_DEG", question, {"azimuth_deg": source.whole_azimuth_deg}, number))
    if not one:
        first, second = sources[0], sources[1]
        left = direction_yes_no.RELATIVE.official[0].format(x=first.label, y=second.label, relation="on the left of")
        nearer = distance_yes_no.WORDINGS.official[0].format(x=first.label, y=second.label, nearer="nearer")
        is_left = first.word("left_right") == "left" and second.word("left_right") == "right"
        asked.append(("MIXUP_DIRECTION", left, {"yes": is_left}, None))
        asked.append(("MIXUP_DISTANCE_BOTH", nearer, {"yes": first.distance_m < second.distance_m}, None))
    return asked
