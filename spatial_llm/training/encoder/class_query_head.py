"""Of every class where it sounds: how an encoder learns from recordings of several sources.

The published heads name one place a recording, so they can be taught by one source only, and what an encoder makes of two
is left to chance. Here each class has a query that reads the encoder's tokens as a projector will, and says the direction
of that class as a vector that is as long as the class is present (ACCDOA: Shimada et al., ICASSP 2021), and its distance.
The queries serve the training alone and are not saved with the encoder.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from spatial_llm.training.encoder.dataset import SEVERAL

Batch = dict[str, torch.Tensor]


class EncoderWithPlaces(nn.Module):
    """An encoder with heads, and class queries that read its tokens.

    Args:
        localizer: `SpatialASTForLocalization` or `DSpASTForLocalization`.
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
        """That of the localizer: the queries' own activations are few."""
        self.localizer.gradient_checkpointing_enable(*arguments)

    def forward(self, input_features: torch.Tensor) -> tuple[Any, torch.Tensor]:
        """(B, F cues, frames, mel bins) -> the localizer's output, and of each class (B, classes, 4): its direction vector
        xyz, as long as it is present, and the logarithm of its distance in metres."""
        output = self.localizer(input_features=input_features)
        tokens = self.norm(output.last_hidden_state)
        queries = self.queries.expand(len(tokens), -1, -1)
        read, _ = self.attention(queries, tokens, tokens, need_weights=False)
        return output, self.place(queries + read)


def place_loss(places: torch.Tensor, truth: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Squared error of the vectors of all classes, and of the log-distances of those present, summed over classes; mean
    over the batch. places, truth (B, classes, 4); present (B, classes) in {0, 1}."""
    vectors = functional.mse_loss(places[..., :3], truth[..., :3], reduction="none").sum(-1)
    distances = (places[..., 3] - truth[..., 3]).square() * present
    return (vectors + distances).sum(-1).mean()


def loss_with_places(
    model: EncoderWithPlaces, batch: Batch, localization_loss: Callable[..., torch.Tensor], weight: float
) -> torch.Tensor:
    """The localizer's own loss plus `weight` times `place_loss`."""
    output, places = model(batch["input_features"])
    own = localization_loss(model.localizer, batch, output=output)
    return own + weight * place_loss(places, batch["class_places"], batch["event_labels"])


@torch.no_grad()
def class_place_scores(model: EncoderWithPlaces, batches: Iterable[Batch]) -> dict[str, float]:
    """Of the sources in recordings of several: `several_mae_deg` (great circle), `several_er20` (share beyond 20 degrees),
    `several_der` (share whose distance is off by more than 0.5 m). Empty without such."""
    model.eval()
    device = model.queries.device
    degrees, metres = [], []
    for batch in ({name: tensor.to(device) for name, tensor in batch.items()} for batch in batches):
        present = (batch["event_labels"] > 0) & (batch["azimuth_labels"] == SEVERAL)[:, None]
        _, places = model(batch["input_features"])
        heard, truth = places[present], batch["class_places"][present]
        cosines = functional.cosine_similarity(heard[:, :3], truth[:, :3], dim=-1).clamp(-1, 1)
        degrees.append(torch.rad2deg(torch.arccos(cosines)))
        metres.append((heard[:, 3].exp() - truth[:, 3].exp()).abs())
    error, off = torch.cat(degrees), torch.cat(metres)
    if not len(error):
        return {}
    return {
        "several_mae_deg": float(error.mean()),
        "several_er20": float((error > 20).float().mean()),
        "several_der": float((off > 0.5).float().mean()),
    }
