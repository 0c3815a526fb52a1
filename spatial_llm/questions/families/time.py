"""Asks when sounds begin at the listener and how long they last. Only for scenes whose times are known."""

from itertools import pairwise

from spatial_llm.answers import format_seconds
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

FIRST = Wordings(
    both=(
        "Which sound starts first?",
        "What is the first sound to begin?",
        "Which sound do you hear first?",
    ),
    train=(
        "Name the sound that begins before all others.",
        "Which of the sounds has the earliest onset?",
    ),
    eval=(
        "What sounds before anything else does?",
        "Which source is the first to be heard?",
    ),
)
ORDER = Wordings(
    both=(
        "In which order do the sounds start?",
        "List the sounds in the order in which they begin.",
        "Order the sounds by their onset, the earliest first.",
    ),
    train=(
        "Name the sounds as they set in, one after the other.",
        "What is the sequence in which the sounds begin?",
    ),
    eval=(
        "Sort the sounds from the first to start to the last.",
        "Which sound starts first, which next, and so on?",
    ),
)
STARTS = Wordings(  # {time}: "3.2 s"
    both=(
        "What starts at {time}?",
        "Which sound begins at {time}?",
        "Which sound sets in {time} after the beginning?",
    ),
    train=(
        "Name the sound whose onset is at {time}.",
        "At {time} a sound begins. Which one?",
    ),
    eval=(
        "What can be heard from {time} on, but not before?",
        "Whose sound has its beginning at {time}?",
    ),
)
LENGTH = Wordings(
    both=(
        "How long does the sound of the {x} last?",
        "What is the duration of the sound of the {x} in seconds?",
        "For how many seconds can you hear the {x}?",
    ),
    train=(
        "Give the length of the sound of the {x} in seconds.",
        "How many seconds pass from the {x}'s beginning to its end?",
    ),
    eval=(
        "Estimate how long the {x} sounds.",
        "From its start to its end, how many seconds does the {x} take?",
    ),
)


def onset_first(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the class of the sound that starts first, if the next one starts clearly later."""
    sources = _by_onset(scene)
    if len(sources) < 2 or not scene.complete or sources[0].label == sources[1].label or not _apart(asker, sources[:2]):
        return None
    return asker.ask_spread("ONSET_FIRST", FIRST, {"labels": [sources[0].label]}, About(scene.indices(sources[0])))


def onset_order(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for all classes in the order in which they start, if all onsets are clearly apart."""
    sources = _by_onset(scene)
    if len(sources) < 2 or not scene.complete or len(scene.named) < len(sources) or not _apart(asker, sources):
        return None
    truth = {"order": [source.label for source in sources]}
    return asker.ask_spread("ONSET_ORDER", ORDER, truth, About(scene.indices(*sources)))


def starts_at(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the class that starts at a time, if no other starts near it."""
    sources = _by_onset(scene)
    if len(sources) < 2:
        return None
    clear = [
        source for i, source in enumerate(sources) if _apart(asker, sources[max(i - 1, 0) : i + 2]) and source in scene.named
    ]
    if not clear:
        return None
    source = asker.pick(clear)
    about = About(scene.indices(source), time_s=round(source.onset_s, 1))
    return asker.ask_spread("STARTS_AT", STARTS, {"labels": [source.label]}, about, time=format_seconds(about.time_s))


def duration_s(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks how long a sound lasts, to a tenth of a second; not of sounds that fill the whole recording."""
    clear = scene.bounded(asker.margins.shortest_s)
    if not clear:
        return None
    source = asker.pick(clear)
    truth = {"duration_s": round(source.offset_s - source.onset_s, 1)}
    return asker.ask_spread("DURATION", LENGTH, truth, About(scene.indices(source)), x=source.label)


def _by_onset(scene: HeardScene) -> list[HeardSource]:
    return sorted(scene.sources, key=lambda source: source.onset_s) if scene.is_timed else []


def _apart(asker: Asker, sources: list[HeardSource]) -> bool:
    onsets_s = [source.onset_s for source in sources]
    return all(later - earlier >= asker.margins.onset_margin_s for earlier, later in pairwise(onsets_s))


_OPPOSITES = {"ONSET_FIRST": ({"first", "earlier", "earliest"}, {"last", "later", "latest", "second"})}
FAMILY = Family(
    "time",
    {"ONSET_FIRST": "labels", "ONSET_ORDER": "order", "STARTS_AT": "labels", "DURATION": "duration"},
    (FIRST, ORDER, STARTS, LENGTH),
    ask=(onset_first, onset_order, starts_at, duration_s),
    opposites=_OPPOSITES,
    needs=("times",),
)
