"""Train a model by preference: pairs of a chosen and a rejected answer (DPO), or rewards for its own answers (GRPO).

python recipes/train_preference.py --config recipes/configs/preference/tiny/dpo.yaml [--key value ...]
accelerate launch recipes/train_preference.py --config recipes/configs/preference/dpo.yaml [--key value ...]
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door():
        load("train-preference").main(script=__doc__)
