"""Official type D: asks where one of two named sources is, in direction words and metres."""

from collections.abc import Iterator

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(
    official=(
        "Where is the sound of the {x} coming from?",
        "At what distance and in which direction is the sound of the {x} located?",
        "How would you describe the location of the sound of the {x}?",
    ),
    train=("Give the direction and distance of the sound of the {x}.",),
    eval=("From where does the sound of the {x} reach you?",),
    extra=(
        "Where is the {x}?",
        "Where do you hear the {x}?",
        "Tell me where the {x} is.",
        "Locate the sound of the {x}.",
        "From which direction, and from how far, does the {x} arrive?",
        "Describe the place of the {x}.",
        "The {x}: where is it, and how far away?",
    ),
)


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks once for each of at most `count` sources; not if both have one label, or a direction word is unclear."""
    if len(scene.named) < 2:
        return
    for source in asker.clear_in_random_order(scene)[:count]:
        truth = source.location.to_dict()
        yield asker.ask_always("MIXUP_SINGLE_DOA", WORDINGS, truth, About(scene.indices(source)), x=source.label)


FAMILY = Family(
    "location_of_named", {"MIXUP_SINGLE_DOA": "location"}, (WORDINGS,), type="D", sources=2, most=2, ask_always=ask
)
