"""Asks when a sound is heard that may not be there: half of the answers are "I cannot tell", as in the family `humility`."""

from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.families.humility import ask_if_known
from spatial_llm.questions.families.span import SPAN_CONVENTION, span_of, with_span
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

SPAN = Wordings(
    both=(
        "If it can be told, when does the sound of the {x} begin and end?",
        "As far as the recording tells: from when to when does the {x} sound?",
        "If you can tell, in which span of time is the {x} heard?",
    ),
    train=(
        "Give the times at which the {x} starts and stops, or say that you cannot tell.",
        "Can it be told from when until when the {x} sounds?",
    ),
    eval=(
        "Estimate the onset and the offset of the {x}, unless that cannot be told.",
        "At what times does the {x} set in and fall silent, if the recording tells it?",
    ),
    convention=SPAN_CONVENTION,
)


def span(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "1.2 to 3.4 s", to a tenth of a second; not of sounds that fill the whole recording."""
    return ask_if_known(asker, scene, "SPAN_IF_KNOWN", SPAN, with_span(asker, scene), (), span_of)


FAMILY = Family("humility_time", {"SPAN_IF_KNOWN": "span_or_unknown"}, (SPAN,), ask=(span,), needs=("times",))
