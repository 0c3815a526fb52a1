"""Train a spatial audio encoder: SpatialAST or DSpAST, in the published stages or in one joint run at tiny size.

    accelerate launch recipes/train_encoder.py [--config recipes/configs/demo_train/encoder.yaml] [--key value ...]
    accelerate launch --num_processes 4 recipes/train_encoder.py --config recipes/configs/dspast.yaml \
        --train_manifest TRAIN.jsonl --eval_manifest EVAL.jsonl --audiomae AUDIOMAE.pth --label_csv LABELS.csv

Without --config it trains the tiny encoder, which needs the simulated data of the demonstration (`python
data/simulate_scenes.py --config data/configs/demo_train.yaml --output runs/demo_train/data`). Cost and expected scores: see
the head of each YAML.
"""

from pathlib import Path

from spatial_llm.door import door
from spatial_llm.settings import parse_arguments
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.encoder.stages import train_stages

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "demo_train" / "encoder.yaml"

if __name__ == "__main__":
    with door():
        arguments = parse_arguments(EncoderArguments, default_config=DEFAULT_CONFIG, description=__doc__)
        (train_stages if arguments.stages else train_encoder)(arguments)
