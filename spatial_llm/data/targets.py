"""Training targets of an encoder: what sounds where, from whichever form the record has."""

from collections.abc import Sequence
from dataclasses import dataclass

from spatial_llm.data.records import Record
from spatial_llm.errors import ManifestError


@dataclass(frozen=True)
class Target:
    """One source: its event classes, and its place in the internal frame."""

    labels: Sequence[str]
    azimuth_deg: float
    elevation_deg: float
    distance_m: float


def targets_of(record: Record) -> list[Target]:
    """Returns the sources of a record's recording, in order.

    Raises:
        ManifestError: something moves, or the record does not tell: it is a file without annotated sounds or with one that
            has no place, its scene has no truth, or its pairs lack labels or places.
    """
    if record.scene is not None and record.scene.moves:
        raise ManifestError(
            f"record {record.id!r}: something moves in its scene, and an encoder is taught one place for each sound; take "
            "scenes without paths and headings."
        )
    if record.scene is not None and record.scene.truth is not None:
        known = zip(record.scene.sources, record.scene.truth.sources, strict=True)
        return [Target((s.label,), t.azimuth_deg, t.elevation_deg, t.distance_m) for s, t in known]
    if record.pairs is not None and all(pair.labels and pair.distance_m is not None for pair in record.pairs):
        return [Target(pair.labels, pair.azimuth_deg, pair.elevation_deg, pair.distance_m) for pair in record.pairs]
    sounds = (record.known and record.known.sounds) or ()
    if sounds and all(sound.is_placed for sound in sounds):
        return [Target((s.label,), s.azimuth_deg, s.elevation_deg, s.distance_m) for s in sounds]
    raise ManifestError(
        f"record {record.id!r} does not say what sounds where; expected a scene with its truth, or pairs or known "
        "sounds with labels, azimuth_deg, elevation_deg and distance_m."
    )
