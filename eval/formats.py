"""Score encoders on the same scenes as heard with several microphones: one table, a row for each.

    python eval/formats.py --encoders '[runs/field/encoder/model]' --out runs/field/encoder_scores \
        --manifests '[runs/field/test/eval-ambisonics1.jsonl, runs/field/test/eval-ambisonics3.jsonl]'

The manifests are those of data/hear_with.py. An encoder is scored on the manifests in formats that it takes. Writes
formats.json and formats.md, the table, into the folder --out. Intervals are 95 % of bootstrap resamples of the recordings.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from spatial_llm.audio.formats import parse_input_format
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import read_manifest
from spatial_llm.door import door
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.scoring.encoder_scores import RULES, score_encoder
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.files import atomic_files, check_place, write_json, write_text
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.training.encoder.dataset import TASKS, encoder_dataset
from spatial_llm.training.encoder.run import encoder_outputs, load_encoder

COLUMNS = ("left_right", "eight_way", "ER20", "MAE_deg", "DER", "mAP")


@dataclass
class Arguments:
    """Sets what to score.

    Attributes:
        encoders: folders of encoders with heads.
        manifests: manifests whose distinct one-source recordings are encoded; each holds recordings of one format.
        out: folder for the results.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
        cpu_threads: CPU threads of torch; None uses all cores that this process may use.
    """

    encoders: list[str]
    manifests: list[str]
    out: str
    resamples: Count = 1000
    seed: Seed = 0
    cpu_threads: Count | None = None


def main(arguments: Arguments) -> None:
    check_place(arguments.out, folder=True)
    if arguments.cpu_threads is not None:
        torch.set_num_threads(arguments.cpu_threads)
    formats = {manifest: format_of(manifest) for manifest in arguments.manifests}
    rows: list[dict[str, Any]] = []
    for folder in arguments.encoders:
        model = load_encoder(folder)
        taken = [each for each, format in formats.items() if parse_input_format(model.config.audio_format).takes(format)]
        for manifest in tqdm(taken, desc=folder, unit="format"):
            dataset = encoder_dataset(manifest, model.config, DataRoot.of(Path(manifest).parent))
            labels = {task: dataset.labels[task].numpy() for task in TASKS}
            metrics = score_encoder(encoder_outputs(model, dataset), labels, arguments.resamples, arguments.seed)
            rows.append({"encoder": folder, "format": formats[manifest].name, "recordings": len(dataset), "metrics": metrics}
                        | {"provenance": provenance(arguments.seed, manifest)})  # fmt: skip
    table = written(rows, arguments)
    with atomic_files(Path(arguments.out)) as folder:
        write_json(folder / "formats.json", {"rows": rows, "resamples": arguments.resamples, "seed": arguments.seed})
        write_text(folder / "formats.md", table)
    print(f"formats.json and formats.md are in {arguments.out}\n\n{table}", end="")


def format_of(manifest: str) -> Any:
    """Returns the one format of the recordings of a manifest. Raises ManifestError if there are several."""
    found = {record.format.layout for record in read_manifest(manifest, look_for_files=False)}
    if len(found) > 1:
        raise ManifestError(f"{manifest}: recordings of {sorted(each.name for each in found)}; expected one format.")
    return found.pop()


def written(rows: list[dict[str, Any]], arguments: Arguments) -> str:
    """Returns the table as Markdown."""
    cells = []
    for row in rows:
        values = [
            f"{m['value']:.1f}" + ("" if m["low"] is None else f" ({m['low']:.1f} to {m['high']:.1f})")
            for m in (row["metrics"][name] for name in COLUMNS)
        ]
        cells.append([row["encoder"], row["format"], row["recordings"], *values])
    rules = "\n".join(f"- {name}: {RULES[name]}" for name in COLUMNS)
    grid = format_grid(["encoder", "format", "recordings", *COLUMNS], cells)
    return f"{grid}\n\n{rules}\n- intervals: 95 % of {arguments.resamples} resamples, seed {arguments.seed}\n"


if __name__ == "__main__":
    with door():
        main(parse_arguments(Arguments, description=__doc__))
