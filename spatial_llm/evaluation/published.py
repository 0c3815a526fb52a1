"""Published scores beside ours, each with the protocol it was measured by.

The numbers are in `published_scores.csv` beside this file, one row each with its source. Scores of different protocols
(another embedding model, or beams in place of greedy decoding) are never put in one row of a table.
"""

import csv
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

SPATIALSOUNDQA = "SpatialSoundQA"


NO_MODEL, UNSTATED = "-", "unstated"  # decoding of rows without a model, and of rows that do not state it


def decoding_name(run: dict[str, Any] | None) -> str:
    """Returns how answers were decoded, in the terms of published rows: "greedy", "4 beams"; "unstated" for predictions
    of unknown origin. `run` is the content of run.json."""
    beams = ((run or {}).get("decoding") or {}).get("num_beams")
    return UNSTATED if beams is None else "greedy" if beams == 1 else f"{beams} beams"


@dataclass(frozen=True)
class PublishedScore:
    """One published number: the benchmark, its metric (as we name it), the system and how it was measured."""

    benchmark: str
    metric: str
    system: str
    value: float
    higher_is_better: bool
    protocol: str
    decoding: str
    note: str

    def to_dict(self) -> dict:
        """Returns what scores.json keeps of it."""
        return {
            key: value for key, value in asdict(self).items() if key in ("system", "value", "protocol", "decoding", "note")
        }


def published_scores(benchmark: str = SPATIALSOUNDQA) -> list[PublishedScore]:
    """Returns the published rows of one benchmark, in the order of the file."""
    text = resources.files("spatial_llm.evaluation").joinpath("published_scores.csv").read_text(encoding="utf-8")
    return [
        PublishedScore(
            benchmark=row["benchmark"],
            metric=row["column"],
            system=row["system"],
            value=float(row["value"]),
            higher_is_better=row["higher_is_better"] == "yes",
            protocol=row["protocol"],
            decoding=row["decoding"],
            note=row["note"],
        )
        for row in csv.DictReader(text.splitlines())
        if row["benchmark"] == benchmark
    ]
