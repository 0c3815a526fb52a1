"""One recording, a handful of questions: the model's answers beside the truth, and where it places the sounds.

This is for a first look by a person; scores are made on manifests (`predict`, `score`). With one source it asks for the
event, the place in words and the azimuth in degrees. With two it asks where each is, and, as yes or no, which is on the left
and which is nearer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def interview(model: SpatialLLM, scene: Scene, audio: str | Path) -> list[Asked]:
    """Asks `model` about the recording `audio` of a scene with one or two sources, whose truth is known."""
    return [
        Asked(kind, question, model.ask(audio, question, max_new_tokens=MAX_NEW_TOKENS), format_value(kind, truth), source)
        for kind, question, truth, source in _questions(HeardScene.from_scene(scene).sources)
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
    """Formats one question a line, with the answer and the truth below it."""
    return "\n".join(f"  {each.question}\n      answer: {each.answer}\n      truth:  {each.truth}" for each in asked)


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
