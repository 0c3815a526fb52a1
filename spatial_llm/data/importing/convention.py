"""The convention of a table of annotations: declared by its author, never guessed, and converted where the table is read."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from spatial_llm.data.importing.table import Columns, Row
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import wrap_azimuth_deg

REQUIRED = ("file", "start", "end", "label", "azimuth")
OPTIONAL = ("elevation", "distance", "source", "split", "room", "recording")
_ALSO = {
    "file": ("audio", "filename", "path", "wav", "clip", "audiofile"),
    "start": ("begin", "onset", "from"),
    "end": ("stop", "offset", "until"),
    "label": ("class", "event", "sound", "category"),
    "azimuth": ("azi", "az", "angle"),
    "elevation": ("ele", "el", "zenith"),
    "distance": ("dist", "range"),
    "source": ("track", "speaker", "actor"),
    "split": ("subset", "fold", "set", "partition"),
}
_ZERO_DEG = {"front": 0.0, "left": 90.0, "behind": 180.0, "right": -90.0}
_SLACK = 1e-3  # of pi written with few digits
_FAR_M = 50.0  # a usual distance beyond this is rather in centimetres
_NEAR_M = 0.1


@dataclass
class Convention:
    """Declares what the numbers of a table mean. Nothing has a default: what the table has columns for must be declared.

    Attributes:
        azimuth: which way it grows, seen from above: "counter-clockwise" (to the left) or "clockwise" (to the right).
        zero: where azimuth 0 is: "front", "left", "behind" or "right".
        angles: "degrees" or "radians".
        elevation: "up", from the horizon, positive upwards, or "zenith", the angle from straight up.
        distance: "m" or "cm".
    """

    azimuth: Literal["counter-clockwise", "clockwise"] | None = None
    zero: Literal["front", "left", "behind", "right"] | None = None
    angles: Literal["degrees", "radians"] | None = None
    elevation: Literal["up", "zenith"] | None = None
    distance: Literal["m", "cm"] | None = None

    def check(self, columns: Collection[str], format: str | None, where: str) -> None:
        """Raises ManifestError, which shows the options that would be right, if something is not declared.

        Args:
            columns: those of the table.
            format: that of its files.
            where: the table, for the message.
        """
        needed = [name for name in _RIGHT if name in _ALWAYS or name in columns]
        missing = [f"convention.{name}" for name in needed if getattr(self, name) is None]
        missing += [] if format else ["format"]
        if missing:
            given = {name: getattr(self, name) or _RIGHT[name] for name in needed}
            options = " ".join(f"--convention.{name} {value}" for name, value in given.items())
            choices = "; ".join(f"{name}: {_CHOICES[name]}" for name in needed if getattr(self, name) is None)
            raise ManifestError(
                f"{where}: {', '.join(missing)} not declared; what the numbers mean is never guessed{_dash(choices)}. Right "
                f"would be, for numbers as this library has them:\n  --format {format or 'foa'} {options}"
            )

    @property
    def per_degree(self) -> float:
        """Returns the number of the table's angles in a degree."""
        return math.pi / 180 if self.angles == "radians" else 1.0

    def columns(self) -> Columns:
        """Returns the columns of the table with the ranges that its numbers have in this convention."""
        unit, half = self.angles or "degrees", 180.0 * self.per_degree
        level = (0.0, half) if self.elevation == "zenith" else (-half / 2, half / 2)
        level_words = "from straight up" if self.elevation == "zenith" else "positive upwards"
        ranges = {
            "azimuth": (_between(-half, 2 * half), f"{unit} from {-half:.4g} to {2 * half:.4g}"),
            "elevation": (_between(*level), f"{unit} from {level[0]:.4g} to {level[1]:.4g}, {level_words}"),
            "distance": (lambda value: value > 0, f"{'centimetres' if self.distance == 'cm' else 'metres'} above 0"),
            "start": (lambda value: value >= 0, "seconds from the beginning of the file, 0 or more"),
            "end": (lambda value: value > 0, "seconds from the beginning of the file, above 0"),
        }
        example = {
            "file": "kitchen/scene1.wav", "start": "0.5", "end": "2.5", "label": "bell", "source": "1", "split": "train",
            "room": "kitchen", "recording": "monday 1",
            "azimuth": f"{40 * self.per_degree:.4g}",
            "elevation": f"{(80 if self.elevation == 'zenith' else 10) * self.per_degree:.4g}",
            "distance": "210" if self.distance == "cm" else "2.1",
        }  # fmt: skip
        return Columns(REQUIRED, OPTIONAL, example, _ALSO, ranges)

    def place(self, row: Row) -> tuple[float | None, float | None, float | None]:
        """Returns azimuth and elevation in degrees and distance in metres of a row, in the internal frame; None where the
        row does not tell. Raises ManifestError on numbers out of range."""
        azimuth, elevation, distance = (row.number(name) for name in ("azimuth", "elevation", "distance"))
        if azimuth is not None:
            sign = 1 if self.azimuth == "counter-clockwise" else -1
            azimuth = float(wrap_azimuth_deg(_ZERO_DEG[self.zero] + sign * azimuth / self.per_degree))
        if elevation is not None:
            elevation = elevation / self.per_degree
            elevation = max(-90.0, min(90.0, 90.0 - elevation if self.elevation == "zenith" else elevation))
        if distance is not None and self.distance == "cm":
            distance /= 100
        return azimuth, elevation, distance

    def doubts(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yields sentences that warn of numbers which another convention would make more likely."""
        for column in ("azimuth", "elevation"):
            angles = [value for row in rows if (value := row.number(column)) is not None]
            broken = [value for value in angles if value != round(value)]
            if self.angles == "degrees" and max(map(abs, angles), default=9) <= 6.3 and len(broken) > len(angles) / 2:
                yield f"{column}: all {len(angles)} values lie within 2 pi, as radians do; they are taken as degrees."
        distances_m = sorted(distance_m for row in rows if (distance_m := self.place(row)[2]) is not None)
        usual_m = distances_m[len(distances_m) // 2] if distances_m else 1.0
        if not _NEAR_M <= usual_m <= _FAR_M:
            yield f"distance: the median is {usual_m:g} m; is {self.distance} the unit of this column?"


_RIGHT = {"azimuth": "counter-clockwise", "zero": "front", "angles": "degrees", "elevation": "up", "distance": "m"}
_ALWAYS = ("azimuth", "zero", "angles")
_CHOICES = {
    "azimuth": "counter-clockwise or clockwise, seen from above",
    "zero": "where azimuth 0 is, front, left, behind or right",
    "angles": "degrees or radians",
    "elevation": "up or zenith",
    "distance": "m or cm",
}


def _dash(text: str) -> str:
    return f" ({text})" if text else ""


def _between(low: float, high: float) -> Callable[[float], bool]:
    return lambda value: low - _SLACK <= value <= high + _SLACK
