"""What a run has to know of how it was launched: how many processes, which device, who writes, where the weights are.

Read from the environment that torchrun, `accelerate launch` and DeepSpeed set, so that nothing is started by asking.
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
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this one among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


def device() -> torch.device:
    """Where this process computes."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def use_cpu() -> bool:
    """Whether accelerate has to be told to stay on the CPU. Told so, it would silently leave DeepSpeed out, which knows by
    itself (DS_ACCELERATOR)."""
    return not torch.cuda.is_available() and not _asked_for("DEEPSPEED")


def backend() -> str | None:
    """How processes talk: gloo without GPUs (accelerate would find no way for DeepSpeed there), else accelerate's choice."""
    return None if torch.cuda.is_available() or processes() == 1 else "gloo"


def wait_for_all() -> None:
    """Returns when every process has come here."""
    if processes() > 1:
        PartialState(cpu=use_cpu(), backend=backend()).wait_for_everyone()


def _asked_for(what: str) -> bool:
    return os.environ.get(f"ACCELERATE_USE_{what}", "false").lower() == "true"


def check_launch() -> None:
    """Raises SpatialLLMError where the launcher would silently do something else than it was asked for."""
    if _asked_for("FSDP") and not torch.cuda.is_available():
        raise SpatialLLMError(
            "FSDP was asked for (recipes/launch/fsdp.yaml) and this machine has no GPU: accelerate would silently run plain "
            "data parallelism instead. Use recipes/launch/cpu.yaml, or torchrun for several processes without a GPU."
        )


@contextlib.contextmanager
def whole_weights(model: nn.Module) -> Iterator[None]:
    """Inside, every process sees every weight whole; ZeRO-3 keeps a share of each in each process, and 0 of it elsewhere."""
    parameters = [parameter for parameter in model.parameters() if hasattr(parameter, "ds_id")]
    if not parameters:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(parameters):
        yield


def prepare(seed: int, cpu_threads: int | None) -> None:
    """Seeds Python, numpy and torch, and gives torch its CPU threads (accelerate would leave it one)."""
    set_seed(seed)
    torch.set_num_threads(cpu_threads or len(os.sched_getaffinity(0)))
