"""Seeded mutations of sound files of every container, and what reading each of them comes to.

Its `main COUNT [FIRST]` runs as a process of its own (`apart.run_apart`), so that whoever starts it can end it; it
limits its memory, and a file that takes longer than five seconds kills it. It prints one line of JSON: the outcomes by
container, and the first mutations that were read wrongly without a word.
"""

import json
import os
import random
import signal
import sys
import tempfile
import warnings
from collections import Counter, defaultdict

import numpy as np

from tests.audio.apart import peak_mb
from tests.audio.makers import CHECKSUMMED, KINDS, make, sound

SECONDS = 5  # for one file
SAMPLES = 8000


def mutate(content: bytes, dice: random.Random) -> tuple[str, bytes]:
    """One mutation, its name, and the bytes: at the front more often, where headers are."""
    data = bytearray(content)
    at = dice.randrange(min(len(data), dice.choice([64, 256, len(data), len(data)])))
    kind = dice.choice(
        ["bit", "bit", "byte", "field", "run", "zeros", "cut", "cut_little", "delete", "insert", "double", "swap"]
    )
    size = dice.choice([1, 2, 3, 4, 8, 16, 100, 200, 1000])
    if kind == "bit":
        data[at] ^= 1 << dice.randrange(8)
    elif kind == "byte":
        data[at] = dice.randrange(256)
    elif kind == "field":
        value = dice.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 16, dice.randrange(2**32), dice.randrange(2**16)])
        data[at : at + 4] = value.to_bytes(4, dice.choice(["little", "big"]))
    elif kind == "run":
        data[at : at + size] = dice.randbytes(size)
    elif kind == "zeros":
        data[at : at + size] = bytes(size)
    elif kind == "cut":
        del data[at:]
    elif kind == "cut_little":
        del data[-size:]
    elif kind == "delete":
        del data[at : at + size]
    elif kind == "insert":
        data[at:at] = dice.randbytes(size)
    elif kind == "double":
        data[at:at] = data[at : at + size]
    else:
        data[at : at + size], data[-size:] = data[-size:], data[at : at + size]
    return f"{kind} {size} at {at}", bytes(data)


def outcome(path: str, right: np.ndarray, rate: int) -> str:
    """What reading a mutated file comes to: "refused", "warned", "same", "other samples", or how it is wrong."""
    from spatial_llm.audio.io import read_audio
    from spatial_llm.errors import AudioError

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            read, read_rate = read_audio(path)
        except AudioError:
            return "refused"
        except Exception as error:
            return f"WRONG: {type(error).__name__}: {error}"
    if said:
        return "warned"
    if read.shape != right.shape:
        return f"WRONG: {read.shape} of {right.shape}"
    if read_rate != rate:
        return "other rate"
    if np.array_equal(read, right, equal_nan=True):
        return "same"
    with np.errstate(invalid="ignore", over="ignore"):
        close = float(np.mean(np.abs(read - right) < 1e-3))
    return "other samples" if close > 0.5 else f"moved, {close:.2f} as before"


def run(count: int, first: int = 0) -> dict:
    """Reads `count` mutations, numbered from `first`; returns the outcomes by container and the first wrong ones."""
    from spatial_llm.audio.io import read_audio

    seeds = {kind: make(kind, sound(SAMPLES)) for kind in KINDS}
    table: dict[str, Counter] = defaultdict(Counter)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m")
        rights = {}
        for kind, content in seeds.items():
            with open(path, "wb") as out:
                out.write(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rights[kind] = read_audio(path)
        for number in range(first, first + count):
            kind = list(KINDS)[number % len(KINDS)]
            name, content = mutate(seeds[kind], random.Random(number))
            with open(path, "wb") as out:
                out.write(content)
            print(number, file=sys.stderr)  # the last of these is the one that hung
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            found = outcome(path, *rights[kind]) if content != seeds[kind] else "same"
            signal.setitimer(signal.ITIMER_REAL, 0)
            if found == "other samples" and kind in CHECKSUMMED:
                found = "WRONG: other samples under a checksum"
            table[kind][found.split(":")[0]] += 1
            if found.startswith(("WRONG", "moved", "other rate")):
                wrong.append(f"{number} {kind}, {name}: {found}")
    return {"table": {kind: dict(counts) for kind, counts in table.items()}, "wrong": wrong}


def main() -> None:
    """Runs as a process of its own."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    numbers = [int(text) for text in sys.argv[1:]]
    report = run(*numbers) | {"peak_mb": peak_mb()}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
