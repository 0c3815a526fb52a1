"""What every row of a table allows, and all of them together make unlikely: exchanged columns, radians, the other sense of
azimuth."""

import math
import re
from collections.abc import Iterator, Sequence

from spatial_llm.data.importing.table import Row

_SIDES = re.compile(r"\b(left|right)\b")
_CLEAR_DEG = (10.0, 170.0)  # nearer to the median plane, a rounded azimuth does not tell the side


def refuse_exchanged(rows: Sequence[Row]) -> None:
    """Raises ManifestError if all answers end as questions do, and no question does."""
    if all(row.text("answer").endswith("?") and not row.text("question").endswith("?") for row in rows):
        first = rows[0]
        raise first.error(
            "in all rows the answer is a question and the question is none; exchange the two columns",
            question=first.text("answer"),
            answer=first.text("question"),
        )


def doubts(rows: Sequence[Row]) -> Iterator[str]:
    """Yields sentences that warn of angles in another unit or sense than the table's."""
    for column in ("azimuth", "elevation"):
        angles = [angle for row in rows if (angle := row.number(column)) is not None]
        small = all(abs(angle) <= math.pi + 0.01 for angle in angles)
        if small and len([angle for angle in angles if angle != round(angle)]) > len(angles) / 2:
            yield (
                f"{column}: all {len(angles)} values lie within -3.15 to 3.15, as radians do; they are taken as degrees, so "
                f"multiply them by {180 / math.pi:.4g} if they are radians."
            )
    told = [right for row in rows if (right := _agrees(row)) is not None]
    if told.count(False) > told.count(True):
        yield (
            f"azimuth: {told.count(False)} of {len(told)} answers that name a side name the other one than the azimuth, "
            "which is positive to the left; change its sign if yours is positive to the right."
        )


def _agrees(row: Row) -> bool | None:
    """Returns whether the side that an answer names is that of the azimuth; None where one of the two does not tell."""
    azimuth_deg, sides = row.number("azimuth"), set(_SIDES.findall(row.text("answer").lower()))
    if azimuth_deg is None or len(sides) != 1 or not _CLEAR_DEG[0] <= abs(azimuth_deg) <= _CLEAR_DEG[1]:
        return None
    return sides == {"left" if azimuth_deg > 0 else "right"}
