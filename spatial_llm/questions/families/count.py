"""Asks how many sources sound, and how many classes of sound."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, same_place
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

SOURCES = Wordings(
    both=(
        "How many sound sources are there in the audio clip?",
        "How many sources of sound can you hear?",
        "Count the sound sources around you.",
    ),
    train=(
        "What is the number of sound sources in this audio clip?",
        "How many sound sources surround you?",
    ),
    eval=(
        "How many separate sources are sounding here?",
        "Give the number of sources that you hear.",
    ),
    extra=(
        "How many sounds are there?",
        "How many things do you hear?",
        "Tell me how many sources sound.",
        "Count the sources.",
        "How many sources of sound are in this recording?",
        "How many sounds can be heard here?",
    ),
)
CLASSES = Wordings(
    both=(
        "How many different kinds of sound are there in the audio clip?",
        "How many classes of sound can you hear?",
        "Count the different kinds of sound.",
    ),
    train=(
        "What is the number of different sounds, each kind counted once?",
        "How many kinds of sound source are there?",
    ),
    eval=(
        "Counting sounds of one kind once, how many do you hear?",
        "Give the number of distinct sound classes.",
    ),
    extra=(
        "How many different sounds are there?",
        "How many kinds of sound do you hear?",
        "Tell me how many kinds of sound there are.",
        "How many distinct kinds of source can be heard?",
    ),
)


def count_sources(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks how many sources sound; not if two of one class are at one place and may pass for one."""
    sources = scene.sources
    if not scene.complete or any(
        x.label == y.label and same_place(x, y) for i, x in enumerate(sources) for y in sources[:i]
    ):
        return None
    return asker.ask_even("COUNT_SOURCES", SOURCES, {"count": len(sources)}, About())


def count_classes(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks how many classes sound; only of two sources and more."""
    if len(scene.sources) < 2 or not scene.complete:
        return None
    return asker.ask_even("COUNT_CLASSES", CLASSES, {"count": len(scene.labels)}, About())


FAMILY = Family(
    "count",
    {"COUNT_SOURCES": "count", "COUNT_CLASSES": "count"},
    (SOURCES, CLASSES),
    ask=(count_sources, count_classes),
)
