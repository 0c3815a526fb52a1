"""Official type E, yes or no: asks whether one of two sources is on a side of the other, or each on a side of the listener.

Decided here, because the rule of the released data is not public: a relation ("X on the left of Y") is asked only of sources
on opposite sides of the listener on that axis, where every reading of it agrees. The answer given least often so far decides
who is named first, so that no word of the question gives the answer away.
"""

from collections.abc import Iterator

from spatial_llm.answers import AXES
from spatial_llm.questions.about import AXIS_OF_SIDE, About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family, mirror_claim
from spatial_llm.questions.wordings import RELATIONS, Wordings

RELATIVE = Wordings(  # {relation}: one of RELATIONS
    official=(
        "Is the sound of the {x} {relation} the sound of the {y}?",
        "Can you hear the sound of the {x} {relation} the sound of the {y}?",
    ),
    both=("Does the {x} sound {relation} the {y}?",),
    train=("Would you say the sound of the {x} is {relation} the sound of the {y}?",),
    eval=("Is it true that the {x} is {relation} the {y}?",),
    extra=(
        "Is the {x} heard {relation} the {y}?",
        "Do you hear the {x} {relation} the {y}?",
        "Is the sound of the {x} somewhere {relation} that of the {y}?",
        "Is it right that the {x} sounds {relation} the {y}?",
        "Can the {x} be found {relation} the {y}?",
    ),
)
JOINT = Wordings(  # {word}, {other}: the two words of one axis, as in _JOINT_WORDS
    official=(
        "Is the {x}'s sound coming from {word} and the {y}'s sound from {other}?",
        "Do you hear the {x}'s sound coming from {word} and the {y}'s sounds from {other}?",
    ),
    both=("Does the {x} sound from {word} and the {y} from {other}?",),
    train=("Is the sound of the {x} from {word}, and that of the {y} from {other}?",),
    eval=("Is it true that the {x} is heard from {word} and the {y} from {other}?",),
    extra=(
        "Do you hear the {x} from {word} and the {y} from {other}?",
        "Is the {x} coming from {word} while the {y} comes from {other}?",
        "Is it right that the {x} arrives from {word} and the {y} from {other}?",
        "Can the {x} be heard from {word} and the {y} from {other}?",
    ),
)
_JOINT_WORDS = {
    "left": "the left",
    "right": "the right",
    "front": "the front",
    "behind": "behind",
    "above": "above",
    "below": "below",
}


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks `count` questions, the two forms in turn; none without an axis that clearly separates the two named sources."""
    possible = [relative_direction, joint_direction] if len(scene.named) == 2 and asker.opposite_axes(scene) else []
    for form in asker.in_turn(possible, count):
        yield form(asker, scene)


def relative_direction(asker: Asker, scene: HeardScene) -> Question:
    """Asks: is X on the left of Y? yes or no."""
    word, _, yes, x, y = _sides(asker, scene, "relative")
    about = About(scene.indices(x, y), axis=AXIS_OF_SIDE[word], side=word)
    return asker.ask_always("MIXUP_DIRECTION", RELATIVE, {"yes": yes}, about, x=x.label, y=y.label, relation=RELATIONS[word])


def joint_direction(asker: Asker, scene: HeardScene) -> Question:
    """Asks: is X on the left and Y on the right? yes or no."""
    word, other, yes, x, y = _sides(asker, scene, "joint")
    words = {"word": _JOINT_WORDS[word], "other": _JOINT_WORDS[other]}
    about = About(scene.indices(x, y), axis=AXIS_OF_SIDE[word], side=word)
    return asker.ask_always("MIXUP_DIRECTION", JOINT, {"yes": yes}, about, x=x.label, y=y.label, **words)


def _sides(asker: Asker, scene: HeardScene, form: str) -> tuple[str, str, bool, HeardSource, HeardSource]:
    """Returns a word of an axis, the opposite word, the answer, and the two sources in the order for which it is the
    answer."""
    axis = asker.pick(asker.opposite_axes(scene))
    word = asker.pick(AXES[axis])
    yes = asker.least((form, word), [True, False])
    (other,) = set(AXES[axis]) - {word}
    x, y = sorted(scene.sources, key=lambda source: (source.word(axis) == word) != yes)
    return word, other, yes, x, y


FAMILY = Family(
    "direction_yes_no",
    {"MIXUP_DIRECTION": "yes_no"},
    (RELATIVE, JOINT),
    type="E",
    sources=2,
    ask_always=ask,
    mirror={"MIXUP_DIRECTION": mirror_claim},
)
