"""Recordings and texts in one space: by an encoder, its text projection, and the sentence encoder of its training.

What is asked for names some aspects of a scene. Of an encoder whose channels are divided, the slices that tell something of
these aspects are compared with a text of their own, and the likeness of a recording is the mean of their cosines; otherwise
there is one text and one cosine.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from spatial_llm.data.dataset import CueDataset
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.text_projection import TextProjection
from spatial_llm.errors import CheckpointError, ManifestError
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.scene_captions import ASPECTS, FORMS, scene_facts, write_caption
from spatial_llm.sentences.embedding import TextEmbedder
from spatial_llm.training.encoder.alignment import means_of
from spatial_llm.training.encoder.run import load_encoder
from spatial_llm.training.encoder.scene_texts import sources_of


class Queries(NamedTuple):
    """The texts of N recordings that name the same aspects.

    Attributes:
        by_view: the texts of each view that is asked, (N,) each.
        texts: (N,), the caption that names all these aspects; equal where the facts are equal.
        right: (N texts, N recordings) bool, which text is true of which recording.
    """

    by_view: dict[str, list[str]]
    texts: list[str]
    right: NDArray


class TextSpace:
    """Maps recordings and texts to unit vectors.

    Args:
        folder: of an encoder with heads and a text projection.
        sentence_encoder: where the sentence encoder is now; None: where it was in training.

    Raises:
        CheckpointError: the folder has no text projection, or the sentence encoder is another one.
    """

    def __init__(self, folder: str | Path, sentence_encoder: str | None = None) -> None:
        self.model = load_encoder(folder)
        encoder = self.model.base_model
        self.projection = TextProjection.from_pretrained(folder, self.model.config, fingerprint(encoder))
        about = self.projection.about
        self.embedder = TextEmbedder(about["sentence_encoder"] if sentence_encoder is None else sentence_encoder)
        if self.embedder.sha256 != about["sentence_encoder_sha256"]:
            raise CheckpointError(
                f"sentence encoder {self.embedder.name} is not the one that {folder} was trained with "
                f"({about['sentence_encoder']}, weights {about['sentence_encoder_sha256'][:12]}); give sentence_encoder."
            )

    @torch.no_grad()
    def recordings(self, records: Sequence[Record], root: DataRoot, batch_size: int = 32) -> NDArray:
        """Returns unit vectors of N recordings, (N, views, width)."""
        config = self.model.config
        cues = CueDataset(records, root, SpatialFeatureExtractor.for_encoder(config), config.window_samples)
        means = means_of(self.model.base_model, DataLoader(cues, batch_size=batch_size))
        return self.projection.of_means(means).numpy()

    @torch.no_grad()
    def texts(self, texts: Sequence[str], view: str) -> NDArray:
        """Returns unit vectors of N texts for one view, (N, width)."""
        vectors = torch.from_numpy(self.embedder(texts))
        return self.projection.of_text(vectors, self.projection.views.index(view)).numpy()

    def cosines(self, queries: Queries, recordings: NDArray) -> NDArray:
        """Returns how alike each text and each recording are, (N texts, N recordings): the mean cosine of the views asked.

        Args:
            queries: of the same recordings.
            recordings: from `recordings`.
        """
        number = self.projection.views.index
        parts = [self.texts(texts, view) @ recordings[:, number(view)].T for view, texts in queries.by_view.items()]
        return np.mean(parts, axis=0)

    def queries(self, records: Sequence[Record], aspects: Collection[str]) -> Queries:
        """Returns the texts of recordings that name these aspects, as `captions_about` writes them."""
        return captions_about(records, [sources_of(record) for record in records], self.projection.views, aspects)


def captions_about(
    records: Sequence[Record], sources: Sequence[Sequence[HeardSource]], views: Sequence[str], aspects: Collection[str]
) -> Queries:
    """Returns the texts of N recordings that name these aspects, for each view that tells something of them, in one style.

    Raises:
        ManifestError: one of these aspects is not known of a recording; it is named.
    """
    facts = [scene_facts(heard) for heard in sources]
    for record, known in zip(records, facts, strict=True):
        if unknown := [aspect for aspect in aspects if known[aspect] is None]:
            raise ManifestError(f"record {record.id!r}: its {unknown[0]} is not known, so it cannot be asked for.")
    asked = {view: {aspect for form in FORMS[view] for aspect in form}.intersection(aspects) for view in views}
    keys = np.array([[one[aspect] for aspect in ASPECTS if aspect in aspects] for one in facts])
    return Queries(
        {view: [write_caption(heard, told).text for heard in sources] for view, told in asked.items() if told},
        [write_caption(heard, aspects).text for heard in sources],
        (keys[:, None] == keys[None]).all(axis=-1),
    )
