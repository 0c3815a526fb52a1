"""Rotated and mirrored recordings in training, and arrays that lose a microphone: cues and labels stay those of a scene."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spatial_llm.audio.ambisonics import turn
from spatial_llm.audio.cues import DSPAST_CUES, FIELD_CUES, INTENSITY_CUES
from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.geometry import (
    azimuth_from_bat_class,
    bat_azimuth_class,
    bat_elevation_class,
    direction_to_vector,
    elevation_from_bat_class,
)
from spatial_llm.training.encoder.dataset import SEVERAL, LocalizationDataset
from spatial_llm.training.encoder.microphone_drop import MicrophoneDrop
from spatial_llm.training.encoder.rotation import check_rotation, drawn_rotation, rotate_sample
from tests.audio.cues.waves import MICROPHONES, degrees_between, peak, planes, waves

AZIMUTH_DEG, ELEVATION_DEG = 40.0, 15.0


def dataset(rotation: str, mirror: bool = False) -> LocalizationDataset:
    direction = direction_to_vector(AZIMUTH_DEG, ELEVATION_DEG)
    cues = torch.from_numpy(planes(waves(MICROPHONES["hoa3"], direction[None]), MICROPHONES["hoa3"]))
    labels = {
        "event": torch.ones(1, 2),
        "distance": torch.tensor([3]),
        "azimuth": torch.tensor([bat_azimuth_class(AZIMUTH_DEG)]),
        "elevation": torch.tensor([bat_elevation_class(ELEVATION_DEG)]),
    }
    places = torch.tensor([[[*direction, 0.5], [0.0, 0.0, 0.0, 0.0]]], dtype=torch.float32)
    return LocalizationDataset(cues[None], labels, FIELD_CUES, mirror, rotation, places=places)


def told(sample: dict[str, torch.Tensor]) -> np.ndarray:
    """The direction that the labels of a sample tell."""
    azimuth_deg = azimuth_from_bat_class(int(sample["azimuth_labels"]))
    return direction_to_vector(azimuth_deg, elevation_from_bat_class(int(sample["elevation_labels"])))


@pytest.mark.parametrize("rotation", ["quarters", "yaw", "all"])
@pytest.mark.parametrize("index", [0, 1])
def test_cues_point_where_the_labels_say(rotation, index):
    torch.manual_seed(3)
    rotated = dataset(rotation, mirror=True)
    seen = []
    for _ in range(6):
        sample = rotated[index]
        seen.append(told(sample))
        assert degrees_between(peak(sample["input_features"].numpy(), 500, 8000), seen[-1]) < 4
        np.testing.assert_allclose(sample["class_places"][0, :3].numpy(), seen[-1], atol=0.02)
        assert sample["class_places"][0, 3] == 0.5 and not sample["class_places"][1].any()
        assert sample["distance_labels"] == 3
    heights = {round(float(each[2]), 1) for each in seen}
    assert len(heights) > 2 if rotation == "all" else len(heights) == 1
    assert len({tuple(each.round(2)) for each in seen}) > 2


def test_quarters_are_four_and_rotations_in_space_are_uniform_and_no_reflections():
    torch.manual_seed(0)
    quarters = {tuple(drawn_rotation("quarters").round().astype(int).ravel()) for _ in range(60)}
    assert len(quarters) == 4
    drawn = np.stack([drawn_rotation("all") for _ in range(2000)])
    np.testing.assert_allclose(drawn @ drawn.transpose(0, 2, 1), np.broadcast_to(np.eye(3), drawn.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(drawn), 1)
    assert np.abs(drawn.mean(0)).max() < 0.06  # of entries with a variance of 1/3
    # The angle of uniform rotations has the density (1 - cos) / pi, whose mean is 90 + 360 / pi^2 degrees.
    angles = np.rad2deg(np.arccos((np.trace(drawn, axis1=1, axis2=2) - 1) / 2))
    assert abs(angles.mean() - (90 + 360 / np.pi**2)) < 3


def test_the_same_seed_draws_the_same_and_several_sources_have_no_one_direction():
    def one() -> torch.Tensor:
        torch.manual_seed(9)
        return dataset("all")[0]["input_features"]

    torch.testing.assert_close(one(), one())
    sample = dataset("none")[0] | {"azimuth_labels": torch.tensor(SEVERAL)}
    rotate_sample(sample, FIELD_CUES, turn(90), SEVERAL)
    assert sample["azimuth_labels"] == SEVERAL


def test_what_cannot_be_rotated_is_refused():
    with pytest.raises(SpatialLLMError, match="tell nothing of a rotated scene; give none"):
        check_rotation("yaw", DSPAST_CUES)
    with pytest.raises(AudioError, match="only be rotated by quarter turns"):
        check_rotation("yaw", INTENSITY_CUES)
    for kind in ("quarters", "yaw", "all"):
        check_rotation(kind, FIELD_CUES)
    check_rotation("quarters", INTENSITY_CUES)


def test_an_array_loses_one_microphone_with_its_channel_and_always_the_same():
    glasses = MICROPHONES["glasses"]
    waveform = np.arange(7 * 5, dtype=np.float32).reshape(7, 5)
    dropped = [MicrophoneDrop(0.5)(f"r{index}", waveform, glasses) for index in range(400)]
    lost = [format for _, format in dropped if format.channels == 6]
    assert 150 < len(lost) < 250 and len({format.positions_m for format in lost}) == 7
    for recording, format in dropped[:50]:
        rows = [glasses.positions_m.index(position) for position in format.positions_m]
        np.testing.assert_array_equal(recording, waveform[rows])
    again = MicrophoneDrop(0.5)("r7", waveform, glasses)
    np.testing.assert_array_equal(again[0], dropped[7][0])
    assert MicrophoneDrop(1.0)("a", waveform[:4], Ambisonics(1))[1] == Ambisonics(1)
    four = Array(glasses.positions_m[:4])
    assert MicrophoneDrop(1.0)("a", waveform[:4], four)[1] == four
    measured = replace(glasses, sofa="a.sofa")
    assert MicrophoneDrop(1.0)("a", waveform, measured)[1] == measured
