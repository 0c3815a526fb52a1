"""Score a predictions.jsonl and the controls beside it; needs no model and no GPU.

    python eval/score.py --task eval/tasks/ours.yaml --predictions runs/demo_train/answers/predictions.jsonl \
        --data runs/demo_train/data/eval.jsonl --out runs/demo_train/scores
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door():
        load("score").main(script=__doc__)
