"""Asks for the elevation of a named source, in degrees."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

ELEVATION_CONVENTION = "Elevation 0 is level with the ears, positive upwards, from -90 to 90 degrees."

WORDINGS = Wordings(
    both=(
        "At what elevation is the sound of the {x}?",
        "What is the elevation of the sound of the {x} in degrees?",
        "From which elevation does the sound of the {x} arrive?",
    ),
    train=(
        "Give the elevation of the sound of the {x} in degrees.",
        "In which vertical direction, in degrees, is the {x}?",
    ),
    eval=(
        "Estimate the elevation angle of the {x}'s sound.",
        "Which elevation angle has the sound of the {x}?",
    ),
    convention=ELEVATION_CONVENTION,
)


def elevation_deg(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "-20 degrees", in whole degrees."""
    source = asker.pick_source(scene.named, lambda source: source.elevation_deg is not None)
    if source is None:
        return None
    truth = {"elevation_deg": round(source.elevation_deg) + 0.0}
    return asker.ask_spread("ELEVATION_DEG", WORDINGS, truth, About(scene.indices(source)), x=source.label)


FAMILY = Family("elevation", {"ELEVATION_DEG": "elevation"}, (WORDINGS,), ask=(elevation_deg,))
