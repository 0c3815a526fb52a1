"""Official type E, yes or no: asks which of two sources is nearer."""

from collections.abc import Iterator

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, step_distance_m
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(  # {nearer}: one of _NEARER
    official=(
        "Is the sound of the {x} {nearer} than the sound of the {y}?",
        "Would you say the sound of the {x} is {nearer} than the sound of the {y}?",
    ),
    both=("Is the {x} {nearer} to you than the {y}?",),
    train=("Does the {x} sound {nearer} than the {y}?",),
    eval=("Is it true that the {x} is {nearer} than the {y}?",),
    extra=(
        "Do you hear the {x} {nearer} than the {y}?",
        "Is the {x} {nearer} than the {y}?",
        "Is it right that the {x} sounds {nearer} than the {y}?",
        "Does the sound of the {x} come from {nearer} than that of the {y}?",
    ),
)
_NEARER = {"nearer": True, "closer": True, "farther": False}  # word -> whether it is true of the nearer source


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks `count` questions; none if the distances are nearly equal or not known, or both sources have one label."""
    first, second = (source.distance_m for source in scene.sources)
    if first is None or second is None:
        return
    differ = step_distance_m(first) != step_distance_m(second)
    clear = differ and abs(first - second) >= asker.margins.distance_margin_m
    for form in asker.in_turn([relative_distance] if len(scene.named) == 2 and clear else [], count):
        yield form(asker, scene)


def relative_distance(asker: Asker, scene: HeardScene) -> Question:
    """Asks: is X nearer than Y? yes or no."""
    nearer = asker.pick(tuple(_NEARER))
    yes = asker.least(("distance", nearer), [True, False])
    x, y = sorted(scene.sources, key=lambda source: source.distance_m, reverse=_NEARER[nearer] != yes)
    about = About(scene.indices(x, y), axis="distance", side="nearer" if _NEARER[nearer] else "farther")
    return asker.ask_always("MIXUP_DISTANCE_BOTH", WORDINGS, {"yes": yes}, about, x=x.label, y=y.label, nearer=nearer)


FAMILY = Family("distance_yes_no", {"MIXUP_DISTANCE_BOTH": "yes_no"}, (WORDINGS,), type="E", sources=2, ask_always=ask)
