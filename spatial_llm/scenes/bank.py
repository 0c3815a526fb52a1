"""A bank of room responses on disk: simulated once, in parallel processes, then read many times.

A folder with `responses.npy` float32 (rows, ears, samples), read as a memory map; `geometry.jsonl`, one line a row;
`bank.json` with the configuration, the reverberation measured and the provenance. Which process simulates a room does
not matter: every room is drawn from its own seed and the rows stand in the order of the rooms.
"""

import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from spatial_llm.errors import SceneError
from spatial_llm.files import atomic_path, read_jsonl, write_json, write_jsonl
from spatial_llm.provenance import provenance
from spatial_llm.scenes.formats import MicrophoneFormat
from spatial_llm.scenes.hrtf import kemar
from spatial_llm.scenes.rooms import RoomConfig, RoomDraw, RoomResponses, draw_room, simulate_responses
from spatial_llm.scenes.scene import direction_of

RESPONSES, GEOMETRY, BANK = "responses.npy", "geometry.jsonl", "bank.json"
BINAURAL = MicrophoneFormat("binaural")


@dataclass
class BankConfig:
    """A bank: its name, which names its rooms and keys their draws, so that banks of two names share no room; the seed;
    the number of rooms; and what they are drawn from."""

    name: str = "train"
    seed: int = 0
    rooms: int = 250
    room: RoomConfig = field(default_factory=RoomConfig)

    def __post_init__(self) -> None:
        if self.rooms < 1 or self.seed < 0 or not self.name:
            raise SceneError(f"bank {self.name!r}: {self.rooms} rooms, seed {self.seed}; give a name, 1 or more, 0 or more.")


@dataclass(frozen=True, eq=False)
class ResponseBank:
    """Responses of a bank and where each comes from. Rows of one room are heard by one listener, who does not move."""

    folder: Path
    responses: np.ndarray  # float32 (rows, ears, samples), ear 0 = left
    rows: list[dict[str, Any]]
    sampling_rate: int

    @classmethod
    def load(cls, folder: str | Path) -> "ResponseBank":
        """Opens a bank without reading the responses. Raises SceneError when a file is missing or they disagree."""
        folder = Path(folder)
        missing = [name for name in (RESPONSES, GEOMETRY, BANK) if not (folder / name).is_file()]
        if missing:
            raise SceneError(f"{folder}: no bank of room responses, {', '.join(missing)} missing; simulate it again.")
        responses = np.load(folder / RESPONSES, mmap_mode="r", allow_pickle=False)
        rows = [row for _, row in read_jsonl(folder / GEOMETRY)]
        if responses.dtype != np.float32 or responses.ndim != 3 or responses.shape[:2] != (len(rows), 2):
            raise SceneError(
                f"{folder}: {RESPONSES} is {responses.dtype} {responses.shape}, {GEOMETRY} has {len(rows)} lines; "
                f"expected float32 ({len(rows)}, 2, samples); simulate the bank again."
            )
        settings = json.loads((folder / BANK).read_text(encoding="utf-8"))
        return cls(folder, responses, rows, int(settings["config"]["room"]["sampling_rate"]))

    def __len__(self) -> int:
        return len(self.rows)

    def response(self, row: int, mirror: bool = False) -> np.ndarray:
        """One response, float32 (ears, samples), left first; `mirror` gives that of the mirrored room."""
        self._check(row)
        response = np.array(self.responses[row])
        # KEMAR's ears mirror each other exactly, so swapping them is the mirrored room, not an approximation of it.
        return response[::-1].copy() if mirror else response

    def geometry(self, row: int) -> dict[str, Any]:
        """Room, listener, source and direction of one row, unmirrored (keys: _geometry)."""
        self._check(row)
        return self.rows[row]

    def _check(self, row: int) -> None:
        if not 0 <= row < len(self.rows):
            raise SceneError(f"{self.folder}: response {row} asked for, the bank has rows 0 to {len(self.rows) - 1}.")


def build_bank(config: BankConfig, folder: str | Path, workers: int = 1, progress: bool = True) -> ResponseBank:
    """Simulates all rooms of `config` into `folder`, whole or not at all. The bytes do not depend on `workers`.

    Raises:
        SceneError: a room cannot be drawn as configured, or its reverberation is longer than the responses.
    """
    folder = Path(folder)
    per_room, samples = config.room.positions_per_room, round(config.room.duration_s * config.room.sampling_rate)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        shape = (config.rooms * per_room, 2, samples)
        responses = np.lib.format.open_memmap(temporary / RESPONSES, mode="w+", dtype=np.float32, shape=shape)
        geometry, decays = [], []
        results = _simulate_all(config, workers)
        bar = tqdm(results, total=config.rooms, desc=f"rooms ({config.name})", unit="room", disable=not progress)
        for index, (draw, simulated) in enumerate(bar):
            responses[index * per_room : (index + 1) * per_room] = simulated.responses[BINAURAL.name]
            decays.append(simulated.rt60_s)
            for position_m in draw.positions_m.tolist():
                line = {"row": len(geometry), **_geometry(draw, position_m), "rt60_s": round(simulated.rt60_s, 4)}
                geometry.append(line)
        responses.flush()
        del responses
        write_jsonl(temporary / GEOMETRY, geometry)
        write_json(temporary / BANK, _summary(config, decays))
    return ResponseBank.load(folder)


def _summary(config: BankConfig, decays: list[float]) -> dict[str, Any]:
    low, median, high = (round(float(np.percentile(decays, share)), 3) for share in (0, 50, 100))
    return {
        "config": asdict(config),
        "hrtf": "MIT KEMAR, normal pinna (Gardner and Martin 1995), nearest measured direction",
        "scale": "a source in front at 1 m in free field has unit gain",
        "rt60_s": {"lowest": low, "median": median, "highest": high, "measure": "T20 of the responses, mean of a room"},
        "provenance": provenance(seed=config.seed),
    }


def _geometry(draw: RoomDraw, position_m: list[float]) -> dict[str, Any]:
    azimuth_deg, elevation_deg, distance_m = direction_of(draw.listener, position_m)
    return {
        "room": draw.room.id,
        "size_m": list(draw.room.size_m),
        "absorption": draw.room.absorption,
        "listener_m": list(draw.listener.position_m),
        "heading_deg": draw.listener.heading_deg,
        "source_m": position_m,
        "azimuth_deg": round(azimuth_deg, 4),
        "elevation_deg": round(elevation_deg, 4),
        "distance_m": round(distance_m, 4),
    }


def _simulate_all(config: BankConfig, workers: int) -> Iterator[tuple[RoomDraw, RoomResponses]]:
    tasks = [(config, index) for index in range(config.rooms)]
    if workers <= 1:
        yield from map(_simulate_one, tasks)
        return
    # Forked where that is safe (Linux): importing the library anew takes longer than a hundred rooms. The table of
    # heads is made before the fork, so that all processes share it.
    _ = kemar(config.room.sampling_rate).delayed
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(min(workers, config.rooms), mp_context=context) as pool:
        yield from pool.map(_simulate_one, tasks, chunksize=max(1, min(8, config.rooms // (4 * workers))))


def _simulate_one(task: tuple[BankConfig, int]) -> tuple[RoomDraw, RoomResponses]:
    config, index = task
    draw = draw_room(config.room, config.name, index, config.seed)
    return draw, simulate_responses(draw, [BINAURAL], config.room.sampling_rate)
