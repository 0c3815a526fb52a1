"""A head with one query per event class, by which an encoder learns from recordings of several sources.

The published heads predict one place per recording, so they train on single sources only, and nothing teaches the encoder
to separate two. Here each class has a query that attends to the encoder's tokens, as a projector will later. It predicts
the direction of its class as a vector whose length is the class activity (ACCDOA: Shimada et al., ICASSP 2021), and its
distance. The head serves training only and is not saved with the encoder.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from spatial_llm.training.encoder.dataset import SEVERAL

Batch = dict[str, torch.Tensor]


class EncoderWithPlaces(nn.Module):
    """An encoder with heads, and class queries that attend to its tokens.

    Args:
        localizer: a `SpatialASTForLocalization` or `DSpASTForLocalization`.
    """

    def __init__(self, localizer: nn.Module) -> None:
        super().__init__()
        self.config = localizer.config
        width, classes = self.config.hidden_size, self.config.num_event_classes
        self.localizer = localizer
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.empty(classes, width).normal_(std=0.5))
        self.attention = nn.MultiheadAttention(width, self.config.num_attention_heads, batch_first=True)
        self.place = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 4))

    def gradient_checkpointing_enable(self, *arguments: Any) -> None:
        """Enables gradient checkpointing in the localizer; the activations of the queries are few."""
        self.localizer.gradient_checkpointing_enable(*arguments)

    def forward(self, input_features: torch.Tensor) -> tuple[Any, torch.Tensor]:
        """Returns the localizer's output for (B, F cues, frames, mel bins), and the places of the classes (B, classes, 4):
        the direction vector xyz, whose length is the activity, and the logarithm of the distance in metres."""
        output = self.localizer(input_features=input_features)
        tokens = self.norm(output.last_hidden_state)
        queries = self.queries.expand(len(tokens), -1, -1)
        read, _ = self.attention(queries, tokens, tokens, need_weights=False)
        return output, self.place(queries + read)


def place_loss(places: torch.Tensor, truth: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Returns the squared error of the vectors of all classes and of the log distances of the present ones, summed over
    classes, mean over the batch. places, truth: (B, classes, 4); present: (B, classes) in {0, 1}."""
    vectors = functional.mse_loss(places[..., :3], truth[..., :3], reduction="none").sum(-1)
    distances = (places[..., 3] - truth[..., 3]).square() * present
    return (vectors + distances).sum(-1).mean()


def loss_with_places(
    model: EncoderWithPlaces, batch: Batch, localization_loss: Callable[..., torch.Tensor], weight: float
) -> torch.Tensor:
    """Returns the localizer's own loss plus `weight` times `place_loss`."""
    output, places = model(batch["input_features"])
    own = localization_loss(model.localizer, batch, output=output)
    return own + weight * place_loss(places, batch["class_places"], batch["event_labels"])


@torch.no_grad()
def class_place_scores(model: EncoderWithPlaces, batches: Iterable[Batch]) -> dict[str, float]:
    """Scores the sources in recordings of several sources; empty if there are none.

    Returns:
        `several_mae_deg`, the mean great-circle error in degrees; `several_er20`, the share of errors above 20 degrees; and
        `several_der`, the share of distances that are wrong by more than 0.5 m.
    """
    model.eval()
    device = model.queries.device
    degrees, metres = [], []
    for batch in ({name: tensor.to(device) for name, tensor in batch.items()} for batch in batches):
        present = (batch["event_labels"] > 0) & (batch["azimuth_labels"] == SEVERAL)[:, None]
        _, places = model(batch["input_features"])
        predicted, truth = places[present], batch["class_places"][present]
        cosines = functional.cosine_similarity(predicted[:, :3], truth[:, :3], dim=-1).clamp(-1, 1)
        degrees.append(torch.rad2deg(torch.arccos(cosines)))
        metres.append((predicted[:, 3].exp() - truth[:, 3].exp()).abs())
    error, off = torch.cat(degrees), torch.cat(metres)
    if not len(error):
        return {}
    return {
        "several_mae_deg": float(error.mean()),
        "several_er20": float((error > 20).float().mean()),
        "several_der": float((off > 0.5).float().mean()),
    }
