"""Official type E, open: asks on which side of the other one of two sources is, how far apart they are, or which is on a
side."""

from collections.abc import Iterator

import numpy as np

from spatial_llm.answers import AXES
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, step_distance_m
from spatial_llm.questions.families.relation import mirror_beside
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import RELATIONS, Wordings

DIRECTION = Wordings(  # {either}: one of _EITHER
    official=(
        "Is the sound of the {x} {either} the sound of the {y}?",
        "Would you say the sound of the {x} is {either} the sound of the {y}?",
    ),
    both=("Is the {x} {either} the {y}?",),
    train=("Does the sound of the {x} come from {either} the sound of the {y}?",),
    eval=("Can the {x} be heard {either} the {y}?",),
    extra=(
        "Do you hear the {x} {either} the {y}?",
        "Tell me whether the {x} is {either} the {y}.",
        "Is the sound of the {x} heard {either} that of the {y}?",
        "Where is the {x} as seen from the {y}: {either} it?",
    ),
)
DISTANCE = Wordings(
    official=(
        "What is the distance between the sound of the {x} and the sound of the {y}?",
        "How far away is the sound of the {x} from the sound of the {y}?",
    ),
    both=("What distance lies between the {x} and the {y}?",),
    train=("How many meters apart are the sound of the {x} and the sound of the {y}?",),
    eval=("How far apart are the {x} and the {y}?",),
    extra=(
        "How far is it from the {x} to the {y}?",
        "How many meters lie between the sound of the {x} and that of the {y}?",
        "Give the distance between the {x} and the {y}.",
        "At what distance from each other are the {x} and the {y}?",
    ),
)
SOURCE = Wordings(  # {side}: one of _SIDES
    official=(
        "What is the sound {side} the sound of the {x}?",
        "Which sound is {side} the sound of the {x}?",
    ),
    both=("What do you hear {side} the {x}?",),
    train=("Name the sound {side} the sound of the {x}.",),
    eval=("What can be heard {side} the sound of the {x}?",),
    extra=(
        "Tell me which sound is {side} the {x}.",
        "What is {side} the {x}?",
        "Which sound do you hear {side} that of the {x}?",
        "Name what is heard {side} the {x}.",
    ),
)
_EITHER = {
    "left_right": "on the left or right of",
    "front_behind": "in front of or behind",
    "above_below": "above or below",
}
_SIDES = RELATIONS | {"left": "on the left side of", "right": "on the right side of"}


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks `count` questions, those forms that are clear in turn; none if both sources have one label."""
    beside = bool(asker.opposite_axes(scene))
    clear = {open_direction: beside, open_distance: _apart_m(scene) > 0, open_source: beside and scene.complete}
    possible = [form for form, is_clear in clear.items() if is_clear and len(scene.named) == 2]
    for form in asker.in_turn(possible, count):
        yield form(asker, scene)


def open_direction(asker: Asker, scene: HeardScene) -> Question:
    """Asks: is X on the left or right of Y? The answer is the word."""
    axis = asker.pick(asker.opposite_axes(scene))
    word = asker.least(("open", axis), list(AXES[axis]))
    x, y = sorted(scene.sources, key=lambda source: source.word(axis) != word)
    about = About(scene.indices(x, y), axis=axis)
    return asker.ask_always(
        "MIXUP_NONBINARY_DIRECTION", DIRECTION, {axis: word}, about, x=x.label, y=y.label, either=_EITHER[axis]
    )


def open_distance(asker: Asker, scene: HeardScene) -> Question:
    """Asks how far apart X and Y are, in steps of 0.5 m."""
    x, y = (scene.sources[i] for i in asker.rng.permutation(2))
    truth = {"distance_m": _apart_m(scene)}
    return asker.ask_always("MIXUP_NONBINARY_DISTANCE", DISTANCE, truth, About(scene.indices(x, y)), x=x.label, y=y.label)


def open_source(asker: Asker, scene: HeardScene) -> Question:
    """Asks what is on the left side of X; the answer is the label of the other source."""
    axis = asker.pick(asker.opposite_axes(scene))
    word = asker.pick(AXES[axis])
    asked, named = sorted(scene.sources, key=lambda source: source.word(axis) != word)
    (reference,) = scene.indices(named)
    about = About(scene.indices(asked), reference, axis, word)
    truth = {"labels": [asked.label]}
    return asker.ask_always("MIXUP_NONBINARY_SOURCE", SOURCE, truth, about, x=named.label, side=_SIDES[word])


def _apart_m(scene: HeardScene) -> float:
    first, second = scene.sources
    if not (first.is_placed and second.is_placed):
        return 0.0
    return step_distance_m(float(np.linalg.norm(first.xyz - second.xyz)))


FAMILY = Family(
    "open_relation",
    {
        "MIXUP_NONBINARY_DIRECTION": "direction_word",
        "MIXUP_NONBINARY_DISTANCE": "distance",
        "MIXUP_NONBINARY_SOURCE": "labels",
    },
    (DIRECTION, DISTANCE, SOURCE),
    type="E",
    sources=2,
    ask_always=ask,
    mirror={"MIXUP_NONBINARY_SOURCE": mirror_beside},
)
