"""Directions that contradict the responses are found in the responses; heads that are right raise no alarm."""

import warnings

import numpy as np
import pytest

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.heads.hrtf import kemar, read_sofa
from tests.scenes.sofa_files import RATE, write_kemar

HEAD = kemar(RATE)
AZIMUTH_DEG, ELEVATION_DEG = HEAD.azimuth_deg % 360, HEAD.elevation_deg
FILES = [
    "mit_kemar_normal_pinna.sofa",
    "FHK_HRIR_L2354.sofa",
    "LISTEN_1002_IRC_1002_C_HRIR.sofa",
    "HRIR_CIRC360_NF025.sofa",
    "HRIR_CIRC360_NF050.sofa",
    "HRIR_CIRC360_NF100.sofa",
]


def at(azimuth_deg=AZIMUTH_DEG, elevation_deg=ELEVATION_DEG, distance_m=1.4):
    """Positions of KEMAR's directions, told otherwise."""
    return np.column_stack([azimuth_deg % 360, elevation_deg, np.broadcast_to(distance_m, len(AZIMUTH_DEG))])


@pytest.mark.parametrize(
    ("positions", "said"),
    [
        (at(180 - AZIMUTH_DEG), "front and back exchanged"),
        (at(elevation_deg=-ELEVATION_DEG), "elevation counted downwards"),
        (at(-AZIMUTH_DEG), "counted clockwise"),
        (at(AZIMUTH_DEG + 180), "ears exchanged"),
        (at(AZIMUTH_DEG + 30), "askew by 30 degrees"),
        (at(AZIMUTH_DEG - 30), "askew by 30 degrees"),
    ],
)
def test_mirrored_and_turned_grids_are_refused(tmp_path, positions, said):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it goes farther down than up
        with pytest.raises(SceneError, match=f"bad.sofa: .*{said}"):
            read_sofa(write_kemar(tmp_path / "bad.sofa", SourcePosition=positions), RATE)


def test_colatitude_of_the_upper_half_is_found_in_the_delays(tmp_path):
    upper = ELEVATION_DEG >= 0
    positions = at(elevation_deg=90 - ELEVATION_DEG)[upper]
    with pytest.raises(SceneError, match="elevation from above"):
        read_sofa(write_kemar(tmp_path / "bad.sofa", upper, SourcePosition=positions), RATE)


def test_a_grid_that_only_goes_down_is_warned_of(tmp_path):
    upper = ELEVATION_DEG >= 30
    positions = at(elevation_deg=-ELEVATION_DEG)[upper]
    with pytest.warns(UserWarning, match="from -90 to -30 degrees of elevation, farther down than up"):
        read_sofa(write_kemar(tmp_path / "down.sofa", upper, SourcePosition=positions), RATE)


@pytest.mark.parametrize(
    "part",
    [np.abs(HEAD.azimuth_deg) <= 90, HEAD.azimuth_deg >= 0, HEAD.azimuth_deg <= 0, ELEVATION_DEG == 0, ELEVATION_DEG >= 0,
     (HEAD.azimuth_deg >= 0) & (HEAD.azimuth_deg <= 90), HEAD.directions @ direction_to_vector(45.0, 20.0) > 0.8,
     (ELEVATION_DEG == 0) & (np.round(HEAD.azimuth_deg) == -90)],
)  # fmt: skip
def test_parts_of_the_sphere_are_read_without_alarm(tmp_path, part):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_sofa(write_kemar(tmp_path / "part.sofa", part), RATE).directions) == part.sum()


def test_a_direction_that_tells_no_ears_apart_is_refused(tmp_path):
    front = (ELEVATION_DEG == 0) & (AZIMUTH_DEG == 0)
    with pytest.raises(SceneError, match="expected a direction to the side"):
        read_sofa(write_kemar(tmp_path / "front.sofa", front), RATE)


def test_a_shell_whose_radii_scatter_is_one_shell(tmp_path):
    for spread_m in (0.02, 0.06):
        scattered = at(distance_m=1.4 + np.random.default_rng(0).uniform(-spread_m, spread_m, len(AZIMUTH_DEG)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            head = read_sofa(write_kemar(tmp_path / f"{spread_m}.sofa", SourcePosition=scattered), RATE)
        np.testing.assert_allclose(head.directions, HEAD.directions, atol=1e-12)
    # few directions, whose radii leave wide gaps
    few = (ELEVATION_DEG == 0) & (AZIMUTH_DEG % 45 == 0)
    scattered = at(distance_m=1.4)[few] + np.outer(np.arange(few.sum()) % 2, [0, 0, 0.1])
    assert len(read_sofa(write_kemar(tmp_path / "few.sofa", few, SourcePosition=scattered), RATE).directions) == few.sum()


def test_of_several_shells_the_farthest_is_taken_in_words(tmp_path):
    horizon = np.flatnonzero(ELEVATION_DEG == 0)
    index = np.concatenate([horizon, horizon, np.flatnonzero(ELEVATION_DEG == 40)])
    positions = at()[index]
    positions[:, 2] = np.repeat([0.5, 1.0, 0.5], [len(horizon), len(horizon), len(index) - 2 * len(horizon)])
    path = write_kemar(tmp_path / "shells.sofa", Data_IR=HEAD.responses[index].astype(float), SourcePosition=positions)
    with pytest.warns(UserWarning, match=r"2 distances \(0.50, 1.00 m\); the farthest is taken, 72 of .*; \d+ directions"):
        head = read_sofa(path, RATE)
    assert len(head.directions) == 72 and not head.elevation_deg.any()


def test_a_response_that_comes_too_late_or_not_at_all_is_named(tmp_path):
    """Cut to the length of a head, nothing of it would be left."""
    whole = HEAD.responses.astype(float)
    late = np.pad(whole, ((0, 0), (0, 0), (0, 600)))
    late[100] = np.roll(late[100], 500, axis=-1)
    quiet = whole.copy()
    quiet[100] *= 1e-5
    for name, responses in (("late", late), ("quiet", quiet)):
        with pytest.raises(
            SceneError, match=f"{name}.sofa: the response at azimuth .* is silent, or begins more than 7.5 ms"
        ):
            read_sofa(write_kemar(tmp_path / f"{name}.sofa", Data_IR=responses), RATE)


@pytest.mark.parametrize("name", FILES)
def test_measured_heads_raise_no_alarm(shared_audio, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = read_sofa(shared_audio / "hrtf" / name, RATE)
    assert len(head.directions) == len(head.responses) >= 187
