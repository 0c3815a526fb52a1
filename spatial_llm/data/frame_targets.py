"""What a frame head is taught: in each time row of an encoder which classes sound, from where, and how far.

A source is in every row of which it sounds for half or more, as in DCASE's frame labels, and in one row at least, that of
its middle. Its place is that at the middle of the row, of moving sources and turning listeners too. Where two sources of one
class sound in one row, the place is that of the nearer one: a class has one vector, the mean of two directions would be a
place where nothing is, and of equally loud sources the nearer is the louder one.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from spatial_llm.data.records import Record
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.motion.frame_labels import Labelled, labelled_sources

TINY_S = 1e-6


def sources_in_rows(record: Record, layout: TokenLayout, labels: Sequence[str]) -> list[Labelled]:
    """Returns the sources of a record that are heard, each with its rows and its places there.

    Args:
        record: of a manifest.
        layout: of the encoder's tokens.
        labels: names of the encoder's classes.

    Raises:
        ManifestError: the record is no scene with its truth, whose times alone are known for every source; the scene is
            longer than the window of the encoder, which would hear its loudest part at unknown times; or a source is of
            another class. The record is named.
    """
    if record.scene is None or record.scene.truth is None:
        raise ManifestError(
            f"record {record.id!r} does not say from when to when each sound is heard and where it is meanwhile; a frame "
            "head is taught by scenes with their truth."
        )
    window_s = layout.grid[0] * layout.seconds_per_row
    if record.scene.duration_s > window_s + TINY_S:
        raise ManifestError(
            f"record {record.id!r}: its scene lasts {record.scene.duration_s:g} s, the window of the encoder {window_s:g} "
            "s, and times are known in the whole scene only; simulate scenes of at most that length (scenes.duration_s)."
        )
    unknown = [source.label for source in record.scene.sources if source.label not in labels]
    if unknown:
        raise ManifestError(f"record {record.id!r}: class {unknown[0]!r} is not among {', '.join(labels)}.")
    return [each for each in labelled_sources(record.scene, layout.seconds_per_row, least=1) if len(each.frames)]


def places_in_rows(sources: Sequence[Labelled], labels: Sequence[str], rows: int) -> torch.Tensor:
    """Returns the place of each class in each row, (rows, classes, 4) float32: the direction as unit vector xyz and the
    logarithm of the distance in metres; 0 for a class that does not sound.

    Args:
        sources: from `sources_in_rows`.
        labels: names of the classes.
        rows: of the encoder.
    """
    places = torch.zeros(rows, len(labels), 4)
    nearest_m = np.full((rows, len(labels)), math.inf)
    for source in sources:
        number = labels.index(source.label)
        vectors = direction_to_vector(source.azimuth_deg, source.elevation_deg)
        taught = np.concatenate([vectors, np.log(source.distance_m)[:, None]], axis=1)
        nearer = source.distance_m < nearest_m[source.frames, number]
        places[source.frames[nearer], number] = torch.from_numpy(taught[nearer]).float()
        nearest_m[source.frames[nearer], number] = source.distance_m[nearer]
    return places
