"""Defines how answers of each kind of value are measured, one file each, in addition to the share of wholly right values.

A kind that is not named here is scored by that share alone.
"""

from spatial_llm.evaluation.metrics.kinds import (
    azimuth,
    clock,
    count,
    distance,
    duration,
    elevation,
    labels,
    location,
    moment,
    or_unknown,
    span,
    thought,
    words,
)
from spatial_llm.evaluation.metrics.spec import KindMetrics

KIND_METRICS: dict[str, KindMetrics] = {
    "yes_no": words.METRICS,
    "direction_word": words.METRICS,
    "room_size": words.METRICS,
    "reverberation": words.METRICS,
    "rt60_range": words.METRICS,
    "labels": labels.METRICS,
    "count": count.METRICS,
    "location": location.METRICS,
    "distance": distance.METRICS,
    "azimuth": azimuth.METRICS,
    "elevation": elevation.METRICS,
    "clock": clock.METRICS,
    "duration": duration.METRICS,
    "span": span.METRICS,
    "moment": moment.METRICS,
    "motion": words.METRICS,
    "elevation_or_unknown": or_unknown.ELEVATION,
    "distance_or_unknown": or_unknown.DISTANCE,
    "location_or_unknown": or_unknown.LOCATION,
    "span_or_unknown": or_unknown.SPAN,
    "thought_labels": thought.LABELS,
    "thought_yes_no": thought.YES_NO,
}
# For the other kinds, the share of wholly right values is the main measure.
WHOLE_VALUE = KindMetrics(lambda right, official: (right, ()))
