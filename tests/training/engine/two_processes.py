"""What the tests of several processes start by torchrun: one step of BAT whose gradients are kept, or a whole run.

torchrun --nproc_per_node 2 tests/training/engine/two_processes.py gradients arguments.yaml out.pt WORLD
torchrun --nproc_per_node 2 tests/training/engine/two_processes.py encoder arguments.yaml
accelerate launch ... tests/training/engine/two_processes.py train arguments.yaml [STOP_AT]
"""

import os
import signal
import sys
from typing import Any

import torch
from accelerate.state import AcceleratorState

from spatial_llm.settings import parse_arguments
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.stages import train_stages
from spatial_llm.training.engine import trainer
from spatial_llm.training.engine.run_folder import MetricsCallback
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.run import finetune_bat


class KeepGradients(MetricsCallback):
    """Writes the gradients of the first step, as the optimiser gets them."""

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step == 0 and state.is_world_process_zero:
            names = {name.removeprefix("module."): p for name, p in model.named_parameters() if p.requires_grad}
            torch.save({name: parameter.grad for name, parameter in names.items()}, sys.argv[3])


class StopAt(MetricsCallback):
    """Sends the first process a SIGTERM in the step given."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero and state.global_step + 1 == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    if sys.argv[1] == "encoder":
        train_stages(parse_arguments(EncoderArguments, ["--config", sys.argv[2]]))
        print(f"process {torch.distributed.get_rank()} of {torch.distributed.get_world_size()} ended")
        sys.exit()
    arguments = parse_arguments(BatArguments, ["--config", sys.argv[2]])
    if sys.argv[1] == "gradients":
        trainer.MetricsCallback = KeepGradients
        assert int(os.environ["WORLD_SIZE"]) == int(sys.argv[4])
        finetune_bat(arguments)
        assert torch.distributed.get_world_size() == int(sys.argv[4]) if int(sys.argv[4]) > 1 else True
    else:
        if len(sys.argv) > 3:
            trainer.MetricsCallback = StopAt
        finetune_bat(arguments)
        state = AcceleratorState()
        print(f"process {state.process_index} of {state.num_processes} ended, ZeRO-{state.deepspeed_plugin.zero_stage}")
