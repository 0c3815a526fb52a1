"""A recording and its caption meet in the space of a frozen sentence encoder; others are apart (InfoNCE, CLIP, CLAP).

The sentence encoder may be a multilingual one: trained on captions of one language, the encoder is then found by those of
others (CACARA, arXiv 2512.00496). Texts of a batch that are true of several recordings have several right answers, equally
right: equal texts, texts that say the same in other words, and "bell" where two bells are. The loss is the divergence from
an even distribution over the right ones, which is InfoNCE where there is one, and 0 at best.

Wrong answers are those of the same batch in the same process: with gradient accumulation or several processes they do not
become more.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from spatial_llm.encoders.text_projection import TextProjection, TextSide, pooled
from spatial_llm.ranges import Count, Positive
from spatial_llm.sentences.embedding import DEFAULT_EMBEDDING, TextEmbedder
from spatial_llm.training.encoder.objectives.base import Added, TextObjective
from spatial_llm.training.encoder.scene_texts import SceneTexts, true_of
from spatial_llm.training.encoder.text_vectors import sentence_vectors

MOST_SCALE = 100.0  # of cosines, as in CLIP: the learned temperature stays above 0.01


def info_nce(audio: torch.Tensor, text: torch.Tensor, right: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
    """Returns the symmetric InfoNCE of B recordings and B texts, mean over both directions.

    Args:
        audio, text: (B, width), unit vectors.
        right: (B texts, B recordings) bool, which text is true of which recording; at least one in each row and column.
        scale: factor of the cosines, 1 / temperature.
    """
    logits = scale * text @ audio.T
    return (_divergence(logits, right) + _divergence(logits.T, right.T)) / 2


def _divergence(logits: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    wanted = right.to(logits) / right.sum(dim=1, keepdim=True)
    return (torch.xlogy(wanted, wanted) - wanted * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()


class ContrastiveHead(Added):
    """The projection into the space of texts, and the temperature.

    Args:
        projection: of the encoder.
        vectors: (texts, width), of all texts of the data set.
        temperature: at the beginning.
        learned: whether it trains.
    """

    def __init__(self, projection: TextProjection, vectors: torch.Tensor, temperature: float, learned: bool) -> None:
        super().__init__()
        self.projection = projection
        self.register_buffer("vectors", vectors, persistent=False)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learned)

    def forward(self, localizer: nn.Module, hidden_states: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.of_means(pooled(hidden_states, self.projection.layout), batch)

    def of_means(self, means: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns the loss of a batch, mean over the views, from the `pooled` means (B, 2, hidden_size) of the encoder."""
        with torch.autocast(means.device.type, enabled=False):
            audio = self.projection.of_means(means.float())
            scale = self.log_scale.exp().clamp(max=MOST_SCALE)
            losses = []
            for view in range(len(self.projection.views)):
                text = self.projection.of_text(self.vectors[batch["text_rows"][:, view]], view)
                right = true_of(batch["text_names"][:, view], batch["facts"])
                losses.append(info_nce(audio[:, view], text, right, scale))
        return torch.stack(losses).mean()

    def save_pretrained(self, folder: str | os.PathLike, encoder: str | None = None) -> None:
        """Writes the projection into the folder of the saved encoder, see `encoders.text_projection`."""
        self.projection.save_pretrained(folder, encoder)


@dataclass
class Contrastive(TextObjective):
    """InfoNCE against a frozen sentence encoder.

    Attributes:
        sentence_encoder: the one that comes with a package of this library, or name or folder of any other of
            sentence-transformers.
        temperature: at the beginning.
        learned_temperature: whether it trains.
        projection_size: width of the hidden layer of the projection of each slice.
        text_side: "frozen": the texts stay where the sentence encoder puts them; "linear": a matrix for each slice moves
            them too.
    """

    name: ClassVar[str] = "contrastive"

    sentence_encoder: str = DEFAULT_EMBEDDING
    temperature: Positive = 0.07
    learned_temperature: bool = True
    projection_size: Count = 512
    text_side: TextSide = "linear"

    def begin(self, localizer: nn.Module, texts: SceneTexts, folder: Path) -> ContrastiveHead:
        embedder = TextEmbedder(self.sentence_encoder)
        vectors = sentence_vectors(texts.texts, embedder, folder)
        projection = TextProjection(
            localizer.config, vectors.shape[1], self.projection_size, self.text_side, self.sentence_encoder, embedder.sha256
        )
        return ContrastiveHead(projection, vectors, self.temperature, self.learned_temperature)
