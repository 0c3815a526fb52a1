"""AdamW with layer-wise decay and its learning rate per step, as in the released scripts of SpatialAST and DSpAST."""

import re
from typing import Literal

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_cosine_with_min_lr_schedule_with_warmup

SAMPLES_OF_BASE_RATE = 256


def parameter_groups(
    model: nn.Module, learning_rate: float, weight_decay: float, layer_decay: float, cls_tokens: Literal["paper", "released"]
) -> list[dict]:
    """Returns the parameter groups of an encoder with heads, for AdamW.

    With L layers, the patch embedding trains at layer_decay^(L+1) times the rate, layer i (from 0) at layer_decay^(L-i)
    times, and everything else (heads, fusion, gates) at the rate itself. Vectors (biases, norms) have no weight decay.

    Args:
        model: the encoder with heads.
        learning_rate: the peak rate.
        weight_decay: the weight decay of matrices.
        layer_decay: see above.
        cls_tokens: "released": the scripts look for `cls_token`, but the parameter is called `cls_tokens`; so the CLS tokens
            train at the full rate and with weight decay. "paper": they count as part of the patch embedding and have no
            weight decay, as in MAE's layer decay.
    """
    depth = model.config.num_hidden_layers
    groups: dict[tuple[float, float], dict] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        step, decay = depth + 1, weight_decay if parameter.ndim > 1 else 0.0
        if found := re.search(r"(?:^|\.)layers\.(\d+)\.", name):
            step = int(found[1]) + 1
        elif "patch_embeddings." in name:
            step = 0
        elif name.endswith("cls_tokens") and cls_tokens == "paper":
            step, decay = 0, 0.0
        scale = layer_decay ** (depth + 1 - step)
        group = groups.setdefault((scale, decay), {"params": [], "lr": learning_rate * scale, "weight_decay": decay})
        group["params"].append(parameter)
    return list(groups.values())


def optimizer_and_schedule(
    groups: list[dict], learning_rate: float, min_learning_rate: float, warmup_steps: int, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """Returns AdamW on these groups and its schedule: at every step the rate of a group rises linearly from 0 during the
    warm-up, then follows half a cosine down to `min_learning_rate` times the scale of the group."""
    optimizer = AdamW(groups, lr=learning_rate)
    return optimizer, get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, warmup_steps, steps, min_lr=min(min_learning_rate, learning_rate)
    )
