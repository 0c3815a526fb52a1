"""Scenes to recordings: dry sounds are placed in time, convolved with room responses and averaged; diffuse noise is added.

Protocols, by name:

* `official_bat` (BAT, arXiv 2402.01591; SLAM-LLM `spatial_audio_dataset.py`): each dry sound is brought to -14 dBFS RMS over
  its whole length, convolved with the whole response, and cut to the window; the sources are averaged, and nothing is
  normalised afterwards.
* `checkpoint_matched` (Spatial-AST `data/dataset.py`): the same with the first 2 s of each response, by which the released
  encoders were trained.

What the released data do not have is applied without changing what they have: a sound is first brought to its level, then to
its `gain_db`, then cut at `offset_s` and moved to `onset_s`; noise comes last.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.fft

from spatial_llm.audio.formats import AudioFormat, Xyz
from spatial_llm.audio.level import normalize_rms, pad_or_cut
from spatial_llm.errors import SceneError
from spatial_llm.files import below, content_hash
from spatial_llm.scenes.bank import ResponseBank, open_bank
from spatial_llm.scenes.dry_sounds import read_dry
from spatial_llm.scenes.events import SYNTH_PREFIX, parse_synth_reference, synthesize_event
from spatial_llm.scenes.microphones import receive
from spatial_llm.scenes.motion.render import receive_moving
from spatial_llm.scenes.noise import add_noise
from spatial_llm.scenes.reception import check_arrivals, check_audible, check_microphones, is_audible
from spatial_llm.scenes.room.arrivals import Arrivals, simulate_arrivals
from spatial_llm.scenes.scene import Room, Scene, Source, mirror_room
from spatial_llm.scenes.scene_checks import check_scene

RESPONSE_LIMIT_S = {"official_bat": None, "checkpoint_matched": 2.0}  # protocol -> used length of a response
DRY_LEVEL_DBFS = -14.0
FADE_S = 0.005  # fades a sound that is cut while it plays, so that the cut makes no click
SAME_PLACE_M, SAME_HEADING_DEG = 0.001, 0.01  # a scene may differ by this from the row of the bank that it names


def render(
    dry: Sequence[np.ndarray],
    responses: Sequence[np.ndarray],
    samples: int,
    protocol: str = "official_bat",
    sampling_rate: int = 32000,
) -> np.ndarray:
    """Renders one or more sources that all start at once, by a protocol.

    Args:
        dry: a mono waveform (n,) for each source, of any length and level.
        responses: a response (channels, taps) for each source, at the same rate.
        samples: length of the recording.
        protocol: see the module.
        sampling_rate: Hz; it gives the number of samples in 2 s.

    Returns:
        float32 (channels, samples): the mean over the sources of dry sound * response.

    Raises:
        SceneError: no source, unequal numbers of sounds and responses, an array of another layout, or no such protocol.
    """
    for sound in dry:
        if sound.ndim != 1:
            raise SceneError(f"dry sound {sound.shape}; expected (samples,).")
    placed = [pad_or_cut(normalize_rms(sound, DRY_LEVEL_DBFS), samples) for sound in dry]
    return _convolve(placed, [_by_protocol(response, protocol, sampling_rate) for response in responses])


def render_scene(
    scene: Scene, root: str | Path, format: AudioFormat | None = None, dry: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Renders the recording of a scene in an audio format.

    Args:
        scene: it is checked here too (see `scene.check_scene`).
        root: the folder that `bank`, `sounds` and `format.sofa` of the scene are relative to; no file outside is read.
        format: None = the scene's own. The responses of another format come from the bank where it has them, else they are
            simulated; a SOFA file of the caller's may be anywhere.
        dry: the dry sound of each source, (n,) at the scene's rate, played instead of the recording that the source names;
            None = those recordings.

    Returns:
        float32 (channels, samples) at `scene.sampling_rate`.

    Raises:
        SceneError, ManifestError, AudioError: a file is missing, leads out of `root` or cannot be read; the bank has
            another rate, or other positions than the scene; the room cannot be simulated; a source is not audible
            (see `reception`).
    """
    check_scene(scene, f"scene {scene.id!r}")
    root = Path(root)
    sounds_root = None if scene.sounds is None else below(root, scene.sounds)
    dry = [dry_sound(source, scene, sounds_root) for source in scene.sources] if dry is None else dry
    if len(dry) != len(scene.sources):
        raise SceneError(f"scene {scene.id!r}: {len(dry)} dry sounds and {len(scene.sources)} sources; give one for each.")
    placed = [place(sound, source, scene) for sound, source in zip(dry, scene.sources, strict=True)]
    if scene.moves:
        recording = _moving(placed, scene, _located(scene, root, format))
    else:
        responses = scene_responses(scene, root, format)
        responses = [_by_protocol(each, scene.protocol, scene.sampling_rate) for each in responses]
        check_audible(placed, responses, scene)
        recording = _convolve(placed, responses)
    if scene.noise is None:
        return recording
    return add_noise(recording, scene.noise, _located(scene, root, format), scene.sampling_rate, scene.seed)


def _moving(placed: Sequence[np.ndarray], scene: Scene, format: AudioFormat) -> np.ndarray:
    """Returns the recording of a scene in which something moves, without noise: (channels, samples)."""
    limit_s = RESPONSE_LIMIT_S[scene.protocol] or scene.room.response_s
    response = round(min(limit_s, scene.room.response_s) * scene.sampling_rate)
    recording = 0.0
    for index, (sound, source) in enumerate(zip(placed, scene.sources, strict=True)):
        name = f"scene {scene.id!r}: sources[{index}]"
        try:
            wet = receive_moving(sound, source, scene.room, scene.listener, format, scene.sampling_rate, response)
        except SceneError as error:
            raise SceneError(f"{name} ({error})") from None
        if not is_audible(wet):
            raise SceneError(f"{name}: cannot be heard, it plays silence; take another part of the sound.")
        recording = recording + wet
    return np.ascontiguousarray(recording / len(placed), dtype=np.float32)


def dry_sound(source: Source, scene: Scene, sounds_root: str | Path | None) -> np.ndarray:
    """Returns the dry sound of a source, float32 (n,) at the scene's rate and at its own level: one channel of a file below
    `sounds_root` (see `dry_sounds`), or a synthesized sound of a built-in class, as long as the scene.

    Raises:
        SceneError, ManifestError, AudioError: no folder to look in, a path that leads out of it, or no readable sound.
    """
    if source.recording.startswith(SYNTH_PREFIX):
        return synthesize_event(*parse_synth_reference(source.recording), scene.duration_s, scene.sampling_rate)
    if sounds_root is None:
        raise SceneError(f"scene {scene.id!r}: recording {source.recording!r} is a file; name its folder in 'sounds'.")
    return read_dry(below(sounds_root, source.recording), scene.sampling_rate)


def place(sound: np.ndarray, source: Source, scene: Scene) -> np.ndarray:
    """Returns a dry sound (n,) as the source plays it: float32 (samples of the scene,), brought to the protocol's level over
    its whole length, then to `gain_db`, cut at `offset_s` and moved to `onset_s`."""
    rate, samples = scene.sampling_rate, round(scene.duration_s * scene.sampling_rate)
    level = np.float32(10 ** (source.gain_db / 20))
    sound = normalize_rms(sound, DRY_LEVEL_DBFS) * level
    onset = round(source.onset_s * rate)
    if source.offset_s is not None and len(sound) > (length := round(source.offset_s * rate) - onset):
        fade = min(round(FADE_S * rate), length)
        sound = sound[:length].copy()
        sound[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return pad_or_cut(np.pad(sound[:samples], (onset, 0)), samples)


def scene_responses(scene: Scene, root: str | Path, format: AudioFormat | None = None) -> list[np.ndarray]:
    """Returns the whole response of each source, float32 (channels, taps): from the scene's bank if it has the format, else
    simulated. Arguments and errors are those of `render_scene`."""
    if scene.moves:
        raise SceneError(f"scene {scene.id!r}: something moves, so no one response describes it; use render_scene.")
    bank = scene_bank(scene, root)
    kind = scene.format if format is None else format
    if bank is not None and kind.name in bank.responses and _has_head(bank, scene, root, format):
        return [bank.response(source.response, kind, scene.mirror) for source in scene.sources]
    samples = round(scene.room.response_s * scene.sampling_rate)
    kind = _located(scene, root, format)
    check_microphones(scene.room, scene.listener, kind)
    heading_deg, rate = scene.listener.heading_deg, scene.sampling_rate
    arrivals = scene_arrivals(scene, bank)
    names = [f"scene {scene.id!r}: sources[{index}] ({source.label!r})" for index, source in enumerate(scene.sources)]
    check_arrivals(arrivals, names, kind, heading_deg, rate, samples)
    return [receive(each, kind, heading_deg, rate, samples) for each in arrivals]


def _has_head(bank: ResponseBank, scene: Scene, root: str | Path, format: AudioFormat | None) -> bool:
    """Returns whether the bank's responses in a format were made with the head that its SOFA file holds now.

    A bank distinguishes heads by the names of their files only. Another head that the caller gives under the same name is
    simulated; the scene's own head must not have changed.

    Raises:
        SceneError: the scene's own head is another one than that of the bank.
    """
    kind = scene.format if format is None else format
    if kind.sofa is None:
        return True
    copied = below(root, kind.portable.sofa)
    made_with = bank.heads.get(kind.name)
    if format is not None:
        # A bank of an older version has no hash of its head; then the head is the one that was copied beside it.
        made_with = made_with or (content_hash(copied) if copied.is_file() else None)
        return made_with is None or not Path(format.sofa).is_file() or content_hash(format.sofa) == made_with
    own = below(root, kind.sofa)
    if made_with is not None and own.is_file() and content_hash(own) != made_with:
        raise SceneError(
            f"scene {scene.id!r}: {kind.sofa} is another file than bank {scene.bank!r} was simulated with; put that one "
            "back, or simulate the bank again."
        )
    return True


def scene_bank(scene: Scene, root: str | Path) -> ResponseBank | None:
    """Opens the bank of a scene and compares it with the scene; None for a scene without a bank.

    Raises:
        SceneError, ManifestError: the bank is outside `root`, is none, has another rate or no such row, or the position of a
            row is not that of the scene.
    """
    if scene.bank is None:
        return None
    bank = open_bank(below(root, scene.bank))
    if bank.sampling_rate != scene.sampling_rate:
        raise SceneError(
            f"scene {scene.id!r}: sampling_rate is {scene.sampling_rate} Hz, bank {scene.bank!r} has {bank.sampling_rate} "
            "Hz; expected the same."
        )
    for index, source in enumerate(scene.sources):
        row = bank.geometry(source.response)
        room, listener, (position_m,) = row.room, row.listener, [row.position_m]
        if scene.mirror:
            room, listener, (position_m,) = mirror_room(room, listener, [position_m])
        turned_deg = abs((listener.heading_deg - scene.listener.heading_deg + 180) % 360 - 180)
        same = np.allclose(
            [listener.position_m, position_m], [scene.listener.position_m, source.position_m], atol=SAME_PLACE_M
        )
        if room.id != scene.room.id or not same or turned_deg > SAME_HEADING_DEG:
            raise SceneError(
                f"scene {scene.id!r}: sources[{index}] is at {source.position_m} in room {scene.room.id!r}, but row "
                f"{source.response} of bank {scene.bank!r} was heard from {position_m} in {room.id!r}; is it another bank?"
            )
    return bank


def scene_arrivals(scene: Scene, bank: ResponseBank | None) -> list[Arrivals]:
    """Simulates the arrivals from each source. Those of a mirrored scene are the mirror image of what was simulated for the
    bank, the late tail included, so that a format that the bank lacks agrees with those it has."""
    if not scene.mirror:
        return _arrivals(scene.room, scene.listener.position_m, tuple(source.position_m for source in scene.sources))
    rows = [bank.geometry(source.response) for source in scene.sources]
    unmirrored = _arrivals(rows[0].room, rows[0].listener.position_m, tuple(row.position_m for row in rows))
    return [dataclasses.replace(each, offsets_m=each.offsets_m * [1.0, -1.0, 1.0]) for each in unmirrored]


@functools.lru_cache(maxsize=4)  # the formats of one scene come one after the other
def _arrivals(room: Room, listener_m: Xyz, positions_m: tuple[Xyz, ...]) -> list[Arrivals]:
    return simulate_arrivals(room, np.array(listener_m), np.array(positions_m))


def _located(scene: Scene, root: str | Path, format: AudioFormat | None) -> AudioFormat:
    if format is not None or scene.format.sofa is None:
        return format or scene.format
    return dataclasses.replace(scene.format, sofa=str(below(root, scene.format.sofa)))


def _by_protocol(response: np.ndarray, protocol: str, sampling_rate: int) -> np.ndarray:
    if protocol not in RESPONSE_LIMIT_S:
        raise SceneError(f"no protocol {protocol!r}; known are {', '.join(RESPONSE_LIMIT_S)}.")
    limit_s = RESPONSE_LIMIT_S[protocol]
    return response if limit_s is None else response[..., : round(limit_s * sampling_rate)]


def _convolve(placed: Sequence[np.ndarray], responses: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mean over the sources of sound * response: sounds (samples,), all of one length, and responses (channels,
    taps)."""
    if not placed or len(placed) != len(responses):
        raise SceneError(f"{len(placed)} dry sounds and {len(responses)} responses; give one response for each sound.")
    for response in responses:
        # More channels than taps is no response but one that lies on its side.
        if response.ndim != 2 or response.shape[0] > response.shape[1] or response.shape[0] != responses[0].shape[0]:
            shapes = ", ".join(str(each.shape) for each in responses)
            raise SceneError(f"responses {shapes}; expected (channels, taps), as many channels for each source.")
    samples = len(placed[0])
    # Samples after the window do not matter, so one transform of window + longest response is exact.
    size = scipy.fft.next_fast_len(samples + min(samples, max(r.shape[1] for r in responses)) - 1, real=True)
    spectrum = 0.0
    for sound, response in zip(placed, responses, strict=True):
        spectrum = spectrum + scipy.fft.rfft(sound, size) * scipy.fft.rfft(response[:, :samples], size)
    mixed = scipy.fft.irfft(spectrum, size)[:, :samples] / len(placed)
    return np.ascontiguousarray(mixed, dtype=np.float32)
