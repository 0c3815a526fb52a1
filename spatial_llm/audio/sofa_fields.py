"""Reads single fields of a SOFA file (AES69), checked for shape, units and values that are not finite."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import sofar

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector

WANTED = "expected impulse responses (directions, receivers, taps), one position each."
MOST_VALUES = 2**27  # of the responses, 1 GiB in float64: more than any head that was measured
UNITS = {"metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "m": 1.0}
ANGLES = {"degree": 1.0, "degrees": 1.0, "deg": 1.0, "radian": 180 / np.pi, "radians": 180 / np.pi, "rad": 180 / np.pi}

Content = TypeVar("Content")


def read_fields(path: str | Path, content: str, read: Callable[["SofaFields"], Content]) -> Content:
    """Opens a SOFA file and reads its fields; `content` says what it should hold.

    Raises:
        SceneError: there is no such file, or it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise SceneError(f"{path}: no such file; give a SOFA file with {content}.")
    try:
        with sofar.SofaStream(str(path)) as stream:
            return read(SofaFields(stream, path))
    except SceneError:
        raise
    except Exception as error:  # sofar and the netCDF library below it raise what they please
        raise SceneError(f"{path}: cannot be read as SOFA ({type(error).__name__}: {error}).") from None


class SofaFields:
    """The fields of an open file, checked for shape and for values that are not finite."""

    def __init__(self, stream: Any, path: Path) -> None:
        self.stream, self.path = stream, path

    def refuse(self, problem: str) -> SceneError:
        """Returns the error that names the file and a problem."""
        return SceneError(f"{self.path}: {problem}")

    def text(self, name: str, default: str) -> str:
        """Returns an attribute as text; `default` if it is not there."""
        try:
            return str(getattr(self.stream, name)).strip()
        except AttributeError:
            return default

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Returns the shape of a field; None if it is not there."""
        try:
            return tuple(getattr(self.stream, name).shape)
        except AttributeError:
            return None

    def values(self, name: str, default: list | None = None) -> np.ndarray:
        """Returns a field as float64; entries that were never written are NaN. Raises SceneError: it is missing, or not
        numeric."""
        if self.shape(name) is None:
            if default is None:
                raise self.refuse(f"{name} is missing; {WANTED}")
            return np.array(default, dtype=np.float64)
        if int(np.prod(self.shape(name), dtype=object)) > MOST_VALUES:
            raise self.refuse(f"{name} is {self.shape(name)}, more than {MOST_VALUES} values; {WANTED}")
        try:
            return np.ma.filled(np.ma.asarray(getattr(self.stream, name)[:]).astype(np.float64), np.nan)
        except (TypeError, ValueError):
            raise self.refuse(f"{name} holds no numbers; {WANTED}") from None

    def triples(self, name: str, count: int, default: list | None = None) -> np.ndarray:
        """Returns a field as (1 or count, 3), finite."""
        found = np.atleast_2d(self.values(name, default))
        if found.ndim != 2 or found.shape[1] != 3 or found.shape[0] not in (1, count):
            raise self.refuse(f"{name} is {found.shape}; expected (1, 3) or ({count}, 3): three coordinates, once or for "
                              "each measurement.")  # fmt: skip
        if not np.isfinite(found).all():
            raise self.refuse(f"{name} holds values that are not finite; measure or export it again.")
        return found

    def vectors(self, name: str, count: int, default: list | None = None, typed: str | None = None) -> np.ndarray:
        """Returns a field as xyz, lengths in metres, by the type and units of the field `typed` (that field itself)."""
        return self.from_type(self.triples(name, count, default), name, typed or name)

    def from_type(self, found: np.ndarray, name: str, typed: str) -> np.ndarray:
        """Returns values (..., 3) of the field `name` as xyz, lengths in metres, by the type and units of `typed`."""
        # Where the listener is, a missing type matters little; where the sources are, everything hangs on it.
        kind = self.text(f"{typed}_Type", "none" if typed == "SourcePosition" else "cartesian").lower()
        if kind == "cartesian":
            return found * self.units(typed, ("metre",) * 3, (UNITS,) * 3)
        if kind != "spherical":
            raise self.refuse(f"{typed}:Type is {kind!r}; expected cartesian or spherical.")
        azimuth_deg, elevation_deg, length = self.spherical(found, name, typed).T
        return direction_to_vector(azimuth_deg, elevation_deg, length)

    def spherical(self, found: np.ndarray, name: str, typed: str) -> np.ndarray:
        """Returns azimuth and elevation in degrees and length in metres (..., 3) of spherical coordinates, checked."""
        found = found * self.units(typed, ("degree", "degree", "metre"), (ANGLES, ANGLES, UNITS))
        azimuth_deg, elevation_deg, length = found.T
        if np.abs(elevation_deg).max() > 90.001 or np.abs(azimuth_deg).max() > 360.001 or length.min() < 0:
            raise self.refuse(
                f"{name} has azimuths from {azimuth_deg.min():.0f} to {azimuth_deg.max():.0f} degrees, elevations from "
                f"{elevation_deg.min():.0f} to {elevation_deg.max():.0f}, lengths from {length.min():g}; expected -360 to "
                "360, -90 to 90 and 0 up. Is elevation counted from above (colatitude), or the unit another one?"
            )
        return found

    def units(self, name: str, default: tuple[str, ...], known: tuple[dict[str, float], ...]) -> np.ndarray:
        """Returns what the coordinates of a field are multiplied by, (3,)."""
        text = self.text(f"{name}_Units", "")
        given = [part.strip().lower() for part in text.split(",") if part.strip()] or list(default)
        given = given * 3 if len(given) == 1 and default[0] == default[2] else given
        if len(given) != 3 or any(unit not in scale for unit, scale in zip(given, known, strict=False)):
            raise self.refuse(f"{name}:Units is {text!r}; expected {', '.join(default)}.")
        return np.array([scale[unit] for unit, scale in zip(given, known, strict=True)])


def receivers_m(fields: SofaFields) -> np.ndarray | None:
    """Returns where the microphones are in the listener's frame, (microphones, xyz) metres; None where the file does not say
    it of each, or they moved."""
    found, shape = fields.values("ReceiverPosition", [[0.0, 0.0, 0.0]]), fields.shape("Data_IR")
    found = found[..., None] if found.ndim == 2 else found
    if shape is None or len(shape) != 3 or found.ndim != 3 or found.shape[:2] != (shape[1], 3):
        return None
    if not np.isfinite(found).all() or np.ptp(found, axis=2).any():
        return None
    return fields.from_type(found[..., 0], "ReceiverPosition", "ReceiverPosition")
