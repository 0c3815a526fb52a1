"""Defines the three axes of a direction with two words each, as in SpatialSoundQA, and the two readings of a text."""

from typing import Any, Literal, get_args

from spatial_llm.errors import SpatialLLMError

AXES = {"left_right": ("left", "right"), "front_behind": ("front", "behind"), "above_below": ("above", "below")}
AXIS_OF_WORD = {word: axis for axis, words in AXES.items() for word in words}
MIRROR_WORD = {"left": "right", "right": "left"}  # the word of a side after left and right are exchanged

Reading = Literal["strict", "lenient"]


def is_lenient(reading: Reading) -> bool:
    """Returns whether a reading is the lenient one. Raises SpatialLLMError on a word that names neither."""
    if reading not in get_args(Reading):
        raise SpatialLLMError(f"reading is {reading!r}; give one of {', '.join(get_args(Reading))}.")
    return reading == "lenient"


def mirror_words(value: dict[str, Any]) -> dict[str, Any]:
    """Returns the value with left and right exchanged; its direction words stand under the names of their axes."""
    return {key: MIRROR_WORD[word] if key == "left_right" else word for key, word in value.items()}
