"""Fine-tune BAT: projector and LoRA between a frozen spatial encoder and a frozen language model.

    accelerate launch recipes/finetune_bat.py [--config recipes/configs/demo_train/bat.yaml] [--key value ...]

Without any argument it trains the tiny configuration of the demonstration, and first makes what that needs and is missing
(simulated data, tiny encoder, tiny language model): about eleven minutes on 2 CPU cores. For your own run give a config.
"""

import sys
from pathlib import Path

from spatial_llm.commands import load
from spatial_llm.door import door
from spatial_llm.workflow import run_command

HERE = Path(__file__).parent
DEFAULT_CONFIG = HERE / "configs" / "demo_train" / "bat.yaml"

if __name__ == "__main__":
    with door():
        if len(sys.argv) == 1:
            run_command([str(HERE / "demo_train.py"), "--until", "text"])
        load("finetune").main(script=__doc__, default_config=DEFAULT_CONFIG)
