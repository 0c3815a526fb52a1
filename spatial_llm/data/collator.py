"""Turns samples into a batch, through the processor, which alone knows the prompt."""

from collections.abc import Sequence
from typing import Any

import torch

from spatial_llm.errors import ManifestError, SpatialLLMError


class SpatialQACollator:
    """Collates samples of `SpatialQADataset` for training.

    Args:
        processor: a `SpatialLLMProcessor`.
        time_weight: lambda; labels that write a time have a weight of 1 + lambda in the loss. 0 makes no weights.
    """

    def __init__(self, processor: Any, time_weight: float = 0.0) -> None:
        self.processor = processor
        self.time_weight = time_weight

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates a list of samples to `input_ids`, `attention_mask`, `labels` (B, length; -100 outside answers and
        EOS), with a `time_weight` `token_weights` (B, length), and, depending on what the samples hold, `input_features`
        (clips, cues, frames, mel bins) or `audio_hidden_states` (clips, tokens, width), with the clips of all samples in
        order.

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
        name = "audio_hidden_states" if "audio_hidden_states" in samples[0] else "waveform"
        audio = [[sample[name], *sample.get("others", ())] for sample in samples]
        options = {
            "audio": None if name == "audio_hidden_states" else audio,
            "sampling_rate": self.processor.feature_extractor.sampling_rate,
            "return_tensors": "pt",
            "scale_known": True,
            "time_weight": self.time_weight,
        }
        if "formats" in samples[0]:
            options["format"] = [format for sample in samples for format in sample["formats"]]
        if any("asked" in sample for sample in samples):
            asked = [sample.get("asked", [(sample["question"], sample["answer"])]) for sample in samples]
            batch = self.processor.training_batch(asked, [len(each) for each in audio], **options)
        else:
            texts = {"text": [sample["question"] for sample in samples], "answers": [sample["answer"] for sample in samples]}
            batch = self.processor(**texts, **options)
        if name == "audio_hidden_states":
            batch[name] = torch.stack([clip for clips in audio for clip in clips])
        return dict(batch)
