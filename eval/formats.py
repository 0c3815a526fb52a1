"""Score encoders, or list scores of a model, on the same scenes as heard with several microphones: a row for each.

    python eval/formats.py --encoders '[runs/field/encoder/model]' --out runs/field/encoder_scores \
        --manifests '[runs/field/test/eval-ambisonics1.jsonl, runs/field/test/eval-ambisonics3.jsonl]'

    python eval/formats.py --scores '[runs/field/scores/ambisonics1, runs/field/scores/ambisonics3]' --out runs/field/table

The manifests are those of data/hear_with.py. An encoder is scored on the manifests in formats that it takes; of a model the
folders of eval/score.py are listed, each about one of these manifests. Writes
formats.json and formats.md, the table, into the folder --out. Intervals are 95 % of bootstrap resamples of the recordings.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from spatial_llm.audio.formats import parse_input_format
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import read_manifest
from spatial_llm.door import door
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.names import plain_name
from spatial_llm.evaluation.scoring.encoder_scores import RULES, score_encoder
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.files import atomic_files, check_place, write_json, write_text
from spatial_llm.jsonl import parse_object
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.training.encoder.dataset import TASKS, encoder_dataset
from spatial_llm.training.encoder.run import encoder_outputs, load_encoder

COLUMNS = ("left_right", "front_behind", "above_below", "eight_way", "ER20", "MAE_deg", "DER", "mAP")
ANSWERS = ("B_left_right_acc", "B_direction_acc", "B_DER", "D_left_right_acc", "D_direction_acc", "A_mAP", "E_acc")


@dataclass
class Arguments:
    """Sets what to score.

    Attributes:
        out: folder for the results.
        encoders: folders of encoders with heads.
        manifests: manifests whose distinct one-source recordings are encoded; each holds recordings of one format.
        scores: folders of eval/score.py, for the answers of a model; in place of encoders and manifests.
        resamples: number of bootstrap resamples.
        seed: of the resamples.
        cpu_threads: CPU threads of torch; None uses all cores that this process may use.
    """

    out: str
    encoders: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)
    resamples: Count = 1000
    seed: Seed = 0
    cpu_threads: Count | None = None


def main(arguments: Arguments) -> None:
    check_place(arguments.out, folder=True)
    if bool(arguments.scores) == bool(arguments.encoders) or bool(arguments.encoders) != bool(arguments.manifests):
        raise SpatialLLMError("give encoders with manifests, or scores alone.")
    if arguments.cpu_threads is not None:
        torch.set_num_threads(arguments.cpu_threads)
    rows = listed_scores(arguments) if arguments.scores else scored_encoders(arguments)
    table = written(rows, arguments)
    with atomic_files(Path(arguments.out)) as folder:
        write_json(folder / "formats.json", {"rows": rows, "resamples": arguments.resamples, "seed": arguments.seed})
        write_text(folder / "formats.md", table)
    print(f"formats.json and formats.md are in {arguments.out}\n\n{table}", end="")


def scored_encoders(arguments: Arguments) -> list[dict[str, Any]]:
    """Returns a row for each encoder and manifest in a format that it takes."""
    formats = {manifest: format_of(manifest) for manifest in arguments.manifests}
    rows = []
    for folder in arguments.encoders:
        model = load_encoder(folder)
        taken = [each for each, format in formats.items() if parse_input_format(model.config.audio_format).takes(format)]
        for manifest in tqdm(taken, desc=folder, unit="format"):
            dataset = encoder_dataset(manifest, model.config, DataRoot.of(Path(manifest).parent))
            labels = {task: dataset.labels[task].numpy() for task in TASKS}
            metrics = score_encoder(encoder_outputs(model, dataset), labels, arguments.resamples, arguments.seed)
            rows.append({"encoder": folder, "format": formats[manifest].name, "recordings": len(dataset), "metrics": metrics}
                        | {"provenance": provenance(arguments.seed, manifest)})  # fmt: skip
    return rows


def listed_scores(arguments: Arguments) -> list[dict[str, Any]]:
    """Returns a row for each folder of scores, named after it."""
    rows = []
    for folder in map(Path, arguments.scores):
        path = folder / "scores.json"
        if not path.is_file():
            raise SpatialLLMError(f"{path}: no scores; give folders that eval/score.py has written.")
        scores = parse_object(path.read_text(encoding="utf-8"), str(path))
        metrics = {name: scores["metrics"][name] for name in ANSWERS if name in scores["metrics"]}
        rows.append({"format": folder.name, "recordings": scores["recordings"], "metrics": metrics})
    return rows


def format_of(manifest: str) -> Any:
    """Returns the one format of the recordings of a manifest. Raises ManifestError if there are several."""
    found = {record.format.layout for record in read_manifest(manifest, look_for_files=False)}
    if len(found) > 1:
        raise ManifestError(f"{manifest}: recordings of {sorted(each.name for each in found)}; expected one format.")
    return found.pop()


def written(rows: list[dict[str, Any]], arguments: Arguments) -> str:
    """Returns the table as Markdown."""
    columns = [name for name in (ANSWERS if arguments.scores else COLUMNS) if any(name in row["metrics"] for row in rows)]
    cells = []
    for row in rows:
        found = [row["metrics"].get(name) for name in columns]
        cells.append([row.get("encoder", "answers"), row["format"], row["recordings"], *map(_cell, found)])
    rules = "\n".join(f"- {name}: {RULES.get(name) or plain_name(name)}" for name in columns)
    grid = format_grid(["encoder", "format", "recordings", *columns], cells)
    return f"{grid}\n\n{rules}\n- intervals: 95 %, bootstrap over the recordings\n"


def _cell(metric: dict[str, Any] | None) -> str:
    if metric is None or metric["value"] is None:
        return "-"
    interval = "" if metric["low"] is None else f" ({metric['low']:.1f} to {metric['high']:.1f})"
    return f"{metric['value']:.1f}{interval}"


if __name__ == "__main__":
    with door():
        main(parse_arguments(Arguments, description=__doc__))
