"""Official type C: asks which of two sounds is at a place."""

from collections.abc import Iterator, Sequence
from typing import Any

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource, same_place
from spatial_llm.questions.family import Family
from spatial_llm.questions.margins import Margins
from spatial_llm.questions.wordings import Wordings

WORDINGS = Wordings(  # {place}: "right, front, below"; {distance}: "3 meters"
    official=(
        "Identify the sound events in the audio clip coming from the {place}, approximately {distance} away.",
        "What sound events can you hear coming from the {place}, approximately {distance} away?",
        "Which sounds are coming from the {place}, approximately {distance} away?",
    ),
    train=("Name the sounds at {place}, approximately {distance} away.",),
    eval=("What do you hear from the {place}, approximately {distance} away?",),
    extra=(
        "What is sounding {place}, approximately {distance} away?",
        "What is {place}, {distance} away?",
        "Tell me what can be heard {place}, about {distance} away.",
        "Which sound reaches you from the {place}, about {distance} away?",
        "Identify what sounds {distance} away, {place}.",
        "Name the sound that comes from the {place}, about {distance} away.",
    ),
)


def ask(asker: Asker, scene: HeardScene, count: int) -> Iterator[Question]:
    """Asks once for each of at most `count` sources; not for a place that both sources share, or that is unclear."""
    if same_place(*scene.sources):
        return
    for source in asker.clear_in_random_order(scene)[:count]:
        place, distance = source.place_words
        truth = {"labels": [source.label]}
        about = About(scene.indices(source), places=(source.location,))
        yield asker.ask_always("MIXUP_SINGLE_CLASSIFICATION", WORDINGS, truth, about, place=place, distance=distance)


def mirror(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any] | None:
    """Returns the class that sounds at the place in the mirror image: that of another source than before, if any. It is
    known if the question fits the mirror image: one source is clearly there, and no other may be taken for
    it."""
    if sources is None or len(about.places) != 1:
        return None
    images = [source.mirror_image() for source in sources]
    (place,) = about.places
    there = [image for image in images if image.location == place and image.all_clear(Margins().axis_margin_deg)]
    if len(there) != 1 or any(same_place(there[0], other) for other in images if other is not there[0]):
        return None
    return {"labels": [there[0].label]}


FAMILY = Family(
    "detection_at_place",
    {"MIXUP_SINGLE_CLASSIFICATION": "labels"},
    (WORDINGS,),
    type="C",
    sources=2,
    most=2,
    ask_always=ask,
    mirror={"MIXUP_SINGLE_CLASSIFICATION": mirror},
)
