"""Trains the heads of an encoder alone: the encoder's output is computed once, so that a run takes minutes.

This is for an encoder whose heads were left out when it became part of a composite; also known as a linear probe.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from spatial_llm.encoders.heads import SpatialEncoderOutput, localization_output
from spatial_llm.encoders.readout import without_encoder
from spatial_llm.training.encoder.dataset import TASKS, LocalizationDataset, collate

Loss = Callable[..., torch.Tensor]


@torch.no_grad()
def encoded(model: nn.Module, dataset: LocalizationDataset, batch_size: int = 64) -> LocalizationDataset:
    """Returns the same samples with the encoder's CLS tokens (CLS tokens, hidden_size) in place of cues.

    The heads read nothing else. Mirrored recordings of `dataset` are samples of their own here.
    """
    model.eval()
    tokens: list[torch.Tensor] = []
    labels: dict[str, list[torch.Tensor]] = {task: [] for task in TASKS}
    count = model.config.token_layout.num_cls_tokens
    loader = DataLoader(dataset, batch_size=batch_size, collate_fn=collate)
    for batch in tqdm(loader, desc="encoding", unit="batch", mininterval=5.0):
        output = model.encoder(input_features=batch["input_features"].to(model.device))
        tokens.append(output.last_hidden_state[:, :count].float().cpu())
        for task in TASKS:
            labels[task].append(batch[f"{task}_labels"])
    return LocalizationDataset(torch.cat(tokens), {task: torch.cat(parts) for task, parts in labels.items()})


def heads_of(model: nn.Module, loss: Loss) -> tuple[nn.Module, Loss]:
    """Returns the heads of `model`, which share its parameters, and the loss of them on a batch of `encoded` samples.

    Args:
        model: an encoder with heads.
        loss: of (model, batch, output), such as `joint_loss`.
    """
    heads = without_encoder(model.config)
    for name, module in model.named_children():
        if name != "encoder":
            setattr(heads, name, module)
    return heads, partial(_loss, loss=loss)


def _loss(heads: nn.Module, batch: dict[str, torch.Tensor], loss: Loss) -> torch.Tensor:
    hidden_states = batch["input_features"]
    own = getattr(heads, "module", heads)  # DistributedDataParallel knows no other method than forward
    output = localization_output(
        own.config, SpatialEncoderOutput(last_hidden_state=hidden_states), own.read_out(hidden_states), {}
    )
    return loss(own, batch, output=output)
