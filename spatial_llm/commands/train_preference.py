"""Train a model by preference: pairs of a chosen and a rejected answer (DPO), or rewards for its own answers (GRPO).

    spatial-llm train-preference --config preference/tiny/dpo [--key value ...]
    accelerate launch --num_processes 4 -m spatial_llm train-preference --config preference/dpo --key value ...

--start_from names the model that goes on (a folder, or tiny); --pairs a file that `spatial-llm pairs` or anybody else wrote,
--questions a manifest for GRPO. The result is `<run_folder>/model`, which SpatialLLM.from_pretrained, ask and predict
load. docs/preference.md leads through both.
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.training.preference.arguments import PreferenceArguments
from spatial_llm.training.preference.run import train_preference


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    arguments = read_settings(PreferenceArguments, "train-preference", __doc__, argv, script)
    print(f"model in {train_preference(arguments)}")
