"""Compare two runs on the same questions, metric by metric; needs no model and no GPU.

    python eval/compare.py --task eval/tasks/ours.yaml --first runs/a/predictions.jsonl --second runs/b/predictions.jsonl \
        --data runs/demo_train/data/eval.jsonl --out runs/a_and_b
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door():
        load("compare").main(script=__doc__)
