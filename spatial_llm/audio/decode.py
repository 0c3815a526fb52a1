"""Decodes a sound file whose container was walked: within the limits, and compared with what the container promises.

libsndfile does the decoding. For uncompressed samples it gets only their bytes, so that its header parsers never see a
foreign header. FLAC, Ogg and MP3 are decoded after their frames or pages were found to be in order; every other format is
decoded in a separate process that can be killed.
"""

import hashlib
import io
import os
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from spatial_llm.audio.containers import Sound, Source, inspect
from spatial_llm.audio.containers.chunks import frame_bytes
from spatial_llm.audio.containers.flac import salvage_flac
from spatial_llm.audio.guarded import decode_guarded
from spatial_llm.audio.limits import AudioLimits, check_rate
from spatial_llm.errors import AudioError

USUAL_HZ = 25  # rates of recorders and players are multiples of it; one flipped bit never gives another multiple
_Decoded = tuple[NDArray, int]


def decode(source: Source, limits: AudioLimits) -> tuple[NDArray[np.float32], int]:
    """Returns all samples of an open file, (samples, channels) float32, and the rate in Hz.

    Raises:
        AudioError: the file is no sound file, damaged, cut (unless the limits allow it), beyond the limits, or empty.
    """
    sound = inspect(source)
    settle(source, sound, limits)
    if sound.plain is not None:
        samples, rate = _plain(source, sound, limits)
    elif not sound.trusted:
        samples, rate = decode_guarded(source, sound, limits)
    else:
        samples, rate = _compressed(source, sound, limits)
    if not len(samples):
        raise source.error("holds no samples; expected a recording.")
    return samples, rate


def settle(source: Source, sound: Sound, limits: AudioLimits) -> None:
    """Refuses a file whose header is impossible or that is cut, as the limits demand, and warns of what is odd.

    Raises:
        AudioError: see `decode`.
    """
    if sound.rate or sound.plain:
        check_rate(sound.rate, source.name)
        if sound.rate % USUAL_HZ:
            # AIFF, AU, CAF and Ogg state the rate once, so that one wrong bit of it changes every pitch and time.
            sound.notes.append(f"its header states {sound.rate} Hz, which no common recorder uses: it is taken as it is")
    if sound.missing is not None:
        _refuse_or_warn(source, sound, limits)
        if sound.container == "FLAC" and not sound.prefix:
            salvage_flac(source, sound)
    for note in sound.notes if sound.trusted else ():
        warnings.warn(f"{source.name}: {note}.", stacklevel=6)


def refuse_cut(name: str, sound: Sound, limits: AudioLimits) -> str:
    """Returns what is missing of a sound, in words. Raises AudioError about it unless `limits.allow_truncated` is set."""
    what = f"cut or damaged {sound.container}: {sound.missing}"
    if not limits.allow_truncated:
        raise AudioError(
            f"{name}: {what}. Make the file anew, or set allow_truncated of AudioLimits (--audio_limits.allow_truncated "
            "true) to take what is there."
        )
    return what


def _refuse_or_warn(source: Source, sound: Sound, limits: AudioLimits) -> None:
    warnings.warn(f"{source.name}: {refuse_cut(source.name, sound, limits)}. What is there is taken.", stacklevel=7)


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
        # libsndfile reports system errors as if the file did not exist; it exists, and its content is at fault.
        text = re.sub(r"^Error opening .*?: ", "", str(error)).strip() or "libsndfile gives no reason"
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
        if sound.md5 is not None and file.subtype in INTEGERS:
            samples, right = _with_md5(file, frames, sound)
        else:
            # One call instead of blocks: soundfile seeks after each block, which changes what MP3 and Vorbis decode to.
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
    """Opens a decoder on the file descriptor itself, so that a file replaced meanwhile is not read instead; or on a part of
    it."""
    if not sound.prefix:
        os.lseek(source.file.fileno(), 0, os.SEEK_SET)
        return soundfile.SoundFile(source.file.fileno(), closefd=False)
    return soundfile.SoundFile(io.BytesIO(sound.prefix + source.part(sound.offset, sound.offset + (sound.length or 0))))


# bits of a FLAC sample -> the type that libsndfile decodes it to, and by how many bits it shifts the sample up in it
INTEGERS = {"PCM_S8": ("int16", 8), "PCM_16": ("int16", 0), "PCM_24": ("int32", 8)}


def _with_md5(file: soundfile.SoundFile, frames: int, sound: Sound) -> tuple[NDArray[np.float32], bool]:
    """Returns the samples as float32, scaled as libsndfile scales them, and whether they match the MD5 that the header
    states."""
    digest = hashlib.md5(usedforsecurity=False)
    samples = read_integers(file, frames, digest)
    return samples, digest.digest() == sound.md5


def read_integers(file: soundfile.SoundFile, frames: int, digest: Any) -> NDArray[np.float32]:
    """Reads the next samples (frames, channels) of a FLAC, scaled as libsndfile scales them, and adds them to the digest in
    the form in which a FLAC's MD5 is computed."""
    dtype, shift = INTEGERS[file.subtype]
    whole = file.read(frames, dtype=dtype, always_2d=True)
    packed = np.ascontiguousarray(whole >> shift if shift else whole).astype(
        "<i2" if dtype == "int16" else "<i4", copy=False
    )
    if file.subtype == "PCM_S8":
        packed = packed.astype(np.int8)
    elif file.subtype == "PCM_24":
        packed = packed.view(np.uint8).reshape(*packed.shape, 4)[..., :3]
    digest.update(np.ascontiguousarray(packed))
    samples = whole.astype(np.float32)
    samples *= np.float32(2.0**-15 if dtype == "int16" else 2.0**-31)
    return samples
