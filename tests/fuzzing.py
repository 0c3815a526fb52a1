"""What a fuzzer throws at the doors that strangers' bytes come in by, and what must hold of each: an error of ours or a
result, in time, in memory.

`main TARGET MINUTES` runs as a process of its own (`tests.audio.apart`) and prints one line of JSON.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from spatial_llm.audio.io import read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import SpatialLLMError
from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.chat_request import read_chat_request
from spatial_llm.serving.refusals import Refusal
from tests.audio.apart import peak_mb
from tests.audio.makers import KINDS, make, sound
from tests.serving.running import ONE, Running, body

SECONDS = 30  # for one example, however much else the machine does; what hangs takes longer
MOST_BYTES = 6 * 2**30  # of addresses
FEW = AudioLimits(max_seconds=60, max_bytes=2**24)

ODD = ["", "\ud800", "\0", "<|audio|>", "../a.wav", "file:///etc/passwd", "http://127.0.0.1/a.wav", "input_audio", "A" * 300]
TEXT = st.text(max_size=12) | st.sampled_from(ODD)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 1, 2**31, 2**63, 10**400])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DAMAGE = st.just([]) | st.lists(
    st.tuples(st.sampled_from(["set", "insert", "cut", "delete", "double"]), st.floats(0, 1), st.binary(max_size=8)),
    max_size=4,
)


def damaged(content: bytes, damage: list[tuple[str, float, bytes]]) -> bytes:
    """`content` with pieces of it replaced, put in, taken out or doubled."""
    for kind, share, some in damage:
        at = int(share * len(content))
        before, after = content[:at], content[at:]
        content = {
            "set": before + some + after[len(some) :],
            "insert": before + some + after,
            "cut": before,
            "delete": before + after[len(some) + 1 :],
            "double": before + after[:16] + after,
        }[kind]
    return content


def changed(value: Any, steps: list[int] | None, new: Any) -> Any:
    """A value of JSON with one part of it, down the steps, replaced; without steps as it is."""
    if steps is None:
        return value
    if not steps or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[steps[0] % len(keys)]
    inner = changed(value[key], steps[1:], new)
    items = {one: (inner if one == key else value[one]) for one in keys}
    return items if isinstance(value, dict) else list(items.values())


STEPS = st.none() | st.lists(st.integers(0, 7), min_size=1, max_size=6)


@cache
def seeds() -> dict[str, bytes]:
    """A short sound in every container."""
    return {kind: make(kind, sound(2000)) for kind in KINDS}


def audio(folder: Path, quick: bool) -> tuple[st.SearchStrategy, Callable[[Any], str]]:
    """Sound files: samples, or an AudioError."""
    # A file whose first bytes are gone may be anything, and each costs a process of its own.
    kept = st.just(12) if quick else st.sampled_from([12] * 19 + [0])

    def check(given: tuple[str, int, list]) -> str:
        kind, keep, damage = given
        whole = seeds()[kind]
        try:
            samples, rate = read_audio(memoryview(whole[:keep] + damaged(whole[keep:], damage)), FEW)
        except SpatialLLMError as error:
            str(error).encode()
            return "refused"
        assert samples.ndim == 2 and samples.shape[1] > 0 and samples.nbytes <= FEW.max_bytes and rate >= 1000
        return "read"

    return st.tuples(st.sampled_from(KINDS), kept, DAMAGE), check


def manifest(folder: Path, quick: bool) -> tuple[st.SearchStrategy, Callable[[Any], str]]:
    """Manifests: records, or an error that names the file."""
    line = {
        "id": "q0", "recording_id": "r", "type": "A", "question_type": "CLASSIFICATION", "question": "What sounds?",
        "answer": "bell", "truth": {"labels": ["bell"]}, "split": "train", "sampling_rate": 32000, "audio": "a.wav",
    }  # fmt: skip
    path = folder / "m.jsonl"

    def check(given: tuple[list, Any, str, list]) -> str:
        steps, new, key, damage = given
        first = changed(line, steps, new)
        if isinstance(first, dict) and key:
            first = first | {key: new}
        text = "".join(json.dumps(one) + "\n" for one in (first, line | {"id": "q1"}))
        path.write_bytes(damaged(text.encode(), damage))
        try:
            read_manifest(path, look_for_files=False)
        except SpatialLLMError as error:
            assert "m.jsonl" in str(error) and str(error).encode()
            return "refused"
        return "read"

    return st.tuples(STEPS, JSON, st.just("") | TEXT, DAMAGE), check


def _body(given: tuple[list, Any, str, list]) -> bytes:
    steps, new, key, damage = given
    whole = changed(body("What is it?", ONE, stream=False, max_tokens=5), steps, new)
    if isinstance(whole, dict) and key:
        whole = whole | {key: new}
    return damaged(json.dumps(whole).encode(), damage)


BODIES = st.tuples(
    STEPS, JSON, st.just("") | TEXT | st.sampled_from(["stop", "n", "seed", "tools", "stream_options"]), DAMAGE
)


def request(folder: Path, quick: bool) -> tuple[st.SearchStrategy, Callable[[Any], str]]:
    """Bodies of requests, as they are read: a conversation, or a refusal."""

    def check(given: Any) -> str:
        try:
            read_chat_request(_body(given), "tiny", ServeArguments())
        except Refusal as refusal:
            json.dumps(refusal.to_dict(), ensure_ascii=False).encode()
            return str(refusal.status)
        return "read"

    return BODIES, check


def server(folder: Path, quick: bool) -> tuple[st.SearchStrategy, Callable[[Any], str]]:
    """Bodies of requests to a real server: a status that is no failure of the server."""
    running = Running("--queue", "4")
    _OPEN.push(running)

    def check(given: Any) -> str:
        head = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{running.url}/chat/completions", _body(given), head)
        try:
            with urllib.request.urlopen(asked, timeout=SECONDS) as response:
                response.read()
                return "200"
        except urllib.error.HTTPError as error:
            assert error.code in (400, 404, 413, 422), error.read()
            assert json.loads(error.read())["error"]["message"]
            return str(error.code)

    return BODIES, check


TARGETS: dict[str, Callable] = {"audio": audio, "manifest": manifest, "request": request, "server": server}
_OPEN = contextlib.ExitStack()


@dataclass
class Found:
    """Outcomes of all examples."""

    outcomes: Counter


def fuzz(target: str, folder: Path, found: Found, quick: bool = False, **how: Any) -> Callable[[], None]:
    """A test of one target by hypothesis, with its settings; `quick` leaves out what takes long."""
    strategy, check = TARGETS[target](folder, quick)

    @settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), **how)
    @given(strategy)
    def run(given: Any) -> None:
        with warnings.catch_warnings(), in_time():
            warnings.simplefilter("ignore")
            found.outcomes[check(given)] += 1

    return run


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Raises TimeoutError if what is done inside hangs."""

    def late(*_: object) -> None:
        raise TimeoutError(f"an example took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    """Runs as a process of its own."""
    target, minutes = sys.argv[1], float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    os.environ["HF_HUB_OFFLINE"] = "1"
    end, number, found = time.monotonic() + 60 * minutes, 0, Found(Counter())
    with _OPEN, tempfile.TemporaryDirectory() as folder:
        run = fuzz(target, Path(folder), found, max_examples=200, phases=[Phase.generate, Phase.shrink])
        while number == 0 or time.monotonic() < end:
            seed(number)(run)()
            number += 1
    print(json.dumps({"outcomes": found.outcomes, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
