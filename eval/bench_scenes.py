"""Measures how fast scenes are rendered: seconds of audio per second and core.

    make bench        or        python eval/bench_scenes.py [--repeats 7] [--out bench_scenes.json]

A scene lasts 10 s and has two sources of 10 s, dry sounds in memory, and responses of 1 s as stored in a bank. It is
rendered as binaural and as first-order ambisonics, by 1 and 2 worker processes, each with one thread. The bench takes about
a minute on 2 cores.
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
from spatial_llm.scenes.render import render
from spatial_llm.scenes.responses import simulate_responses
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room
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
                rates = sorted(rates[1:])
                results[f"rendering {name}, {workers} worker{'s' * (workers > 1)}"] = {
                    "seconds_per_second_and_core": round(statistics.median(rates), 1),
                    "least": round(rates[0], 1),
                    "most": round(rates[-1], 1),
                }
    return results


def main(arguments: BenchArguments) -> None:
    results = bench_scenes(arguments.repeats)
    write_json(arguments.out, {"results": results, **provenance(seed=0)})
    for name, result in results.items():
        print(f"{name}: {result['seconds_per_second_and_core']} s of audio per second and core")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
