"""Asks questions of other families to be thought out: the answer states what is heard and where, compares, and concludes.

"I hear the bell: left, front, 2.5m. I hear the dog: right, 4m. The bell is nearer than the dog. Answer: bell"

The question, its answer and its balance are those of the other family; the steps follow from the scene, and each is checked
against it before the question is kept (`questions.thinking`). Every sound must have a name of its own. Source of the idea:
OWL (arXiv 2509.26140).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from spatial_llm.answers import AXES
from spatial_llm.answers.steps import Step, mirror_step
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource, side_of, step_distance_m
from spatial_llm.questions.families import direction_yes_no, distance_yes_no, nearest, negative, relation
from spatial_llm.questions.family import Ask, Family, mirror_claim
from spatial_llm.questions.margins import Margins
from spatial_llm.questions.thinking import check_steps, compared, heard, heard_along, is_sound
from spatial_llm.questions.wordings import Wordings

BOTH = ("Think step by step.", "Say what you hear and where, then answer.")
TRAIN, EVAL = "Reason before you answer.", "Tell each step, then answer."
Steps = Callable[[Margins, HeardScene, Question], list[Step]]


@cache
def thoughtful(wordings: Wordings) -> Wordings:
    """Returns the wordings that ask the same question to be thought out; the further wordings of training are left out."""
    both = tuple(f"{first} {text}" for text in (*wordings.official, *wordings.both) for first in BOTH)
    train, unseen = (
        tuple(f"{first} {text}" for text in texts) for first, texts in ((TRAIN, wordings.train), (EVAL, wordings.eval))
    )
    return Wordings(both=both, train=train, eval=unseen, convention=wordings.convention)


def thought_out(ask: Ask, question_type: str, steps: Steps) -> Ask:
    """Returns a function that asks what `ask` asks, to be thought out in these steps, as the given question type."""

    def think(asker: Asker, scene: HeardScene) -> Question | None:
        if len(scene.named) < len(scene.sources):
            return None
        asked = ask(asker.apart("thinking", thoughtful), scene)
        if asked is None or asked.question in asker.asked:
            return None
        truth = asked.truth | {"steps": steps(asker.margins, scene, asked)}
        if not is_sound(truth):
            return None  # two numbers are equal as they are stated
        try:
            check_steps(truth, scene.sources, asked.about)
        except SpatialLLMError as error:
            raise SceneError(f"{asked.question!r}: {error}") from None
        return asker.checked(question_type, asked.question, truth, asked.about)

    return think


# --- what the other families ask, one question at a time ----------------------------------------------------------------


def nearer(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: is X nearer than Y? of two sources whose distances differ clearly."""
    far_m = [source.distance_m for source in scene.sources]
    if len(far_m) != 2 or None in far_m or abs(far_m[0] - far_m[1]) < asker.margins.distance_margin_m:
        return None
    if step_distance_m(far_m[0]) == step_distance_m(far_m[1]):
        return None
    return distance_yes_no.relative_distance(asker, scene)


def beside(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: is X on the left of Y? of two sources on opposite sides of the listener."""
    if len(scene.sources) != 2 or not asker.opposite_axes(scene):
        return None
    return direction_yes_no.relative_direction(asker, scene)


def relation_in_place(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks which sounds are on one side of a named one, of sources whose places are all known."""
    return relation.relation(asker, scene) if all(source.is_placed for source in scene.sources) else None


# --- the steps of each --------------------------------------------------------------------------------------------------


def steps_to_extreme(margins: Margins, scene: HeardScene, asked: Question) -> list[Step]:
    """Returns where all sounds are, and that the nearest (farthest) is nearer (farther) than each other."""
    (index,) = asked.about.sources
    one, side = scene.sources[index], asked.about.side
    others = [source for source in scene.sources if source is not one]
    return [*(heard(source, margins) for source in scene.sources), *(compared(one, side, other) for other in others)]


def steps_to_relation(margins: Margins, scene: HeardScene, asked: Question) -> list[Step]:
    """Returns how far along the axis all sounds are, and on which side of the named one each other is."""
    about = asked.about
    reference = scene.sources[about.reference]
    others = [source for source in scene.sources if source is not reference]
    stated = [heard_along(source, about.axis) for source in scene.sources]
    return [*stated, *(_beside(margins, about.axis, other, reference) for other in others)]


def steps_of_two(margins: Margins, scene: HeardScene, asked: Question) -> list[Step]:
    """Returns where the two sounds of a question are, and how the first compares with the second."""
    one, other = (scene.sources[index] for index in asked.about.sources)
    stated = [heard(source, margins) for source in (one, other)]
    if asked.about.axis != "distance":
        return [*stated, _beside(margins, asked.about.axis, one, other)]
    return [*stated, compared(one, "nearer" if one.distance_m < other.distance_m else "farther", other)]


def steps_to_side(margins: Margins, scene: HeardScene, asked: Question) -> list[Step]:
    """Returns where the sound of a question is, and its side on the axis in question."""
    (index,) = asked.about.sources
    source = scene.sources[index]
    return [heard(source, margins), compared(source, source.word(asked.about.axis))]


def _beside(margins: Margins, axis: str, one: HeardSource, other: HeardSource) -> Step:
    side = side_of(one, other, axis, margins.axis_margin_deg, margins.relation_margin_m)
    return compared(one, AXES[axis][0] if side > 0 else AXES[axis][1], other)


# --- the mirror image ---------------------------------------------------------------------------------------------------


def mirrored(conclude: Callable[..., dict[str, Any] | None]) -> Callable[..., dict[str, Any] | None]:
    """Returns the function that mirrors a thought-out answer whose conclusion `conclude` mirrors: its steps are mirrored one
    by one, and stay the steps to the new conclusion."""

    def mirror(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> dict[str, Any] | None:
        conclusion = conclude(about, {name: item for name, item in value.items() if name != "steps"}, sources)
        return None if conclusion is None else conclusion | {"steps": [mirror_step(step) for step in value["steps"]]}

    return mirror


FAMILY = Family(
    "thinking",
    {
        "THINK_NEAREST": "thought_labels",
        "THINK_FARTHEST": "thought_labels",
        "THINK_RELATION": "thought_labels",
        "THINK_NEARER": "thought_yes_no",
        "THINK_DIRECTION": "thought_yes_no",
        "THINK_SIDE": "thought_yes_no",
    },
    tuple(
        map(
            thoughtful,
            (
                nearest.NEAREST,
                nearest.FARTHEST,
                relation.WORDINGS,
                distance_yes_no.WORDINGS,
                direction_yes_no.RELATIVE,
                negative.WRONG_PLACE,
            ),
        )
    ),
    ask=(
        thought_out(nearest.nearest, "THINK_NEAREST", steps_to_extreme),
        thought_out(nearest.farthest, "THINK_FARTHEST", steps_to_extreme),
        thought_out(relation_in_place, "THINK_RELATION", steps_to_relation),
        thought_out(nearer, "THINK_NEARER", steps_of_two),
        thought_out(beside, "THINK_DIRECTION", steps_of_two),
        thought_out(negative.wrong_place, "THINK_SIDE", steps_to_side),
    ),
    mirror={
        "THINK_RELATION": mirrored(relation.mirror_beside),
        "THINK_DIRECTION": mirrored(mirror_claim),
        "THINK_SIDE": mirrored(mirror_claim),
    },
)
