"""Defines the kinds of values, one file each: strict reading, lenient reading, writing and mirror image side by side.

To add a kind, write its file and name it here; `evaluation/metrics/kinds` defines how its answers are measured.
"""

from spatial_llm.answers.kind import Kind
from spatial_llm.answers.kinds import (
    azimuth,
    clock,
    count,
    direction_word,
    distance,
    duration,
    elevation,
    labels,
    location,
    location_or_absent,
    locations,
    moment,
    motion,
    or_unknown,
    order,
    reverberation,
    room_size,
    rt60_range,
    span,
    text,
    thought,
    timed_caption,
    yes_no,
)

_ALL = (
    labels.KIND,
    order.KIND,
    yes_no.KIND,
    location.KIND,
    locations.KIND,
    location_or_absent.KIND,
    direction_word.KIND,
    distance.KIND,
    azimuth.KIND,
    elevation.KIND,
    clock.KIND,
    count.KIND,
    duration.KIND,
    span.KIND,
    moment.KIND,
    motion.KIND,
    timed_caption.KIND,
    rt60_range.KIND,
    room_size.KIND,
    reverberation.KIND,
    text.KIND,
    thought.LABELS,
    thought.YES_NO,
    or_unknown.ELEVATION,
    or_unknown.DISTANCE,
    or_unknown.LOCATION,
    or_unknown.SPAN,
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
