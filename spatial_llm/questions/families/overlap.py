"""Asks whether two named sounds are heard at the same time. Only for scenes whose times are known."""

from itertools import combinations

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(
    both=(
        "Do the {x} and the {y} sound at the same time?",
        "Does the sound of the {x} overlap with that of the {y} in time?",
        "Can you hear the {x} and the {y} at the same moment?",
    ),
    train=(
        "Is there a time at which both the {x} and the {y} sound?",
        "Are the {x} and the {y} ever heard together?",
    ),
    eval=(
        "Is the {x} heard while the {y} sounds?",
        "Do the sounds of the {x} and of the {y} coincide at any time?",
    ),
)


def overlap(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks about two sounds that overlap, or are apart, by at least the margin of onsets."""
    margin_s = asker.margins.onset_margin_s
    pairs = combinations(scene.named if scene.is_timed else (), 2)
    clear = [pair for pair in pairs if abs(common_s(*pair)) >= margin_s]
    if not clear:
        return None
    x, y = asker.pick(clear)
    return asker.ask_even("OVERLAP", WORDINGS, {"yes": common_s(x, y) > 0}, About(scene.indices(x, y)), x=x.label, y=y.label)


def common_s(x: HeardSource, y: HeardSource) -> float:
    """Returns the seconds in which both sources sound; if there are none, minus those between the two."""
    return min(x.offset_s, y.offset_s) - max(x.onset_s, y.onset_s)


FAMILY = Family("overlap", {"OVERLAP": "yes_no"}, (WORDINGS,), ask=(overlap,), needs=("times",))
