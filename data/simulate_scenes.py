"""Simulate a data folder: room responses in every configured format, and scenes with their truth, train and eval apart.

python data/simulate_scenes.py --config data/configs/demo_train.yaml --output DATA
python data/simulate_scenes.py --config data/configs/dry_index.yaml --simulation.sounds.index INDEX.csv --output DATA
"""

from spatial_llm.commands import load
from spatial_llm.door import door

if __name__ == "__main__":
    with door("simulate_scenes"):
        load("simulate").main(script=__doc__)
