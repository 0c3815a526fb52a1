"""Samples scenes on a bank of responses: which recordings sound, from where, when, how loud, over what noise.

Classes and directions take turns: every class occurs equally often, and so does every octant around the listener, as far as
the bank has sources there. All sources of a scene are in one room. Scenes are sampled in blocks, each from its own seed, so
that no block waits for another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spatial_llm.audio.formats import parse_format
from spatial_llm.data.simulate.motion_sampling import MotionConfig, MotionDrawer
from spatial_llm.data.simulate.synthesized import SynthesizedOnce
from spatial_llm.errors import SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S, direction_to_vector, direction_words
from spatial_llm.jsonl import write_jsonl
from spatial_llm.scenes.bank import BankRow, ResponseBank, open_bank
from spatial_llm.scenes.events import SYNTH_PREFIX
from spatial_llm.scenes.reception import AUDIBLE, is_audible
from spatial_llm.scenes.render import DRY_LEVEL_DBFS, dry_sound, place
from spatial_llm.scenes.scene import Listener, Noise, Room, Scene, Source, direction_of, mirror_room
from spatial_llm.scenes.scene_checks import MAX_SOURCES
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.scenes.sounds import Sound
from spatial_llm.scenes.truth import AUDIBLE_DB, derive_truth

SCENES_PER_BLOCK = 500
TRIES = 100  # most draws of a source whose played part is silent
MOST_DB = 120.0  # with a larger difference one of two sounds is below the noise of any recording
Range = tuple[float, float]


@dataclass
class DrawConfig:
    """Configures the sampling of each scene. Every pair is a range (lowest, highest).

    Attributes:
        duration_s: length of a scene.
        mirror: use every room a second time with left and right exchanged, which doubles the responses.
        protocol: how dry sounds and responses become a recording, see `scenes.render`.
        same_class_share: share of the scenes with several sources that have two of one class.
        onset_s: when sounds begin.
        sound_s: how long sounds play at most; None: to their end.
        gain_db: gain of sounds, around the level of the protocol.
        noise_snr_db: signal-to-noise ratio of diffuse noise; None: no noise.
        noise_color: spectrum of the noise.
        motion: how sources move and listeners turn; None: all stands still. What moves is simulated whenever it is rendered.
    """

    duration_s: float = 2.0
    mirror: bool = True
    protocol: Literal["official_bat", "checkpoint_matched"] = "official_bat"
    same_class_share: float = 0.0
    onset_s: Range = (0.0, 0.0)
    sound_s: Range | None = None
    gain_db: Range = (0.0, 0.0)
    noise_snr_db: Range | None = None
    noise_color: Literal["white", "pink"] = "pink"
    motion: MotionConfig | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.type in (Range, Range | None) and value is not None:
                low, high = (float(end) for end in value)
                setattr(self, entry.name, (low, high))
                if not np.isfinite([low, high]).all() or low > high:
                    raise SceneError(f"{entry.name} is {value}; give a range [lowest, highest].")
        for name in ("gain_db", "noise_snr_db"):
            value = getattr(self, name)
            if value is not None and max(map(abs, value)) > MOST_DB:
                raise SceneError(f"{name} is {value}; give decibels from {-MOST_DB:g} to {MOST_DB:g}.")
        if self.duration_s < 0.1 or not 0 <= self.same_class_share <= 1:
            raise SceneError(
                f"duration_s {self.duration_s}, same_class_share {self.same_class_share}; give at least 0.1 s and 0 to 1."
            )
        if not 0 <= self.onset_s[0] <= self.onset_s[1] < self.duration_s:
            raise SceneError(f"onset_s is {self.onset_s}; give times from 0 to below duration_s {self.duration_s}.")
        if self.sound_s is not None and self.sound_s[0] <= 0:
            raise SceneError(f"sound_s is {self.sound_s}; give seconds above 0.")


def draw_block(
    config: DrawConfig,
    seed: int,
    split: str,
    counts: Sequence[int],
    sounds: Sequence[Sound],
    bank_folder: Path,
    format_names: Sequence[str],
    sounds_root: Path | None,
    synthesized: Path | None,
    block: int,
    folder: Path,
) -> None:
    """Samples block number `block` of the scenes of a split and writes `folder`/scenes.jsonl.

    Args:
        counts: number of sources of each scene of the split.
        sounds: dry sounds of this split; their recordings are relative to `sounds_root`.
        format_names: formats of the scenes, in turn.
        synthesized: folder where the built-in sounds are kept (see `synthesized.make_room`); None = they are not.
    """
    bank = open_bank(bank_folder)
    kept = None
    if synthesized is not None:
        names = [sound.recording for sound in sounds]
        kept = SynthesizedOnce(synthesized, names, config.duration_s, bank.sampling_rate)
    drawer = SceneDrawer(config, np.random.default_rng([seed, *split.encode(), *b"clips", block]), bank, sounds)
    first = block * SCENES_PER_BLOCK
    motion = None
    if config.motion is not None:
        motion = MotionDrawer(config.motion, np.random.default_rng([seed, *split.encode(), *b"motion", block]))
    lines = []
    for number, count in enumerate(counts[first : first + SCENES_PER_BLOCK], start=first):
        scene = drawer.draw(f"{split}-{number:06d}", split, count, format_names[number % len(format_names)])
        scene, dry = _audible(scene, drawer, sounds_root, kept)
        rows = [bank.geometry(source.response) for source in scene.sources]
        scene = scene if motion is None else motion.moved(scene)
        truth = derive_truth(scene, dry, rows[0].rt60_s, [row.drr_db for row in rows], bank.propagation_delay)
        lines.append(scene_to_dict(replace(scene, truth=truth)))
    write_jsonl(folder / "scenes.jsonl", lines)


def _audible(
    scene: Scene, drawer: "SceneDrawer", sounds_root: Path | None, kept: SynthesizedOnce | None
) -> tuple[Scene, list[np.ndarray]]:
    """Returns the scene, and the dry sound of each of its sources. A source that plays a silent part of its recording, or
    whose sound reaches the listener after the end, is sampled again, because everything that the scene states must be
    audible in it.

    Raises:
        SceneError: this happens TRIES times.
    """
    delayed = drawer.bank.propagation_delay
    dry = []
    for index in range(len(scene.sources)):
        for _ in range(TRIES):
            source = scene.sources[index]
            own = kept is not None and source.recording in kept
            sound = kept[source.recording] if own else dry_sound(source, scene, sounds_root)
            away_m = direction_of(scene.listener, source.position_m)[2]
            delay = round(away_m / SPEED_OF_SOUND_M_S * scene.sampling_rate) if delayed else 0
            played = place(sound, source, scene)
            least_db = DRY_LEVEL_DBFS + source.gain_db - AUDIBLE_DB
            if is_audible(played[: max(0, len(played) - delay)], max(AUDIBLE, 10 ** (least_db / 20))):
                dry.append(sound)
                break
            scene = drawer.drawn_again(scene, index)
        else:
            raise SceneError(
                f"scene {scene.id!r}: {TRIES} draws of class {source.label!r} play silence (such as "
                f"{source.recording!r} from {source.onset_s} s, offset_s {source.offset_s}); give a longer sound_s, "
                "an earlier onset_s or trimmed sounds."
            )
    return scene, dry


class SceneDrawer:
    """Samples scenes one after another; it remembers earlier scenes only to balance classes and directions."""

    def __init__(self, config: DrawConfig, rng: np.random.Generator, bank: ResponseBank, sounds: Sequence[Sound]) -> None:
        self.config, self.rng, self.bank = config, rng, bank
        self.recordings: dict[str, list[str]] = {}
        for sound in sounds:
            self.recordings.setdefault(sound.label, []).append(sound.recording)
        # Scenes with one source and scenes with more are balanced separately.
        self._labels = {count: _Turns(sorted(self.recordings), rng) for count in range(1, MAX_SOURCES + 1)}
        # A place is a row of the bank and whether it is mirrored.
        self._octants: dict[tuple[str, ...], list[tuple[int, bool]]] = {}
        self._rows_of_room: dict[str, list[int]] = {}
        for row in range(len(bank)):
            where = bank.geometry(row)
            self._rows_of_room.setdefault(where.room.id, []).append(row)
            azimuth_deg, elevation_deg, _ = direction_of(where.listener, where.position_m)
            for mirror in (False, True) if config.mirror else (False,):
                words = direction_words(direction_to_vector(-azimuth_deg if mirror else azimuth_deg, elevation_deg))
                self._octants.setdefault(words, []).append((row, mirror))
        self._turns = {count: _Turns(sorted(self._octants), rng) for count in range(1, MAX_SOURCES + 1)}

    def draw(self, name: str, split: str, count: int, format_name: str) -> Scene:
        """Samples one scene with `count` sources, without its truth.

        Raises:
            SceneError: the room of a sampled place has fewer positions, or there are too few classes.
        """
        places = self._octants[self._turns[count].next()]
        row, mirror = places[int(self.rng.integers(len(places)))]
        others = [other for other in self._rows_of_room[self.bank.geometry(row).room.id] if other != row]
        if len(others) < count - 1:
            raise SceneError(f"scenes with {count} sources need as many positions in a room; there are {len(others) + 1}.")
        rows = [row, *(others[i] for i in self.rng.permutation(len(others))[: count - 1])]
        labels = self._draw_labels(count)
        room, listener, positions = _as_heard([self.bank.geometry(row) for row in rows], mirror)
        drawn = zip(labels, self._draw_recordings(labels), rows, positions, strict=True)
        sources = tuple(self._source(label, recording, row, position) for label, recording, row, position in drawn)
        config, snr_db = self.config, self.config.noise_snr_db
        return Scene(
            id=name,
            split=split,
            seed=int(self.rng.integers(2**31)),
            duration_s=config.duration_s,
            sampling_rate=self.bank.sampling_rate,
            room=room,
            listener=listener,
            sources=sources,
            format=parse_format(format_name).portable,
            noise=None if snr_db is None else Noise(config.noise_color, round(float(self.rng.uniform(*snr_db)), 2)),
            protocol=config.protocol,
            bank=f"{split}_bank",
            mirror=mirror,
            sounds=None if all(source.recording.startswith(SYNTH_PREFIX) for source in sources) else "sounds",
        )

    def drawn_again(self, scene: Scene, index: int) -> Scene:
        """Returns the scene with another recording, time and level of source `index`, of the same class at the same
        place."""
        source = scene.sources[index]
        choice = self.recordings[source.label]
        recording = choice[int(self.rng.integers(len(choice)))]
        source = self._source(source.label, recording, source.response, source.position_m)
        sources = (*scene.sources[:index], source, *scene.sources[index + 1 :])
        synthesized = all(each.recording.startswith(SYNTH_PREFIX) for each in sources)
        return replace(scene, sources=sources, sounds=None if synthesized else "sounds")

    def _draw_labels(self, count: int) -> list[str]:
        turns = self._labels[count]
        labels = [turns.next()]
        if count > 1 and self.rng.uniform() < self.config.same_class_share:
            labels.append(labels[0])
        if count > len(labels) and count > len(self.recordings):
            raise SceneError(f"scenes with {count} sources need {count} classes; there are {len(self.recordings)}.")
        while len(labels) < count:
            labels += [label for label in [turns.next()] if label not in labels]
        return labels

    def _draw_recordings(self, labels: Sequence[str]) -> list[str]:
        # Two sources of one class are two recordings, where the class has two.
        drawn: list[str] = []
        for label in labels:
            choice = [name for name in self.recordings[label] if name not in drawn] or self.recordings[label]
            drawn.append(choice[int(self.rng.integers(len(choice)))])
        return drawn

    def _source(self, label: str, recording: str, row: int, position_m: Any) -> Source:
        config = self.config
        onset_s = round(float(self.rng.uniform(*config.onset_s)), 3)
        offset_s = None
        if config.sound_s is not None:
            offset_s = round(min(onset_s + float(self.rng.uniform(*config.sound_s)), config.duration_s), 3)
        gain_db = round(float(self.rng.uniform(*config.gain_db)), 2)
        return Source(label, recording, position_m, gain_db, onset_s, offset_s, response=row)


def _as_heard(rows: Sequence[BankRow], mirror: bool) -> tuple[Room, Listener, list[Any]]:
    room, listener, positions = rows[0].room, rows[0].listener, [row.position_m for row in rows]
    if mirror:
        room, listener, positions = mirror_room(room, listener, positions)
    return room, listener, [tuple(round(value, 4) for value in position) for position in positions]


class _Turns:
    """Options in random order, each once before any occurs again."""

    def __init__(self, options: list[Any], rng: np.random.Generator) -> None:
        self.options, self.rng, self.left = options, rng, []

    def next(self) -> Any:
        if not self.left:
            self.left = [self.options[i] for i in self.rng.permutation(len(self.options))]
        return self.left.pop()
