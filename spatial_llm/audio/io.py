"""Reading recordings, checking them against a format, and bringing them to a model's rate and window.

soundfile reads and soxr resamples. The audio loaders of transformers and librosa average channels to mono, which cancels
exactly the differences that this library needs: L = +0.5, R = -0.5 would come back as silence.
"""

import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from spatial_llm.audio.ambisonics import warn_of_convention
from spatial_llm.audio.arrays import to_full_scale, to_numpy
from spatial_llm.audio.containers import Sound, Source, inspect
from spatial_llm.audio.containers.chunks import frame_bytes
from spatial_llm.audio.decode import decode, refuse_cut
from spatial_llm.audio.formats import BINAURAL, AudioFormat, check_same
from spatial_llm.audio.given import AudioFile, is_file, open_regular, opened, shown_path, unpacked
from spatial_llm.audio.level import loudest_window, pad_or_cut
from spatial_llm.audio.limits import DEFAULT_LIMITS, MIN_SECONDS, AudioLimits, check_rate
from spatial_llm.errors import AudioError, warn_each_time

AudioPath = str | bytes | os.PathLike
# Renders a recording (channels, samples) at a rate in Hz to another format, as long as it was.
Render = Callable[[NDArray[np.float32], int], NDArray[np.float32]]
UNNAMED = "the recording"
SAME_CHANNELS = "all channels of the recording are the same, as of a mono one: answers about directions are guesses."


def read_audio(file: AudioFile, limits: AudioLimits = DEFAULT_LIMITS) -> tuple[NDArray[np.float32], int]:
    """Reads a sound file as it is: all channels, in file order, at its own rate.

    WAV, RF64, W64, AIFF, AU, CAF, FLAC, Ogg (Vorbis, Opus, FLAC) and MP3 are compared with what their headers promise. A
    file whose header leaves its length open, as programs that write into a pipe leave it, is read to its end; unless it is a
    FLAC, which shows whether it is whole, this causes a warning.

    Args:
        file: path of a regular file (text, bytes or object), the content of a file as bytes, or a file open for reading
            bytes (see `spatial_llm.audio.given`).
        limits: how long and large it may be, and whether a cut file may be read.

    Returns:
        waveform (C channels, samples) float32, integers scaled to [-1, 1); and the sampling rate in Hz.

    Raises:
        AudioError: the file is missing, not a regular file, not a sound file, cut or damaged, longer or larger than the
            limits, has an impossible rate, or holds no samples.
    """
    with opened(file, name := shown_path(file), limits) as regular_file:
        try:
            samples, rate = decode(Source(regular_file, name, limits.max_bytes), limits)
        except OSError as error:
            raise AudioError(f"{name}: cannot be read ({error.strerror or error}).") from None
        except MemoryError:
            raise AudioError(f"{name}: does not fit into memory; lower max_bytes of AudioLimits or cut it.") from None
    return np.ascontiguousarray(samples.T), rate


def inspect_audio(path: AudioPath, shown: str | None = None, limits: AudioLimits = DEFAULT_LIMITS) -> Sound:
    """Returns what a sound file's header and framing state, without decoding it; `shown` replaces the path in messages.

    Raises:
        AudioError: the file is missing, not a regular file, or not a sound file. A cut file is returned, see
            `Sound.missing`.
    """
    with open_regular(path, name := shown or shown_path(path)) as file:
        return inspect(Source(file, name, limits.max_bytes))


def check_file(path: AudioPath, format: AudioFormat | None = None, limits: AudioLimits = DEFAULT_LIMITS) -> None:
    """Checks what header and framing of a sound file state, in milliseconds and without decoding it, before long work.

    Args:
        path: of the file.
        format: the file has as many channels as this; None: any number.
        limits: how long and large it may be, and whether a cut file may be read.

    Raises:
        AudioError: see `read_audio`; another number of channels. What only decoding shows is not found here.
    """
    name = shown_path(path)
    sound = inspect_audio(path, limits=limits)
    if sound.missing is not None:
        refuse_cut(name, sound, limits)
    frames = sound.frames if sound.plain is None else (sound.length or 0) // frame_bytes(sound)
    if frames is not None and sound.rate:
        limits.check(frames, sound.channels, sound.rate, name)
    if format is not None and sound.trusted and sound.channels != format.channels:
        raise _channels_error(name, format, sound.channels)


def _channels_error(name: str, format: AudioFormat, channels: int, shape: str = "") -> AudioError:
    wanted = f"expected {format.name} ({format.channels}, samples), channels {', '.join(format.channel_names)}"
    hint = " Give a recording of these channels, or say what it was recorded with (format=, --microphone)."
    if channels > 2 and format.layout == BINAURAL:
        hint = (
            " Ambisonics and arrays are heard too, once it is said what they are: format='foa' or --microphone foa, or a "
            "file with the places of the microphones (format='array.yaml', --microphone array.yaml)."
        )
    if channels == 1:
        hint = f" One channel holds no directions, nor do copies of it: record with {format.channels} microphones."
    return AudioError(f"{name}: {format.channels} channels needed, got {channels}{shape}; {wanted}.{hint}")


def resample(waveform: NDArray[np.float32], rate: float, target_rate: float) -> NDArray[np.float32]:
    """Resamples (C, samples) from `rate` to `target_rate` Hz with soxr's high-quality filter, the same for all channels,
    so that differences of time and level between them are kept. Returns (C, round(samples * target_rate / rate)).

    Raises:
        AudioError: a rate that is none, see `limits.check_rate`.
    """
    rate, target_rate = check_rate(rate), check_rate(target_rate)
    if rate == target_rate:
        return waveform
    return np.ascontiguousarray(soxr.resample(waveform.T, rate, target_rate, quality="HQ").T)


def check_waveform(
    waveform: Any,
    format: AudioFormat = BINAURAL,
    name: str = UNNAMED,
    scale_known: bool = False,
    silence_known: bool = False,
) -> NDArray[np.float32]:
    """Checks an array against its format and returns it as float32 (channels, samples).

    Arrays, tensors of any floating type and lists are accepted. Integers are scaled as files are (int16 / 32768, uint8 as
    offset binary); see `arrays` for types without a known scale. Floats up to a peak of 4 are kept as they are. Silence, and
    one silent channel, give a warning, no error.

    Args:
        waveform: (channels, samples).
        format: the array has as many channels as this.
        name: of the recording, for the messages.
        scale_known: floating point samples are kept as they are, whatever their peak, because this library rendered or
            checked them, or because they are a response, not a recording.
        silence_known: whoever called has warned of it.

    Raises:
        AudioError: wrong number of axes or channels, (samples, channels) layout, lists of unequal length, no samples, a
            peak whose scale is not known, NaN or infinity; the first offending channel and sample are named.
    """
    waveform = to_numpy(waveform, name)
    channels = format.channels
    wanted = f"expected {format.name} ({channels}, samples), channels {', '.join(format.channel_names)}"
    if waveform.ndim != 2:
        raise AudioError(f"{name}: {channels} channels needed, got an array of shape {waveform.shape}; {wanted}.")
    if waveform.shape[0] != channels:
        if waveform.shape[1] == channels:
            raise AudioError(f"{name}: shape {waveform.shape} looks like (samples, channels); {wanted}: transpose it.")
        raise _channels_error(name, format, waveform.shape[0], f" (shape {waveform.shape})")
    if waveform.shape[1] == 0:
        raise AudioError(f"{name}: holds no samples; {wanted}.")
    known = scale_known and np.issubdtype(waveform.dtype, np.floating)
    samples = waveform.astype(np.float32) if known else to_full_scale(waveform, name)
    finite = np.isfinite(samples)
    if not finite.all():
        channel, sample = np.argwhere(~finite)[0]
        raise AudioError(
            f"{name}: {waveform[channel, sample]} at channel {channel}, sample {sample} "
            f"({np.count_nonzero(~finite)} such values); expected finite samples: repair or drop the recording."
        )
    dead = [channel for channel in range(channels) if not samples[channel].any()]
    if dead and not silence_known:
        warn_of_silence(name, dead, format)
    return samples


def warn_of_silence(name: str, dead: list[int], format: AudioFormat) -> None:
    """Warns of a recording of which the channels `dead` contain zeros alone."""
    if len(dead) == format.channels:
        text = f"{name} is silent: every sample is zero, so any answer about it is a guess."
    else:
        named, wrong = [f"{each} ({format.channel_names[each]})" for each in dead], "answers about directions will be wrong"
        silent = f"channel {named[0]} is" if len(dead) == 1 else f"channels {', '.join(named)} are"
        if format.may_be_silent(dead):
            wrong = f"either no sound comes from where it would hear one, as without a room, or it was lost: then {wrong}"
        text = f"{name}: {silent} silent; {wrong}."
    if name == UNNAMED:
        warn_each_time(text)
    else:  # a file is read again and again in training; once is enough
        warnings.warn(text, stacklevel=3)


def warn_of_same_channels(waveform: NDArray[np.float32], name: str = UNNAMED) -> None:
    """Warns of a recording (channels, samples) whose channels are all the same and not silent."""
    if len(waveform) > 1 and waveform.any() and (waveform == waveform[0]).all():
        if name == UNNAMED:
            warn_each_time(SAME_CHANNELS)
        else:
            warnings.warn(f"{name}: {SAME_CHANNELS}", stacklevel=3)


def prepare_waveform(
    audio: AudioFile | ArrayLike | Mapping[str, Any],
    sampling_rate: float | None,
    target_rate: int,
    window_samples: int | None,
    limits: AudioLimits = DEFAULT_LIMITS,
    scale_known: bool = False,
    format: AudioFormat = BINAURAL,
    given: AudioFormat | None = None,
    warn_each: bool = True,
    render: Render | None = None,
) -> NDArray[np.float32]:
    """Brings a recording to a model's rate and window: reads, checks, resamples, pads or cuts it.

    Args:
        audio: (channels, samples) array, tensor or lists; a sound file as path, bytes or open file; {"array",
            "sampling_rate"}, {"path"} or {"bytes"}; a decoder of torchcodec.
        sampling_rate: in Hz, of an array that does not say its own; a file has its own.
        target_rate: of the model, in Hz.
        window_samples: length of the model's window. Shorter recordings, from 10 ms on, are padded with silence at the
            end; of longer ones the loudest window is taken, with a warning. None: the recording keeps its length.
        limits: how long and large the recording may be, as it is and at the model's rate.
        scale_known: of an array: see `check_waveform`.
        format: what the model takes.
        given: what the recording is; None where that is not known: then only its number of channels is checked. Ambisonics
            in another convention than ACN/SN3D is converted to it.
        warn_each: the warning about a long recording names it and its window; False: all long recordings have the same
            warning, which Python shows once.
        render: makes a recording of the format `given` one of the format `format`, at the model's rate and before the window
            is taken; None where they must be the same.

    Returns:
        (channels, window_samples) float32.

    Raises:
        AudioError: see `read_audio` and `check_waveform`; the recording is of another format than the model takes; or an
            array came without a rate, or is shorter than 10 ms.
    """
    name = UNNAMED
    audio, sampling_rate = unpacked(audio, sampling_rate)
    if audio is None or (isinstance(audio, list | tuple) and any(is_file(item) for item in audio)):
        raise AudioError(f"{name} is {audio!r}; give the path of one sound file, or an array (channels, samples).")
    if is_file(audio):
        name = shown_path(audio)
        (audio, sampling_rate), scale_known = read_audio(audio, limits), False
    given = format if given is None else given
    if render is None:
        check_same(given.internal, format, name)
    if sampling_rate is None:
        raise AudioError(f"{name}: sampling_rate is None; give the array's rate in Hz, such as {target_rate}.")
    rate, target_rate = check_rate(sampling_rate, name), check_rate(target_rate, "the model")
    waveform = given.to_internal(check_waveform(audio, given, name, scale_known))
    seconds = waveform.shape[1] / rate
    # Resampling from a low rate makes a small recording large, so the resulting size is checked first.
    limits.check(round(seconds * max(rate, target_rate)), given.channels, max(rate, target_rate), name)
    least = MIN_SECONDS if window_samples is None else min(MIN_SECONDS, window_samples / target_rate)
    if seconds < least:
        raise AudioError(
            f"{name}: {waveform.shape[1]} samples at {rate} Hz last {1000 * seconds:.3g} ms; expected {1000 * least:g} ms "
            "or more."
        )
    if not scale_known:
        warn_of_convention(waveform, rate, given, name)
    waveform = resample(waveform, rate, target_rate)
    if render is not None:
        waveform = render(waveform, target_rate)
    if window_samples is None:
        return waveform
    samples = waveform.shape[1]
    if samples > window_samples:
        start = loudest_window(waveform, window_samples, step=max(1, target_rate // 100))
        taken = f"{window_samples / target_rate:.2f} s"
        if warn_each:
            window = f"the loudest window, from {start / target_rate:.2f} s, is used"
            text = f"{name} lasts {samples / target_rate:.2f} s, the model encodes {taken}: {window}."
        else:
            text = (
                f"the model encodes {taken}: of longer recordings only the loudest window is used, so that questions about "
                "the rest of them cannot be answered."
            )
        warnings.warn(text, stacklevel=2)
        waveform = waveform[:, start:]
    return pad_or_cut(waveform, window_samples)
