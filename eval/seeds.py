"""Compare kinds of models, each trained with several seeds: mean over the runs, interval, and the difference to one kind.

    python eval/seeds.py --scores runs/ablation/scores --reference dspast --out runs/ablation

Reads <scores>/<kind>-<seed>/encoder.json, which eval/encoder.py wrote, or scores.json of eval/score.py
(--report scores.json), or scores.json of eval/events.py with --metrics, all on one manifest; writes seeds.json and seeds.md
(the table, also printed). Takes a second.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.scoring.seeds import REPORTS, compare_kinds, format_kinds, read_metrics
from spatial_llm.files import atomic_files, write_json, write_text
from spatial_llm.provenance import provenance
from spatial_llm.settings import parse_arguments


@dataclass
class SeedsArguments:
    """Sets what to compare.

    Attributes:
        scores: folder with a folder <kind>-<seed> for each run.
        reference: kind that the others are compared with.
        out: folder for the results.
        report: file of each run that holds its metrics.
        kinds: kinds to compare; empty for all.
        metrics: names of metrics of that file to compare; empty for the main ones of encoders and of SpatialSoundQA.
    """

    scores: str
    reference: str
    out: str
    report: Literal[*REPORTS] = "encoder.json"
    kinds: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)


def main(arguments: SeedsArguments) -> None:
    reports: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(arguments.scores).glob(f"*-*/{arguments.report}")):
        kind = path.parent.name.rpartition("-")[0]
        if not arguments.kinds or kind in arguments.kinds:
            reports.setdefault(kind, []).append(json.loads(path.read_text(encoding="utf-8")))
    if not reports:
        raise SpatialLLMError(f"{arguments.scores}: no <kind>-<seed>/{arguments.report} of these kinds in it.")
    metrics = read_metrics(reports, arguments.metrics) if arguments.metrics else REPORTS[arguments.report]
    found = compare_kinds(reports, arguments.reference, metrics)
    table, out = format_kinds(found, metrics), Path(arguments.out)
    with atomic_files(out) as written:
        write_json(written / "seeds.json", found | {"provenance": provenance()})
        write_text(written / "seeds.md", table + "\n")
    print(table)


if __name__ == "__main__":
    with door():
        main(parse_arguments(SeedsArguments, description=__doc__))
