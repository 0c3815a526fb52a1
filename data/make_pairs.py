"""Write pairs of a preferred and a rejected answer about the questions of a manifest, for preference training.

python data/make_pairs.py --manifest DATA/train.jsonl
python data/make_pairs.py --manifest DATA/eval.jsonl --pairs.most_per_kind 200
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door("make_pairs"):
        load("pairs").main(script=__doc__)
