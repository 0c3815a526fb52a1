"""Dry sounds as they are played: which channel of a file is used, and whether it holds anything audible."""

import functools
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatial_llm.audio.io import read_audio, resample
from spatial_llm.errors import AudioError, SceneError
from spatial_llm.files import file_stamp
from spatial_llm.scenes.events import SYNTH_PREFIX
from spatial_llm.scenes.sounds import Sound

CROSSTALK_DB = 60.0  # a first channel this far below the loudest holds only crosstalk
SOUNDS_KEPT = 256  # most decoded files kept in memory by each process: 160 MB when all last 5 s
SHOWN = 5


def used_channel(waveform: np.ndarray, name: str | Path) -> np.ndarray:
    """Returns the channel of a dry sound (channels, samples) that is played, (samples,).

    That is the first one, as in Spatial-AST's released `data/dataset.py`; where it is silent, or 60 dB below the loudest, it
    is the loudest.

    Raises:
        AudioError: it holds samples that are not finite, or all channels are silent; `name` is named.
    """
    if not np.isfinite(waveform[0]).all():
        raise AudioError(f"{name}: holds samples that are not finite; repair or drop it.")
    channel = audible_channel(waveform)
    if channel is None:
        raise AudioError(f"{name}: is silent, so nothing of it can be heard in a scene; drop it.")
    return waveform[channel]


def audible_channel(waveform: np.ndarray) -> int | None:
    """Returns which channel `used_channel` takes; None where all are silent or not finite. A constant counts as silence."""
    finite = [index for index, channel in enumerate(waveform) if np.isfinite(channel).all()]
    energy = {
        index: float(np.var(waveform[index], dtype=np.float64)) if np.ptp(waveform[index]) else 0.0 for index in finite
    }
    loudest = max(energy, key=energy.__getitem__, default=0)
    if not energy.get(loudest):
        return None
    return 0 if energy.get(0, 0.0) > energy[loudest] * 10 ** (-CROSSTALK_DB / 10) else loudest


def read_dry(path: Path, sampling_rate: int) -> np.ndarray:
    """Returns the dry sound of a file at `sampling_rate` Hz, float32 (n,), read-only, kept in memory until the file changes.

    Raises:
        AudioError: see `read_audio` and `used_channel`.
    """
    try:
        stamp = file_stamp(path)
    except OSError:
        stamp = ()  # reading the file raises the error
    return _read(path, stamp, sampling_rate)


@functools.lru_cache(maxsize=SOUNDS_KEPT)
def _read(path: Path, _stamp: tuple, sampling_rate: int) -> np.ndarray:
    waveform, rate = read_audio(path)
    sound = resample(used_channel(waveform, path)[None], rate, sampling_rate)[0]
    sound.setflags(write=False)  # shared by all scenes
    return sound


def only_audible(sounds: Sequence[Sound], root: Path, named_by_hand: bool) -> list[Sound]:
    """Returns those dry sounds that are not silent.

    Args:
        sounds: built-in ones are returned unchecked; recordings are relative to `root`.
        named_by_hand: whether the caller named each file, as in an index: then a silent one is refused. A silent file of a
            folder is left out, with a warning that names and counts them.

    Raises:
        SceneError: the caller named a silent file, or fewer than two classes of a split are left.
    """
    silent = [
        sound for sound in sounds if not sound.recording.startswith(SYNTH_PREFIX) and _is_silent(root / sound.recording)
    ]
    if not silent:
        return list(sounds)
    shown = ", ".join(sound.recording for sound in silent[:SHOWN]) + (", ..." if len(silent) > SHOWN else "")
    problem = f"{root}: {len(silent)} of {len(sounds)} sounds are silent or not finite: {shown}"
    if named_by_hand:
        raise SceneError(f"{problem}; leave them out of the index.")
    kept = [sound for sound in sounds if sound not in set(silent)]
    classes = Counter(split for split, _ in {(sound.split, sound.label) for sound in kept})
    if min(classes.get(sound.split, 0) for sound in sounds) < 2:
        raise SceneError(f"{problem}; without them fewer than 2 classes are left in a split.")
    gone = sorted({sound.label for sound in sounds} - {sound.label for sound in kept})
    warnings.warn(f"{problem}; they are left out" + (f", and with them {gone}." if gone else "."), stacklevel=3)
    return kept


def _is_silent(path: Path) -> bool:
    return audible_channel(read_audio(path)[0]) is None
