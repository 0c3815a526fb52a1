"""Train a spatial audio encoder: SpatialAST or DSpAST, in the published stages or in one joint run at tiny size.

    spatial-llm train-encoder [--config demo_train/encoder] [--key value ...]
    accelerate launch --num_processes 4 -m spatial_llm train-encoder --config dspast \
        --train_manifest TRAIN.jsonl --eval_manifest EVAL.jsonl --audiomae AUDIOMAE.pth --label_csv LABELS.csv

Without --config it trains the tiny encoder, which needs the simulated data of the demonstration (`spatial-llm simulate
--config demo_train --output runs/demo_train/data`, and `spatial-llm questions` likewise). Cost and expected scores: see the
head of each YAML.
"""

from collections.abc import Sequence
from pathlib import Path

from spatial_llm.commands.arguments import read_settings
from spatial_llm.training.encoder.alignment import train_aligned
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.frames import train_frames
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.encoder.stages import train_stages


def main(
    argv: Sequence[str] | None = None, script: str | None = None, default_config: str | Path = "demo_train/encoder"
) -> None:
    """Runs the command, see `spatial_llm.commands`; `default_config` applies when none is given."""
    arguments = read_settings(EncoderArguments, "train-encoder", __doc__, argv, script, default_config)
    if arguments.trains == "frames":
        train_frames(arguments)
    elif arguments.stages:
        train_stages(arguments)
    elif arguments.trains == "text" or arguments.objective is not None:
        train_aligned(arguments)
    else:
        train_encoder(arguments)
