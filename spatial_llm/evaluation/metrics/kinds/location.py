"""Measures places in words and metres: each word, the octant that three words name, the angle to it, and the distance.

Note: each word and the distance are parsed by themselves, so an answer with an unparsed distance may still have the right
direction. An answer in degrees to a question about words is measured by its angle (`only_if_present`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm import answers
from spatial_llm.answers import AXES, Reading
from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.kinds.distance import distance_specs
from spatial_llm.evaluation.metrics.measures import ANGLE_TOLERANCE_DEG, Columns, Measure, column_of, more
from spatial_llm.evaluation.metrics.protocols import ANGLE, BALANCED, BAT, DIAGNOSTIC, REGION
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec
from spatial_llm.geometry import direction_to_vector, great_circle_deg, region_distance_deg


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of a place; see `KindMetrics.specs`."""
    direction, limit = measures.equal("direction_right", "octant"), f"{ANGLE_TOLERANCE_DEG:g}"
    outside, far = region_distance("region_distance_deg"), great_circle("great_circle_deg")
    nearest = "from the true bearing to the nearest point of the octant that the words name"
    between = "between the bearing of the answers that give one in degrees and the true one"
    axes = [
        Spec(f"{axis}_acc", measures.equal(f"{axis}_right", axis), DIAGNOSTIC, f"the word of {' or '.join(words)} right")
        for axis, words in AXES.items()
    ]
    return measures.equal("right", "octant"), (
        Spec("direction_acc", direction, BAT if official else DIAGNOSTIC, "all three direction words right"),
        Spec("direction_balanced_acc", direction, BALANCED, "mean over the 8 directions of the share right", "balanced"),
        *axes,
        error_spec("region_distance_mean", outside, REGION, f"mean angle {nearest}", unit="deg"),
        error_spec("region_distance_median", outside, REGION, f"median angle {nearest}", "median", unit="deg"),
        error_spec(
            f"region_ER{limit}", region_distance_beyond("region_distance_beyond_20"), REGION,
            f"angle {nearest} above {limit} degrees, or unparsed",
        ),
        error_spec("great_circle_mean", far, ANGLE, f"mean angle {between}", unit="deg", only_if_present=True),
        error_spec("great_circle_median", far, ANGLE, f"median angle {between}", "median", unit="deg", only_if_present=True),
        error_spec(
            f"great_circle_ER{limit}", great_circle_beyond("great_circle_beyond_20"), ANGLE,
            f"angle {between} above {limit} degrees", only_if_present=True,
        ),
        *distance_specs("distance_", BAT if official else DIAGNOSTIC),
    )  # fmt: skip


def region_distance(name: str) -> Measure:
    """Measures the degrees from the true bearing, if known, to the nearest point of the octant that the words name; 0
    inside. Fewer than three words count as unparsed, because they name a larger region, which would be nearer."""
    return Measure(name, "octant", _region_distance_deg)


def region_distance_beyond(name: str) -> Measure:
    """Measures 1 if that angle is above 20 degrees, or the octant unparsed."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        wrong = more(_region_distance_deg(answer, truth), ANGLE_TOLERANCE_DEG)
        return np.where(np.isnan(truth["true_azimuth_deg"]), np.nan, wrong)

    return Measure(name, "octant", of)


def great_circle(name: str) -> Measure:
    """Measures the degrees between the bearing of an answer in degrees and the true one, if known; NaN for words."""
    return Measure(name, "azimuth_deg", _great_circle_deg)


def great_circle_beyond(name: str) -> Measure:
    """Measures 1 if that angle is above 20 degrees."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        apart_deg = _great_circle_deg(answer, truth)
        return np.where(np.isnan(apart_deg), np.nan, more(apart_deg, ANGLE_TOLERANCE_DEG))

    return Measure(name, "azimuth_deg", of)


def _region_distance_deg(answer: Columns, truth: Columns) -> NDArray:
    # The columns hold 0 for the word of the positive side (front, left, above) and 1 for the other.
    signs = np.stack([1.0 - 2.0 * answer[axis] for axis in ("front_behind", "left_right", "above_below")], axis=-1)
    return region_distance_deg(direction_to_vector(truth["true_azimuth_deg"], truth["true_elevation_deg"]), signs)


def _great_circle_deg(answer: Columns, truth: Columns) -> NDArray:
    return great_circle_deg(
        answer["azimuth_deg"], answer["elevation_deg"], truth["true_azimuth_deg"], truth["true_elevation_deg"]
    )


def _fields(text: str, reading: Reading) -> dict[str, Any]:
    fields = {axis: answers.parse_axis(text, axis, reading) for axis in AXES}
    fields |= {"distance_m": answers.parse_distance(text, reading), "bearing": answers.parse_bearing(text, reading)}
    words = answers.parse_directions(text, reading)
    return fields | (dict(zip(AXES, words, strict=True)) if words is not None else {})


def _columns(values: Sequence[Mapping[str, Any]], columns: Columns) -> Columns:
    """Returns a column for each axis (0 or 1 = the words of AXES), `octant` (0 to 7) if all three are known, and azimuth_deg
    and elevation_deg if the answer is in degrees."""
    found = {
        axis: column_of(words.index(value[axis]) if value.get(axis) in words else None for value in values)
        for axis, words in AXES.items()
    }
    found["octant"] = 4 * found["left_right"] + 2 * found["front_behind"] + found["above_below"]
    bearings = [value.get("bearing") or (np.nan, np.nan) for value in values]
    found["azimuth_deg"], found["elevation_deg"] = np.array(bearings, dtype=np.float64).reshape(-1, 2).T
    return found


def _truth(truth: Columns) -> Columns:
    """Returns the true columns, extended by the true angles of the source."""
    return {name: truth[f"true_{name}"] for name in ("azimuth_deg", "elevation_deg")}


METRICS = KindMetrics(specs, ("distance_m",), _fields, (*AXES, "distance_m"), _columns, _truth)
