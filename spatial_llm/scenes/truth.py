"""The truth that follows from a scene: directions, times at the listener, overlaps, and the room's reverberation.

Directions follow from the positions in the scene; of what moves, those at its onset (`motion.track` has the others, and the
direct-to-reverberant ratio is that of the first position of its path). Times follow from the dry sounds: a sound that begins
with silence starts late, and a sound that is shorter than the scene ends early.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatial_llm.audio.formats import Mono
from spatial_llm.files import below
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.microphones import receive
from spatial_llm.scenes.render import dry_sound, place, scene_arrivals, scene_bank
from spatial_llm.scenes.room import acoustics
from spatial_llm.scenes.room.arrivals import direct_to_reverberant_db
from spatial_llm.scenes.scene import Overlap, Scene, SceneTruth, SourceTruth, place_at

FRAME_S = 0.01
AUDIBLE_DB = 40.0  # below the loudest frame of the same sound, a frame counts as silence


def derive_truth(
    scene: Scene,
    dry: Sequence[np.ndarray],
    rt60_s: float | None,
    drr_db: Sequence[float | None],
    propagation_delay: bool,
) -> SceneTruth:
    """Returns the truth of a scene.

    A source sounds from its first to its last audible sample, in the dry sound as the source plays it (at its onset, cut at
    its offset and at the end of the scene). Frames of 10 ms whose level is within 40 dB of the loudest frame are audible,
    and in the first and last of them the samples within 40 dB. The way through the air to the listener is added. Both times
    are the onset where the sound is silent as it is played.

    Args:
        scene: its `truth` is not used.
        dry: the dry sound of each source, see `render.dry_sound`.
        rt60_s: T20 of the room's responses; None or not finite where it is not known.
        drr_db: direct-to-reverberant ratio of each source, likewise.
        propagation_delay: whether the responses begin with the way through the air.
    """
    sources = []
    for source, sound, ratio_db in zip(scene.sources, dry, drr_db, strict=True):
        span = active_span(place(sound, source, scene), scene.sampling_rate)
        span_s = np.divide(span, scene.sampling_rate) if span else (source.onset_s, source.onset_s)
        way_s = 1 / SPEED_OF_SOUND_M_S if propagation_delay else 0.0
        onset_s, offset_s = (
            min(round(float(time_s + way_s * place_at(scene.listener, source, time_s)[2]), 3), scene.duration_s)
            for time_s in span_s
        )
        azimuth_deg, elevation_deg, distance_m = place_at(scene.listener, source, onset_s)
        sources.append(
            SourceTruth(
                azimuth_deg=180.0 if round(azimuth_deg, 4) == -180 else _rounded(azimuth_deg, 4),
                elevation_deg=_rounded(elevation_deg, 4),
                distance_m=_rounded(distance_m, 4),
                onset_s=onset_s,
                offset_s=offset_s,
                drr_db=_rounded(ratio_db, 3),
            )
        )
    volume_m3 = None if scene.room.size_m is None else float(np.prod(scene.room.size_m))
    return SceneTruth(tuple(sources), _rounded(rt60_s, 4), _rounded(volume_m3, 3), _overlaps(sources))


def truth_of(scene: Scene, root: str | Path, dry: Sequence[np.ndarray] | None = None) -> SceneTruth:
    """Returns the truth of a scene in a file: its sounds and its bank are read, or its room is simulated.

    Args:
        scene: its `truth` is not used.
        root, dry: see `render.render_scene`.

    Raises:
        SceneError, ManifestError, AudioError: see `render.render_scene`.
    """
    sounds_root = None if scene.sounds is None else below(root, scene.sounds)
    dry = [dry_sound(source, scene, sounds_root) for source in scene.sources] if dry is None else dry
    bank = scene_bank(scene, root)
    if bank is not None:
        rows = [bank.geometry(source.response) for source in scene.sources]
        return derive_truth(scene, dry, rows[0].rt60_s, [row.drr_db for row in rows], bank.propagation_delay)
    arrivals, samples = scene_arrivals(scene, bank), round(scene.room.response_s * scene.sampling_rate)
    mono = [receive(each, Mono(), 0.0, scene.sampling_rate, samples) for each in arrivals]
    decays = [decay for decay in (acoustics.rt60_s(each, scene.sampling_rate) for each in mono) if np.isfinite(decay)]
    drr_db = [direct_to_reverberant_db(each) for each in arrivals]
    return derive_truth(scene, dry, float(np.mean(decays)) if decays else None, drr_db, propagation_delay=True)


def active_span(sound: np.ndarray, sampling_rate: int) -> tuple[int, int] | None:
    """Returns first and last + 1 of the audible samples of a sound (n,), see `derive_truth`; None for silence."""
    frame = round(FRAME_S * sampling_rate)
    padded = np.pad(np.abs(sound), (0, -len(sound) % frame)).reshape(-1, frame)
    level = np.sqrt(np.mean(np.square(padded, dtype=np.float64), axis=1))
    least = level.max() * 10 ** (-AUDIBLE_DB / 20)
    if least == 0:
        return None
    heard = np.flatnonzero(level >= least)
    # A frame as loud as that has a sample as loud.
    first, last = (np.flatnonzero(padded[frame_number] >= least) for frame_number in heard[[0, -1]])
    return int(heard[0] * frame + first[0]), int(heard[-1] * frame + last[-1] + 1)


def _overlaps(sources: Sequence[SourceTruth]) -> tuple[Overlap, ...]:
    found = []
    for second in range(len(sources)):
        for first in range(second):
            begin_s = max(sources[first].onset_s, sources[second].onset_s)
            end_s = min(sources[first].offset_s, sources[second].offset_s)
            if begin_s < end_s:
                found.append(Overlap(first, second, begin_s, end_s))
    return tuple(sorted(found, key=lambda overlap: (overlap.first, overlap.second)))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits) + 0.0  # no -0.0
