"""Official type A: asks which sound is in a clip with one source."""

from collections.abc import Iterator

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(
    official=(
        "Enumerate the sound occurrences in the audio clip.",
        "What sound events can you hear in the audio clip?",
        "Identify the sound events in the audio clip.",
    ),
    train=("Which sounds occur in the audio clip?",),
    eval=("Name what you hear in the audio clip.",),
    extra=(
        "What is this?",
        "What can be heard?",
        "What is sounding?",
        "Tell me what you hear.",
        "List the sounds.",
        "Which sound events are there?",
        "What kind of sound is this?",
        "Name the sound.",
    ),
)


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks `count` times for the label of the only source."""
    for _ in range(count):
        yield asker.ask_always("CLASSIFICATION", WORDINGS, {"labels": [scene.sources[0].label]}, About((0,)))


FAMILY = Family("detection", {"CLASSIFICATION": "labels"}, (WORDINGS,), type="A", sources=1, ask_always=ask)
