"""The texts of a data set of encoders: for each recording, and each view of the encoder, several captions of its scene.

A batch holds, beside the samples of `LocalizationDataset`, for one caption of each view that is drawn each time a sample is
used (B recordings, V views, 4 aspects as in `questions.scene_captions.ASPECTS`):

    text_rows (B, V)      row of the caption among all distinct texts
    text_names (B, V, 4)  which aspects it names
    facts (B, 4)          number of each fact of the recording; equal facts have equal numbers

By names and facts one sees of which recordings of the batch a text is true (`true_of`), whatever its words: "bell" is true
of every recording of one bell, so that another bell is no wrong answer to it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from spatial_llm.data.records import Record
from spatial_llm.data.targets import targets_of
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.questions.facts import HeardSource, heard_sources
from spatial_llm.questions.scene_captions import ASPECTS, captions_of_view, scene_facts

UNKNOWN = -1  # number of a fact that is not known; no text names it


def sources_of(record: Record) -> list[HeardSource]:
    """Returns the sources of a record's recording as far as they are known; times are those of scenes and annotations.

    Raises:
        ManifestError: as `data.targets.targets_of`, which names the record.
    """
    targets = targets_of(record)
    if record.scene is not None:
        return heard_sources(record.scene)
    if record.known is not None and record.known.sounds:
        return list(record.known.sounds)
    return [HeardSource(" and ".join(t.labels), t.azimuth_deg, t.elevation_deg, t.distance_m) for t in targets]


class SceneTexts:
    """The captions of N recordings.

    Args:
        records: the recordings.
        views: of the encoder, see `questions.scene_captions.FORMS`.
        wordings: captions for each recording and view.
        mirror: whether each recording occurs a second time with left and right exchanged, at the odd indices.
        seed: of the wordings; equal seeds give equal texts.

    Attributes:
        texts: distinct texts, sorted.
        rows: (samples, views, wordings), indices into `texts`.
        names: (samples, views, wordings, 4), bool.
        facts: (samples, 4).

    Raises:
        ManifestError: of a recording nothing is known that a view could name; it is named.
    """

    def __init__(
        self, records: Sequence[Record], views: Sequence[str], wordings: int, mirror: bool = False, seed: int = 0
    ) -> None:
        self.views = tuple(views)
        written, facts = [], []
        for number, record in enumerate(records):
            sources = sources_of(record)
            for side in range(2 if mirror else 1):
                heard = [source.mirror_image() for source in sources] if side else sources
                random = np.random.default_rng([seed, number, side])
                try:
                    written.append([captions_of_view(heard, view, wordings, random) for view in views])
                except SpatialLLMError as error:
                    raise ManifestError(f"record {record.id!r}: {error}") from None
                facts.append(scene_facts(heard))
        self.texts = sorted({caption.text for sample in written for view in sample for caption in view})
        row = {text: index for index, text in enumerate(self.texts)}
        self.rows = torch.tensor([[[row[one.text] for one in view] for view in sample] for sample in written])
        self.names = torch.tensor(
            [[[[name in one.named for name in ASPECTS] for one in view] for view in sample] for sample in written]
        )
        numbers: dict[tuple[str, str], int] = {}
        self.facts = torch.tensor(
            [
                [UNKNOWN if one[a] is None else numbers.setdefault((a, one[a]), len(numbers)) for a in ASPECTS]
                for one in facts
            ]
        )

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, index: int) -> dict[str, torch.Tensor]:
        """Returns the texts of one sample, a caption for each view, drawn by torch's random numbers."""
        views = torch.arange(len(self.views))
        drawn = torch.randint(self.rows.shape[2], (len(self.views),))
        return {
            "text_rows": self.rows[index, views, drawn],
            "text_names": self.names[index, views, drawn],
            "facts": self.facts[index],
        }


class CaptionedDataset(Dataset):
    """`dataset[i]`: a sample of another data set with the texts of its recording.

    Args:
        dataset: a `LocalizationDataset`, or other samples in the same order.
        texts: of the same recordings, mirrored as there.
    """

    def __init__(self, dataset: Any, texts: SceneTexts) -> None:
        if len(dataset) != len(texts):
            raise SpatialLLMError(f"{len(dataset)} samples and texts of {len(texts)}; give those of the same recordings.")
        self.dataset, self.texts = dataset, texts

    def __len__(self) -> int:
        return len(self.dataset)

    def sample_id(self, index: int) -> str:
        """Returns the id of the recording of `self[index]`."""
        return self.dataset.sample_id(index)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.dataset[index] | self.texts.draw(index)


def true_of(names: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
    """Returns which text is true of which recording, bool (B texts, B recordings).

    Args:
        names: (B, 4) bool, what each text names; text i was written of recording i.
        facts: (B, 4), the numbers of the facts of each recording.
    """
    return ((facts[:, None] == facts[None]) | ~names[:, None]).all(dim=-1)
