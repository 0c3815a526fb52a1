"""Simulates a bank of room responses, in parallel processes.

It does not matter which process simulates a room: every room is drawn from its own seed, and the rows of the bank are in the
order of the rooms.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.audio.formats import AudioFormat, format_to_dict, parse_format
from spatial_llm.blocks import Blocks, Shard
from spatial_llm.errors import SceneError
from spatial_llm.files import sha256_of
from spatial_llm.scenes.bank import BankRow, ResponseBank, write_bank
from spatial_llm.scenes.responses import simulate_responses
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room

ROOMS_PER_BLOCK = 5


@dataclass
class BankConfig:
    """The settings of a bank.

    Attributes:
        name: part of the names and the seeds of its rooms, so that banks of two names share no room.
        seed: of all draws.
        rooms: number of rooms.
        room: the ranges from which they are drawn.
        formats: in which responses are simulated, see `audio.formats.parse_format`.
    """

    name: str = "train"
    seed: int = 0
    rooms: int = 250
    room: RoomConfig = field(default_factory=RoomConfig)
    formats: list[str] = field(default_factory=lambda: ["binaural"])

    def __post_init__(self) -> None:
        if self.rooms < 1 or self.seed < 0 or not self.name or not self.formats:
            raise SceneError(
                f"bank {self.name!r}: {self.rooms} rooms, seed {self.seed}, formats {self.formats}; give a name, 1 or more, "
                "0 or more, and at least one format."
            )
        names = [parse_format(text).name for text in self.formats]
        if len(set(names)) < len(names):
            raise SceneError(f"bank {self.name!r}: formats {names}; give each once, SOFA files under different names.")

    def said(self) -> dict[str, Any]:
        """The configuration as JSON values, SOFA files where a data folder keeps them."""
        return asdict(self) | {"formats": [format_to_dict(parse_format(text).portable) for text in self.formats]}


def sofa_hashes(texts: Iterable[str]) -> dict[str, str]:
    """Returns name -> SHA-256 of the SOFA file, for formats that have one. Raises SceneError: the file is not there."""
    kinds = [kind for kind in map(parse_format, texts) if kind.sofa is not None]
    for kind in kinds:
        if not Path(kind.sofa).is_file():
            raise SceneError(f"{kind.sofa}: no such file; give a SOFA file with head-related impulse responses.")
    return {kind.name: sha256_of(kind.sofa) for kind in kinds}


def bank_blocks(config: BankConfig, folder: str | Path) -> Blocks:
    """Returns the parts of a bank, for `build_bank` and for shards of it."""
    count = -(-config.rooms // ROOMS_PER_BLOCK)
    # A simulation that began with one head must not be continued with another one of the same name.
    heads = sofa_hashes(config.formats)
    return Blocks(folder, count, {"bank": asdict(config)} | ({"heads": heads} if heads else {}))


def simulate_parts(config: BankConfig, blocks: Blocks, shard: Shard, workers: int, progress: bool = True) -> None:
    """Simulates those rooms of a shard that are not there yet.

    Raises:
        SceneError: a room cannot be drawn as configured, or its reverberation is longer than the responses.
    """
    work = functools.partial(_simulate_block, config)
    blocks.run(work, shard, workers, progress, f"rooms ({config.name})", unit=f"{ROOMS_PER_BLOCK} rooms")


def join_bank(config: BankConfig, blocks: Blocks, folder: str | Path) -> ResponseBank:
    """Joins all parts into the bank `folder`. Raises SpatialLLMError when some are missing."""
    blocks.require_all()
    parts = [ResponseBank.load(part) for part in blocks]
    kinds, heads = parts[0].formats, parts[0].heads
    if any(part.heads != heads for part in parts):
        raise SceneError(
            f"bank {config.name!r}: a SOFA file was replaced while rooms were simulated; delete {blocks.folder}, start anew."
        )
    return write_bank(
        folder,
        [row for part in parts for row in part.rows],
        {kind: _all_responses(parts, kind) for kind in kinds},
        samples=max(part.responses[kinds[0].name].shape[-1] for part in parts),
        sampling_rate=config.room.sampling_rate,
        config=config.said(),
        propagation_delay=True,
        seed=config.seed,
        heads=heads,
    )


def _all_responses(parts: Sequence[ResponseBank], kind: AudioFormat) -> Iterator[np.ndarray]:
    for part in parts:
        yield from part.responses[kind.name]


def _simulate_block(config: BankConfig, index: int, folder: Path) -> None:
    kinds, heads = [parse_format(text) for text in config.formats], sofa_hashes(config.formats)
    rows, responses = [], {kind.portable: [] for kind in kinds}
    for number in range(index * ROOMS_PER_BLOCK, min((index + 1) * ROOMS_PER_BLOCK, config.rooms)):
        draw = draw_room(config.room, config.name, number, config.seed)
        simulated = simulate_responses(draw, kinds, config.room.sampling_rate)
        for position, drr_db in zip(draw.positions_m, simulated.drr_db, strict=True):
            place = tuple(round(float(value), 4) for value in position)
            # Without reflections the ratio is infinite, which is no number of JSON.
            ratio = round(float(drr_db), 3) if np.isfinite(drr_db) else None
            rows.append(BankRow(draw.room, draw.listener, place, round(simulated.rt60_s, 4), ratio))
        for kind in kinds:
            responses[kind.portable] += list(simulated.responses[kind.name])
    samples = round(config.room.duration_s * config.room.sampling_rate)
    folder.rmdir()  # written anew, whole
    write_bank(folder, rows, responses, samples, config.room.sampling_rate, {}, True, seed=config.seed, heads=heads)
