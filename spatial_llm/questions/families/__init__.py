"""The families of questions, one file each: how a question is worded, and when it is clear enough to be written.

To add a family whose answers are of a known kind, write its file and name it here. Official types are written, and other
families drawn, in this order, so questions written with the same seed depend on it: append.
"""

from spatial_llm.questions.families import (
    azimuth,
    caption,
    count,
    detection,
    detection_at_place,
    direction_yes_no,
    distance,
    distance_yes_no,
    elevation,
    humility,
    humility_time,
    listener_turn,
    location,
    location_of_named,
    motion,
    motion_compared,
    motion_place,
    motion_time,
    moving,
    nearest,
    negative,
    open_relation,
    overlap,
    relation,
    room,
    rotated,
    same_class,
    side,
    span,
    thinking,
    thinking_motion,
    time,
)
from spatial_llm.questions.family import Family

FAMILIES: tuple[Family, ...] = (
    detection.FAMILY,
    location.FAMILY,
    detection_at_place.FAMILY,
    location_of_named.FAMILY,
    direction_yes_no.FAMILY,
    distance_yes_no.FAMILY,
    open_relation.FAMILY,
    azimuth.FAMILY,
    elevation.FAMILY,
    distance.FAMILY,
    count.FAMILY,
    nearest.FAMILY,
    relation.FAMILY,
    same_class.FAMILY,
    time.FAMILY,
    span.FAMILY,
    room.FAMILY,
    rotated.FAMILY,
    side.FAMILY,
    negative.FAMILY,
    overlap.FAMILY,
    moving.FAMILY,
    motion.FAMILY,
    motion_place.FAMILY,
    motion_time.FAMILY,
    motion_compared.FAMILY,
    listener_turn.FAMILY,
    caption.FAMILY,
    thinking.FAMILY,
    thinking_motion.FAMILY,
    humility.FAMILY,
    humility_time.FAMILY,
)

# Sentences that end a wording whose answer depends on a convention.
CONVENTIONS = tuple(
    dict.fromkeys(wording.convention for family in FAMILIES for wording in family.wordings if wording.convention)
)
