"""A head that reads an encoder's tokens by time row: which classes sound in each row, from where, and how far.

The heads of `readout` read CLS tokens, which tell one place for a whole window. The patch tokens keep their time: a row of
the grid spans `TokenLayout.seconds_per_row`, 0.16 s at the published size. Of each class and row the head predicts whether
it sounds, so that several classes may sound at once, a direction as a vector in the listener's frame, and the logarithm of
the distance. ACCDOA (Shimada et al., ICASSP 2021, arXiv 2010.15306) has one vector for both, whose length is the activity;
here activity is a number of its own, because of a direction that is uncertain the mean vector is short, and a class that
surely sounds would be missed (docs/experiments.md). Two sources of one class share one place; `data.frame_targets` says
which of them it is taught.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig

from spatial_llm.encoders.head_files import load_heads, read_heads, write_heads
from spatial_llm.encoders.readout import check_class_names, has_heads
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import vector_to_direction

FRAME_HEAD = "frame_head.safetensors"
WIDTH = 128  # of its hidden layers: 0.3 million parameters at the published size
NEAREST_M, FURTHEST_M = 0.05, 200.0  # distances that are told; beyond them an exponential of a wild logarithm says nothing


@dataclass(frozen=True, eq=False)
class Frames:
    """Holds what sounds where in each time row of one window.

    Attributes:
        labels: names of the classes, in the order of their axis.
        row_s: seconds that one row spans; row r begins at r * row_s.
        activity: (rows, classes), the probability that the class sounds.
        azimuth_deg, elevation_deg: (rows, classes) in the internal frame; without meaning where there is no activity.
        distance_m: (rows, classes), likewise.
    """

    labels: tuple[str, ...]
    row_s: float
    activity: NDArray[np.float64]
    azimuth_deg: NDArray[np.float64]
    elevation_deg: NDArray[np.float64]
    distance_m: NDArray[np.float64]

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Returns the middle of each row in seconds from the beginning of the window, (rows,)."""
        return (np.arange(len(self.activity)) + 0.5) * self.row_s

    @classmethod
    def of(cls, activity: ArrayLike, places: ArrayLike, labels: tuple[str, ...], row_s: float) -> "Frames":
        """Makes frames of probabilities (rows, classes) and places (rows, classes, 4): a vector x, y, z of any length, and
        the logarithm of the distance in metres."""
        places = np.asarray(places, dtype=np.float64)
        azimuth_deg, elevation_deg, _ = vector_to_direction(places[..., :3])
        distance_m = np.exp(np.clip(places[..., 3], np.log(NEAREST_M), np.log(FURTHEST_M)))
        return cls(labels, row_s, np.asarray(activity, dtype=np.float64), azimuth_deg, elevation_deg, distance_m)


class FrameHead(nn.Module):
    """Maps the output of an encoder to activities and places of all classes in all time rows.

    Each token passes one layer, the tokens of a row are averaged over frequency, and a second layer reads the row. Rows do
    not
    attend to each other here: in the encoder's trunk every token has attended to all others already.

    Args:
        config: of an encoder with event classes whose tokens are a grid of time rows.
        width: of the hidden layers.

    Raises:
        SpatialLLMError: the encoder has no event classes, no names of them, or no time rows.
    """

    def __init__(self, config: PreTrainedConfig, width: int = WIDTH) -> None:
        super().__init__()
        if not has_heads(config):
            raise SpatialLLMError(
                f"an encoder of type {config.model_type} has no frame head: it has no event classes of its own; take a "
                "SpatialAST or a DSpAST."
            )
        check_class_names(config)
        self.layout, self.labels = config.token_layout, tuple(config.event_labels)
        if self.layout.grid[0] < 2:
            raise SpatialLLMError(
                f"the tokens of this encoder are {self.layout.grid[0]} time row of {self.layout.seconds_per_row:g} s, so "
                "that none of them tells a time; take an encoder whose patches are shorter than its window (patch_size)."
            )
        self.norm = nn.LayerNorm(self.layout.width)
        self.token = nn.Linear(self.layout.width, width)
        self.row = nn.Linear(width, width)
        self.place = nn.Linear(width, 5 * len(self.labels))

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps the encoder's `last_hidden_state` (B, CLS and rows * columns tokens, hidden_size) to logits of activity
        (B, rows, classes) and places (B, rows, classes, 4): a vector x, y, z and the logarithm of the distance in metres."""
        grid = hidden_states[:, self.layout.num_cls_tokens :].unflatten(1, self.layout.grid)
        rows = functional.gelu(self.token(self.norm(grid))).mean(dim=2)
        told = self.place(functional.gelu(self.row(rows))).unflatten(-1, (len(self.labels), 5))
        return told[..., 4], told[..., :4]

    @torch.inference_mode()
    def read(self, hidden_states: torch.Tensor) -> Frames:
        """Reads one recording from the encoder's `last_hidden_state`, (1, tokens, hidden_size)."""
        logits, places = (each[0].double().cpu() for each in self.to(hidden_states.device)(hidden_states.float()))
        return Frames.of(logits.sigmoid().numpy(), places.numpy(), self.labels, self.layout.seconds_per_row)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, config: PreTrainedConfig, encoder: str | None = None) -> "FrameHead":
        """Loads the head that `save_pretrained` wrote to a folder.

        Args:
            folder: folder with `frame_head.safetensors`.
            config: config of the encoder.
            encoder: fingerprint of the encoder; None where it has none.

        Raises:
            CheckpointError: the file is damaged, was saved with another encoder, or holds other tensors than the head of
                this encoder has.
            SpatialLLMError: such an encoder has no frame head.
        """
        tensors = read_heads(folder, FRAME_HEAD, encoder)
        width = len(tensors["row.bias"]) if "row.bias" in tensors else WIDTH
        with torch.device("meta"):
            head = cls(config, width)
        load_heads(head, tensors, str(Path(folder, FRAME_HEAD)))
        return head.eval()

    def save_pretrained(self, folder: str | os.PathLike, encoder: str | None = None) -> None:
        """Writes `frame_head.safetensors` to the folder of a saved model, whole or not at all, and seals it with it.

        Args:
            folder: of the saved model or encoder.
            encoder: fingerprint of the encoder, by which loading tells the head of another one; None writes none.
        """
        write_heads(folder, FRAME_HEAD, self.state_dict(), encoder)
