"""From pairs to samples: one recording, one question, the chosen and the rejected answer."""

from array import array
from collections.abc import Sequence
from typing import Any

import torch

from spatial_llm.audio.formats import BINAURAL, AudioFormat
from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.preference.pair import PairFile, PairRecords
from spatial_llm.errors import ManifestError, SpatialLLMError

TEXT = ("input_ids", "attention_mask")


class PairDataset(SpatialQADataset):
    """Pairs about recordings: `dataset[i]` has `id`, `question`, `answer` (the chosen one), `rejected`, `pair` (i) and the
    audio as in `SpatialQADataset`.

    Args:
        pairs: the file.
        sampling_rate, window_samples: of the encoder.
        format: of the recordings, as the encoder takes them.
    """

    def __init__(self, pairs: PairFile, sampling_rate: int, window_samples: int, format: AudioFormat = BINAURAL) -> None:
        self.pairs, self.records = pairs, PairRecords(pairs)
        self.sampling_rate, self.window_samples, self.format = sampling_rate, window_samples, format
        self.places = pairs.places
        self.rows = array("q", range(len(pairs)))
        self.answer_of = lambda record: record.answer
        self.audio_hidden_states = None

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**super().__getitem__(index), "rejected": self.pairs[index].rejected, "pair": index}


class PairCollator:
    """Collates samples of `PairDataset` for training.

    Args:
        processor: a `SpatialLLMProcessor`.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.audio = SpatialQACollator(processor)

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates B pairs. The audio is there once for each, the text twice: B prompts with the chosen answers, then B with
        the rejected ones.

        Returns:
            `input_ids`, `attention_mask`, `targets` (2 B, length; -100 outside answers and EOS), `pairs` (B,) int64, and the
            audio of B clips under the names of `SpatialQACollator`.

        Raises:
            ManifestError: see `SpatialQACollator`; the record is named.
        """
        batch = {name: value for name, value in self.audio(samples).items() if name not in (*TEXT, "labels")}
        questions = [sample["question"] for sample in samples]
        answers = [sample["answer"] for sample in samples] + [sample["rejected"] for sample in samples]
        try:
            text = self.processor(text=questions * 2, answers=answers, return_tensors="pt")
        except SpatialLLMError as error:
            if len(samples) == 1:
                raise ManifestError(f"record {samples[0]['id']!r}: {error}") from error
            for sample in samples:  # finds the sample at fault, which fails alone too
                self([sample])
            raise
        # Under "labels" the Trainer would count tokens, and no longer divide the loss of a batch by their number in a step.
        batch |= {**{name: text[name] for name in TEXT}, "targets": text["labels"]}
        batch["pairs"] = torch.tensor([sample["pair"] for sample in samples])
        return batch
