"""Where a named source would be after the listener has turned: in direction words, and as an azimuth in degrees."""

from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
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
    """Direction words and distance after a turn of the listener."""
    turn = asker.pick(tuple(TURNS_DEG))
    turned = [source.after_turn(TURNS_DEG[turn]) for source in scene.named]
    source = asker.pick_source(turned, lambda source: source.all_clear(asker.margins.axis_margin_deg))
    if source is None:
        return None
    return asker.ask_spread("ROTATED", LOCATION, source.location.to_dict(), x=source.label, turn=turn)


def rotated_azimuth(asker: Asker, scene: HeardScene) -> Question | None:
    """Azimuth in whole degrees after a turn of the listener."""
    turn = asker.pick(tuple(TURNS_DEG))
    source = asker.pick_source(scene.named, asker.has_azimuth)
    if source is None:
        return None
    truth = {"azimuth_deg": source.after_turn(TURNS_DEG[turn]).whole_azimuth_deg}
    return asker.ask_spread("ROTATED_AZIMUTH", AZIMUTH, truth, x=source.label, turn=turn)


FAMILY = Family(
    "rotated",
    {"ROTATED": "location", "ROTATED_AZIMUTH": "azimuth"},
    (LOCATION, AZIMUTH),
    ask=(rotated_location, rotated_azimuth),
)
