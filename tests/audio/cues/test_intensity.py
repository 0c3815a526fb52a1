"""Classical cues of first-order ambisonics: direction and diffuseness of plane waves, rotation, mirror."""

import numpy as np
import pytest
import torch

from spatial_llm.audio.ambisonics import rotation, turn
from spatial_llm.audio.cues import CUE_SETS, cue_set_of
from spatial_llm.audio.cues.binaural import DSPAST_CUES
from spatial_llm.audio.cues.field import FIELD_CUES
from spatial_llm.audio.cues.intensity import (
    INTENSITY_CUES,
    intensity_cues,
    mirror_intensity_cues,
    rotate_intensity_cues,
)
from spatial_llm.audio.formats import Ambisonics
from spatial_llm.errors import AudioError
from tests.audio.cues.waves import CUBE, FRONT, waves

FOA = Ambisonics(1)
ROOM = np.array([[1.0, 0.5, 0.2], [-0.3, 1.0, -0.4]])


def planes(recording: np.ndarray) -> torch.Tensor:
    return intensity_cues(torch.from_numpy(recording)[None], INTENSITY_CUES, FRONT)[0]


@pytest.mark.parametrize("direction", CUBE[::5])
def test_a_plane_wave_is_its_unit_vector_and_not_diffuse(direction):
    cues = planes(waves(FOA, direction[None]))
    np.testing.assert_allclose(cues[4:7].mean(dim=(1, 2)).numpy(), direction, atol=1e-4)
    assert cues[7].abs().max() < 1e-3
    np.testing.assert_allclose(cues[0] - cues[1:4].max(0).values, -20 * np.log10(np.abs(direction).max()), atol=1e-2)


def test_many_waves_are_diffuse_and_higher_orders_are_left_aside():
    assert planes(waves(FOA, CUBE))[7].mean() > 0.6
    third = waves(Ambisonics(3), ROOM)
    torch.testing.assert_close(planes(third), planes(third[:4]))


def test_quarter_turns_exchange_spectra_and_any_rotation_turns_the_vector():
    recording = waves(FOA, ROOM)
    for matrix in (turn(90), turn(-90), turn(180)):
        turned = planes((rotation(1, matrix) @ recording).astype(np.float32))
        found = rotate_intensity_cues(planes(recording), INTENSITY_CUES, matrix)
        torch.testing.assert_close(found, turned, atol=1e-3, rtol=1e-3)
    matrix, names = turn(37, 20, 5), ("logmel_w", "intensity_x", "intensity_y", "intensity_z", "diffuseness")
    rows = [INTENSITY_CUES.index(name) for name in names]
    turned = planes((rotation(1, matrix) @ recording).astype(np.float32))[rows]
    torch.testing.assert_close(rotate_intensity_cues(planes(recording)[rows], names, matrix), turned, atol=1e-3, rtol=1e-3)
    with pytest.raises(AudioError, match="can only be rotated by quarter turns; leave out logmel_x, logmel_y, logmel_z"):
        rotate_intensity_cues(planes(recording), INTENSITY_CUES, matrix)
    with pytest.raises(AudioError, match="expected all of intensity_x, intensity_y, intensity_z or none"):
        rotate_intensity_cues(planes(recording)[4:6], INTENSITY_CUES[4:6], turn(90))


def test_the_mirror_is_that_of_the_channels():
    recording = waves(FOA, ROOM)
    mirrored = planes(FOA.mirror(recording).astype(np.float32))
    torch.testing.assert_close(mirror_intensity_cues(planes(recording), INTENSITY_CUES), mirrored, atol=1e-4, rtol=1e-4)


def test_every_cue_belongs_to_one_set_and_a_mixture_to_none():
    names = [cue for each in CUE_SETS.values() for cue in each.cues]
    assert len(names) == len(set(names))
    for cues, name in ((DSPAST_CUES, "binaural"), (FIELD_CUES[3:7], "field"), (INTENSITY_CUES, "foa_iv")):
        assert cue_set_of(cues) is CUE_SETS[name]
    for mixed in ([], ["logmel_mean", "logmel_w"]):
        with pytest.raises(AudioError, match="are not of one set"):
            cue_set_of(mixed)


def test_silence_tells_nothing():
    cues = planes(np.zeros((4, 4096), np.float32))
    assert torch.isfinite(cues).all() and not cues[4:7].any() and (cues[7] == 1).all()
