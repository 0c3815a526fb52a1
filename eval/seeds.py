"""Compare kinds of encoders, each trained with several seeds: mean over the runs, interval, and the difference to one kind.

    python eval/encoder_seeds.py --scores runs/ablation/scores --reference dspast --out runs/ablation

Reads <scores>/<kind>-<seed>/encoder.json, which eval/encoder.py wrote, all on one manifest; writes encoder_seeds.json and
encoder_seeds.md (the table, also printed). Takes a second.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.scoring.encoder_seeds import compare_kinds, format_kinds
from spatial_llm.files import atomic_files, write_json, write_text
from spatial_llm.provenance import provenance
from spatial_llm.settings import parse_arguments


@dataclass
class EncoderSeedsArguments:
    """Sets what to compare.

    Attributes:
        scores: folder with a folder <kind>-<seed> for each run.
        reference: kind that the others are compared with.
        out: folder for the results.
    """

    scores: str
    reference: str
    out: str


def main(arguments: EncoderSeedsArguments) -> None:
    reports: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(arguments.scores).glob("*-*/encoder.json")):
        reports.setdefault(path.parent.name.rpartition("-")[0], []).append(json.loads(path.read_text(encoding="utf-8")))
    if not reports:
        raise SpatialLLMError(f"{arguments.scores}: no <kind>-<seed>/encoder.json in it; eval/encoder.py writes them.")
    found = compare_kinds(reports, arguments.reference)
    table, out = format_kinds(found), Path(arguments.out)
    with atomic_files(out) as written:
        write_json(written / "encoder_seeds.json", found | {"provenance": provenance()})
        write_text(written / "encoder_seeds.md", table + "\n")
    print(table)


if __name__ == "__main__":
    with door():
        main(parse_arguments(EncoderSeedsArguments, description=__doc__))
