"""Asks which sounds are on one side of a named one: left, right, in front, behind."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.answers import AXES
from spatial_llm.questions.about import AXIS_OF_SIDE, About
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
    """Asks for all sources on one side of a named one, if it is clear for every other source whether it is there."""
    if len(scene.sources) < 2 or len(scene.named) < len(scene.sources) or not scene.complete:
        return None
    found: dict[str, list[tuple[HeardSource, list[HeardSource]]]] = {}
    for word in _TYPES:
        for source in scene.sources:
            beside = sources_beside(asker.margins, scene, source, word)
            if beside:
                found.setdefault(word, []).append((source, beside))
    if not found:
        return None
    word = asker.least(("relation",), list(found))
    source, beside = asker.pick(found[word])
    (reference,) = scene.indices(source)
    about = About(scene.indices(*beside), reference, AXIS_OF_SIDE[word], word)
    truth = {"labels": sorted(other.label for other in beside)}
    return asker.ask_spread(_TYPES[word], WORDINGS, truth, about, x=source.label, side=RELATIONS[word])


def sources_beside(margins: Margins, scene: HeardScene, source: HeardSource, word: str) -> list[HeardSource]:
    """Returns the sources on that side of a source; none if it is unclear for any other source whether it is there."""
    axis = AXIS_OF_SIDE[word]
    wanted = 1 if word == AXES[axis][0] else -1
    others = [other for other in scene.sources if other is not source]
    sides = [side_of(other, source, axis, margins.axis_margin_deg, margins.relation_margin_m) for other in others]
    return [] if 0 in sides else [other for other, side in zip(others, sides, strict=True) if side == wanted]


def mirror_beside(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any] | None:
    """Returns the classes on a side of the reference in the mirror image: those that were on the other side. They are known
    if the question fits the mirror image: there are some, and for each source it is clear where it is."""
    if about.axis != "left_right":
        return value
    if sources is None or about.reference is None:
        return None
    images = HeardScene(tuple(source.mirror_image() for source in sources))
    beside = sources_beside(Margins(), images, images.sources[about.reference], about.side)
    return {"labels": sorted(source.label for source in beside)} if beside else None


_OPPOSITES = {
    "RELATION_LEFT": ({"left"}, {"right"}),
    "RELATION_RIGHT": ({"right"}, {"left"}),
    "RELATION_FRONT": ({"front", "ahead"}, {"behind", "back"}),
    "RELATION_BEHIND": ({"behind", "back"}, {"front", "ahead"}),
}
FAMILY = Family(
    "relation",
    dict.fromkeys(_TYPES.values(), "labels"),
    (WORDINGS,),
    ask=(relation,),
    mirror=dict.fromkeys(_TYPES.values(), mirror_beside),
    opposites=_OPPOSITES,
)
