"""Measures what micro-batching is worth to a server: questions of many clients, answered one at a time and together.

    make bench        or        python eval/bench_serve.py [--clients 20] [--questions 200] [--out bench_serve.json]

Two real servers of the shipped model, one with batch_size 1, run alternately; their answers are compared. "heard": about a
recording that both heard before; "fresh": each about its own, which is encoded alone. Wall time grows with whatever else
the machine does, the ratio of the CPU time of the two processes (Linux) hardly.
"""

import base64
import io
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import write_json
from spatial_llm.model.taught_file import read_taught
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped import RECORDINGS, find_model

BATCHED, ONE_BY_ONE = "together", "one at a time"


@dataclass
class BenchArguments:
    """Sets how much to ask, and where to write."""

    clients: Count = 20
    questions: Count = 200
    batch_size: Count = 20
    repeats: Count = 3
    out: str = "bench_serve.json"
    seed: Seed = 0


def bodies(count: int, fresh: bool, seed: int) -> list[bytes]:
    """Returns requests: taught questions in turn about one recording, or each about one with noise of its own."""
    taught = list(dict.fromkeys(each.question for each in read_taught(find_model("tiny")).questions))
    sound, rate = soundfile.read(RECORDINGS / "two_sources.flac", dtype="float32")
    dice, found = np.random.default_rng(seed), []
    for number in range(count):
        file = io.BytesIO()
        noise = 1e-3 * dice.standard_normal(sound.shape) if fresh else 0
        soundfile.write(file, sound + noise, rate, "PCM_16", format="FLAC")
        audio = {"data": base64.b64encode(file.getvalue()).decode(), "format": "flac"}
        parts = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": taught[number % len(taught)]}]
        found.append(json.dumps({"model": "tiny", "messages": [{"role": "user", "content": parts}]}).encode())
    return found


def start(batch_size: int) -> tuple[subprocess.Popen, str]:
    """Starts a server; returns it with its address."""
    options = {"port": 0, "device": "cpu", "batch_size": batch_size}
    command = [sys.executable, "-m", "spatial_llm", "serve", *(f"--{name}={value}" for name, value in options.items())]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    said = re.search(r"http://\S+/v1", server.stdout.readline())
    return server, f"{said[0]}/chat/completions"


def ask(address: str, requests: list[bytes], clients: int) -> tuple[float, list[float], list[str]]:
    """Returns the seconds for all requests, those of each, and the answers."""

    def once(body: bytes) -> tuple[float, str]:
        begun = time.perf_counter()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as response:
            answer = json.load(response)["choices"][0]["message"]["content"]
        return time.perf_counter() - begun, answer

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(once, requests))
    return time.perf_counter() - begun, [seconds for seconds, _ in found], [answer for _, answer in found]


def cpu_seconds(server: subprocess.Popen) -> float:
    """Returns the CPU time that the process of a server has used."""
    ticks = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def compare(name: str, servers: dict[str, tuple], requests: list[list[bytes]], clients: int) -> dict[str, object]:
    """Returns throughput and latency of both servers, and the medians of their ratios."""
    found, (seconds, cpu, latencies) = {}, ({way: [] for way in servers} for _ in range(3))
    for each in requests:
        answers = {}
        for way, (server, address) in servers.items():
            before = cpu_seconds(server)
            took, waited, answers[way] = ask(address, each, clients)
            cpu[way].append(1000 * (cpu_seconds(server) - before) / len(each))
            seconds[way].append(took / len(each))
            latencies[way] += waited
        if answers[BATCHED] != answers[ONE_BY_ONE]:
            raise SpatialLLMError(f"{name}: answers differ between the two servers; this is a bug.")
    for key, of in (("ratio_median", seconds), ("cpu_ratio_median", cpu)):
        ratios = [one / both for one, both in zip(of[ONE_BY_ONE], of[BATCHED], strict=True)]
        found[key] = round(statistics.median(ratios), 2)
    for way in servers:
        p95, speed = float(np.quantile(latencies[way], 0.95)), 1 / statistics.median(seconds[way])
        figures = {"questions_per_s": speed, "p95_s": p95, "cpu_ms_a_question": statistics.median(cpu[way])}
        found[way] = {name: round(figure, 3) for name, figure in figures.items()}
    return found


def main(arguments: BenchArguments) -> None:
    servers, results = {BATCHED: start(arguments.batch_size), ONE_BY_ONE: start(1)}, {}
    try:
        for name, fresh in (("heard", False), ("fresh", True)):
            requests = [bodies(arguments.questions, fresh, arguments.seed + each) for each in range(arguments.repeats)]
            for _, address in servers.values():
                ask(address, requests[0][:1], 1)
            results[name] = compare(name, servers, requests, arguments.clients)
    finally:
        for server, _ in servers.values():
            server.terminate()
            server.wait(60)
    write_json(arguments.out, {"results": results, **vars(arguments), **provenance(arguments.seed)})
    for name, found in results.items():
        print(f"{name}: {found['ratio_median']} times as fast {BATCHED} ({found['cpu_ratio_median']} by CPU time)")
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
