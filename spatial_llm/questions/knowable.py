"""Derives from the microphone alone which directions sound the same, and so which answers nobody can know.

Microphones on a plane hear a sound and its mirror image in that plane alike, those on a line all sounds on a cone around it,
a single one every direction. Reflections of a room could tell more to whoever knew the room, which no answer may rest on.
Two ears tell all directions by the colour that a head gives the sound, ambisonics by their channels.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.answers import AXES
from spatial_llm.answers.closeness import is_right
from spatial_llm.audio.formats import Array, AudioFormat, Mono, StereoMs
from spatial_llm.geometry import clock_hour, direction_to_vector, vector_to_direction
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardSource, step_distance_m
from spatial_llm.questions.types import VALUE_KINDS

TURNS_DEG = (90.0, 180.0, 270.0)  # around a line of microphones
_LEFT = np.array([0.0, 1.0, 0.0])  # the axis along which the levels of stereo tell
_EVERYWHERE = np.concatenate([np.eye(3), -np.eye(3)])
_ONE_THING = ("azimuth", "elevation", "clock", "direction_word")  # a place in three words is known in part


def directions_alike(format: AudioFormat, azimuth_deg: float, elevation_deg: float) -> list[tuple[float, float]]:
    """Returns other directions (azimuth_deg, elevation_deg), internal frame, that a microphone cannot tell from this one;
    some of them where they are infinitely many, none where it tells every direction."""
    way = direction_to_vector(azimuth_deg, elevation_deg)
    return [_angles(other) for other in _alike(format, way)]


def value_at(value: dict[str, Any], source: HeardSource) -> dict[str, Any]:
    """Returns a value whose places are those of `source`; numbers have the steps in which answers give them.

    Args:
        value: of an answer; keys that name no place are kept.
        source: placed in full, as the question places it (after a turn, turned).
    """
    place: dict[str, Any] = {axis: source.word(axis) for axis in AXES}
    place["azimuth_deg"] = source.whole_azimuth_deg
    place["elevation_deg"] = round(source.elevation_deg) + 0.0
    place["clock_hour"] = clock_hour(source.azimuth_deg)
    in_words = set(AXES) <= value.keys()
    place["distance_m"] = step_distance_m(source.distance_m) if in_words else round(source.distance_m, 1)
    return {name: place.get(name, item) for name, item in value.items()}


def answers_alike(
    question_type: str, about: About, truth: dict[str, Any], source: HeardSource, format: AudioFormat
) -> list[dict[str, Any]]:
    """Returns values that would be true if the sound came from a direction that the microphone cannot tell from the true
    one, and that are wrong; where there is one, nobody can know the answer.

    Only questions for one thing are judged: an angle, an hour, one word, or yes and no about one axis.

    Args:
        question_type: of the question.
        about: its meaning, with one source.
        truth: value of its true answer.
        source: that source, placed in full, as the question places it.
        format: of the recording.
    """
    kind = VALUE_KINDS[question_type]
    around = replace(source, azimuth_deg=source.after_turn(-about.turn_deg).azimuth_deg)
    found = []
    for azimuth_deg, elevation_deg in directions_alike(format, around.azimuth_deg, around.elevation_deg):
        other = replace(source, azimuth_deg=azimuth_deg, elevation_deg=elevation_deg).after_turn(about.turn_deg)
        if kind in _ONE_THING:
            value = value_at(truth, other)
        elif kind == "yes_no" and about.axis in AXES and other.word(about.axis) != source.word(about.axis):
            value = truth | {"yes": not truth["yes"]}
        else:
            continue
        if not is_right(kind, value, truth) and value not in found:
            found.append(value)
    return found


def _alike(format: AudioFormat, way: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    if isinstance(format, StereoMs):
        return [_turned(way, _LEFT, angle) for angle in TURNS_DEG]
    if isinstance(format, Mono):
        return list(_EVERYWHERE)
    if not isinstance(format, Array) or format.sofa is not None or format.dimensions == 3:
        return []
    if format.dimensions == 0:
        return list(_EVERYWHERE)
    positions = np.array(format.positions_m)
    centre = positions.mean(axis=0) if format.sphere_radius_m is None else np.zeros(3)
    axes = np.linalg.svd(positions - centre)[2]
    if format.dimensions == 1:
        return [_turned(way, axes[0], angle) for angle in TURNS_DEG]
    return [way - 2.0 * (way @ axes[2]) * axes[2]]


def _turned(way: NDArray, axis: NDArray, angle_deg: float) -> NDArray[np.float64]:
    """Returns a vector turned about an axis of length 1 (Rodrigues)."""
    angle = np.deg2rad(angle_deg)
    across = np.cross(axis, way) * np.sin(angle)
    return way * np.cos(angle) + across + axis * (axis @ way) * (1 - np.cos(angle))


def _angles(way: NDArray) -> tuple[float, float]:
    azimuth_deg, elevation_deg, _ = vector_to_direction(way)
    return float(azimuth_deg), float(elevation_deg)
