"""Asks for the azimuth of a named source, in degrees and as an hour of the clock."""

from spatial_llm.geometry import clock_hour
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

AZIMUTH_CONVENTION = "Azimuth 0 is straight ahead, positive to the left, from -180 to 180 degrees."
CLOCK_CONVENTION = "12 o'clock is straight ahead, 3 o'clock to the right."

DEGREES = Wordings(
    both=(
        "At what azimuth is the sound of the {x}?",
        "What is the azimuth of the sound of the {x} in degrees?",
        "From which azimuth does the sound of the {x} arrive?",
    ),
    train=(
        "Give the azimuth of the sound of the {x} in degrees.",
        "In which horizontal direction, in degrees, is the {x}?",
    ),
    eval=(
        "Estimate the azimuth angle of the {x}'s sound.",
        "Which azimuth angle has the sound of the {x}?",
    ),
    extra=(
        "At how many degrees is the {x}?",
        "What is the azimuth of the {x}?",
        "What is the horizontal angle of the {x}, in degrees?",
        "Tell me the azimuth of the {x}'s sound.",
        "From which angle does the {x} sound?",
        "Which azimuth, in degrees, does the sound of the {x} come from?",
    ),
    convention=AZIMUTH_CONVENTION,
)
CLOCK = Wordings(
    both=(
        "At what hour of the clock is the sound of the {x}?",
        "In which o'clock direction is the sound of the {x}?",
        "Give the direction of the sound of the {x} as an hour of the clock.",
    ),
    train=(
        "On a clock face around you, where is the {x}?",
        "Which o'clock position does the sound of the {x} come from?",
    ),
    eval=(
        "Name the o'clock direction of the {x}'s sound.",
        "Which hour of the clock points at the {x}?",
    ),
    extra=(
        "At what o'clock is the {x}?",
        "Tell me the o'clock direction of the {x}.",
        "Which hour on the clock is the {x} at?",
        "If you were the center of a clock, at which hour would the {x} be?",
        "As an hour of the clock, where does the {x} sound from?",
        "Give the o'clock position of the {x}'s sound.",
    ),
    convention=CLOCK_CONVENTION,
)


def azimuth_deg(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "-35 degrees", in whole degrees, of a source that is not nearly above or below."""
    source = asker.pick_source(scene.named, asker.has_azimuth)
    if source is None:
        return None
    truth = {"azimuth_deg": source.whole_azimuth_deg}
    return asker.ask_spread("AZIMUTH_DEG", DEGREES, truth, About(scene.indices(source)), x=source.label)


def azimuth_clock(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "2 o'clock", of a source that is not nearly halfway between two hours."""

    def is_clear(source: HeardSource) -> bool:
        if not asker.has_azimuth(source):
            return False
        return abs(source.azimuth_deg - 30.0 * round(source.azimuth_deg / 30.0)) <= 15.0 - asker.margins.clock_margin_deg

    source = asker.pick_source(scene.named, is_clear)
    if source is None:
        return None
    truth = {"clock_hour": clock_hour(source.azimuth_deg)}
    return asker.ask_spread("AZIMUTH_CLOCK", CLOCK, truth, About(scene.indices(source)), x=source.label)


FAMILY = Family(
    "azimuth",
    {"AZIMUTH_DEG": "azimuth", "AZIMUTH_CLOCK": "clock"},
    (DEGREES, CLOCK),
    ask=(azimuth_deg, azimuth_clock),
)
