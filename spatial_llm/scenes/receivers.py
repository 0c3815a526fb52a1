"""Arrivals to responses: what each microphone of a format makes of them.

All formats share one scale: a source in front at 1 m in free field has unit gain, and nothing is normalised afterwards,
so that level falls with distance as it does in air. A response starts when the source sounds, so the way through the air
is in it.
"""

import numpy as np
from pyroomacoustics import libroom

from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.ambisonics import encode
from spatial_llm.scenes.arrivals import Arrivals
from spatial_llm.scenes.formats import MicrophoneFormat
from spatial_llm.scenes.hrtf import FRACTIONS, PAD, Hrtf, kemar, read_sofa

SINC_TAPS = 81  # of the fractional delay: a sinc under a Hann window
NEAREST_M = 0.01  # a source at a microphone is not infinitely loud
SINC_STEPS = 200  # of its table, a sample; between them it is interpolated


def receive(
    arrivals: Arrivals, format: MicrophoneFormat, heading_deg: float, sampling_rate: int, samples: int
) -> np.ndarray:
    """The response of a listener who looks to `heading_deg` (see `scene.Listener`), float32 (channels, samples).

    binaural: each arrival through the head response nearest to its direction. ambisonics: plane waves. array: the way
    from each arrival's origin to each microphone (spherical waves). mono: the listener's point itself.
    """
    offsets_m = in_listeners_axes(arrivals.offsets_m, heading_deg)
    if format.kind == "binaural":
        return _sum_heads(offsets_m, arrivals.gains, head_of(format, sampling_rate), samples)
    if format.kind == "array":
        return np.concatenate(
            [
                _sum_impulses(np.linalg.norm(offsets_m - position_m, axis=1), arrivals.gains[None], sampling_rate, samples)
                for position_m in np.array(format.positions_m)
            ]
        )
    distance_m = np.linalg.norm(offsets_m, axis=1)
    channels = encode(offsets_m, format.order).T if format.kind == "ambisonics" else np.ones((1, len(offsets_m)))
    return _sum_impulses(distance_m, arrivals.gains * channels, sampling_rate, samples)


def in_listeners_axes(offsets_m: np.ndarray, heading_deg: float) -> np.ndarray:
    """Offsets (arrivals, xyz) in the axes of the room -> in those of a listener who looks to `heading_deg`."""
    turn = np.deg2rad(heading_deg)
    ahead, left = np.array([np.cos(turn), np.sin(turn), 0.0]), np.array([-np.sin(turn), np.cos(turn), 0.0])
    return np.column_stack([offsets_m @ ahead, offsets_m @ left, offsets_m[:, 2]])


def head_of(format: MicrophoneFormat, sampling_rate: int) -> Hrtf:
    """The head of a binaural format: its SOFA file, or KEMAR."""
    return read_sofa(format.sofa, sampling_rate) if format.sofa else kemar(sampling_rate)


def _sum_impulses(distance_m: np.ndarray, gains: np.ndarray, sampling_rate: int, samples: int) -> np.ndarray:
    # distance_m (arrivals), gains (channels, arrivals) -> float32 (channels, samples)
    half = SINC_TAPS // 2
    distance_m = np.maximum(distance_m, NEAREST_M)
    when_s = distance_m / SPEED_OF_SOUND_M_S
    heard = when_s * sampling_rate < samples + half
    when_s, gains = when_s[heard] + half / sampling_rate, gains[:, heard] / distance_m[heard]
    out = np.zeros((len(gains), samples + 4 * half))
    for channel, gain in zip(out, gains, strict=True):
        if len(gain):
            # One thread: the order of additions, and with it the last bit, must not depend on the machine's cores.
            libroom.rir_builder(channel, when_s, np.ascontiguousarray(gain), sampling_rate, SINC_TAPS, SINC_STEPS, 1)
    return out[:, half : half + samples].astype(np.float32)


def _sum_heads(offsets_m: np.ndarray, gains: np.ndarray, head: Hrtf, samples: int) -> np.ndarray:
    # From a table of delayed head responses: some ten times faster than a convolution for each arrival.
    distance_m = np.linalg.norm(offsets_m, axis=1)
    delay = np.round(distance_m / SPEED_OF_SOUND_M_S * head.sampling_rate * FRACTIONS).astype(np.int64)
    start, fraction = np.divmod(delay, FRACTIONS)
    heard = start < samples + PAD
    table = head.delayed
    out = np.zeros((2, 2 * PAD + samples + table.shape[-1]), dtype=np.float32)
    if heard.any():
        gains = (gains / distance_m)[heard].astype(np.float32)
        heads = table[head.nearest(offsets_m[heard]), fraction[heard]] * gains[:, None, None]  # (arrivals, ears, taps)
        for ear in range(2):
            libroom.delay_sum(np.ascontiguousarray(heads[:, ear]), start[heard].astype(np.int32), out[ear], 1)
    return out[:, PAD : PAD + samples]


def free_field(format: MicrophoneFormat, directions: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Responses to plane waves from directions (waves, xyz) in the listener's frame: float32 (waves, channels, taps).

    Of an array, the wave passes its centre some samples after the start, the same for all directions.
    """
    directions = np.asarray(directions, dtype=np.float64)
    if format.kind == "binaural":
        head = head_of(format, sampling_rate)
        return head.responses[head.nearest(directions)]
    if format.kind == "ambisonics":
        return encode(directions, format.order)[..., None].astype(np.float32)
    if format.kind == "mono":
        return np.ones((len(directions), 1, 1), dtype=np.float32)
    positions_m = np.array(format.positions_m)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    reach = np.ceil(np.linalg.norm(positions_m, axis=1).max() / SPEED_OF_SOUND_M_S * sampling_rate)
    half = SINC_TAPS // 2
    delay = half + reach - unit @ positions_m.T / SPEED_OF_SOUND_M_S * sampling_rate  # (waves, microphones)
    after = np.arange(2 * (half + reach) + 1) - delay[..., None]
    window = np.where(np.abs(after) < half, 0.5 + 0.5 * np.cos(np.pi * after / half), 0.0)
    return (np.sinc(after) * window).astype(np.float32)
