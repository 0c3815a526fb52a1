"""Measures how fast scenes are rendered: seconds of audio per second and core.

    make bench        or        python eval/bench_scenes.py [--repeats 7] [--out bench_scenes.json]

A scene lasts 10 s and has two sources of 10 s, dry sounds in memory, and responses of 1 s as stored in a bank. It is
rendered as binaural and as first-order ambisonics, by 1 and 2 worker processes, each with one thread. The same room is then
rendered with both sources walking around the listener, where no response can be stored. The bench takes about two minutes on
2 cores.
"""

import multiprocessing
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_llm.audio.formats import parse_format
from spatial_llm.door import door
from spatial_llm.files import write_json
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count
from spatial_llm.scenes.events import EVENT_CLASSES, synthesize_event
from spatial_llm.scenes.render import render, render_scene
from spatial_llm.scenes.responses import simulate_responses
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room
from spatial_llm.scenes.scene import Listener, Scene, Source
from spatial_llm.settings import parse_arguments

RATE, SCENE_S, FORMATS = 32_000, 10.0, ("binaural", "ambisonics1")


@dataclass
class BenchArguments:
    """Sets how often to measure, and where to write."""

    repeats: Count = 7
    out: str = "bench_scenes.json"


def render_scenes(dry: list[np.ndarray], responses: np.ndarray, scenes: int) -> float:
    """Renders scenes of two sources each, one after the other; returns the seconds it took."""
    start = time.perf_counter()
    for scene in range(scenes):
        pair = [(scene + source) % len(dry) for source in range(2)]
        render([dry[i] for i in pair], [responses[i] for i in pair], round(SCENE_S * RATE))
    return time.perf_counter() - start


def bench_scenes(repeats: int, scenes: int = 20) -> dict[str, dict[str, Any]]:
    """Returns rendered seconds per second and core, median and range over `repeats`, by format and number of workers."""
    draw = draw_room(RoomConfig(positions_per_room=4, target_rt60_s=(0.5, 0.5)), "bench", 0, seed=0)
    simulated = simulate_responses(draw, [parse_format(name) for name in FORMATS], RATE)
    dry = [synthesize_event(label, 0, SCENE_S, RATE) for label in list(EVENT_CLASSES)[:4]]
    results = {}
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    for workers in (1, 2):
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for name in FORMATS:
                rates = []
                for _ in range(repeats + 1):  # the first one warms up
                    jobs = [pool.submit(render_scenes, dry, simulated.responses[name], scenes) for _ in range(workers)]
                    rates.append(scenes * SCENE_S / max(job.result() for job in jobs))
                results[f"rendering {name}, {workers} worker{'s' * (workers > 1)}"] = _listed(rates[1:])
    return results


def _listed(rates: list[float]) -> dict[str, float]:
    """Returns median and range of rates."""
    return {
        "seconds_per_second_and_core": round(statistics.median(rates), 1),
        "least": round(min(rates), 1),
        "most": round(max(rates), 1),
    }


def bench_moving(repeats: int) -> dict[str, dict[str, Any]]:
    """Returns the same of a scene whose sources walk around the listener at 1.2 m/s, by format, in this process."""
    room = RoomConfig(positions_per_room=1, length_m=(7.0, 7.0), width_m=(6.0, 6.0), target_rt60_s=(0.5, 0.5))
    room = draw_room(room, "bench", 0, seed=0).room
    listener = Listener((3.5, 3.0, 1.5))
    sources = []
    for label, away_m, begin in (("rain", 1.5, 0.0), ("siren", 2.2, 2.0)):
        around = begin + np.arange(0, SCENE_S + 0.1, 0.1) * 1.2 / away_m
        offsets = np.stack([away_m * np.cos(around), away_m * np.sin(around), np.full(len(around), 0.1)], axis=1)
        path = tuple((0.1 * i, tuple(np.add(listener.position_m, each).tolist())) for i, each in enumerate(offsets))
        sources.append(Source(label, f"synth:{label}/0", path[0][1], path=path))
    scene = Scene("moving", "train", 0, SCENE_S, RATE, room, listener, tuple(sources))
    results = {}
    for name in FORMATS:
        rates = []
        for _ in range(repeats + 1):  # the first one warms up
            start = time.perf_counter()
            render_scene(scene, ".", parse_format(name))
            rates.append(SCENE_S / (time.perf_counter() - start))
        results[f"rendering {name} of two moving sources"] = _listed(rates[1:])
    return results


def main(arguments: BenchArguments) -> None:
    results = bench_scenes(arguments.repeats) | bench_moving(arguments.repeats)
    write_json(arguments.out, {"results": results, **provenance(seed=0)})
    for name, result in results.items():
        print(f"{name}: {result['seconds_per_second_and_core']} s of audio per second and core")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
