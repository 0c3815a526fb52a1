"""Sets of cues: the planes (frames, mel bins) that an encoder takes, each set for recordings of some formats.

An encoder takes cues of one set, in any number and order. A new set is one file here and one line in `CUE_SETS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray

from spatial_llm.audio.cues.binaural import (
    COS_IPD,
    CUES,
    DSPAST_CUES,
    GCC_PHAT,
    ILD,
    LOGMEL_LEFT,
    LOGMEL_RIGHT,
    SIN_IPD,
    SPATIAL_AST_CUES,
    binaural_cues,
    mirror_binaural_cues,
)
from spatial_llm.audio.cues.field import FIELD_CUES, Steering, field_cues, mirror_field_cues, rotate_field_cues
from spatial_llm.audio.cues.front_end import FrontEnd
from spatial_llm.audio.cues.intensity import (
    INTENSITY_CUES,
    intensity_cues,
    mirror_intensity_cues,
    rotate_intensity_cues,
)
from spatial_llm.audio.formats import BINAURAL, AudioFormat, Field
from spatial_llm.errors import AudioError

__all__ = [
    "COS_IPD",
    "CUE_SETS",
    "DSPAST_CUES",
    "FIELD_CUES",
    "GCC_PHAT",
    "ILD",
    "INTENSITY_CUES",
    "LOGMEL_LEFT",
    "LOGMEL_RIGHT",
    "SIN_IPD",
    "SPATIAL_AST_CUES",
    "CueSet",
    "FrontEnd",
    "Steering",
    "binaural_cues",
    "cue_set_of",
]


@dataclass(frozen=True)
class CueSet:
    """A set of cues.

    Attributes:
        cues: their names.
        takes: the formats of recordings that they are computed from.
        compute: (waveforms (B, channels, samples), their format, cues, front end, transfer functions) -> (B, cues, frames,
            mel bins) float32.
        mirror: (features (..., cues, frames, mel bins), cues) -> those of the mirrored scene.
        rotate: (features, cues, rotation (3, 3) of directions) -> those of the rotated scene; None where the cues of a scene
            do not tell those of the rotated one.
    """

    cues: tuple[str, ...]
    takes: AudioFormat
    compute: Callable[[torch.Tensor, AudioFormat, Sequence[str], FrontEnd, Steering], torch.Tensor]
    mirror: Callable[[torch.Tensor, Sequence[str]], torch.Tensor]
    rotate: Callable[[torch.Tensor, Sequence[str], NDArray], torch.Tensor] | None = None


CUE_SETS = {
    "binaural": CueSet(
        tuple(CUES),
        BINAURAL,
        lambda waveform, format, cues, front, steering: binaural_cues(waveform, cues, front),
        mirror_binaural_cues,
    ),
    "field": CueSet(FIELD_CUES, Field(), field_cues, mirror_field_cues, rotate_field_cues),
    "foa_iv": CueSet(
        INTENSITY_CUES,
        Field(arrays=False),
        lambda waveform, format, cues, front, steering: intensity_cues(waveform, cues, front),
        mirror_intensity_cues,
        rotate_intensity_cues,
    ),
}


def cue_set_of(cues: Sequence[str]) -> CueSet:
    """Returns the set that all of these cues belong to.

    Raises:
        AudioError: there are none, or they do not belong to one set.
    """
    for each in CUE_SETS.values():
        if cues and all(cue in each.cues for cue in cues):
            return each
    unknown = [cue for cue in cues if not any(cue in each.cues for each in CUE_SETS.values())]
    sets = "; ".join(f"{name}: {', '.join(each.cues)}" for name, each in CUE_SETS.items())
    what = f"{unknown} unknown" if unknown else f"{list(cues)} are not of one set"
    raise AudioError(f"cues {what}; expected some of one of these: {sets}.")
