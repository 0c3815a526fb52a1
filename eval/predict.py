"""A trained model answers the questions of a task, and those of the task's controls.

python eval/predict.py --task eval/tasks/ours.yaml --model tiny --data runs/demo/data/eval.jsonl --out runs/answers
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door():
        load("predict").main(script=__doc__)
