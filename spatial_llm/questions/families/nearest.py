"""Asks which sound is nearest to the listener, and which is farthest away."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

NEAREST = Wordings(
    both=(
        "Which sound is nearest to you?",
        "What is the nearest sound in the audio clip?",
        "Which of the sounds is the closest?",
    ),
    train=(
        "Name the sound that is closest to you.",
        "Which sound has the smallest distance?",
    ),
    eval=(
        "What do you hear from the shortest distance?",
        "Which source is the least far away?",
    ),
    extra=(
        "What is nearest?",
        "Which is the closest sound?",
        "What is the closest thing that you hear?",
        "Tell me which source is nearest to you.",
        "Which sound comes from the least distance?",
        "Name the source at the shortest distance.",
    ),
)
FARTHEST = Wordings(
    both=(
        "Which sound is farthest from you?",
        "What is the farthest sound in the audio clip?",
        "Which of the sounds is the most distant?",
    ),
    train=(
        "Name the sound that is farthest away.",
        "Which sound has the largest distance?",
    ),
    eval=(
        "What do you hear from the greatest distance?",
        "Which source is the least near?",
    ),
    extra=(
        "What is farthest away?",
        "Which is the most distant sound?",
        "What is the farthest thing that you hear?",
        "Tell me which source is farthest from you.",
        "Which sound comes from the greatest distance?",
        "Name the source at the largest distance.",
    ),
)


def nearest(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the class of the nearest source, if the next one is clearly farther."""
    source = _extreme(asker, scene, sign=1)
    if source is None:
        return None
    about = About(scene.indices(source), axis="distance", side="nearer")
    return asker.ask_spread("NEAREST", NEAREST, {"labels": [source.label]}, about)


def farthest(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the class of the farthest source, if the next one is clearly nearer."""
    source = _extreme(asker, scene, sign=-1)
    if source is None:
        return None
    about = About(scene.indices(source), axis="distance", side="farther")
    return asker.ask_spread("FARTHEST", FARTHEST, {"labels": [source.label]}, about)


def _extreme(asker: Asker, scene: HeardScene, sign: int) -> HeardSource | None:
    if len(scene.sources) < 2 or not scene.complete or any(source.distance_m is None for source in scene.sources):
        return None
    first, second, *_ = sorted(scene.sources, key=lambda source: sign * source.distance_m)
    if abs(first.distance_m - second.distance_m) < asker.margins.distance_margin_m or first.label == second.label:
        return None
    return first


_NEAR = {"near", "nearer", "nearest", "closer", "closest"}
_FAR = {"far", "farther", "farthest", "further", "furthest"}
FAMILY = Family(
    "nearest",
    {"NEAREST": "labels", "FARTHEST": "labels"},
    (NEAREST, FARTHEST),
    ask=(nearest, farthest),
    opposites={"NEAREST": (_NEAR, _FAR), "FARTHEST": (_FAR, _NEAR)},
)
