"""AdamW with layer-wise decay, and its rate per step, as the encoders' scripts have them (specs a.2 "Optimiser")."""

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
    """Parameter groups of an encoder with heads, for AdamW.

    With L layers, the patch embedding learns at layer_decay^(L+1) times the rate, layer i (from 0) at layer_decay^(L-i),
    everything else (heads, fusion, gates) at the rate itself. Vectors (biases, norms) have no weight decay.

    Args:
        cls_tokens: "released": the scripts look for `cls_token`, but the parameter is called `cls_tokens`; so the CLS tokens
            learn at the full rate and with weight decay. "paper": as MAE's layer decay means it: they count as part of the
            patch embedding, and have none.
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
    """AdamW over these groups, and the course of every group's rate: linear from 0 over the warm-up, then half a cosine
    down to `min_learning_rate` (times the group's scale), moved at every step."""
    optimizer = AdamW(groups, lr=learning_rate)
    return optimizer, get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, warmup_steps, steps, min_lr=min(min_learning_rate, learning_rate)
    )
