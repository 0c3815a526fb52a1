"""Official type B: asks where the only source of a clip is, in direction words and metres."""

from collections.abc import Iterator

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(
    official=(
        "How would you describe the location of this audio clip?",
        "Where is the sound in this audio clip coming from?",
        "What are the direction and distance of the sound in this audio clip?",
    ),
    train=("Give the direction and distance of the sound.",),
    eval=("From where does the sound reach you?",),
    extra=(
        "Where is it?",
        "Where is the sound?",
        "Where does it come from?",
        "From which direction, and from how far, does the sound arrive?",
        "Locate the sound.",
        "Tell me where the sound is.",
        "Describe where you hear the sound.",
        "In which direction and at what distance do you hear it?",
    ),
)


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks `count` times for the location of the only source; not at all if one of its direction words is unclear."""
    source = scene.sources[0]
    for _ in range(count if source.all_clear(asker.margins.axis_margin_deg) else 0):
        yield asker.ask_always("DOA", WORDINGS, source.location.to_dict(), About((0,)))


FAMILY = Family("location", {"DOA": "location"}, (WORDINGS,), type="B", sources=1, ask_always=ask)
