"""Arrays: microphones at given positions, in free air, on a rigid sphere, or with measured impulse responses."""

import hashlib
import itertools
import json
import math
import warnings
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np

from spatial_llm.audio.formats.base import AudioFormat, Xyz
from spatial_llm.errors import AudioError

SAME_PLACE_M = 1e-4  # nearer to each other than this, two microphones are one
WIDE_M, WIDEST_M = 1.0, 10.0  # an array of this extent is asked about, and refused: metres are centimetres then
FLAT = 0.02  # of the array's extent: thinner than this, it is a plane or a line
OFF_SPHERE = 0.02  # of the radius: further away from the surface, a microphone is not on the sphere
_TELLS = {
    0: "no direction",
    1: "the angle from the line of its microphones, not the directions around it",
    2: "every direction but not on which side of the plane of its microphones",
    3: "every direction",
}


@dataclass(frozen=True)
class Array(AudioFormat):
    """Omnidirectional microphones at given positions.

    Attributes:
        positions_m: (xyz) of each in metres, in the listener's frame (x front, y left, z up) around its position.
        sphere_radius_m: radius of the rigid sphere around the listener's position on which all of them lie; None where
            nothing shades them.
        sofa: path of a SOFA file with the array's own impulse responses from measured directions, which are used instead of
            the positions; None where there is none.
    """

    kind: ClassVar[str] = "array"
    texts: ClassVar[str] = "array:[[x, y, z], ...]"

    positions_m: tuple[Xyz, ...] = field()  # in place of the base's default: it must be given
    sphere_radius_m: float | None = None
    sofa: str | None = None

    def __post_init__(self) -> None:
        if len(self.positions_m) < 1:
            raise AudioError("array without microphones; give positions_m as a list of [x, y, z] in metres.")
        for index, position in enumerate(self.positions_m):
            try:
                there = len(position) == 3 and all(math.isfinite(value) for value in position)
            except (TypeError, OverflowError):
                there = False
            if not there:
                raise AudioError(
                    f"microphone {index} of the array is at {position}; give (x, y, z) in metres, finite numbers."
                )
        if not (self.sofa is None or isinstance(self.sofa, str)):
            raise AudioError(f"sofa of an array is {self.sofa!r}; give the path of a SOFA file as a text.")
        if self.sphere_radius_m is not None:
            self._check_sphere()

    def _check_sphere(self) -> None:
        radius = self.sphere_radius_m
        if type(radius) not in (int, float) or not (math.isfinite(radius) and radius > 0):
            raise AudioError(f"sphere_radius_m of an array is {radius!r}; give metres, such as 0.042.")
        if self.sofa is not None:
            raise AudioError("an array has either sphere_radius_m or a sofa file: measured responses know their own body.")
        for index, position in enumerate(self.positions_m):
            way = math.hypot(*position)
            if abs(way - radius) > OFF_SPHERE * radius:
                raise AudioError(
                    f"microphone {index} of the array is {way:g} m from the centre, the rigid sphere has a radius of "
                    f"{radius:g} m; expected every microphone on its surface."
                )

    @classmethod
    def parse(cls, text: str) -> AudioFormat | None:
        """Parses "array:" and, as JSON, the positions or an object with the fields of the format."""
        kind, _, given = text.partition(":")
        if kind != cls.kind:
            return None
        try:
            found = json.loads(given)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and "positions_m" in found and found.keys() <= {"positions_m", "sphere_radius_m", "sofa"}:
            return cls.from_fields(found)
        try:
            return cls(tuple(tuple(map(float, position)) for position in found))
        except AudioError:  # before ValueError, of which it is one
            if all(len(position) == 3 for position in found) and found:
                raise
        except (ValueError, TypeError, OverflowError):
            pass
        raise AudioError(f"format {text!r}: expected array:[[x, y, z], ...] with coordinates in metres.")

    @classmethod
    def from_fields(cls, given: dict[str, Any]) -> AudioFormat:
        """Returns the format with `positions_m` as JSON lists of numbers; a text or a boolean is no number."""
        positions = given["positions_m"]
        for index, row in enumerate(positions if isinstance(positions, list) else [positions]):
            numbers = isinstance(row, list) and all(type(value) in (int, float) for value in row)
            if not numbers:
                raise AudioError(f"microphone {index} of the array is at {row!r}; give [x, y, z] in metres, finite numbers.")
        try:
            return cls(**given | {"positions_m": tuple(tuple(map(float, row)) for row in positions)})
        except OverflowError:
            raise AudioError("a microphone of the array is beyond all floats; give [x, y, z] in metres.") from None

    @property
    def tells(self) -> str:
        """Returns what the geometry can tell."""
        return _TELLS[3 if self.sofa else self.dimensions]

    @property
    def dimensions(self) -> int:
        """Returns 0 for microphones at one place, 1 on a line, 2 on a plane, 3 in space: what they tell apart."""
        positions = np.array(self.positions_m)
        # A sphere shades a plane that misses its centre from one side, so that its microphones tell the sides apart.
        centre = positions.mean(axis=0) if self.sphere_radius_m is None else 0.0
        spread = np.linalg.svd(positions - centre, compute_uv=False)
        return int(np.sum(spread > FLAT * spread.max())) if spread.max() > 0 else 0

    @property
    def tells_elevation(self) -> bool:
        """Returns whether all directions that the geometry cannot tell apart have one elevation: those around the line of
        the microphones if it is vertical, and the two beside their plane if that is."""
        if self.sofa is not None or self.dimensions == 3:
            return True
        if self.dimensions == 0:
            return False
        positions = np.array(self.positions_m)
        along, _, across = np.linalg.svd(positions - (positions.mean(axis=0) if self.sphere_radius_m is None else 0.0))[2]
        return bool(np.hypot(*along[:2]) <= FLAT if self.dimensions == 1 else abs(across[2]) <= FLAT)

    @property
    def portable(self) -> AudioFormat:
        """Returns the same array, its measured responses in `hrtf/`."""
        return self if self.sofa is None else replace(self, sofa=f"hrtf/{PurePath(self.sofa).name}")

    def check_places(self, name: str) -> None:
        """Raises AudioError where two microphones are at one place, or the array is wider than 10 m; warns from 1 m on."""
        apart_m = [
            (math.dist(one, other), first, second)
            for (first, one), (second, other) in itertools.combinations(enumerate(self.positions_m), 2)
        ]
        for distance_m, first, second in apart_m:
            if distance_m < SAME_PLACE_M:
                raise AudioError(
                    f"{name}: microphones {first} and {second} are both at {list(self.positions_m[first])}; give each "
                    "its own place."
                )
        extent_m = max((distance_m for distance_m, _, _ in apart_m), default=0.0)
        said = (
            f"{name}: the microphones are up to {extent_m:g} m apart; are the coordinates in centimetres? They are read as "
            "metres"
        )
        if extent_m > WIDEST_M:
            raise AudioError(f"{said}, and an array of more than {WIDEST_M:g} m is refused.")
        if extent_m > WIDE_M:
            warnings.warn(f"{said}.", stacklevel=3)

    @property
    def channels(self) -> int:
        """Returns the number of microphones."""
        return len(self.positions_m)

    @property
    def name(self) -> str:
        """Returns "array4-<hash of the positions, and of what they are on>"."""
        made_of = json.dumps(self.positions_m)
        if self.sphere_radius_m is not None:
            made_of += f" sphere {float(self.sphere_radius_m)}"
        if self.sofa is not None:
            made_of += f" sofa {PurePath(self.sofa).name}"
        return f"array{self.channels}-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"

    @property
    def text(self) -> str:
        """Returns "array:" and the positions as JSON, or an object with all fields."""
        positions = [list(map(float, position)) for position in self.positions_m]
        others = {"sphere_radius_m": self.sphere_radius_m, "sofa": self.sofa}
        others = {name: value for name, value in others.items() if value is not None}
        return f"{self.kind}:{json.dumps({'positions_m': positions} | others if others else positions)}"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Returns "1", "2", ..."""
        return tuple(str(channel + 1) for channel in range(self.channels))
