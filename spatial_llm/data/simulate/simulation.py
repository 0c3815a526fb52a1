"""A whole data folder from one configuration: banks of room responses, and the scenes drawn on them.

    folder/train_scenes.jsonl, eval_scenes.jsonl    one Scene a line, with its truth
    folder/train_bank/, eval_bank/                  room responses in every configured format; no room is in both
    folder/sounds/, hrtf/                           copies of the dry sounds and SOFA files in use, where there are any
    folder/simulation.json                          configuration, counts, provenance

Questions about the scenes are written by `data.questions`. Splits are by source recording and by room. The bytes depend
on the configuration alone: not on the number of workers, not on shards, not on how often a run was killed.
"""

import functools
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.audio.formats import AudioFormat, format_to_dict, parse_format
from spatial_llm.blocks import Blocks, Shard
from spatial_llm.data.simulate.scene_sampling import SCENES_PER_BLOCK, DrawConfig, draw_block
from spatial_llm.data.simulate.synthesized import make_room
from spatial_llm.errors import SceneError
from spatial_llm.files import atomic_path, check_place, sha256_of, write_json
from spatial_llm.jsonl import read_jsonl
from spatial_llm.locks import one_writer
from spatial_llm.provenance import provenance
from spatial_llm.scenes.bank import ResponseBank
from spatial_llm.scenes.bank_simulation import BankConfig, bank_blocks, join_bank, simulate_parts
from spatial_llm.scenes.dry_sounds import only_audible
from spatial_llm.scenes.events import EVENT_CLASSES, SYNTH_PREFIX
from spatial_llm.scenes.response_files import bank_from_index, bank_from_soundspaces
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.scenes.sounds import SPLITS, Sound, list_folder, list_index, list_synthesized

SUMMARY = "simulation.json"


@dataclass
class SoundsConfig:
    """Sets the source of the dry sounds: an index CSV, a folder with a subfolder per class, or, with neither, the built-in
    classes (or those that are named) with a number of recordings (draws) for each class."""

    index: str | None = None
    folder: str | None = None
    synthesized_train: int = 400
    synthesized_eval: int = 50
    synthesized_classes: list[str] | None = None

    def __post_init__(self) -> None:
        if min(self.synthesized_train, self.synthesized_eval) < 0:
            raise SceneError(
                f"synthesized_train is {self.synthesized_train}, synthesized_eval {self.synthesized_eval}; give 0 or more."
            )

    def list(self) -> list[Sound]:
        """Returns all audible sounds of both splits: silent files of a folder are left out with a warning, those of an
        index are refused. Raises SceneError and AudioError, see scenes.sounds and scenes.dry_sounds."""
        if self.index and self.folder:
            raise SceneError(f"sounds: index {self.index} and folder {self.folder}; give one of them.")
        if self.index:
            return only_audible(list_index(self.index), self.root, named_by_hand=True)
        if self.folder:
            return only_audible(list_folder(self.folder), self.root, named_by_hand=False)
        classes = EVENT_CLASSES if self.synthesized_classes is None else self.synthesized_classes
        return list_synthesized(self.synthesized_train, self.synthesized_eval, classes)

    @property
    def root(self) -> Path | None:
        """Returns the folder that recordings are relative to; None for the built-in sounds."""
        return Path(self.index).parent if self.index else Path(self.folder) if self.folder else None


@dataclass
class SplitConfig:
    """Sets the size of one split and the source of its responses.

    Attributes:
        rooms: number of simulated rooms.
        clips_one_source, clips_two_sources, clips_three_sources, clips_four_sources: number of scenes.
        responses: measured responses in place of simulated rooms: a CSV of geometry, or a SoundSpaces list (.json).
        responses_rooms: use only the rooms of these names.
    """

    rooms: int = 250
    clips_one_source: int = 4000
    clips_two_sources: int = 4000
    clips_three_sources: int = 0
    clips_four_sources: int = 0
    responses: str | None = None
    responses_rooms: list[str] | None = None

    @property
    def counts(self) -> list[int]:
        """Returns the number of sources of each scene, in order."""
        sizes = (self.clips_one_source, self.clips_two_sources, self.clips_three_sources, self.clips_four_sources)
        return [count for count, size in enumerate(sizes, start=1) for _ in range(size)]

    def __post_init__(self) -> None:
        sizes = (self.clips_one_source, self.clips_two_sources, self.clips_three_sources, self.clips_four_sources)
        if self.rooms < 1 or min(sizes) < 0:
            raise SceneError(f"{self}: give at least 1 room, and 0 or more clips.")


@dataclass
class SimulationConfig:
    """All settings of a data folder.

    Attributes:
        seed: of all random draws.
        formats: formats that the responses are simulated for (see `audio.formats`).
        formats_in_turn: scenes use each of the formats in turn, for example several heads; false: the first one.
        scenes: what is sampled for each scene.
        room: what rooms are sampled from.
        train, eval: the two splits.
        sounds: dry sounds.
    """

    seed: int = 0
    formats: list[str] = field(default_factory=lambda: ["binaural"])
    formats_in_turn: bool = False
    scenes: DrawConfig = field(default_factory=DrawConfig)
    room: RoomConfig = field(default_factory=RoomConfig)
    train: SplitConfig = field(default_factory=SplitConfig)
    eval: SplitConfig = field(default_factory=lambda: SplitConfig(rooms=40, clips_one_source=300, clips_two_sources=300))
    sounds: SoundsConfig = field(default_factory=SoundsConfig)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SceneError(f"seed is {self.seed}; give 0 or more.")

    @property
    def heard_with(self) -> list[str]:
        """Returns the formats of the scenes."""
        return self.formats if self.formats_in_turn else self.formats[:1]


def simulate(
    config: SimulationConfig,
    folder: str | Path,
    workers: int = 1,
    progress: bool = True,
    shard: Shard | None = None,
    merge: bool = False,
) -> dict[str, Any] | None:
    """Makes the data folder, whole or not at all, and returns the content of simulation.json.

    Until it is whole, finished parts are kept beside it (`folder.parts`), from which a killed run continues.

    Args:
        shard: simulate only this share of the rooms into the parts, and return None.
        merge: simulate no room; only join the shards and sample the scenes.

    Raises:
        SceneError: the configuration cannot be met; see scenes.
        SpatialLLMError: `folder.parts` belongs to another configuration, or is to be merged and parts are missing; or
            another process makes the folder.
    """
    check_place(folder, folder=True, replaces=SUMMARY)
    with one_writer(folder, "scenes are being simulated", shared=shard is not None):
        return _simulate(config, Path(folder), workers, progress, shard, merge)


def _simulate(
    config: SimulationConfig, folder: Path, workers: int, progress: bool, shard: Shard | None, merge: bool
) -> dict[str, Any] | None:
    kinds = [parse_format(text) for text in config.formats]
    _check_mirror(config, kinds)
    parts = folder.with_name(folder.name + ".parts")
    sounds = config.sounds.list()
    simulated = [split for split in SPLITS if getattr(config, split).responses is None]
    banks = {split: _bank_config(config, split) for split in simulated}
    blocks = {split: bank_blocks(banks[split], parts / f"{split}_bank") for split in simulated}
    for split in simulated:
        if merge:
            blocks[split].require_all()
        else:
            simulate_parts(banks[split], blocks[split], shard or Shard(), workers, progress)
    if shard is not None:
        return None
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for split in SPLITS:
            if split in simulated:
                join_bank(banks[split], blocks[split], temporary / f"{split}_bank")
            else:
                _import_bank(getattr(config, split), temporary / f"{split}_bank", config)
        _check_rooms_apart(temporary)
        _copy_heads(kinds, temporary)
        drawn = {split: _draw(config, split, sounds, temporary, parts, workers, progress) for split in SPLITS}
        _copy_sounds(config.sounds.root, temporary / "sounds", drawn)
        counts = {split: {"responses": len(_bank(temporary, split)), **_summarize(drawn[split])} for split in SPLITS}
        summary = {"config": portable(config), "splits": counts, "provenance": provenance(seed=config.seed)}
        write_json(temporary / SUMMARY, summary)
    shutil.rmtree(parts, ignore_errors=True)
    return summary


def portable(config: SimulationConfig) -> dict[str, Any]:
    """Returns the configuration as JSON values, without the paths of this machine, which mean nothing elsewhere."""
    settings = asdict(config) | {"formats": [format_to_dict(parse_format(text).portable) for text in config.formats]}
    if config.sounds.root is not None:
        settings["sounds"] |= {"index": None, "folder": None, "copied_from": config.sounds.root.name}
    for split in SPLITS:
        if settings[split]["responses"] is not None:
            settings[split]["responses"] = Path(settings[split]["responses"]).name
    return settings


def _bank_config(config: SimulationConfig, split: str) -> BankConfig:
    return BankConfig(split, config.seed, getattr(config, split).rooms, config.room, config.formats)


def _import_bank(split: SplitConfig, folder: Path, config: SimulationConfig) -> None:
    source, rate = Path(split.responses), config.room.sampling_rate
    if source.suffix == ".json":
        bank_from_soundspaces(source, folder, rate, rooms=split.responses_rooms)
    else:
        bank_from_index(source, folder, config.formats[0], rate, rooms=split.responses_rooms)


def _check_mirror(config: SimulationConfig, kinds: Sequence[AudioFormat]) -> None:
    measured = [split for split in SPLITS if getattr(config, split).responses is not None]
    if config.formats_in_turn and measured:
        raise SceneError("formats_in_turn with measured responses, which are in one format; simulate the rooms.")
    if config.scenes.mirror and not all(kind.mirrors_exactly(measured=bool(measured)) for kind in kinds):
        what = f"formats {[kind.name for kind in kinds]}" + (" and measured responses" if measured else "")
        raise SceneError(
            f"scenes.mirror with {what}: not all of them have an exact mirror image (see mirrors_exactly in audio.formats); "
            "set scenes.mirror: false."
        )


def _bank(folder: Path, split: str) -> ResponseBank:
    return ResponseBank.load(folder / f"{split}_bank")


def _check_rooms_apart(folder: Path) -> None:
    rooms = [{row.room.id for row in _bank(folder, split).rows} for split in SPLITS]
    both = sorted(rooms[0] & rooms[1])
    if both:
        raise SceneError(f"room {both[0]!r} is in both splits ({len(both)} such); give each split rooms of its own.")


def _draw(
    config: SimulationConfig, split: str, sounds: Sequence[Sound], folder: Path, parts: Path, workers: int, progress: bool
) -> list[dict[str, Any]]:
    """Samples the scenes of one split into `folder`; returns them as they are in the file."""
    # Mixed, because questions are balanced within blocks of scenes: "how many?" needs scenes of every number in a block.
    counts = np.random.default_rng([config.seed, *split.encode(), *b"counts"]).permutation(getattr(config, split).counts)
    counts = counts.tolist()
    own = [sound for sound in sounds if sound.split == split]
    bank = folder / f"{split}_bank"
    plan = {
        "scenes": asdict(config.scenes),
        "counts": counts,
        "seed": config.seed,
        "sounds": [[sound.label, sound.recording] for sound in own],
        "bank": sha256_of(bank / "geometry.jsonl"),
        "formats": config.heard_with,
    }
    # Truth follows from the sounds themselves: scenes drawn before one of them was replaced may not be joined with others.
    if (root := config.sounds.root) is not None:
        plan["sha256"] = [sha256_of(root / s.recording) for s in own if not s.recording.startswith(SYNTH_PREFIX)]
    blocks = Blocks(parts / f"{split}_scenes", -(-len(counts) // SCENES_PER_BLOCK), plan)
    names, rate = [sound.recording for sound in own], config.room.sampling_rate
    kept = make_room(parts / f"{split}_synthesized", names, config.scenes.duration_s, rate)
    work = functools.partial(
        draw_block, config.scenes, config.seed, split, counts, own, bank, config.heard_with, config.sounds.root, kept
    )
    blocks.run(work, Shard(), workers, progress, f"scenes ({split})", unit=f"{SCENES_PER_BLOCK} scenes")
    with atomic_path(folder / f"{split}_scenes.jsonl") as temporary, temporary.open("wb") as out:
        for block in blocks:
            out.write((block / "scenes.jsonl").read_bytes())
    return [line for _, line in read_jsonl(folder / f"{split}_scenes.jsonl")]


def _copy_heads(kinds: Sequence[AudioFormat], folder: Path) -> None:
    for kind in kinds:
        if kind.sofa is not None:
            (folder / "hrtf").mkdir(exist_ok=True)
            shutil.copyfile(kind.sofa, folder / kind.portable.sofa)


def _copy_sounds(root: Path | None, folder: Path, drawn: dict[str, list[dict[str, Any]]]) -> None:
    if root is None:  # the built-in sounds
        return
    recordings = {source["recording"] for scenes in drawn.values() for scene in scenes for source in scene["sources"]}
    for recording in sorted(recordings):
        (folder / recording).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / recording, folder / recording)
    # Licences and attributions of the sounds are in the index or beside it, and are copied with the sounds.
    for notice in sorted([*root.glob("*.csv"), *root.glob("LICEN[CS]E*"), *root.glob("README*")]):
        shutil.copyfile(notice, folder / notice.name)


def _summarize(scenes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    labels: Counter = Counter(source["label"] for scene in scenes for source in scene["sources"])
    sizes: Counter = Counter(len(scene["sources"]) for scene in scenes)
    return {
        "scenes": len(scenes),
        "rooms": len({scene["room"]["id"].removesuffix("-mirrored") for scene in scenes}),
        "by_number_of_sources": {str(count): sizes[count] for count in sorted(sizes)},
        "sources_of_class": dict(sorted(labels.items())),
    }
