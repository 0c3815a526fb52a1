"""How a run was launched: number of processes, device, which process writes, and where the weights are.

The answers come from the environment that torchrun, `accelerate launch` and DeepSpeed set, so that asking starts nothing.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
from accelerate import PartialState
from torch import nn
from transformers import set_seed

from spatial_llm.errors import SpatialLLMError


def processes() -> int:
    """Returns the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Returns the number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Returns whether this is the process that writes files and prints."""
    return rank() == 0


def device() -> torch.device:
    """Returns the device on which this process computes."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def use_cpu() -> bool:
    """Returns whether accelerate must be set to the CPU. With DeepSpeed it must not: accelerate would then silently leave
    DeepSpeed out, which has its own setting (DS_ACCELERATOR)."""
    return not torch.cuda.is_available() and not _asked_for("DEEPSPEED")


def backend() -> str | None:
    """Returns the backend between processes: gloo without GPUs (for DeepSpeed accelerate finds none there), else None, which
    leaves the choice to accelerate."""
    return None if torch.cuda.is_available() or processes() == 1 else "gloo"


def wait_for_all() -> None:
    """Returns when every process has called it."""
    if processes() > 1:
        PartialState(cpu=use_cpu(), backend=backend()).wait_for_everyone()


def _asked_for(what: str) -> bool:
    return os.environ.get(f"ACCELERATE_USE_{what}", "false").lower() == "true"


def is_sharded() -> bool:
    """Returns whether the launcher spreads weights over processes (DeepSpeed, FSDP)."""
    return _asked_for("DEEPSPEED") or _asked_for("FSDP")


def check_launch() -> None:
    """Raises SpatialLLMError if the launcher would silently do something else than configured."""
    if _asked_for("FSDP") and not torch.cuda.is_available():
        raise SpatialLLMError(
            "FSDP was asked for (recipes/launch/fsdp.yaml) and this machine has no GPU: accelerate would silently run plain "
            "data parallelism instead. Use recipes/launch/cpu.yaml, or torchrun for several processes without a GPU."
        )


@contextlib.contextmanager
def whole_weights(model: nn.Module) -> Iterator[None]:
    """Gathers every weight in every process inside the context; ZeRO-3 otherwise keeps only a share in each process."""
    parameters = [parameter for parameter in model.parameters() if hasattr(parameter, "ds_id")]
    if not parameters:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(parameters):
        yield


def prepare(seed: int, cpu_threads: int | None) -> None:
    """Seeds Python, numpy and torch, and sets the CPU threads of torch: as many as given, or as OMP_NUM_THREADS says, or as
    there are cores that this process may use, which the processes of a launch on one machine share."""
    set_seed(seed)
    share = len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(cpu_threads or _threads_wanted() or max(1, share))


def _threads_wanted() -> int | None:
    """Returns OMP_NUM_THREADS, unless a launcher may have set it: accelerate and torchrun set it to 1 by themselves."""
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ or "TORCHELASTIC_RUN_ID" in os.environ
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and not launched else None


def print_main(text: str) -> None:
    """Prints a line, in the first process only."""
    if is_main():
        print(text, flush=True)
