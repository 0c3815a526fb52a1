"""Renders the recordings of the released SpatialSoundQA: dry sounds convolved with room responses, as BAT was trained on
them.

Source: the data loaders of Spatial-AST and of SLAM-LLM's recipe, described in our own words; BAT (arXiv 2402.01591).
"""

from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve, resample_poly

from spatial_llm.audio.formats import BINAURAL, Mono
from spatial_llm.audio.io import check_waveform, read_audio
from spatial_llm.audio.level import normalize_rms, pad_or_cut
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import PAIRS_RATE, Record
from spatial_llm.errors import AudioError
from spatial_llm.scenes.dry_sounds import audible_channel

SAMPLES = 10 * PAIRS_RATE
MATCHED_RESPONSE_SAMPLES = 2 * PAIRS_RATE  # length of the responses that the released encoders were trained with


def render_pairs(record: Record, root: DataRoot | str | Path) -> np.ndarray:
    """Renders a record given as pairs, by its protocol: (2 ears, 320000 samples) float32 at 32 kHz.

    Each dry sound (channel 0, or the loudest one where that is silent; 32 kHz, -14 dBFS) is convolved with its response and
    padded or cut to 10 s; two sources are averaged. `official_bat` takes the whole response, `checkpoint_matched` its first
    2 s.

    Raises:
        AudioError: a file cannot be used; it is named.
        ManifestError: a name leads out of its folder.
    """
    root = DataRoot.of(root)
    # Samples of a response beyond the length of the recording have no effect on it.
    longest = SAMPLES if record.protocol == "official_bat" else MATCHED_RESPONSE_SAMPLES
    waveforms = [
        _render_source(root.path(pair.audio), root.path(pair.response), longest, root.limits) for pair in record.pairs
    ]
    return (sum(waveforms) / len(waveforms)).astype(np.float32)


def _render_source(audio: Path, response: Path, longest: int, limits: AudioLimits) -> np.ndarray:
    """Renders one source: (2, SAMPLES) float64."""
    dry, room = read_pair_sound(audio, limits)[None], read_pair_response(response)[:, :longest]
    wet = fftconvolve(dry.astype(np.float64), room.astype(np.float64), mode="full", axes=1)
    return pad_or_cut(wet, SAMPLES)


def read_pair_sound(path: Path, limits: AudioLimits = DEFAULT_LIMITS) -> np.ndarray:
    """Returns the dry sound of a pair, whole: (n,) float32 at 32 kHz and -14 dBFS. Raises AudioError, which names the
    file."""
    waveform, rate = read_audio(path, limits)
    channel = audible_channel(waveform) or 0
    dry = check_waveform(waveform[channel : channel + 1], Mono(), name=str(path))
    if rate != PAIRS_RATE:
        # polyphase, as in the official loader, instead of our own resampler
        dry = resample_poly(dry, PAIRS_RATE, rate, axis=1)
    return normalize_rms(dry)[0]


def read_pair_response(path: Path) -> np.ndarray:
    """Returns the response of a pair, whole: (2 ears, taps) float32. Raises AudioError, which names the file."""
    try:
        room = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: not a readable room response ({error}); expected .npy of (2, samples).") from None
    return check_waveform(room, BINAURAL, name=str(path), scale_known=True)
