"""Compare kinds of models, each trained with several seeds: mean over the runs, interval, and the difference to one kind.

    python eval/seeds.py --scores runs/ablation/scores --reference dspast --out runs/ablation

Reads <scores>/<kind>-<seed>/encoder.json, which eval/encoder.py wrote, scores.json of eval/score.py (--report scores.json),
retrieval.json of eval/retrieve.py, or several of them (--further '[retrieval.json]'), or with --metrics scores.json of
eval/events.py, all on one manifest; writes seeds.json and seeds.md (the table, also printed). Takes a second.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.scoring.seeds import REPORTS, compare_kinds, format_kinds, joined, read_metrics
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
        further: other files of each run, whose metrics stand in the same table.
        kinds: kinds to compare; empty for all.
        metrics: names of metrics of these files to compare; empty for the main ones of each.
    """

    scores: str
    reference: str
    out: str
    report: Literal[*REPORTS] = "encoder.json"
    further: list[Literal[*REPORTS]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)


def main(arguments: SeedsArguments) -> None:
    reports: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(arguments.scores).glob(f"*-*/{arguments.report}")):
        kind = path.parent.name.rpartition("-")[0]
        if not arguments.kinds or kind in arguments.kinds:
            files = [path, *(path.with_name(name) for name in arguments.further)]
            if missing := [file for file in files if not file.is_file()]:
                raise SpatialLLMError(
                    f"{missing[0]}: no such file; score every run by every door, or leave it out of further."
                )
            reports.setdefault(kind, []).append(joined([json.loads(file.read_text(encoding="utf-8")) for file in files]))
    if not reports:
        raise SpatialLLMError(f"{arguments.scores}: no <kind>-<seed>/{arguments.report} of these kinds in it.")
    main_ones = {name: unit for file in (arguments.report, *arguments.further) for name, unit in REPORTS[file].items()}
    metrics = read_metrics(reports, arguments.metrics) if arguments.metrics else main_ones
    found = compare_kinds(reports, arguments.reference, metrics)
    table, out = format_kinds(found, metrics), Path(arguments.out)
    with atomic_files(out) as written:
        write_json(written / "seeds.json", found | {"provenance": provenance()})
        write_text(written / "seeds.md", table + "\n")
    print(table)


if __name__ == "__main__":
    with door():
        main(parse_arguments(SeedsArguments, description=__doc__))
