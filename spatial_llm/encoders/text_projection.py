"""Projects what an encoder hears and what a frozen sentence encoder reads into one space, in which likeness is a cosine.

It is what a contrastive training adds to an encoder (`training.encoder.objectives.contrastive`), and what retrieval needs
(`eval/retrieve.py`). It is saved beside the encoder, which loads with or without it:

    text_projection.safetensors   the weights, sealed with the model
    text_projection.json          sizes, and which sentence encoder the texts were read by

Of each slice of channels (`TokenLayout.channel_slices`) it reads the mean of the CLS tokens beside the mean of the patches,
so that both are taught: heads read the former, projectors the latter. CLAP (arXiv 2211.06687) projects both sides; CACARA
(arXiv 2512.00496) leaves the text space as it is, so that further languages of the sentence encoder keep their places.
"""

import json
import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig

from spatial_llm.encoders.folder_files import SETTINGS_BYTES, read_json
from spatial_llm.encoders.head_files import load_heads, read_heads, write_heads
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import CheckpointError
from spatial_llm.files import write_text

TEXT_PROJECTION, ABOUT = "text_projection.safetensors", "text_projection.json"
TextSide = Literal["frozen", "linear"]
_SIZES = {"width": int, "hidden_size": int, "text_side": str, "sentence_encoder": str, "sentence_encoder_sha256": str}


def pooled(hidden_states: torch.Tensor, layout: TokenLayout) -> torch.Tensor:
    """Returns the means of the CLS tokens and of the patches, (B, 2, hidden_size), of `last_hidden_state` (B, tokens,
    hidden_size); in training some patches may be missing."""
    count = layout.num_cls_tokens
    return torch.stack([hidden_states[:, :count].mean(dim=1), hidden_states[:, count:].mean(dim=1)], dim=1)


def slices_of(means: torch.Tensor, layout: TokenLayout) -> list[torch.Tensor]:
    """Divides `pooled` means (B, 2, hidden_size) by slices of channels: of each (B, 2 * its channels)."""
    return [means[..., start:stop].flatten(1) for start, stop in layout.channel_slices]


class TextProjection(nn.Module):
    """Maps the output of an encoder, slice by slice, to unit vectors in the space of texts.

    Args:
        config: of the encoder.
        width: of the sentence encoder's vectors.
        hidden_size: of the hidden layer of each slice.
        text_side: "frozen": texts stay where the sentence encoder puts them; "linear": a matrix for each slice moves them,
            which begins as the identity.
        sentence_encoder: name or folder of the sentence encoder.
        sentence_encoder_sha256: digest of its weights, by which retrieval tells another one.

    Attributes:
        views: what each slice is for, see `questions.scene_captions`.
    """

    def __init__(
        self,
        config: PreTrainedConfig,
        width: int,
        hidden_size: int,
        text_side: TextSide = "frozen",
        sentence_encoder: str = "",
        sentence_encoder_sha256: str = "",
    ) -> None:
        super().__init__()
        self.layout, self.views = config.token_layout, config.slice_names
        self.about: dict[str, Any] = {
            "width": width,
            "hidden_size": hidden_size,
            "text_side": text_side,
            "sentence_encoder": sentence_encoder,
            "sentence_encoder_sha256": sentence_encoder_sha256,
        }
        self.audio = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(2 * size), nn.Linear(2 * size, hidden_size), nn.GELU(), nn.Linear(hidden_size, width))
            for size in self.layout.slice_sizes
        )
        sides = self.views if text_side == "linear" else ()
        self.text = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in sides)
        for side in self.text:
            nn.init.eye_(side.weight)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps the encoder's `last_hidden_state` (B, tokens, hidden_size) to unit vectors (B, views, width)."""
        return self.of_means(pooled(hidden_states, self.layout))

    def of_means(self, means: torch.Tensor) -> torch.Tensor:
        """Maps `pooled` means (B, 2, hidden_size) to unit vectors (B, views, width)."""
        parts = zip(self.audio, slices_of(means, self.layout), strict=True)
        return functional.normalize(torch.stack([project(part) for project, part in parts], dim=1), dim=-1)

    def of_text(self, vectors: torch.Tensor, view: int) -> torch.Tensor:
        """Maps vectors of the sentence encoder (..., width) to unit vectors of the same shape, for one of the views."""
        return functional.normalize(self.text[view](vectors) if len(self.text) else vectors, dim=-1)

    def save_pretrained(self, folder: str | os.PathLike, encoder: str | None = None) -> None:
        """Writes the two files to the folder of a saved encoder, and seals the weights with it.

        Args:
            folder: of the saved encoder.
            encoder: fingerprint of the encoder, by which loading tells the projection of another one; None writes none.
        """
        write_text(Path(folder, ABOUT), json.dumps(self.about, indent=2) + "\n")
        write_heads(folder, TEXT_PROJECTION, self.state_dict(), encoder)

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike, config: PreTrainedConfig, encoder: str | None = None
    ) -> "TextProjection":
        """Loads the projection that `save_pretrained` wrote to a folder, in eval mode.

        Args:
            folder: of the saved encoder.
            config: config of the encoder.
            encoder: fingerprint of the encoder; None where it has none.

        Raises:
            CheckpointError: there is none, a file is damaged, or it was saved with another encoder.
        """
        if not Path(folder, TEXT_PROJECTION).is_file():
            raise CheckpointError(
                f"{folder} has no {TEXT_PROJECTION}: its encoder was not trained with texts. Train a projection on the "
                "frozen encoder: train_encoder.py --trains text --objective.type contrastive --initial_encoder FOLDER"
            )
        tensors = read_heads(folder, TEXT_PROJECTION, encoder)
        about = read_json(Path(folder, ABOUT), SETTINGS_BYTES)
        wrong = [name for name, kind in _SIZES.items() if type(about.get(name)) is not kind]
        wrong += [name for name in ("width", "hidden_size") if name not in wrong and not 0 < about[name] <= 2**16]
        if wrong or set(about) != set(_SIZES) or about["text_side"] not in ("frozen", "linear"):
            raise CheckpointError(f"{Path(folder, ABOUT)} is damaged ({', '.join(wrong) or 'its keys'}); copy it again.")
        with torch.device("meta"):
            projection = cls(config, **about)
        load_heads(projection, tensors, str(Path(folder, TEXT_PROJECTION)))
        return projection.eval()
