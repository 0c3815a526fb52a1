"""Write questions, answers and structured truth about simulated scenes: manifests for training and evaluation.

python data/write_questions.py --config data/configs/demo_train_questions.yaml --data DATA
python data/write_questions.py --config data/configs/all_families.yaml --data DATA
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door("write_questions"):
        load("questions").main(script=__doc__)
