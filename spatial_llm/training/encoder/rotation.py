"""Rotated copies of recordings in training: the cues of a turned scene, and its labels.

Cues of the sound field and of ambisonics contain those of every rotated scene (see `audio.cues.CueSet.rotate`), so that no
recording is rendered again: each time a recording is used, its directions are new. PSELDNets (arXiv 2411.06399) and others
do the same with quarter turns of the channels.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from spatial_llm.audio.ambisonics import turn
from spatial_llm.audio.cues import cue_set_of
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import (
    azimuth_from_bat_class,
    bat_azimuth_class,
    bat_elevation_class,
    direction_to_vector,
    elevation_from_bat_class,
    vector_to_direction,
)

Rotation = Literal["none", "quarters", "yaw", "all"]


def check_rotation(kind: Rotation, cues: Sequence[str]) -> None:
    """Raises SpatialLLMError if cues of a recording do not contain those of such rotated scenes."""
    rotate = cue_set_of(cues).rotate
    if rotate is None:
        raise SpatialLLMError(f"rotation is {kind!r}, but {', '.join(cues)} tell nothing of a rotated scene; give none.")
    matrix = {"quarters": turn(90), "yaw": turn(37), "all": turn(20, 30, 40)}[kind]
    rotate(torch.zeros(len(cues), 1, 1), cues, matrix)


def drawn_rotation(kind: Rotation) -> NDArray[np.float64]:
    """Draws a rotation (3, 3) from torch's random numbers: about the vertical axis by 0 to 3 quarters ("quarters") or any
    angle ("yaw"), or in space, uniformly ("all")."""
    if kind == "quarters":
        return turn(90.0 * int(torch.randint(4, ())))
    if kind == "yaw":
        return turn(360.0 * float(torch.rand(())))
    # Three Gaussian vectors, made orthogonal: uniform over all rotations, once it is no reflection.
    basis, upper = np.linalg.qr(torch.randn(3, 3, dtype=torch.float64).numpy())
    basis = basis * np.sign(np.diag(upper))
    return basis * np.linalg.det(basis)


def rotate_sample(sample: dict[str, torch.Tensor], cues: Sequence[str], matrix: NDArray, several: int) -> None:
    """Rotates a sample of `LocalizationDataset` in place: its cues, and the labels of its directions.

    Args:
        sample: the sample.
        cues: names of its cues.
        matrix: (3, 3), a rotation of directions.
        several: the class of recordings that have no one direction.
    """
    sample["input_features"] = cue_set_of(cues).rotate(sample["input_features"], cues, matrix)
    if sample["azimuth_labels"] != several:
        azimuth_deg = azimuth_from_bat_class(int(sample["azimuth_labels"]))
        elevation_deg = elevation_from_bat_class(int(sample["elevation_labels"]))
        turned = matrix @ direction_to_vector(azimuth_deg, elevation_deg)
        azimuth_deg, elevation_deg, _ = vector_to_direction(turned)
        sample["azimuth_labels"] = torch.tensor(bat_azimuth_class(float(azimuth_deg)))
        sample["elevation_labels"] = torch.tensor(bat_elevation_class(float(elevation_deg)))
    if "class_places" in sample:
        places = sample["class_places"].clone()
        places[:, :3] = places[:, :3] @ torch.from_numpy(matrix.T).to(places)
        sample["class_places"] = places
