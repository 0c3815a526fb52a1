"""Samples out of a file whose container was walked: within the limits, and compared with what the container promises.

libsndfile decodes. Of plain samples it gets nothing but their bytes, so that no header of a stranger reaches its parsers;
FLAC, Ogg and MP3 it reads after their frames or pages were found in order; the rest in a process that can be ended.
"""

import hashlib
import io
import os
import warnings
from dataclasses import replace

import numpy as np
import soundfile
from numpy.typing import NDArray

from spatial_llm.audio.containers import Sound, Source, inspect
from spatial_llm.audio.containers.chunks import frame_bytes
from spatial_llm.audio.containers.flac import salvage_flac
from spatial_llm.audio.guarded import decode_guarded
from spatial_llm.audio.limits import AudioLimits, check_rate

USUAL_HZ = 25  # every rate of recorders and players is a multiple of it, and no other rate by one wrong bit
_Decoded = tuple[NDArray, int]


def decode(source: Source, limits: AudioLimits) -> tuple[NDArray[np.float32], int]:
    """All samples of an open file, (samples, channels) float32, and the rate in Hz.

    Raises:
        AudioError: no sound file, damaged, cut (unless the limits allow it), beyond the limits, or empty.
    """
    sound = inspect(source)
    if sound.rate or sound.plain:
        check_rate(sound.rate, source.name)
        if sound.rate % USUAL_HZ:
            # AIFF, AU, CAF and Ogg state the rate once: one wrong bit of it moves every pitch and time.
            sound.notes.append(f"its header states {sound.rate} Hz, which no common recorder uses: it is taken as it is")
    if sound.missing is not None:
        _refuse_or_warn(source, sound, limits)
        if sound.container == "FLAC" and not sound.prefix:
            salvage_flac(source, sound)
    for note in sound.notes if sound.trusted else ():
        warnings.warn(f"{source.name}: {note}.", stacklevel=5)
    if sound.plain is not None:
        samples, rate = _plain(source, sound, limits)
    elif not sound.trusted:
        samples, rate = decode_guarded(source, sound, limits)
    else:
        samples, rate = _compressed(source, sound, limits)
    if not len(samples):
        raise source.error("holds no samples; expected a recording.")
    return samples, rate


def _refuse_or_warn(source: Source, sound: Sound, limits: AudioLimits) -> None:
    """Raises AudioError about what is missing; with `limits.allow_truncated` warns of it."""
    what = f"cut or damaged {sound.container}: {sound.missing}"
    if not limits.allow_truncated:
        raise source.error(
            f"{what}. Make the file anew, or set allow_truncated of AudioLimits (--audio_limits.allow_truncated true) to "
            "take what is there."
        )
    warnings.warn(f"{source.name}: {what}. What is there is taken.", stacklevel=6)


def _plain(source: Source, sound: Sound, limits: AudioLimits) -> _Decoded:
    width = frame_bytes(sound)
    frames = (sound.length or 0) // width
    limits.check(frames, sound.channels, sound.rate, source.name)
    source.file.seek(sound.offset)
    payload = io.BytesIO(source.file.read(frames * width))
    if not frames:
        return np.empty((0, sound.channels), np.float32), sound.rate
    kind = sound.plain
    with soundfile.SoundFile(payload, "r", sound.rate, sound.channels, kind.subtype, kind.endian, "RAW") as file:
        return file.read(frames, dtype="float32", always_2d=True), sound.rate


def _compressed(source: Source, sound: Sound, limits: AudioLimits) -> _Decoded:
    try:
        return _read(source, sound, limits)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        # libsndfile words the system's errors as if the file were not there: it is, and its content is at fault.
        text = str(error).replace("Error opening ", "").strip() or "libsndfile gives no reason"
        sound.missing = sound.missing or f"it cannot be decoded ({text})"
    _refuse_or_warn(source, sound, limits)
    if sound.container != "FLAC":
        raise source.error(f"damaged {sound.container}: nothing of it can be decoded; make the file anew.")
    salvage_flac(source, sound)
    return _compressed(source, replace(sound, container="FLAC (its whole frames)"), limits)


def _read(source: Source, sound: Sound, limits: AudioLimits) -> _Decoded:
    if sound.frames is not None and sound.rate:
        limits.check(sound.frames, sound.channels, sound.rate, source.name)
    with _open(source, sound) as file:
        rate, channels, frames = file.samplerate, file.channels, file.frames
        if sound.prefix and sound.frames is not None:
            frames = min(frames, sound.frames)
        check_rate(rate, source.name)
        if channels != sound.channels or rate != (sound.rate or rate):
            raise source.damaged(
                sound.container,
                f"its header states {sound.channels} channels at {sound.rate} Hz, its sound {channels} at {rate}",
            )
        limits.check(frames, channels, rate, source.name)
        if sound.md5 is not None and file.subtype in _INTEGERS:
            samples, right = _with_md5(file, frames, sound)
        else:
            # One call, not blocks: soundfile seeks after each, which changes what MP3 and Vorbis decode to.
            samples, right = file.read(frames, dtype="float32", always_2d=True), True
    promised = sound.frames if sound.frames is not None else 0 if sound.guessed else frames
    if sound.missing is None:
        if len(samples) < promised:
            sound.missing = f"it promises {promised} samples, {len(samples)} could be decoded"
        elif len(samples) < sound.at_least:
            sound.missing = f"its frames hold at least {sound.at_least} samples, {len(samples)} could be decoded"
        elif not right:
            sound.missing = "its samples do not have the MD5 that its header states: some are lost or changed"
        if sound.missing is not None:
            _refuse_or_warn(source, sound, limits)
    return samples, rate


def _open(source: Source, sound: Sound) -> soundfile.SoundFile:
    """The decoder on the file itself, so that a file that is replaced meanwhile is not taken for it; or on a part."""
    if not sound.prefix:
        os.lseek(source.file.fileno(), 0, os.SEEK_SET)
        return soundfile.SoundFile(source.file.fileno(), closefd=False)
    return soundfile.SoundFile(io.BytesIO(sound.prefix + source.part(sound.offset, sound.offset + (sound.length or 0))))


# FLAC by its bits: what libsndfile decodes it to, and how far up it moves the sample in that.
_INTEGERS = {"PCM_S8": ("int16", 8), "PCM_16": ("int16", 0), "PCM_24": ("int32", 8)}


def _with_md5(file: soundfile.SoundFile, frames: int, sound: Sound) -> tuple[NDArray[np.float32], bool]:
    """Samples as float32, the same as libsndfile scales them, and whether they have the MD5 that the header states."""
    dtype, shift = _INTEGERS[file.subtype]
    whole = file.read(frames, dtype=dtype, always_2d=True)
    packed = np.ascontiguousarray(whole >> shift if shift else whole).astype(
        "<i2" if dtype == "int16" else "<i4", copy=False
    )
    if file.subtype == "PCM_S8":
        packed = packed.astype(np.int8)
    elif file.subtype == "PCM_24":
        packed = packed.view(np.uint8).reshape(*packed.shape, 4)[..., :3]
    right = hashlib.md5(np.ascontiguousarray(packed), usedforsecurity=False).digest() == sound.md5
    samples = whole.astype(np.float32)
    samples *= np.float32(2.0**-15 if dtype == "int16" else 2.0**-31)
    return samples, right
