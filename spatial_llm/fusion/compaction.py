"""Divides the columns of prompts into rows of the language model's sequence and tokens that only its fused layers hear."""

from dataclasses import dataclass

import torch
from transformers.utils import torch_compilable_check


@dataclass
class Columns:
    """Holds which columns go where. Prompts with fewer members than others are filled up with foreign columns.

    Attributes:
        text: columns that become rows (batch, text), ascending; foreign ones come first, as in padding on the left.
        text_there: (batch, text), False on foreign columns.
        audio: columns of the other audio tokens (batch, audio), ascending; foreign ones come last.
        audio_there: (batch, audio).
    """

    text: torch.Tensor
    text_there: torch.Tensor
    audio: torch.Tensor
    audio_there: torch.Tensor

    def of_text(self, values: torch.Tensor) -> torch.Tensor:
        """Selects from (batch, length, ...) the columns of the text: (batch, text, ...)."""
        return _gather(values, self.text)

    def of_audio(self, values: torch.Tensor) -> torch.Tensor:
        """Selects from (batch, length) the columns of the audio: (batch, audio)."""
        return _gather(values, self.audio)


def divide(is_audio: torch.Tensor, per_prompt: int | None = None) -> Columns:
    """Divides columns.

    Args:
        is_audio: (batch, length), True at placeholders that do not become rows.
        per_prompt: their number in every prompt, where it is the same and known without reading data. A compiled model
            checks it when it runs.
    """
    counts = is_audio.sum(-1)
    if per_prompt is not None and not is_audio.is_meta:
        torch_compilable_check((counts == per_prompt).all(), "prompts with different numbers of audio tokens")
    most, least = (int(counts.max()), int(counts.min())) if per_prompt is None else (per_prompt, per_prompt)
    # A stable sort keeps the columns of each kind in their order: audio first, then text.
    order = torch.argsort((~is_audio).to(torch.uint8), dim=1, stable=True)
    text, audio = order[:, least:], order[:, :most]
    return Columns(text, ~_gather(is_audio, text), audio, _gather(is_audio, audio))


def _gather(values: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    index = columns.reshape(*columns.shape, *(1 for _ in values.shape[2:])).expand(*columns.shape, *values.shape[2:])
    return values.gather(1, index.to(values.device))
