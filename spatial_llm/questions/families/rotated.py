"""Asks where a named source would be after the listener has turned: in direction words, and as an azimuth in degrees."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.geometry import direction_to_vector, direction_words, wrap_azimuth_deg
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.families.azimuth import AZIMUTH_CONVENTION
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

TURNS_DEG = {  # positive to the left
    "90 degrees to the left": 90.0,
    "90 degrees to the right": -90.0,
    "45 degrees to the left": 45.0,
    "45 degrees to the right": -45.0,
    "180 degrees": 180.0,
}
_MIDDLE_DEG = {("left", "front"): 45, ("left", "behind"): 135, ("right", "behind"): -135, ("right", "front"): -45}
LOCATION = Wordings(  # {turn}: one of TURNS_DEG
    both=(
        "After turning {turn}, where is the sound of the {x}?",
        "If you turn {turn}, where does the sound of the {x} come from?",
        "Where would the sound of the {x} be if you turned {turn}?",
    ),
    train=(
        "Turn {turn}. Where is the {x} now?",
        "Give the location of the sound of the {x} after a turn of {turn}.",
    ),
    eval=(
        "Suppose you rotate {turn}: where is the {x} then?",
        "Having turned {turn}, from where do you hear the {x}?",
    ),
    extra=(
        "You turn {turn}. Where do you hear the {x}?",
        "After a turn of {turn}, where is the {x}?",
        "Imagine turning {turn}. Where would the sound of the {x} be?",
        "If you rotated {turn}, where would you hear the {x}?",
        "Where is the {x} when you have turned {turn}?",
    ),
)
AZIMUTH = Wordings(  # {turn}: one of TURNS_DEG
    both=(
        "After turning {turn}, at what azimuth is the sound of the {x}?",
        "If you turn {turn}, what is the azimuth of the sound of the {x} in degrees?",
        "What would the azimuth of the sound of the {x} be if you turned {turn}?",
    ),
    train=(
        "Turn {turn}. At which azimuth is the {x} now?",
        "Give the azimuth of the {x} after a turn of {turn}.",
    ),
    eval=(
        "Suppose you rotate {turn}: which azimuth has the {x}?",
        "Having turned {turn}, at what azimuth is the {x}?",
    ),
    extra=(
        "You turn {turn}. What is the azimuth of the {x}?",
        "After a turn of {turn}, at how many degrees is the {x}?",
        "Imagine turning {turn}. At what azimuth would the sound of the {x} be?",
        "If you rotated {turn}, what azimuth would the {x} have?",
        "What is the azimuth of the {x} when you have turned {turn}?",
    ),
    convention=AZIMUTH_CONVENTION,
)


def rotated_location(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for direction words and distance after a turn of the listener."""
    turn = asker.pick(tuple(TURNS_DEG))
    turn_deg, margin_deg = TURNS_DEG[turn], asker.margins.axis_margin_deg
    source = asker.pick_source(scene.named, lambda source: source.after_turn(turn_deg).all_clear(margin_deg))
    if source is None:
        return None
    truth = source.after_turn(turn_deg).location.to_dict()
    return asker.ask_spread(
        "ROTATED", LOCATION, truth, About(scene.indices(source), turn_deg=turn_deg), x=source.label, turn=turn
    )


def rotated_azimuth(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the azimuth in whole degrees after a turn of the listener."""
    turn = asker.pick(tuple(TURNS_DEG))
    source = asker.pick_source(scene.named, asker.has_azimuth)
    if source is None:
        return None
    about = About(scene.indices(source), turn_deg=TURNS_DEG[turn])
    truth = {"azimuth_deg": source.after_turn(about.turn_deg).whole_azimuth_deg}
    return asker.ask_spread("ROTATED_AZIMUTH", AZIMUTH, truth, about, x=source.label, turn=turn)


def mirror(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any]:
    """Returns the location or azimuth in the mirror image. A source at azimuth a is at b = a - turn after the turn; its
    mirror image, at -a, is then at -b - 2 turn. Twice a turn is a multiple of 90 degrees, so words are mirrored as exactly
    as degrees."""
    if "azimuth_deg" in value:
        return {"azimuth_deg": float(wrap_azimuth_deg(-value["azimuth_deg"] - 2 * about.turn_deg)) + 0.0}
    azimuth_deg = -_MIDDLE_DEG[value["left_right"], value["front_behind"]] - 2 * about.turn_deg
    left_right, front_behind, _ = direction_words(direction_to_vector(azimuth_deg, 0.0))
    return value | {"left_right": left_right, "front_behind": front_behind}


FAMILY = Family(
    "rotated",
    {"ROTATED": "location", "ROTATED_AZIMUTH": "azimuth"},
    (LOCATION, AZIMUTH),
    ask=(rotated_location, rotated_azimuth),
    mirror={"ROTATED": mirror, "ROTATED_AZIMUTH": mirror},
)
