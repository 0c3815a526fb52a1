"""Report scores: one HTML page with plots, controls and the twenty worst items with their recordings; needs no model.

python eval/report.py --scores runs/demo_train/scores --data runs/demo_train/data/eval.jsonl --out runs/demo_train/report
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door():
        load("report").main(script=__doc__)
