"""Reads a SOFA file (AES69) of impulse responses to the two ears of a head, or to the microphones of an array, with their
directions in the listener's frame.

Positions stand in one global frame. The listener stands at ListenerPosition, looks along ListenerView and has ListenerUp
above, so a direction is SourcePosition (with EmitterPosition, where that is not 0) minus ListenerPosition, turned into the
listener's own frame. Each of them may be given once or for each measurement, in cartesian or spherical coordinates.
Note: ListenerUp has no type of its own and takes that of ListenerView, yet many files with a spherical view leave its
cartesian default there. That default is read as cartesian; otherwise the reading that is at an angle to the view is used,
and the delays of the responses decide whether the file is accepted (`head_checks`). ReceiverPosition is relative to the
listener, and swapped in some files of heads: the order of the ears comes from the data.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spatial_llm.audio.sofa_fields import SofaFields, read_fields, receivers_m
from spatial_llm.geometry import vector_to_direction, wrap_azimuth_deg

CONVENTION = "SimpleFreeFieldHRIR"
ARRAY_CONVENTIONS = (CONVENTION, "GeneralFIR")  # the second is for any number of receivers, the first is used so too
WANTED = f"expected {CONVENTION}: impulse responses (directions, 2 ears, taps), one position each."
WANTED_ARRAY = (
    f"expected {' or '.join(ARRAY_CONVENTIONS)}: impulse responses (directions, microphones, taps), one position each."
)
RATES_HZ = (8000.0, 1e6)
LONGEST_DELAY_S = 0.1  # between two directions or ears; sound travels 34 m in it
LEAST_SINE = 0.1  # of the angle between view and up
SAME_M = 1e-6


@dataclass(frozen=True, eq=False)
class MeasuredHead:
    """The content of a SOFA file.

    Attributes:
        responses: float64 (directions, ears or microphones, taps) at `rate` Hz, Data.Delay included.
        rate: Hz.
        azimuth_deg, elevation_deg, distance_m: (directions), in the listener's frame.
        turned: whether the listener is not at the origin or does not look along x.
        receivers_m: (microphones, xyz) metres in the listener's frame; None of a head, or where the file does not say.
    """

    responses: np.ndarray
    rate: float
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    distance_m: np.ndarray
    turned: bool
    receivers_m: np.ndarray | None = None


def read_measured_head(path: str | Path) -> MeasuredHead:
    """Reads a SOFA file of the convention SimpleFreeFieldHRIR.

    Raises:
        SceneError: the file is not there, cannot be read, is of another convention, or one of its fields is not what the
            standard says; the field is named.
    """
    return read_fields(path, "head-related impulse responses", _read)


def read_measured_array(path: str | Path) -> MeasuredHead:
    """Reads a SOFA file of an array, of the convention GeneralFIR or SimpleFreeFieldHRIR with any number of receivers.

    Raises:
        SceneError: see `read_measured_head`.
    """
    return read_fields(path, "impulse responses of an array", _read_array)


def _read(fields: SofaFields) -> MeasuredHead:
    convention, shape = fields.text("GLOBAL_SOFAConventions", "no convention"), fields.shape("Data_IR")
    source = fields.shape("SourcePosition")
    if convention != CONVENTION or shape is None or len(shape) != 3 or shape[1] != 2 or 0 in shape:
        raise fields.refuse(f"{convention} with data {shape} at {source and source[0]} positions; {WANTED}")
    return _measured(fields, *shape[:2])


def _read_array(fields: SofaFields) -> MeasuredHead:
    convention, shape = fields.text("GLOBAL_SOFAConventions", "no convention"), fields.shape("Data_IR")
    source = fields.shape("SourcePosition")
    if convention not in ARRAY_CONVENTIONS or shape is None or len(shape) != 3 or 0 in shape:
        raise fields.refuse(f"{convention} with data {shape} at {source and source[0]} positions; {WANTED_ARRAY}")
    return replace(_measured(fields, *shape[:2]), receivers_m=receivers_m(fields))


def _measured(fields: SofaFields, count: int, receivers: int) -> MeasuredHead:
    positions = fields.triples("SourcePosition", count)
    rate = np.unique(fields.values("Data_SamplingRate"))
    if len(rate) != 1 or not RATES_HZ[0] <= rate[0] <= RATES_HZ[1]:
        raise fields.refuse(
            f"Data.SamplingRate is {', '.join(f'{each:g}' for each in rate[:3])}; expected one rate in hertz "
            f"(not kilohertz), {RATES_HZ[0]:g} or more."
        )
    responses = fields.values("Data_IR")
    if not (np.isfinite(responses).all() and responses.any(axis=-1).all()):
        raise fields.refuse("holds values that are not finite, or silent responses; measure or export it again.")
    responses = _delayed(responses, _delay(fields, count, receivers, rate[0]))
    azimuth_deg, elevation_deg, distance_m, turned = _directions(fields, positions, count)
    if count > 1 and len(np.unique([azimuth_deg, elevation_deg, distance_m], axis=1).T) == 1:
        raise fields.refuse(f"{count} responses from one position; expected one for each direction.")
    return MeasuredHead(responses, float(rate[0]), azimuth_deg, elevation_deg, distance_m, turned)


def _directions(fields: SofaFields, positions: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Returns azimuth, elevation and distance (count) in the listener's frame, and whether anything had to be moved or
    turned."""
    listener = fields.vectors("ListenerPosition", count, [[0.0, 0.0, 0.0]])
    forward, left, up = _frame(fields, "ListenerView", "ListenerUp", count)
    emitter = _emitter(fields, count)
    axes = np.broadcast_to(np.eye(3)[:, None], (3, len(forward), 3))
    turned = not np.allclose([forward, left, up], axes, atol=SAME_M) or bool(np.abs(listener).max() > SAME_M)
    if (
        not turned
        and not emitter.any()
        and fields.text("SourcePosition_Type", "").lower() == "spherical"
        and len(positions) == count
    ):
        # As they stand in the file, to the last bit.
        azimuth_deg, elevation_deg, distance_m = fields.spherical(positions, "SourcePosition", "SourcePosition").T
        return azimuth_deg, elevation_deg, distance_m, turned
    offsets = fields.from_type(positions, "SourcePosition", "SourcePosition") + emitter - listener
    if turned:
        offsets = np.stack([np.sum(offsets * axis, axis=-1) for axis in (forward, left, up)], axis=-1)
    offsets = np.broadcast_to(offsets, (count, 3))
    azimuth_deg, elevation_deg, distance_m = vector_to_direction(offsets)
    if distance_m.min() < SAME_M:
        where = int(np.argmin(distance_m))
        raise fields.refuse(f"SourcePosition {where} is ListenerPosition itself; expected a source away from the listener.")
    return wrap_azimuth_deg(azimuth_deg), elevation_deg, distance_m, turned


def _frame(fields: SofaFields, view: str, up: str, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns unit vectors (1 or count, 3) ahead, to the left and above of a listener who looks along `view` with `up`
    above."""
    forward = fields.vectors(view, count, [[1.0, 0.0, 0.0]])
    given = fields.triples(up, count, [[0.0, 0.0, 1.0]])
    typed = up if fields.text(f"{up}_Type", "") else view
    length = np.linalg.norm(forward, axis=-1, keepdims=True)
    if length.min() < SAME_M:
        raise fields.refuse(f"{view} has no length; expected a direction such as [1, 0, 0].")
    forward = forward / length
    by_type = fields.from_type(given, up, typed) if fields.shape(up) else given
    # [0, 0, 1] is what writers put there by default: upwards. As spherical coordinates it would be along x.
    for above in (given, by_type) if typed == view and np.all(given == [0.0, 0.0, 1.0]) else (by_type, given):
        left = np.cross(above, forward)
        sine = np.linalg.norm(left, axis=-1, keepdims=True)
        if np.all(sine > LEAST_SINE * np.linalg.norm(above, axis=-1, keepdims=True)) and sine.min() > SAME_M:
            left = left / sine
            return forward, left, np.cross(forward, left)
    raise fields.refuse(f"{up} is {given[0]}, along {view}; expected a direction at a right angle to it.")


def _emitter(fields: SofaFields, count: int) -> np.ndarray:
    """Returns the position of the one emitter relative to the source, in the global frame: (1 or count, 3) metres."""
    found = fields.values("EmitterPosition", [[0.0, 0.0, 0.0]])
    found = found[..., None] if found.ndim == 2 else found
    if found.ndim != 3 or found.shape[:2] != (1, 3) or found.shape[2] not in (1, count) or not np.isfinite(found).all():
        raise fields.refuse(f"EmitterPosition is {found.shape}; expected one emitter, (1, 3, 1) or (1, 3, {count}), finite.")
    if not found.any():
        return np.zeros((1, 3))
    offset = fields.from_type(found[0].T, "EmitterPosition", "EmitterPosition")
    if fields.shape("SourceView") is None:
        return offset
    forward, left, up = _frame(fields, "SourceView", "SourceUp", count)
    return offset[:, :1] * forward + offset[:, 1:2] * left + offset[:, 2:] * up


def _delay(fields: SofaFields, count: int, receivers: int, rate: float) -> np.ndarray:
    """Returns Data.Delay in samples, (1 or count, 1 or receivers); most files have zeros."""
    delay = np.atleast_2d(fields.values("Data_Delay", [[0.0]]))
    if delay.ndim != 2 or delay.shape[0] not in (1, count) or delay.shape[1] not in (1, receivers):
        raise fields.refuse(f"Data.Delay is {delay.shape}; expected (1, {receivers}) or ({count}, {receivers}).")
    if not np.isfinite(delay).all() or np.ptp(delay) > LONGEST_DELAY_S * rate:
        raise fields.refuse(f"Data.Delay runs from {delay.min():g} to {delay.max():g} samples; expected finite numbers that "
                            f"differ by at most {LONGEST_DELAY_S} s.")  # fmt: skip
    return delay


def _delayed(responses: np.ndarray, delay: np.ndarray) -> np.ndarray:
    delay = np.broadcast_to(delay - delay.min(), responses.shape[:2])
    if not delay.any():
        return responses
    longest = int(np.ceil(delay.max()))
    spectrum = np.fft.rfft(np.pad(responses, ((0, 0), (0, 0), (0, longest))))
    taps = responses.shape[-1] + longest
    shift = np.exp(-2j * np.pi * np.arange(spectrum.shape[-1]) * delay[..., None] / taps)
    return np.fft.irfft(spectrum * shift, n=taps)
