"""The head: KEMAR's package data, and that it hears left as left."""

import importlib.util

import numpy as np
import pytest

from spatial_llm.errors import SceneError
from spatial_llm.files import sha256_of
from spatial_llm.geometry import direction_to_vector, great_circle_deg
from spatial_llm.scenes.heads import hrtf
from spatial_llm.scenes.heads.hrtf import interaural_delay_s

RATE = 32000


def test_kemar_grid_and_scale():
    head = hrtf.kemar(RATE)
    assert head.responses.shape == (710, 2, 240) and head.responses.dtype == np.float32
    assert np.allclose(np.linalg.norm(head.directions, axis=1), 1)
    assert (head.elevation_deg.min(), head.elevation_deg.max()) == (-40, 90)
    front = head.responses[head.nearest(np.array([1.0, 0, 0]))]
    assert np.isclose(np.sqrt(np.mean(np.sum(front.astype(float) ** 2, axis=1))), 1.0, atol=1e-5)


def test_left_is_earlier_and_louder_at_the_left_ear():
    head = hrtf.kemar(RATE)
    for azimuth_deg, low_ms, high_ms in ((30, 0.2, 0.35), (60, 0.45, 0.65), (90, 0.6, 0.75), (120, 0.45, 0.65)):
        response = head.responses[head.nearest(direction_to_vector(azimuth_deg, 0.0))]
        assert low_ms < 1e3 * interaural_delay_s(response, RATE) < high_ms
        assert 10 * np.log10(np.sum(response[0] ** 2) / np.sum(response[1] ** 2)) > 6


def test_ears_mirror_each_other_exactly():
    head = hrtf.kemar(RATE)
    mirrored = hrtf.left_right_partner(head.azimuth_deg, head.elevation_deg)
    np.testing.assert_array_equal(head.responses[mirrored][:, ::-1], head.responses)


def test_nearest_takes_any_length_and_stays_close():
    head, rng = hrtf.kemar(RATE), np.random.default_rng(0)
    azimuth_deg, elevation_deg = rng.uniform(-180, 180, 500), rng.uniform(-40, 90, 500)
    found = head.nearest(direction_to_vector(azimuth_deg, elevation_deg, 7.0))
    off = great_circle_deg(azimuth_deg, elevation_deg, head.azimuth_deg[found], head.elevation_deg[found])
    assert off.max() < 8.0


def test_errors():
    with pytest.raises(SceneError, match="16000"):
        hrtf.kemar(8000)
    with pytest.raises(SceneError, match="mirror image"):
        hrtf.left_right_partner(np.array([0.0, 30.0]), np.array([0.0, 0.0]))


def test_package_data_is_the_published_measurement(repository, shared_audio, tmp_path):
    """Rebuilt from the SOFA file, the package data come out byte for byte."""
    pytest.importorskip("h5py")
    spec = importlib.util.spec_from_file_location("build_kemar", repository / "data" / "build_kemar.py")
    door = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(door)
    arrays = door.read_left_ear(shared_audio / "hrtf" / "mit_kemar_normal_pinna.sofa")
    np.savez_compressed(tmp_path / "again.npz", **arrays)
    assert sha256_of(tmp_path / "again.npz") == sha256_of(door.OUTPUT)


def test_package_data_is_small_and_attributed(repository):
    folder = repository / "spatial_llm" / "scenes" / "package_data"
    assert (folder / hrtf.KEMAR_FILE).stat().st_size < 2e6
    notice = (folder / "mit_kemar_attribution.txt").read_text()
    assert "Copyright 1994 by the MIT Media Laboratory" in notice and "provided the authors\n are cited" in notice
