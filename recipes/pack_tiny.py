"""Packs the folder that ships: a trained model in half precision with its card and the authors of its sounds.

    python recipes/pack_tiny.py --model runs/tiny/presence/model --out runs/tiny/packed
        --before runs/tiny/cooldown/model --share 0.6
    python recipes/pack_tiny.py --out runs/tiny/packed --runs runs/tiny --template recipes/configs/tiny/card.md
    python recipes/pack_tiny.py --out runs/tiny/packed --heads runs/tiny/heads/model

The first call writes the weights. The second, once they are scored, writes the card (README.md), credits.csv and the logs.
The third is for a model that was trained before heads were kept: it adds heads that were trained on its encoder.
"""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from spatial_llm.door import door
from spatial_llm.encoders.readout import EncoderHeads
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import atomic_path, write_text
from spatial_llm.model import SpatialLLM
from spatial_llm.model.averaging import average
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.packing import pack
from spatial_llm.ranges import Share
from spatial_llm.settings import parse_arguments
from spatial_llm.showcase.card import NUMBERS, TEST_SETS, filled_in
from spatial_llm.training.encoder.run import load_encoder

MOST_BYTES = 25_000_000
# Of recipes/train_tiny.py.
RUNS = (
    *("first_encoder", "second_encoder", "third_encoder", "encoder"),
    *("lookup", "text", "compare"),
    *("bat/1-scenes", "bat/2-answers", "answers", "cooldown", "presence"),
)


@dataclass
class Arguments:
    """Sets what to pack, or to describe.

    Attributes:
        out: folder of the packed model.
        model: saved model to pack.
        before: the model that its last training began with; the average of the two is packed (`model.averaging`).
        share: with `before`, the weight of `model` in the average.
        heads: folder of the encoder with heads that were trained on the packed one (recipes/configs/tiny/heads.yaml).
        runs: folder of recipes/train_tiny.py with sounds and scores, from which the card is written.
        template: Markdown of the card; {one}, {two}, {mixed}, {presence}, {encoder}, {controls}, {classes} and
            {hashes} are filled in.
    """

    out: str
    model: str | None = None
    before: str | None = None
    share: Share = 1.0
    heads: str | None = None
    runs: str | None = None
    template: str = "recipes/configs/tiny/card.md"


def describe(runs: Path, template: Path, out: Path) -> None:
    """Writes README.md, credits.csv and the logs of all runs beside the packed model."""
    out.mkdir(parents=True, exist_ok=True)
    for run in RUNS:
        shutil.copyfile(runs / run / "metrics.jsonl", out / f"{run.replace('/', '-')}.metrics.jsonl")
    scores = {
        (test, number): json.loads((runs / f"test_{test}_{number}" / "run" / "scores" / "scores.json").read_text())
        for test in TEST_SETS
        for number in NUMBERS
    }
    heard = {test: json.loads((runs / f"test_{test}_one/run/encoder/encoder.json").read_text()) for test in TEST_SETS}
    with (runs / "sounds" / "index.csv").open(encoding="utf-8", newline="") as lines:
        sounds = [row for row in csv.DictReader(lines) if row["split"] == "train"]
    credits = sorted({(row["label"], row["licence"], row["attribution"]) for row in sounds})
    with atomic_path(out / "credits.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("label", "licence", "attribution"), *credits])
    filled = filled_in(scores, heard, sorted({row["label"] for row in sounds}))
    text = template.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(name, value)
    write_text(out / "README.md", text)


def add_heads(folder: str, out: Path) -> None:
    """Adds the heads of the encoder in `folder` to the packed model in `out`.

    Raises:
        SpatialLLMError: they were trained on another encoder.
    """
    trained, model = load_encoder(folder), SpatialLLM.from_pretrained(out).model
    own, packed = trained.encoder.state_dict(), model.encoder.state_dict()
    if own.keys() != packed.keys() or not all(torch.equal(tensor, packed[name]) for name, tensor in own.items()):
        raise SpatialLLMError(
            f"{folder}: its encoder is not that of {out}; train heads on the packed one (spatial-llm parts)."
        )
    EncoderHeads(trained).save_pretrained(out, fingerprint(model.encoder))


def main(arguments: Arguments) -> None:
    out = Path(arguments.out)
    if (arguments.before and not arguments.model) or (arguments.share != 1) != bool(arguments.before):
        raise SpatialLLMError("before and share are for an average: give --model, --before and --share, or --model alone.")
    if arguments.model and arguments.before:
        with TemporaryDirectory() as folder:
            average(arguments.before, arguments.model, arguments.share, Path(folder) / "model")
            pack(Path(folder) / "model", out)
    elif arguments.model:
        pack(arguments.model, out)
    if arguments.heads:
        add_heads(arguments.heads, out)
    if arguments.runs:
        describe(Path(arguments.runs), Path(arguments.template), out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        raise SpatialLLMError(f"{out}: {size} bytes, at most {MOST_BYTES} shall ship.")


if __name__ == "__main__":
    with door():
        main(parse_arguments(Arguments, description=__doc__))
