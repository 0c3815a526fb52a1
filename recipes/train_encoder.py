"""Train a spatial audio encoder: SpatialAST or DSpAST, in the published stages or in one joint run at tiny size.

    accelerate launch recipes/train_encoder.py [--config recipes/configs/demo_train/encoder.yaml] [--key value ...]
    accelerate launch --num_processes 4 recipes/train_encoder.py --config recipes/configs/dspast.yaml \
        --train_manifest TRAIN.jsonl --eval_manifest EVAL.jsonl --audiomae AUDIOMAE.pth --label_csv LABELS.csv
"""

from pathlib import Path

from spatial_llm.commands import load
from spatial_llm.door import door

DEFAULT_CONFIG = Path(__file__).parent / "configs" / "demo_train" / "encoder.yaml"

if __name__ == "__main__":
    with door():
        load("train-encoder").main(script=__doc__, default_config=DEFAULT_CONFIG)
