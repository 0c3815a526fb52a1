"""One recording, a handful of questions: what a model says beside what is true, and where it thinks the sounds are.

For a first look by a human; scores are made on manifests (`predict`, `score`). About one source: what, where in words,
azimuth in degrees. About two: where each is, and who is on the left and who is nearer, as yes or no.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_llm.answers import format_value, parse_value
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.families import azimuth, detection, direction_yes_no, distance_yes_no, location, location_of_named
from spatial_llm.scenes.scene import Scene

MAX_NEW_TOKENS = 60
SIDE, MIDDLE_DEG = {"left": 1.0, "right": -1.0}, {"front": 45.0, "behind": 135.0}


@dataclass(frozen=True)
class Asked:
    """A question with the model's answer and the true one, as texts. `source`: index of the source asked about, or None."""

    question_type: str
    question: str
    answer: str
    truth: str
    source: int | None = None


def interview(model: SpatialLLM, scene: Scene, audio: str | Path) -> list[Asked]:
    """Asks `model` about the recording `audio` of a scene with one source or two, whose truth is known."""
    return [
        Asked(kind, question, model.ask(audio, question, max_new_tokens=MAX_NEW_TOKENS), format_value(kind, truth), source)
        for kind, question, truth, source in _questions(HeardScene.from_scene(scene).sources)
    ]


def believed_places(asked: Sequence[Asked], sources: int) -> list[tuple[float, float] | None]:
    """Where the model thinks each source is: azimuth_deg, from the answer in degrees, else from that in words (the middle of
    the quarter that they name), and distance_m; None where no answer can be read."""
    places: list[tuple[float, float] | None] = []
    for source in range(sources):
        said: dict[str, Any] = {}
        about = [each for each in asked if each.source == source]
        for each in sorted(about, key=lambda each: each.question_type == "AZIMUTH_DEG"):  # degrees win
            value = parse_value(each.question_type, each.answer, "lenient") or {}
            if "left_right" in value:
                middle_deg = SIDE[value["left_right"]] * MIDDLE_DEG[value["front_behind"]]
                value = {"azimuth_deg": middle_deg, "distance_m": value["distance_m"]}
            said |= value
        found = said.get("azimuth_deg"), said.get("distance_m")
        places.append(None if None in found else found)
    return places


def format_interview(asked: Sequence[Asked]) -> str:
    """One question a line, the answer and the truth below it."""
    return "\n".join(f"  {each.question}\n      answer: {each.answer}\n      truth:  {each.truth}" for each in asked)


def _questions(sources: Sequence[HeardSource]) -> list[tuple[str, str, dict[str, Any], int | None]]:
    """question_type, question, true value, index of the source."""
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
