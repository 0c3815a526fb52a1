"""Asks for the distance of a named source, in metres."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(
    both=(
        "How far away is the sound of the {x}?",
        "What is the distance to the sound of the {x} in meters?",
        "At what distance is the sound of the {x}, to a tenth of a meter?",
    ),
    train=(
        "Give the distance of the sound of the {x} in meters.",
        "How many meters away is the {x}?",
    ),
    eval=(
        "Estimate how many meters there are between you and the {x}.",
        "How distant is the sound of the {x}, in meters?",
    ),
)


def distance_m(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "2.3m", to a tenth of a metre."""
    source = asker.pick_source(scene.named, lambda source: source.distance_m is not None)
    if source is None:
        return None
    truth = {"distance_m": round(source.distance_m, 1)}
    return asker.ask_spread("DISTANCE", WORDINGS, truth, About(scene.indices(source)), x=source.label)


FAMILY = Family("distance", {"DISTANCE": "distance"}, (WORDINGS,), ask=(distance_m,))
