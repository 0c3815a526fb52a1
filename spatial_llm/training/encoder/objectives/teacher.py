"""A frozen language model as teacher (AcuLa, arXiv 2512.04847): recordings become alike where the texts about them are.

The loss is 1 - linear CKA between what an MLP makes of the encoder's means and what another makes of the language model's
hidden state of the caption, plus the error of input features that are hidden from the encoder and reconstructed from its
tokens (masked autoencoders, arXiv 2111.06377), so that it does not forget the sound. CKA compares how alike the recordings
of a batch are to each other; it puts nothing at a place in the space of texts, so nothing is kept for retrieval.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn
from transformers import PreTrainedConfig

from spatial_llm.encoders.text_projection import pooled, slices_of
from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Count, NonNegative, Share
from spatial_llm.training.encoder.objectives.base import Added, TextObjective
from spatial_llm.training.encoder.scene_texts import SceneTexts
from spatial_llm.training.encoder.text_vectors import hidden_state_vectors

_TINY = 1e-12


def linear_cka(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Returns the linear centred kernel alignment of two sets of features of the same N samples, 0 to 1.

    It is invariant to rotation and scale of either (Kornblith et al., ICML 2019, arXiv 1905.00414, equation 4). The features
    need not have the same width.

    Args:
        first, second: (N, width) each.
    """
    first, second = first - first.mean(dim=0), second - second.mean(dim=0)
    cross = (first.T @ second).square().sum()
    return cross / ((first.T @ first).norm() * (second.T @ second).norm()).clamp(min=_TINY)


class MaskedReconstruction(nn.Module):
    """Hides patches from an encoder by a learned token in their place, and predicts their features from its tokens.

    The patches are hidden after the fusion of the cues, whose convolution is 3 x 3: what is left of a hidden patch in its
    neighbours is one row of cells. All branches of an encoder have the same patches hidden.

    Args:
        config: of the encoder.
        share: of the patches that are hidden.

    Raises:
        SpatialLLMError: the encoder leaves out patches by itself (`mask_rows`, `mask_columns`).
    """

    def __init__(self, config: PreTrainedConfig, share: float) -> None:
        super().__init__()
        if config.mask_rows or config.mask_columns:
            raise SpatialLLMError(
                f"model.mask_rows is {config.mask_rows} and model.mask_columns {config.mask_columns}; the objective teacher "
                "hides patches by itself and must know where the others are: set both to 0."
            )
        self.layout, self.patch, self.cues = config.token_layout, tuple(config.patch_size), len(config.cues)
        patches = self.layout.grid[0] * self.layout.grid[1]
        self.hidden = max(1, min(patches, round(share * patches)))
        self.token = nn.Parameter(torch.empty(config.hidden_size).normal_(std=config.initializer_range))
        self.predict = nn.Sequential(
            nn.LayerNorm(config.hidden_size), nn.Linear(config.hidden_size, self.cues * self.patch[0] * self.patch[1])
        )

    def draw(self, batch: int, device: torch.device) -> torch.Tensor:
        """Returns which patches are hidden, bool (B, rows * columns), equally many in each recording."""
        patches = self.layout.grid[0] * self.layout.grid[1]
        order = torch.rand(batch, patches, device=device).argsort(dim=1).argsort(dim=1)
        return order < self.hidden

    def forward(self, encoder: nn.Module, input_features: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Returns the mean squared error of the hidden patches, each cue in units of its standard deviation in the batch.

        Args:
            encoder: without heads.
            input_features: (B, cues, frames, mel bins).
            hidden: from `draw`.
        """
        seen: dict[str, torch.Tensor] = {}

        def keep(module: nn.Module, given: tuple, features: torch.Tensor) -> None:
            seen["features"] = features.detach()

        def hide(module: nn.Module, given: tuple, patches: torch.Tensor) -> torch.Tensor:
            # The branches of a recording stand one after the other.
            rows = hidden.repeat_interleave(len(patches) // len(hidden), dim=0)[..., None]
            token = self.token.to(patches.dtype) + module.positions[:, 1:].to(patches.dtype)
            return torch.where(rows, token, patches)

        hooks = encoder.cue_norm.register_forward_hook(keep), encoder.patch_embeddings.register_forward_hook(hide)
        try:
            tokens = encoder(input_features).last_hidden_state
        finally:
            for hook in hooks:
                hook.remove()
        with torch.autocast(tokens.device.type, enabled=False):
            predicted = self.predict(tokens[:, self.layout.num_cls_tokens :].float())
            errors = (predicted - self.patches_of(seen["features"])).square().mean(dim=-1)
            return errors[hidden].mean()

    def patches_of(self, features: torch.Tensor) -> torch.Tensor:
        """Divides features (B, cues, frames, mel bins) into patches (B, rows * columns, cues * frames * mel bins of one),
        each cue with mean 0 and variance 1 in the batch."""
        features = features.float()
        mean = features.mean(dim=(0, 2, 3), keepdim=True)
        features = (features - mean) / features.std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-6)
        rows, columns = self.layout.grid
        parts = features.unflatten(3, (columns, self.patch[1])).unflatten(2, (rows, self.patch[0]))
        return parts.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


class TeacherHead(Added):
    """An MLP for each slice of the encoder and one for the teacher's texts about it, and the reconstruction.

    Args:
        config: of the encoder.
        vectors: (texts, teacher's hidden_size), of all texts of the data set.
        settings: of the objective.
    """

    def __init__(self, config: PreTrainedConfig, vectors: torch.Tensor, settings: "Teacher") -> None:
        super().__init__()
        self.layout, self.settings = config.token_layout, settings
        self.register_buffer("vectors", vectors, persistent=False)
        self.audio = nn.ModuleList(_mlp(2 * size, settings) for size in self.layout.slice_sizes)
        self.text = nn.ModuleList(_mlp(vectors.shape[1], settings) for _ in self.layout.slice_sizes)
        self.reconstruction = MaskedReconstruction(config, settings.masked) if settings.reconstruction_weight else None

    def forward(self, localizer: nn.Module, hidden_states: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.autocast(hidden_states.device.type, enabled=False):
            parts = slices_of(pooled(hidden_states, self.layout).float(), self.layout)
            apart = []
            for view, part in enumerate(parts):
                text = self.vectors[batch["text_rows"][:, view]]
                apart.append(1 - linear_cka(self.audio[view](part), self.text[view](text)))
            loss = self.settings.alignment_weight * torch.stack(apart).mean()
        if self.reconstruction is None:
            return loss
        features = batch["input_features"]
        hidden = self.reconstruction.draw(len(features), features.device)
        return loss + self.settings.reconstruction_weight * self.reconstruction(localizer.encoder, features, hidden)


def _mlp(width: int, settings: "Teacher") -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, settings.mlp_size),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(settings.mlp_size, settings.width),
    )


@dataclass
class Teacher(TextObjective):
    """1 - CKA with a frozen language model, and masked reconstruction, weighted 1 : 1 as in AcuLa.

    Attributes:
        teacher: folder, or name on the hub, of any causal language model with its tokenizer.
        layer: index of its hidden state: 0 is that of the embeddings, -1 that of the last layer.
        width, mlp_size, dropout: of the MLPs of both sides.
        masked: share of the patches that the encoder does not see in the pass that reconstructs them.
        alignment_weight, reconstruction_weight: of the two losses; without reconstruction a step takes one pass of the
            encoder, with it two.
    """

    name: ClassVar[str] = "teacher"

    teacher: str = field(kw_only=True)
    layer: int = -1
    width: Count = 512
    mlp_size: Count = 1024
    dropout: Share = 0.2
    masked: Share = 0.5
    alignment_weight: NonNegative = 1.0
    reconstruction_weight: NonNegative = 1.0

    def begin(self, localizer: nn.Module, texts: SceneTexts, folder: Path) -> TeacherHead:
        vectors = hidden_state_vectors(texts.texts, self.teacher, self.layer, folder)
        return TeacherHead(localizer.config, vectors, self)
