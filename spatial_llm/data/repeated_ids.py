"""Finds ids that occur twice in a JSONL file of any length."""

from array import array
from hashlib import blake2b
from pathlib import Path

import numpy as np

from spatial_llm.data.paths import SHOWN
from spatial_llm.errors import ManifestError
from spatial_llm.jsonl import iter_jsonl


class RepeatedIds:
    """Finds ids that occur twice in a file; it stores 12 bytes a line, not the ids.

    Args:
        path: path of the file, which is read again if an id may occur twice.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.digests, self.lines = path, array("Q"), array("I")

    def add(self, number: int, name: str) -> None:
        """Stores the id `name` of line `number`."""
        self.digests.append(int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big"))
        self.lines.append(number)

    def finish(self) -> None:
        """Raises ManifestError if an id occurs twice, listing such ids with their lines, or if there was no line."""
        if not self.lines:
            raise ManifestError(f"{self.path}: holds no record; expected at least one line.")
        digests = np.array(self.digests)
        values, counts = np.unique(digests, return_counts=True)
        if (counts == 1).all():
            return
        suspects = set(np.array(self.lines)[np.isin(digests, values[counts > 1])].tolist())
        lines_of: dict[str, list[int]] = {}
        for number, line in iter_jsonl(self.path):
            if number in suspects:  # equal digests can still come from two ids
                lines_of.setdefault(line["id"], []).append(number)
        double = {name: numbers for name, numbers in lines_of.items() if len(numbers) > 1}
        if double:
            shown = "".join(f"\n  {name!r} in lines {', '.join(map(str, at))}" for name, at in list(double.items())[:SHOWN])
            first = next(iter(double.values()))[1]
            raise ManifestError(f"{self.path}:{first}: id stands twice ({len(double)} such); make each unique:{shown}")
