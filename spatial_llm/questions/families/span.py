"""Asks from when to when a named sound lasts. Only for scenes whose times are known."""

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import Wordings

SPAN_CONVENTION = "Times are in seconds from the beginning of the recording."

WORDINGS = Wordings(
    both=(
        "When does the sound of the {x} begin and end?",
        "From when to when does the {x} sound?",
        "In which span of time can you hear the sound of the {x}?",
    ),
    train=(
        "Give the times at which the {x} starts and stops.",
        "When do you hear the {x}, from when until when?",
    ),
    eval=(
        "Estimate the onset and the offset of the {x}'s sound.",
        "At what times does the {x} set in and fall silent?",
    ),
    convention=SPAN_CONVENTION,
)


def span(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for "1.2 to 3.4 s", to a tenth of a second; not of sounds that fill the whole recording."""
    clear = with_span(asker, scene)
    if not clear:
        return None
    source = asker.pick(clear)
    return asker.ask_spread("SPAN", WORDINGS, span_of(source), About(scene.indices(source)), x=source.label)


def with_span(asker: Asker, scene: HeardScene) -> list[HeardSource]:
    """Returns the named sounds that begin and end within the recording, and last a tenth of a second or more."""
    bounded = scene.bounded(asker.margins.shortest_s)
    return [source for source in bounded if round(source.onset_s, 1) < round(source.offset_s, 1)]


def span_of(source: HeardSource) -> dict[str, float]:
    """Returns the value of an answer: when a sound begins and ends, to a tenth of a second."""
    return {"onset_s": round(source.onset_s, 1), "offset_s": round(source.offset_s, 1)}


FAMILY = Family(
    "span",
    {"SPAN": "span"},
    (WORDINGS,),
    ask=(span,),
    needs=("times",),
)
