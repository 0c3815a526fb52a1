"""Asks questions that a model which always agrees gets wrong: absent sounds, wrong places, exchanged places. Half of the
answers are no, for every question, every place word and every class."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spatial_llm.answers import AXES
from spatial_llm.answers.axes import MIRROR_WORD
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource, same_place
from spatial_llm.questions.family import Family, mirror_claim
from spatial_llm.questions.wordings import Wordings

PRESENT = Wordings(
    both=(
        "Is there the sound of the {x} in the audio clip?",
        "Can you hear the sound of the {x}?",
        "Does the audio clip contain the sound of the {x}?",
    ),
    train=(
        "Is the {x} among the sounds?",
        "Is the sound of the {x} present?",
    ),
    eval=(
        "Do you notice the {x} anywhere?",
        "Does the {x} sound in this recording?",
    ),
)
PRESENT_AT_PLACE = Wordings(  # {place}: "right, front, below"; {distance}: "3 meters"
    both=(
        "Is the sound of the {x} coming from the {place}, approximately {distance} away?",
        "Can you hear the {x} from the {place}, approximately {distance} away?",
        "Is it the {x} that sounds from the {place}, approximately {distance} away?",
    ),
    train=(
        "Does the {x} sound at {place}, about {distance} away?",
        "At {place}, about {distance} away, is there the {x}?",
    ),
    eval=(
        "Would you say the {x} is at {place}, {distance} away?",
        "Do you hear the {x} {distance} away, {place}?",
    ),
)
ABSENT = Wordings(
    both=(
        "Where is the sound of the {x} coming from?",
        "Where is the {x}, if you hear it at all?",
        "At what distance and in which direction is the sound of the {x} located?",
    ),
    train=(
        "How would you describe the location of the sound of the {x}?",
        "If the {x} is there, where does it sound?",
    ),
    eval=(
        "Tell me where you hear the {x}.",
        "Locate the {x}, or say that it is not there.",
    ),
)
WRONG_PLACE = Wordings(  # {side}: one of _SIDES
    both=(
        "Is the sound of the {x} {side}?",
        "Do you hear the {x} {side}?",
        "Is the {x} sounding {side}?",
    ),
    train=(
        "Does the sound of the {x} come from somewhere {side}?",
        "Can the {x} be heard {side}?",
    ),
    eval=(
        "Would you say that the {x} is {side}?",
        "Is it true that the {x} sounds {side}?",
    ),
)
SWAPPED = Wordings(  # {first}, {second}: "left, front, above, 2 meters away"
    both=(
        "Is the {x} at {first}, and the {y} at {second}?",
        "Does the {x} sound from {first}, and the {y} from {second}?",
        "Do you hear the {x} at {first}, and the {y} at {second}?",
    ),
    train=(
        "Is this right: the {x} at {first}, the {y} at {second}?",
        "Are the {x} at {first} and the {y} at {second}?",
    ),
    eval=(
        "Is it true that the {x} is at {first}, the {y} at {second}?",
        "The {x} at {first}, the {y} at {second}: correct?",
    ),
)
_SIDES = {
    "left": "on your left",
    "right": "on your right",
    "front": "in front of you",
    "behind": "behind you",
    "above": "above you",
    "below": "below you",
}


def present(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: is there an X? yes or no."""
    chosen = _present_or_absent(asker, scene, "PRESENT", scene.labels)
    if chosen is None:
        return None
    label, yes = chosen
    sounding = [source for source in scene.sources if source.label == label]
    about = About(scene.indices(*sounding), absent=None if yes else label)
    return asker.ask("PRESENT", PRESENT, {"yes": yes}, about, x=label)


def present_at_place(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: is there an X at a place where something sounds? yes or no."""
    clear = [source for source in scene.sources if source.all_clear(asker.margins.axis_margin_deg)]
    chosen = _present_or_absent(asker, scene, "PRESENT_AT_PLACE", sorted({source.label for source in clear}))
    if chosen is None:
        return None
    label, yes = chosen
    there = asker.pick([source for source in clear if source.label == label or not yes])
    about = About(scene.indices(there) if yes else (), places=(there.location,), absent=None if yes else label)
    place, distance = there.place_words
    return asker.ask("PRESENT_AT_PLACE", PRESENT_AT_PLACE, {"yes": yes}, about, x=label, place=place, distance=distance)


def absent(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: where is X? its location, or that there is none."""
    clear = {source.label: source for source in scene.named if source.all_clear(asker.margins.axis_margin_deg)}
    chosen = _present_or_absent(asker, scene, "ABSENT", list(clear))
    if chosen is None:
        return None
    label, yes = chosen
    if not yes:
        return asker.ask("ABSENT", ABSENT, {"absent": label}, About(absent=label), x=label)
    return asker.ask("ABSENT", ABSENT, clear[label].location.to_dict(), About(scene.indices(clear[label])), x=label)


def wrong_place(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: is X on a side where it is, or on the other? yes or no, in equal numbers for each word."""
    margin_deg = asker.margins.axis_margin_deg
    clear = [(source, axis) for source in scene.named for axis in AXES if source.is_clear(axis, margin_deg)]
    if not clear:
        return None
    source, axis = asker.pick(clear)
    for word in [AXES[axis][i] for i in asker.rng.permutation(2)]:
        yes = word == source.word(axis)
        if asker.even(("WRONG_PLACE", word), yes):
            about = About(scene.indices(source), axis=axis, side=word)
            return asker.ask("WRONG_PLACE", WRONG_PLACE, {"yes": yes}, about, x=source.label, side=_SIDES[word])
    return None


def swapped(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: is X here and Y there? yes, or no if the places are exchanged."""
    clear = [source for source in scene.named if source.all_clear(asker.margins.axis_margin_deg)]
    pairs = [(x, y) for x in clear for y in clear if x is not y and not same_place(x, y)]
    if not pairs:
        return None
    x, y = asker.pick(pairs)
    yes = asker.least(("SWAPPED",), [True, False])
    claimed = (x, y) if yes else (y, x)
    first, second = (f"{place}, {distance} away" for place, distance in (source.place_words for source in claimed))
    about = About(scene.indices(x, y), places=tuple(source.location for source in claimed))
    return asker.ask("SWAPPED", SWAPPED, {"yes": yes}, about, x=x.label, y=y.label, first=first, second=second)


def mirror_present_at_place(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> None:
    """Returns None. The answer would nearly always be no, since what was at the place has changed sides, and a model that
    ignores its input and answers no would be right. A question type is mirrored only if the remaining items are no easier to
    guess."""
    return None


def mirror_swapped(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any] | None:
    """Returns the answer in the mirror image. A true claim about two places becomes false, since both sources have changed
    sides. A false claim meant that each source is at the other's place: it becomes true only if the two places mirror each
    other."""
    if len(about.places) != 2:
        return None
    first, second = about.places
    return {"yes": not value["yes"] and replace(first, left_right=MIRROR_WORD[first.left_right]) == second}


def _present_or_absent(
    asker: Asker, scene: HeardScene, question_type: str, labels: Sequence[str]
) -> tuple[str, bool] | None:
    """Returns a class, and whether it is one of `labels` (True) or does not sound (False). Both occur equally often for
    every class, so that how common a class is gives no answer away. Returns None if no class is left."""
    absent_labels = [label for label in asker.known_labels if label not in scene.labels]
    if not labels or not absent_labels:
        return None
    given = asker.given.setdefault((question_type, "labels"), Counter())

    options = [*((label, True) for label in labels), *((label, False) for label in absent_labels)]
    even = [(label, yes) for label, yes in options if given[label, yes] <= given[label, not yes]]
    if not even:
        return None

    def times_asked(option: tuple[str, bool]) -> tuple[int, int]:
        label, yes = option
        return given[label, True] + given[label, False], given["all", yes]

    fewest = min(map(times_asked, even))
    label, yes = asker.pick([option for option in even if times_asked(option) == fewest])
    given["all", yes] += 1
    given[label, yes] += 1
    return label, yes


FAMILY = Family(
    "negative",
    {
        "PRESENT": "yes_no",
        "PRESENT_AT_PLACE": "yes_no",
        "ABSENT": "location_or_absent",
        "WRONG_PLACE": "yes_no",
        "SWAPPED": "yes_no",
    },
    (PRESENT, PRESENT_AT_PLACE, ABSENT, WRONG_PLACE, SWAPPED),
    ask=(present, present_at_place, absent, wrong_place, swapped),
    mirror={"PRESENT_AT_PLACE": mirror_present_at_place, "WRONG_PLACE": mirror_claim, "SWAPPED": mirror_swapped},
)
