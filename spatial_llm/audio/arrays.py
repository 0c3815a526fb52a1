"""Converts arrays, tensors and lists of samples to float32 at full scale 1, or raises an error that names what they are.

The scale of an array cannot be looked up. Where the type gives it (int16, int32), that scale is used. Where only the values
can tell (whole numbers in int64, lists or floats), they are scaled if exactly one reading is likely, with a warning that
names the peak. Anything else is refused, because a wrong scale changes every answer silently.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import AudioError

OVERSHOOT = 4.0  # floats up to this peak are taken as they are: 12 dB above full scale occurs in float stems
LOUD = 100.0  # floats up to this peak cause a warning; above it, full scale 1 is not plausible
INT16 = 32768.0


def to_numpy(audio: Any, name: str = "the recording") -> NDArray:
    """Converts an array, a tensor on any device (bfloat16 becomes float32) or nested lists of equal length to a NumPy array.

    Raises:
        AudioError: the lists differ in length, hold text, or `audio` is no array at all.
    """
    if hasattr(audio, "detach") and hasattr(audio, "cpu"):  # a torch tensor; this module does not import torch
        audio = audio.detach().cpu()
        if str(audio.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
            audio = audio.float()
        try:
            return audio.resolve_conj().resolve_neg().numpy()
        except (TypeError, RuntimeError, AttributeError) as error:
            raise AudioError(f"{name}: a tensor of {audio.dtype} ({error}); expected dense samples (2, samples).") from None
    if isinstance(audio, list | tuple) and any(hasattr(each, "detach") for each in audio):
        audio = [to_numpy(each, name) for each in audio]
    try:
        array = np.asarray(audio)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        array = np.empty(0, object)
    if array.dtype == object or array.dtype.kind in "USVmM":
        raise AudioError(f"{name}: {_described(audio)}; expected numbers as an array (2, samples).")
    return array


def to_full_scale(array: NDArray, name: str = "the recording") -> NDArray[np.float32]:
    """Returns samples as float32 with full scale 1; the module docstring describes how integers are scaled.

    Raises:
        AudioError: the type cannot hold samples (bool, complex), or the scale of whole numbers or of the peak is unknown.
    """
    kind = array.dtype
    if kind in (np.int8, np.int16, np.int32):
        peak = _peak(array) if kind == np.int32 else 0.0
        if 0 < peak <= INT16:
            warnings.warn(
                f"{name}: int32 samples with a peak of {peak:.0f}, taken as 32-bit ones "
                f"({20 * np.log10(peak / 2**31):.0f} dBFS); if they are 16-bit ones, give them as int16.",
                stacklevel=3,
            )
        return (array / -float(np.iinfo(kind).min)).astype(np.float32)
    if kind == np.uint8:
        return ((array.astype(np.float32)) - 128) / 128  # offset binary, as 8-bit WAV has it
    if kind == np.int64:
        return _unscaled(array, name, f"{kind} samples")
    if not np.issubdtype(kind, np.floating):
        raise AudioError(f"{name}: dtype {kind}, expected floating point, signed integer or uint8 samples.")
    return _scaled_floats(array, name)


def _scaled_floats(array: NDArray, name: str) -> NDArray[np.float32]:
    peak = _peak(array)
    if not np.isfinite(peak) or peak <= OVERSHOOT:
        return array.astype(np.float32)  # the caller checks for NaN and infinity and names them
    finite_32 = peak <= float(np.finfo(np.float32).max)
    if finite_32 and peak <= INT16 and np.array_equal(array, np.rint(array)):
        return _unscaled(array, name, f"whole numbers as {array.dtype}")
    if peak > LOUD:
        raise AudioError(
            f"{name}: peak {peak:.6g}, full scale is 1; divide the samples by their own full scale first "
            "(32768 for 16-bit ones, 2147483648 for 32-bit ones)."
        )
    warnings.warn(
        f"{name}: peak {peak:.3g}, full scale is 1: taken as it is, {20 * np.log10(peak):.0f} dB above.", stacklevel=4
    )
    return array.astype(np.float32)


def _unscaled(array: NDArray, name: str, what: str) -> NDArray[np.float32]:
    """Scales whole numbers whose type does not give their scale: 16-bit values are recognised, others are refused."""
    peak = _peak(array)
    if peak and not 128 < peak <= INT16:
        raise AudioError(
            f"{name}: {what} with a peak of {peak:.0f}, whose full scale is not known; give int16 or int32 samples, or "
            "floating point ones with full scale 1."
        )
    if peak:
        warnings.warn(f"{name}: {what} with a peak of {peak:.0f}, taken as 16-bit samples (full scale 32768).", stacklevel=5)
    return (array / INT16).astype(np.float32)


def _peak(array: NDArray) -> float:
    """Returns the largest magnitude, or NaN if there is a NaN."""
    return max(abs(float(array.max())), abs(float(array.min()))) if array.size else 0.0


def _described(audio: Any) -> str:
    if isinstance(audio, list | tuple):
        lengths = [len(each) if hasattr(each, "__len__") else None for each in audio[:8]]
        if None not in lengths and len(set(lengths)) > 1:
            return f"lists of unequal length ({', '.join(map(str, lengths))}{', ...' if len(audio) > 8 else ''})"
        return "a list that is no array of numbers"
    return f"{type(audio).__name__} {str(audio)[:60]!r} is no array of numbers"
