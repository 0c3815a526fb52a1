"""Turns samples into a batch, through the processor, which alone knows the prompt."""

from collections.abc import Sequence
from typing import Any

import torch

from spatial_llm.errors import ManifestError, SpatialLLMError


class SpatialQACollator:
    """Collates samples of `SpatialQADataset` for training.

    Args:
        processor: a `SpatialLLMProcessor`.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates a list of samples to `input_ids`, `attention_mask`, `labels` (B, length; -100 outside answer and EOS)
        and, depending on what the samples hold, `input_features` (B, cues, frames, mel bins) or `audio_hidden_states` (B,
        tokens, width).

        Raises:
            ManifestError: a sample cannot be collated, for example because its text holds a special token; the record is
                named.
        """
        try:
            return self._batch(samples)
        except SpatialLLMError as error:
            if len(samples) == 1:
                raise ManifestError(f"record {samples[0]['id']!r}: {error}") from error
            for sample in samples:  # finds the sample at fault, which fails alone too
                self([sample])
            raise

    def _batch(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        encoded = "audio_hidden_states" in samples[0]
        batch = self.processor(
            audio=None if encoded else [sample["waveform"] for sample in samples],
            text=[sample["question"] for sample in samples],
            answers=[sample["answer"] for sample in samples],
            sampling_rate=None if encoded else self.processor.feature_extractor.sampling_rate,
            return_tensors="pt",
            scale_known=True,
        )
        if encoded:
            batch["audio_hidden_states"] = torch.stack([sample["audio_hidden_states"] for sample in samples])
        return dict(batch)
