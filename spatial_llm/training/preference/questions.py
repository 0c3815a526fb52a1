"""Questions to be answered by the model itself, with the truth beside them."""

from collections.abc import Sequence
from typing import Any

import torch

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.further import refuse_further
from spatial_llm.data.preference.dataset import TEXT
from spatial_llm.data.record import Record, labels_of
from spatial_llm.errors import ManifestError, SpatialLLMError


class QuestionDataset(SpatialQADataset):
    """Questions about recordings, as `SpatialQADataset`; samples have their number too (`number`).

    Attributes:
        names: all names of sounds in the recordings.

    Raises:
        ManifestError: as `SpatialQADataset`; or a record has several turns or recordings.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names: set[str] = set()
        for row in self.rows:
            record = self.records[row]
            refuse_further(record, "answered by the model itself")
            names.update(*labels_of(record))
        self.names = tuple(sorted(names))

    def record(self, number: int) -> Record:
        """Returns the record of `dataset[number]`."""
        return self.records[self.rows[number]]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**super().__getitem__(index), "number": index}


class QuestionCollator:
    """Collates samples of `QuestionDataset` to prompts without answers.

    Args:
        processor: a `SpatialLLMProcessor`.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.audio = SpatialQACollator(processor)

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Collates B samples to `input_ids`, `attention_mask` (B, length), padded on the left, `questions` (B,) int64, and
        the audio under the names of `SpatialQACollator`.

        Raises:
            ManifestError: see `SpatialQACollator`; the record is named.
        """
        batch = {name: value for name, value in self.audio(samples).items() if name not in (*TEXT, "labels")}
        try:
            text = self.processor(text=[sample["question"] for sample in samples], return_tensors="pt")
        except SpatialLLMError as error:
            raise ManifestError(f"record {samples[0]['id']!r} or one beside it: {error}") from error
        batch |= {name: text[name] for name in TEXT}
        batch["questions"] = torch.tensor([sample["number"] for sample in samples])
        return batch
