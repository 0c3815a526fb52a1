"""Cuts a long recording into windows, without having the whole of it in memory.

Uncompressed files (WAV, RF64, W64, AIFF, AU, CAF) and FLAC are read in blocks, so an hour takes no more memory than a
minute. Other formats are decoded whole and are subject to the limits on length and size, because their decoders give other
samples when they are read in blocks.
"""

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from spatial_llm.audio.arrays import LOUD, OVERSHOOT
from spatial_llm.audio.containers import Sound, Source, inspect
from spatial_llm.audio.containers.chunks import frame_bytes
from spatial_llm.audio.decode import INTEGERS, decode, read_integers, settle
from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.io import SAME_CHANNELS, AudioPath, check_waveform, open_regular, shown_path, warn_of_silence
from spatial_llm.audio.level import pad_or_cut
from spatial_llm.audio.limits import MIN_SECONDS, AudioLimits, check_rate
from spatial_llm.errors import AudioError

BLOCK = 2**18  # frames that are read at a time: about 8 s


T = TypeVar("T")


class Window(NamedTuple):
    """A part of a recording: its number, its start in seconds, and its samples (channels, window_samples) float32."""

    number: int
    start_s: float
    waveform: NDArray[np.float32]


class Blocks(NamedTuple):
    """A recording that is read in blocks.

    Attributes:
        channels: their number.
        rate: in Hz.
        frames: samples of each channel.
        blocks: (frames, channels) float32 each.
        checked: whether `check_waveform` has seen the samples.
    """

    channels: int
    rate: float
    frames: int
    blocks: Iterator[NDArray[np.float32]]
    checked: bool = False


@contextmanager
def open_blocks(path: AudioPath, limits: AudioLimits) -> Iterator[Blocks]:
    """Opens a sound file to be read in blocks.

    Args:
        path: of a regular file.
        limits: of the length in seconds; and of the size once decoded, for formats that are not read in blocks.

    Raises:
        AudioError: as `read_audio`; a FLAC whose samples are not those it was made of raises after its last block.
    """
    with open_regular(path, name := shown_path(path)) as file:
        source = Source(file, name, limits.max_bytes)
        sound = inspect(source)
        if sound.missing is None and sound.plain is not None:
            settle(source, sound, limits)
            frames = (sound.length or 0) // frame_bytes(sound)
            yield Blocks(sound.channels, sound.rate, _checked(frames, sound, limits, name), _plain(source, sound))
        elif _is_whole_flac(sound) and not limits.allow_truncated:  # what is left of a cut one is found by the whole
            settle(source, sound, limits)
            yield Blocks(sound.channels, sound.rate, _checked(sound.frames, sound, limits, name), _flac(source, sound))
        else:
            samples, rate = decode(source, limits)
            yield Blocks(samples.shape[1], rate, len(samples), iter([samples]))


def array_blocks(waveform: ArrayLike, sampling_rate: float | None, format: AudioFormat, name: str) -> Blocks:
    """Returns an array (channels, samples) in the form of a file that is read in blocks.

    Raises:
        AudioError: see `check_waveform`; or it came without a rate.
    """
    rate, samples = check_rate(sampling_rate, name), check_waveform(waveform, format, name)
    parts = (samples[:, start : start + BLOCK].T for start in range(0, samples.shape[1], BLOCK))
    return Blocks(len(samples), rate, samples.shape[1], parts, checked=True)


def iter_windows(
    blocks: Blocks, target_rate: int, window_samples: int, hop_samples: int, format: AudioFormat, name: str
) -> Iterator[Window]:
    """Yields windows at a model's rate; the last one is padded with silence at its end.

    The number of windows is `number_of_windows`. The same recording gives the same windows, whatever its blocks are.

    Args:
        blocks: the recording.
        target_rate: of the model, in Hz.
        window_samples: samples of a window at that rate.
        hop_samples: samples from the start of one window to that of the next, from 1 to `window_samples`.
        format: what the model takes.
        name: of the recording, for messages.

    Raises:
        AudioError: the number of channels is not that of the format, the recording is shorter than 10 ms, a sample is not
            finite, or the scale of the samples is not known. Silent channels, and channels that are all the same, give a
            warning at the end.
    """
    check_waveform(np.ones((blocks.channels, 1), np.float32), format, name)
    stream = soxr.ResampleStream(blocks.rate, target_rate, blocks.channels, dtype="float32", quality="HQ")
    held, number = np.empty((0, blocks.channels), np.float32), 0
    for block, last in _with_last(_checked_blocks(blocks, format, name)):
        new = block if blocks.rate == target_rate else stream.resample_chunk(np.ascontiguousarray(block), last=last)
        held = np.concatenate([held, new])
        while len(held) >= window_samples + (0 if last else 1):
            yield Window(number, number * hop_samples / target_rate, np.ascontiguousarray(held[:window_samples].T))
            number, done = number + 1, len(held) == window_samples
            held = held[hop_samples:]
            if last and done:
                return
        if last and len(held):
            yield Window(
                number, number * hop_samples / target_rate, pad_or_cut(np.ascontiguousarray(held.T), window_samples)
            )


def number_of_windows(frames: int, rate: float, target_rate: int, window_samples: int, hop_samples: int) -> int:
    """Returns how many windows `iter_windows` yields of a recording of `frames` frames at `rate` Hz."""
    samples = round(frames * target_rate / rate)
    return 1 + max(0, -(-(samples - window_samples) // hop_samples))


def _checked_blocks(blocks: Blocks, format: AudioFormat, name: str) -> Iterator[NDArray[np.float32]]:
    """Yields the blocks after checking each; what only the whole can tell is said after the last."""
    read, alive, same, told = 0, np.zeros(blocks.channels, bool), blocks.channels > 1, False
    for block in blocks.blocks:
        if not np.isfinite(block).all():
            frame, channel = np.argwhere(~np.isfinite(block))[0]
            raise AudioError(
                f"{name}: {block[frame, channel]} at channel {channel}, sample {read + frame} "
                f"({(read + frame) / blocks.rate:.3f} s); expected finite samples: repair or drop the recording."
            )
        if not blocks.checked:
            told = _check_scale(block, name, told)
        read, alive, same = read + len(block), alive | block.any(axis=0), same and bool((block == block[:, :1]).all())
        yield block
    if read / blocks.rate < MIN_SECONDS:
        raise AudioError(f"{name}: {read} samples at {blocks.rate} Hz; expected {1000 * MIN_SECONDS:g} ms or more.")
    if not alive.all() and not blocks.checked:
        warn_of_silence(name, [int(channel) for channel in np.flatnonzero(~alive)], format)
    elif same:
        warnings.warn(SAME_CHANNELS, stacklevel=2)


def _check_scale(block: NDArray[np.float32], name: str, told: bool) -> bool:
    """Refuses samples whose scale is not known, and warns once of some beyond full scale, as `arrays` does of the whole.

    Returns:
        Whether it has warned.
    """
    peak = float(np.abs(block).max(initial=0.0))
    if peak <= OVERSHOOT:
        return told
    if peak > LOUD or np.array_equal(block, np.rint(block)):
        raise AudioError(
            f"{name}: peak {peak:.6g}, full scale is 1; divide the samples by their own full scale first (32768 for 16-bit "
            "ones, 2147483648 for 32-bit ones)."
        )
    if not told:
        warnings.warn(f"{name}: peak {peak:.3g}, full scale is 1: taken as it is.", stacklevel=2)
    return True


def _is_whole_flac(sound: Sound) -> bool:
    known = sound.container == "FLAC" and sound.trusted and bool(sound.frames)
    return known and sound.missing is None and not sound.prefix


def _checked(frames: int, sound: Sound, limits: AudioLimits, name: str) -> int:
    if not frames:
        raise AudioError(f"{name}: holds no samples; expected a recording.")
    if frames / sound.rate > limits.max_seconds:
        limits.check(frames, sound.channels, sound.rate, name)  # of the two limits, the size is none of blocks
    return frames


class _Section(io.RawIOBase):
    """The bytes of an open file from `start` to `end`, as a file of their own."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file, self.start, self.end, self.place = file, start, end, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.end - self.start}[whence]
        self.place = max(0, begin + offset)
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: memoryview) -> int:
        self.file.seek(self.start + self.place)
        data = self.file.read(max(0, min(len(buffer), self.end - self.start - self.place)))
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)


def _plain(source: Source, sound: Sound) -> Iterator[NDArray[np.float32]]:
    kind, section = sound.plain, _Section(source.file, sound.offset, sound.offset + (sound.length or 0))
    with soundfile.SoundFile(section, "r", sound.rate, sound.channels, kind.subtype, kind.endian, "RAW") as file:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            yield block


def _flac(source: Source, sound: Sound) -> Iterator[NDArray[np.float32]]:
    """Yields the blocks of a FLAC. Raises AudioError where one cannot be decoded or is not as the header promises."""
    try:
        yield from _decoded_flac(source, sound)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).strip() or "libsndfile gives no reason"
        raise source.error(
            f"cut or damaged FLAC: {reason}. Make the file anew, or set allow_truncated of AudioLimits to take the rest."
        ) from None


def _decoded_flac(source: Source, sound: Sound) -> Iterator[NDArray[np.float32]]:
    source.file.seek(0)
    digest, left = hashlib.md5(usedforsecurity=False), sound.frames or 0
    with soundfile.SoundFile(_Section(source.file, 0, source.size)) as file:
        if (file.channels, file.samplerate) != (sound.channels, sound.rate):
            raise source.damaged(sound.container, "its header and its frames state other rates or channels")
        compare = sound.md5 is not None and file.subtype in INTEGERS
        while left:
            if compare:
                block = read_integers(file, min(BLOCK, left), digest)
            else:
                block = file.read(min(BLOCK, left), dtype="float32", always_2d=True)
            if not len(block):
                raise source.error(f"cut or damaged FLAC: {left} samples fewer than it promises; make the file anew.")
            left -= len(block)
            yield block
    if compare and digest.digest() != sound.md5:
        raise source.error("damaged FLAC: its samples do not have the MD5 that its header states; make the file anew.")


def _with_last(items: Iterator[T]) -> Iterator[tuple[T, bool]]:
    """Yields each item with whether it is the last."""
    before = next(items, None)
    while before is not None:
        item = next(items, None)
        yield before, item is None
        before = item
