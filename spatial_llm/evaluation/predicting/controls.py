"""Controls: the same model on recordings that should tell it less, or something else; and what is true of the mirror image.

A model that answers as well without its ears as with them has not listened. Four controls are run by `predict`, each with
the questions unchanged: `no_audio`, `other_audio`, `ears_swapped`, `ears_equal` (see `CONTROLLED`). Answers to recordings
whose ears are swapped are scored twice: against the truth, and against that of the mirror image, see `mirrored`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import float32
from numpy.typing import NDArray

from spatial_llm.answers import VALUE_KINDS, parse_value
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet, Item
from spatial_llm.geometry import direction_to_vector, direction_words, wrap_azimuth_deg
from spatial_llm.questions.families.rotated import TURNS_DEG

Load = Callable[[Item, int, int], NDArray[float32]]


def no_audio(waveform: NDArray[float32]) -> NDArray[float32]:
    """Digital silence of the same length in both ears.

    Why zeros and not noise: noise is a sound, with a place and a class of its own that a model may name; silence is the
    one recording that says nothing of any source and goes through the whole model unchanged in shape. It is outside what
    a model was trained on; what it then says, it says from the question and its habits.
    """
    return np.zeros_like(waveform)


def ears_swapped(waveform: NDArray[float32]) -> NDArray[float32]:
    """The two channels exchanged: the mirror image, exactly so for a head that is the same on both sides."""
    return np.ascontiguousarray(waveform[::-1])


def ears_equal(waveform: NDArray[float32]) -> NDArray[float32]:
    """The mean of both ears in each of them: no difference between the ears is left, and neither side is preferred, as it
    would be if one ear were copied. What was equal and opposite in the two cancels."""
    return np.repeat(waveform.mean(axis=0, keepdims=True, dtype=float32), 2, axis=0)


# what each control does to the recording; other_audio takes the recording of another item as it is
CONTROLLED: dict[str, Callable[[NDArray[float32]], NDArray[float32]]] = {
    "no_audio": no_audio,
    "other_audio": lambda waveform: waveform,
    "ears_swapped": ears_swapped,
    "ears_equal": ears_equal,
}


def control_loader(name: str, evaluation_set: EvaluationSet, seed: int) -> Load:
    """What a control gives to the model in place of `evaluation_set.load`: (item, sampling_rate, window_samples) to
    (2 ears, window_samples). The recording is made, brought to the model's window, and then changed."""
    if name == "no_audio":
        return lambda item, sampling_rate, window_samples: no_audio(np.empty((2, window_samples), float32))
    heard: dict[str, Item] = {}
    for item in evaluation_set.items:
        heard.setdefault(item.recording_id, item)
    if name == "other_audio":
        other = derangement(list(heard), seed)
        return lambda item, *window: evaluation_set.load(heard[other[item.recording_id]], *window)
    return lambda item, *window: CONTROLLED[name](evaluation_set.load(item, *window))


def derangement(ids: Sequence[str], seed: int) -> dict[str, str]:
    """Another id for each id: one random cycle through all of them (Sattolo's algorithm), the same for the same seed. No id
    is its own partner; that the partner's answer is the same by chance is not prevented.

    Raises:
        ManifestError: there is one id only.
    """
    if len(ids) < 2:
        raise ManifestError("control other_audio needs two recordings or more; this set has one: leave the control out.")
    rng, cycle = np.random.default_rng(seed), list(range(len(ids)))
    for last in range(len(cycle) - 1, 0, -1):
        other = int(rng.integers(last))
        cycle[last], cycle[other] = cycle[other], cycle[last]
    return {id: ids[at] for id, at in zip(ids, cycle, strict=True)}


def control_items(items: Sequence[Item], recordings: int | None, seed: int) -> list[Item]:
    """The items, in order, of so many recordings drawn with the seed; all for None, or where there are not more."""
    ids = list(dict.fromkeys(item.recording_id for item in items))
    if recordings is None or recordings >= len(ids):
        return list(items)
    drawn = np.random.default_rng(seed).permutation(len(ids))[:recordings]
    chosen = {ids[at] for at in drawn}
    return [item for item in items if item.recording_id in chosen]


def check_controls(names: Sequence[str], evaluation_set: EvaluationSet) -> None:
    """Raises ManifestError, before anything is computed, where a control makes no sense for these recordings."""
    if "other_audio" in names:
        derangement(list(dict.fromkeys(item.recording_id for item in evaluation_set.items)), 0)
    ears = [name for name in names if name.startswith("ears_")]
    for item in evaluation_set.items if ears else ():
        scene = getattr(item, "scene", None)
        if scene is not None and scene.format.kind != "binaural":
            raise ManifestError(
                f"record {item.id!r} is heard with {scene.format.name!r}: {' and '.join(ears)} are for two ears, whose "
                "channels are left and right; leave them out of the task's controls."
            )


# --- what is true of the mirror image ---------------------------------------------------------------------------------

_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_RELATION = re.compile(r"\b(left|right)( side)? of\b", re.IGNORECASE)
_PLACE = re.compile(r"\b(left|right), (front|behind), (above|below), ([\d.]+ meters?)\b", re.IGNORECASE)
_MIRROR = {"left": "right", "right": "left"}
# the question names a place or a side, and what sounds there in the mirror image is not said by the item
_UNKNOWN = {"MIXUP_SINGLE_CLASSIFICATION", "MIXUP_NONBINARY_SOURCE", "RELATION_LEFT", "RELATION_RIGHT", "PRESENT_AT_PLACE"}


def mirrored(item: Item) -> dict[str, Any] | None:
    """The true value of an item once the ears of its recording are swapped, as `parse_value` would return it; None where
    the item does not say it, or its answer cannot be read.

    Directions are mirrored: left and right exchanged, azimuths negated, hours of the clock reflected. Labels, counts,
    distances, elevations, times and rooms stay. A question that names left or right asks something else of the mirror
    image: relations ("X on the left of Y") and sides ("on your left") turn into their contrary, exchanged places into
    false ones, and turns of the listener keep their sense. Which sound is at a named place is not known: None. So is
    "X from the left and Y from the right" of released data, whose no may mean that both are on one side; our own writer
    asks it only of sources on opposite sides. A kind of question is either answered for yes and no or for neither, so that
    what is left is no easier to guess.
    """
    if item.question_type not in VALUE_KINDS:
        return None
    value = parse_value(item.question_type, item.answer)
    if value is None:
        return None
    sided = _SIDE.search(item.question) is not None
    if item.question_type in _UNKNOWN:
        return None if sided else value
    match item.question_type:
        case "MIXUP_DIRECTION":
            if not sided:
                return value
            known = _RELATION.search(item.question) is not None or getattr(item, "scene", None) is not None
            return {"yes": not value["yes"]} if known else None
        case "WRONG_PLACE":
            return {"yes": not value["yes"]} if sided else value
        case "SWAPPED":
            return _mirrored_swap(item.question, value)
        case "ROTATED" | "ROTATED_AZIMUTH":
            return _mirrored_turn(item.question, value)
        case _:
            return _mirrored_value(VALUE_KINDS[item.question_type], value)


def _mirrored_value(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "location" | "direction_word" | "location_or_absent":
            return _mirrored_words(value)
        case "locations":
            places = [_mirrored_words(place) for place in value["locations"]]
            return {"locations": sorted(places, key=lambda place: tuple(place.values()))}
        case "azimuth":
            return {"azimuth_deg": _wrapped(-value["azimuth_deg"])}
        case "clock":
            return {"clock_hour": -value["clock_hour"] % 12 or 12}
        case _:
            return value


def _mirrored_words(place: dict[str, Any]) -> dict[str, Any]:
    return {key: _MIRROR[word] if key == "left_right" else word for key, word in place.items()}


def _mirrored_swap(question: str, value: dict[str, Any]) -> dict[str, Any] | None:
    """Is X at one place, and Y at another? No means that each is at the other's. In the mirror image that is so only if
    the two places mirror each other; and what was true is false, since both places have changed sides."""
    places = [found.lower().split(", ") for found in map(", ".join, _PLACE.findall(question))]
    if len(places) != 2:
        return None
    (side, *first), (other_side, *second) = places
    return {"yes": not value["yes"] and side != other_side and first == second}


def _mirrored_turn(question: str, value: dict[str, Any]) -> dict[str, Any] | None:
    """A source at azimuth a is at b = a - turn after the turn; its mirror image, at -a, is then at -b - 2 turn. Twice a turn
    is a multiple of 90 degrees, so words can be mirrored as exactly as degrees."""
    found = [(question.find(turn), turn_deg) for turn, turn_deg in TURNS_DEG.items() if turn in question]
    if not found:
        return None
    turn_deg = min(found)[1]
    if "azimuth_deg" in value:
        return {"azimuth_deg": _wrapped(-value["azimuth_deg"] - 2 * turn_deg)}
    middle_deg = {("left", "front"): 45, ("left", "behind"): 135, ("right", "behind"): -135, ("right", "front"): -45}
    azimuth_deg = -middle_deg[value["left_right"], value["front_behind"]] - 2 * turn_deg
    left_right, front_behind, _ = direction_words(direction_to_vector(azimuth_deg, 0.0))
    return value | {"left_right": left_right, "front_behind": front_behind}


def _wrapped(azimuth_deg: float) -> float:
    return float(wrap_azimuth_deg(azimuth_deg)) + 0.0
