"""Which sounds are on one side of a named one: left, right, in front, behind."""

from spatial_llm.answers import AXES
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource, side_of
from spatial_llm.questions.family import Family
from spatial_llm.questions.margins import Margins
from spatial_llm.questions.wordings import RELATIONS, Wordings

WORDINGS = Wordings(  # {side}: one of RELATIONS
    both=(
        "Which sounds are {side} the sound of the {x}?",
        "What can you hear {side} the {x}?",
        "Name everything that sounds {side} the {x}.",
    ),
    train=(
        "List all the sounds {side} the sound of the {x}.",
        "What is {side} the {x}, as you hear it?",
    ),
    eval=(
        "Which of the sounds are {side} the {x}?",
        "As heard by you, what is {side} the sound of the {x}?",
    ),
)
_TYPES = {"left": "RELATION_LEFT", "right": "RELATION_RIGHT", "front": "RELATION_FRONT", "behind": "RELATION_BEHIND"}


def relation(asker: Asker, scene: HeardScene) -> Question | None:
    """All sources on one side of a named one; only where it is clear of every other source whether it is there."""
    if len(scene.sources) < 2 or len(scene.named) < len(scene.sources):
        return None
    found: dict[str, list[tuple[HeardSource, list[str]]]] = {}
    for word in _TYPES:
        for source in scene.sources:
            labels = labels_beside(asker.margins, scene, source, word)
            if labels:
                found.setdefault(word, []).append((source, labels))
    if not found:
        return None
    word = asker.least(("relation",), list(found))
    source, labels = asker.pick(found[word])
    truth = {"labels": sorted(labels)}
    return asker.ask_spread(_TYPES[word], WORDINGS, truth, x=source.label, side=RELATIONS[word])


def labels_beside(margins: Margins, scene: HeardScene, source: HeardSource, word: str) -> list[str]:
    """The classes on that side of the source; none where it is unclear of any."""
    (axis,) = [axis for axis, words in AXES.items() if word in words]
    wanted = 1 if word == AXES[axis][0] else -1
    others = [other for other in scene.sources if other is not source]
    sides = [side_of(other, source, axis, margins.axis_margin_deg, margins.relation_margin_m) for other in others]
    return [] if 0 in sides else [other.label for other, side in zip(others, sides, strict=True) if side == wanted]


FAMILY = Family("relation", dict.fromkeys(_TYPES.values(), "labels"), (WORDINGS,), ask=(relation,))
