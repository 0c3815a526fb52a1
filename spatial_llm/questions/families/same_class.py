"""Asks where all sources of one class are, in a scene where a class sounds from several places."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, same_place
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(  # {count}: one of _COUNT_WORDS
    both=(
        "There are {count} sounds of the {x}. Where are they?",
        "Where are the {count} sounds of the {x} coming from?",
        "Give the locations of the {count} sounds of the {x}.",
    ),
    train=(
        "The {x} sounds from {count} places. Which are they?",
        "List where each of the {count} sounds of the {x} is.",
    ),
    eval=(
        "You hear {count} of the {x}. Locate each of them.",
        "From which {count} places does the {x} sound?",
    ),
)
_COUNT_WORDS = {2: "two", 3: "three", 4: "four"}


def same_class(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks where all sources of one class are; each must be at another place in words and metres."""
    groups = {label: [source for source in scene.sources if source.label == label] for label in scene.labels}
    clear = [
        label
        for label, group in groups.items()
        if len(group) > 1
        and all(source.all_clear(asker.margins.axis_margin_deg) for source in group)
        and not any(same_place(x, y) for i, x in enumerate(group) for y in group[:i])
    ]
    if not clear:
        return None
    label = asker.pick(clear)
    # In the order in which `answers.parse_locations` returns them, so that the parsed answer equals the truth.
    sources = sorted(groups[label], key=lambda source: (source.words, source.location.distance_m))
    truth, about = {"locations": [source.location.to_dict() for source in sources]}, About(scene.indices(*sources))
    return asker.ask_spread("SAME_CLASS", WORDINGS, truth, about, x=label, count=_COUNT_WORDS[len(sources)])


FAMILY = Family(
    "same_class",
    {"SAME_CLASS": "locations"},
    (WORDINGS,),
    ask=(same_class,),
    needs=("repeated class",),
)
