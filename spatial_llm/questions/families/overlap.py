"""Asks whether two named sounds overlap in time. Only for scenes whose times are known.

A sound goes on from its first audible sample to its last, with the pauses between them, as the times of a scene have it; the
wordings ask for this, and not for a moment at which both are loud.
"""

from collections import Counter
from itertools import permutations

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import AHEAD, Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(
    both=(
        "Do the {x} and the {y} overlap in time?",
        "Does the {x} overlap with the {y} in time?",
        "Are the {x} and the {y} ever going on at the same time?",
    ),
    train=(
        "Is there a time at which both the {x} and the {y} are going on?",
        "Does the {x} or the {y} begin while the other is still going on?",
    ),
    eval=(
        "Is the {x} going on while the {y} is?",
        "Do the {x} and the {y} coincide at any time?",
    ),
    extra=(
        "Do the {x} and the {y} go on at the same time?",
        "Is there an overlap in time of the {x} and the {y}?",
        "Does the {x} overlap the {y}?",
        "Are the {x} and the {y} simultaneous, at least in part?",
    ),
)


def overlap(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks about two sounds that overlap by the margin of onsets, or are apart by that margin and the time in which the
    first one dies away in the room. Yes and no are even, and nearly so for every class: it does not give the answer away
    that rain lasts longer than a bark."""
    margin_s, dying_away_s = asker.margins.onset_margin_s, scene.rt60_s or 0.0
    clear = []
    for x, y in permutations(scene.named if scene.is_timed else (), 2):
        both_s = common_s(x, y)
        if both_s >= margin_s or -both_s >= margin_s + dying_away_s:
            said = both_s > 0
            given = [asker.given.setdefault(("OVERLAP", source.label), Counter()) for source in (x, y)]
            if all(counts[said] - counts[not said] < AHEAD for counts in given):
                clear.append((x, y, said, given))
    if not clear:
        return None
    x, y, said, given = asker.pick(clear)
    question = asker.ask_even("OVERLAP", WORDINGS, {"yes": said}, About(scene.indices(x, y)), x=x.label, y=y.label)
    if question is not None:
        for counts in given:
            counts[said] += 1
    return question


def common_s(x: HeardSource, y: HeardSource) -> float:
    """Returns the seconds in which both sounds go on; if there are none, minus those between the two."""
    return min(x.offset_s, y.offset_s) - max(x.onset_s, y.onset_s)


FAMILY = Family("overlap", {"OVERLAP": "yes_no"}, (WORDINGS,), ask=(overlap,), needs=("times",))
