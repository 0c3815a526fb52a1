"""Asks whether sources move in the room, and how many do. Only where it is known that sources move or stand still."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import motion_known
from spatial_llm.questions.wordings import Wordings

# All say that the room is meant: around a listener who turns, what stands still seems to move.
MOVES = Wordings(
    both=(
        "Does the sound of the {x} move through the room?",
        "Is the source of the sound of the {x} moving in the room?",
        "Does the {x} move about in the room?",
    ),
    train=(
        "Is the {x} moving through the room while it sounds?",
        "Does the {x} change its place in the room?",
    ),
    eval=(
        "Would you say that the {x} moves around the room?",
        "Is the {x} in motion within the room?",
    ),
)
ANY_MOVES = Wordings(
    both=(
        "Does any sound source move through the room?",
        "Is any of the sources moving in the room?",
        "Do you hear a source that moves about in the room?",
    ),
    train=(
        "Does anything move through the room?",
        "Is there a sound that changes its place in the room?",
    ),
    eval=(
        "Is anything in motion within the room?",
        "Would you say that any source moves around the room?",
    ),
)
COUNT_MOVING = Wordings(
    both=(
        "How many of the sound sources move through the room?",
        "How many sources are moving in the room?",
        "Count the sound sources that move about in the room.",
    ),
    train=(
        "What is the number of sources that move through the room?",
        "How many of the sounds change their place in the room?",
    ),
    eval=(
        "Of all sounds, how many are in motion within the room?",
        "Give the number of sources that move around the room.",
    ),
)


def moves(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: does X move through the room? yes or no; not of a source that moves too little."""
    known = motion_known(scene)
    options = [(index, source) for index, source in enumerate(scene.sources) if index in known and source in scene.named]
    for yes in [bool(each) for each in asker.rng.permutation(2)]:
        fitting = [(index, source) for index, source in options if known[index] == yes]
        if fitting and asker.even(("MOVES",), yes):
            index, source = asker.pick(fitting)
            return asker.ask("MOVES", MOVES, {"yes": yes}, About((index,)), x=source.label)
    return None


def any_moves(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: does anything move through the room? yes or no; no only where all sources are known and clearly still."""
    known = motion_known(scene)
    yes = any(known.values())
    if not yes and not (scene.complete and len(known) == len(scene.sources)):
        return None
    return asker.ask_even("ANY_MOVES", ANY_MOVES, {"yes": yes}, About())


def count_moving(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks how many sources move; only of two sources and more, of different classes, each clearly moving or still."""
    known, sources = motion_known(scene), scene.sources
    if len(sources) < 2 or len(known) < len(sources) or len(scene.named) < len(sources) or not scene.complete:
        return None
    return asker.ask_even("COUNT_MOVING", COUNT_MOVING, {"count": sum(known.values())}, About())


FAMILY = Family(
    "moving",
    {"MOVES": "yes_no", "ANY_MOVES": "yes_no", "COUNT_MOVING": "count"},
    (MOVES, ANY_MOVES, COUNT_MOVING),
    ask=(moves, any_moves, count_moving),
    needs=("times", "motion"),
)
