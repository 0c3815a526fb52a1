"""Fine-tune BAT: projector and LoRA between a frozen spatial encoder and a frozen language model.

    spatial-llm finetune --config demo [--key value ...]
    accelerate launch --num_processes 4 -m spatial_llm finetune --config spatialsoundqa_single_stage --key value ...

--encoder takes any folder that train-encoder wrote, --language_model any AutoModelForCausalLM; with neither, all parts are
those of the model given by --start_from (tiny, which comes with the package; the config demo). The result is
`<run_folder>/model`, which SpatialLLM.from_pretrained, ask and predict load.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_llm.commands.arguments import read_settings
from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.run import finetune_bat


def main(
    argv: Sequence[str] | None = None, script: str | None = None, default_config: str | Path = "demo_train/bat"
) -> None:
    """Runs the command, see `spatial_llm.commands`; `default_config` applies when none is given."""
    if script is None and not (sys.argv[1:] if argv is None else argv):
        raise SpatialLLMError(
            "what to train is not said; give a configuration, such as --config demo, which teaches the model tiny from "
            "runs/demo/data (README.md says how to make it); spatial-llm finetune --help lists all settings."
        )
    arguments = read_settings(BatArguments, "finetune", __doc__, argv, script, default_config)
    print(f"model in {finetune_bat(arguments)}")
