"""Physics of the cues of the sound field: what they are for plane waves and diffuse fields, and what must not change them.

Each test names the wrong build that it was seen to find.
"""

import numpy as np
import pytest
import torch

from spatial_llm.audio.ambisonics import rotation, turn
from spatial_llm.audio.cues.field import (
    FIELD_CUES,
    KNOWN,
    MAP,
    field_cues,
    field_matrices,
    harmonics,
    mirror_field_cues,
    products,
    rotate_field_cues,
)
from spatial_llm.audio.directions import direction_grid, rings_for
from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.audio.steering import steering
from spatial_llm.errors import AudioError
from tests.audio.cues.waves import (
    CUBE,
    FRONT,
    GLASSES,
    LINE,
    MICROPHONES,
    TETRAHEDRON,
    array,
    band,
    degrees_between,
    peak,
    planes,
    waves,
)

ROOM = np.array([[1.0, 0.5, 0.2], [-0.3, 1.0, -0.4], [0.1, -1.0, 0.6]])  # three sounds at once
TURNED = turn(50, 20, -35)
ROWS = {name: row for row, name in enumerate(FIELD_CUES)}
MAPS = slice(1, 16)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("name", ["rigid tetrahedron", "glasses", "ring"])
def test_1_the_order_of_microphones_changes_nothing(name):
    """Finds: matrices whose rows are sorted, or pairs that are weighted by their place."""
    format = MICROPHONES[name]
    order = np.random.default_rng(1).permutation(format.channels)
    shuffled = Array(tuple(format.positions_m[index] for index in order), format.sphere_radius_m)
    recording = waves(format, ROOM, noise=0.1)
    np.testing.assert_allclose(planes(recording[order], shuffled), planes(recording, format), atol=2e-5)


@pytest.mark.parametrize("positions", [TETRAHEDRON, GLASSES], ids=["tetrahedron", "glasses"])
def test_2_turned_coordinates_turn_the_map(positions):
    """Finds: the transpose of the rotation; harmonics of another order of channels; a grid of few directions."""
    recording = waves(array(positions), ROOM)
    before = planes(recording, array(positions))
    after = planes(recording, array(positions @ TURNED.T))
    expected = rotate_field_cues(torch.from_numpy(before), FIELD_CUES, TURNED).numpy()
    below = band(100, 8000)
    assert relative(after[MAPS][..., below], expected[MAPS][..., below]) < 2e-3
    still = [ROWS["logmel_mean"], ROWS["directness"], *(ROWS[name] for name in KNOWN)]
    np.testing.assert_allclose(after[still][..., below], before[still][..., below], atol=2e-3)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_3_turned_ambisonics_turn_the_map_and_the_scene(order):
    """Finds: the inverse rotation, and one that leaves degree 2 as it is."""
    format = Ambisonics(order)
    recording = waves(format, ROOM)
    turned = (rotation(order, TURNED) @ recording).astype(np.float32)
    expected = rotate_field_cues(torch.from_numpy(planes(recording, format)), FIELD_CUES, TURNED).numpy()
    assert relative(planes(turned, format)[MAPS], expected[MAPS]) < 1e-4
    np.testing.assert_allclose(planes(waves(format, ROOM @ TURNED.T), format), expected, atol=1e-3)


def test_4_first_order_is_the_beginning_of_every_higher_order():
    """Finds: a map without units, of which one plane wave has 0.08 in degree 1 in third order, and 0.22 in first."""
    third = waves(MICROPHONES["hoa3"], ROOM)
    first = waves(MICROPHONES["foa"], ROOM)
    np.testing.assert_allclose(third[:4] * (first.std() / third[:4].std()), first, atol=1e-6)
    one = {name: planes(waves(MICROPHONES[name], ROOM[:1]), MICROPHONES[name]) for name in ("foa", "hoa2", "hoa3")}
    for name in ("hoa2", "hoa3"):
        np.testing.assert_allclose(one[name][1:4], one["foa"][1:4], atol=0.11)  # SMALL limits the units by up to 7 %
    np.testing.assert_array_equal(one["foa"][[ROWS[name] for name in MAP[8:]]].round(5), 0)  # no degree 3 in first order


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "high_hz", "worst_deg"),
    [("foa", 12_000, 5), ("hoa3", 12_000, 5), ("open tetrahedron", 4000, 5), ("rigid tetrahedron", 4000, 5)],
)
def test_5_the_map_is_largest_towards_a_plane_wave(name, high_hz, worst_deg):
    """Finds: phases of the wrong sign, exchanged axes, and positions in centimetres."""
    format = MICROPHONES[name]
    errors = [degrees_between(peak(planes(waves(format, u[None]), format), 250, high_hz), u) for u in CUBE]
    assert max(errors) < worst_deg


def test_5_a_line_of_microphones_claims_a_cone_and_no_direction_on_it():
    """Finds: any asymmetry around the line, such as one from the grid of directions."""
    format = array(LINE)
    source = np.array([[np.sqrt(0.5), 0.5, 0.5]])
    cues = planes(waves(format, source), format)
    around = np.arange(36) * np.pi / 18
    cone = np.stack([np.sqrt(0.75) * np.cos(around), np.full(36, 0.5), np.sqrt(0.75) * np.sin(around)], axis=1)
    values = harmonics(cone)[:, 1:] @ cues[MAPS][..., band(500, 4000)].mean(axis=(1, 2))
    assert np.ptp(values) < 0.02 * values.mean() and values.mean() > 1
    assert abs(np.rad2deg(np.arcsin(peak(cues, 500, 4000)[1])) - 30) < 8


def test_6_a_plane_of_microphones_knows_nothing_that_is_odd_across_it():
    """Finds: a grid that is not symmetric in z."""
    cues = planes(waves(MICROPHONES["ring"], ROOM, noise=0.05), MICROPHONES["ring"])
    above = planes(waves(MICROPHONES["ring"], ROOM * [1, 1, -1], noise=0.05), MICROPHONES["ring"])
    odd = [index for index in range(1, 16) if (_degree(index) + _index(index)) % 2]
    assert len(odd) == 6 and np.abs(cues[odd]).max() < 1e-4
    np.testing.assert_allclose(above, cues, atol=2e-4)  # mirrored in the plane, a scene is the same to it


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MICROPHONES))
def test_7_a_diffuse_field_has_a_flat_map(name):
    """Finds: maps without whitening, which ring and glasses have peaks of .07 and .05 in."""
    format = MICROPHONES[name]
    directions, weights = direction_grid(25)
    frequencies = np.fft.rfftfreq(FRONT.n_fft, 1 / FRONT.sampling_rate)
    vectors = torch.from_numpy(np.array(steering(format, directions, frequencies)))
    matrices = field_matrices(format, FRONT, steering)
    white = matrices.whitening.to(torch.complex128) @ vectors
    mean = (products(white) * torch.from_numpy(weights)).sum(-1)  # (frequencies, products)
    total = mean[:, : format.channels].sum(1, keepdim=True)
    shares = ((mean[:, None] @ matrices.forms.double())[:, 0] / total).abs()[4:]
    # The load keeps a small array from being whitened all the way where its channels hardly differ.
    assert shares.max() < (1e-6 if isinstance(format, Ambisonics) else 0.02)


def test_7_many_plane_waves_are_less_direct_than_one():
    """Finds: a directness that is not in units of one plane wave."""
    grid = direction_grid()[0]
    for name, format in MICROPHONES.items():
        one, many = (planes(waves(format, each), format)[ROWS["directness"]].mean() for each in (grid[70:71], grid))
        assert 0.75 < one < 1.3 and many < 0.6 * one, name


@pytest.mark.parametrize("name", ["foa", "glasses"])
def test_8_gain_and_a_common_delay_change_the_level_alone(name):
    """Finds: thresholds in absolute units, and phases relative to one microphone."""
    format = MICROPHONES[name]
    recording = waves(format, ROOM, noise=0.05)
    before, louder = planes(recording, format), planes(8 * recording, format)
    np.testing.assert_allclose(louder[1:], before[1:], atol=2e-4)
    np.testing.assert_allclose(louder[0], before[0] + 20 * np.log10(8), atol=1e-3)
    later = planes(np.roll(recording, FRONT.hop_length, axis=1), format)  # a whole frame: the frames are the same, one later
    np.testing.assert_allclose(later[:, 4:-2], before[:, 3:-3], atol=2e-4)


@pytest.mark.parametrize("name", ["rigid tetrahedron", "glasses"])
def test_9_a_microphone_twice_changes_little(name):
    """Finds: whitening without a load, which has no answer here."""
    format = MICROPHONES[name]
    recording = waves(format, ROOM, noise=0.01)
    doubled = Array((*format.positions_m, format.positions_m[0]), format.sphere_radius_m)
    before, after = planes(recording, format), planes(np.concatenate([recording, recording[:1]]), doubled)
    assert np.isfinite(after).all()
    below = band(250, 4000)
    assert relative(after[MAPS][..., below], before[MAPS][..., below]) < 0.25


@pytest.mark.parametrize("name", ["foa", "hoa3", "glasses"])
def test_10_the_mirrored_scene_has_mirrored_cues(name):
    """Finds: signs by degree instead of by index, and an asymmetric grid."""
    format = MICROPHONES[name]
    mirrored = format if isinstance(format, Ambisonics) else array(np.array(format.positions_m) * [1, -1, 1])
    recording = waves(format, ROOM)
    other = format.mirror(recording) if isinstance(format, Ambisonics) else recording
    expected = mirror_field_cues(torch.from_numpy(planes(recording, format)), FIELD_CUES).numpy()
    np.testing.assert_allclose(planes(other.astype(np.float32), mirrored), expected, atol=2e-4)


# --- beside the physics -----------------------------------------------------------------------------------------------


def _degree(index: int) -> int:
    return int(np.sqrt(index))


def _index(index: int) -> int:
    return index - _degree(index) ** 2 - _degree(index)


@pytest.mark.parametrize("name", ["foa", "rigid tetrahedron", "glasses"])
def test_the_harmonics_are_those_of_the_written_out_map(name):
    """The map is never computed: here it is, for each bin, from the definition."""
    format = MICROPHONES[name]
    recording = waves(format, ROOM, noise=0.1)
    spectrum = np.fft.rfft(recording[:, : FRONT.n_fft] * np.hanning(FRONT.n_fft + 1)[:-1])
    directions, weights = direction_grid(rings_for(format, FRONT.f_max))
    vectors = np.array(steering(format, directions, np.fft.rfftfreq(FRONT.n_fft, 1 / FRONT.sampling_rate)))
    matrices = field_matrices(format, FRONT, steering)
    for bin in (4, 20, 75, 150):
        covariance = (vectors[bin] * weights) @ vectors[bin].conj().T
        load = 0.01 * np.trace(covariance).real / format.channels * np.eye(format.channels)
        values, basis = np.linalg.eigh(covariance + load)
        whitening = basis @ np.diag(values**-0.5) @ basis.conj().T
        white, heard = whitening @ vectors[bin], whitening @ spectrum[:, bin]
        likeness = np.abs(white.conj().T @ heard) ** 2 / (np.linalg.norm(white, axis=0) ** 2 * np.linalg.norm(heard) ** 2)
        assert likeness.min() >= 0 and likeness.max() <= 1 + 1e-9
        expected = harmonics(directions)[:, 1:].T @ (weights * likeness)
        white = torch.from_numpy((matrices.whitening[bin].numpy() @ spectrum[:, bin, None]).astype(np.complex64))
        numbers = products(white)[:, 0]
        found = numbers @ matrices.forms[bin] / numbers[: format.channels].sum()
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_the_grid_is_exact_for_products_of_harmonics():
    directions, weights = direction_grid()
    found = (harmonics(directions) * weights[:, None]).T @ harmonics(directions)
    np.testing.assert_allclose(found, np.eye(16), atol=1e-12)
    assert weights.sum() == pytest.approx(1)


def test_one_plane_wave_has_one_level_in_every_format():
    levels = {}
    for name, format in MICROPHONES.items():
        frequencies = np.array([300.0])
        power = np.mean([np.abs(steering(format, u[None], frequencies)[0, :, 0]) ** 2 for u in CUBE], axis=0).sum()
        bin = round(300 / (FRONT.sampling_rate / FRONT.n_fft))
        levels[name] = 10 * np.log10(power * float(field_matrices(format, FRONT, steering).pressure[bin]))
    assert max(levels.values()) - min(levels.values()) < 0.3 and abs(levels["foa"]) < 0.3


def test_what_is_known_falls_with_what_the_array_can_know():
    known = {name: field_matrices(format, FRONT, steering).known.numpy() for name, format in MICROPHONES.items()}
    assert field_matrices(array([[0, 0, 0]]), FRONT, steering).known.max() < 1e-6  # one microphone has no map
    assert known["foa"][2].max() < 1e-6 < known["hoa2"][2].min()
    above, low = band(8000, 12_000), band(500, 1000)
    assert known["open tetrahedron"][0, above].mean() < 0.3 * known["open tetrahedron"][0, low].mean()  # aliasing


def test_silence_tells_nothing_and_is_finite():
    cues = planes(np.zeros((4, 4096), np.float32), MICROPHONES["foa"])
    assert np.isfinite(cues).all() and not cues[1:17].any() and cues[0].max() == -100


def test_blocks_and_batches_change_nothing(monkeypatch):
    format = MICROPHONES["glasses"]
    batch = torch.from_numpy(np.stack([waves(format, ROOM, seed) for seed in (0, 1)]))
    whole = field_cues(batch, format, FIELD_CUES, FRONT, steering)
    monkeypatch.setattr("spatial_llm.audio.cues.field.BLOCK_NUMBERS", 1)
    torch.testing.assert_close(field_cues(batch[1:], format, FIELD_CUES, FRONT, steering)[0], whole[1], atol=1e-5, rtol=1e-5)
    some = field_cues(batch, format, ["map_x", "logmel_mean"], FRONT, steering)
    torch.testing.assert_close(some, whole[:, [ROWS["map_x"], 0]])


def test_part_of_a_degree_cannot_be_turned_and_unknown_cues_are_named():
    with pytest.raises(AudioError, match="expected all of map_y, map_z, map_x or none"):
        rotate_field_cues(torch.zeros(2, 1, 1), ["map_y", "logmel_mean"], TURNED)
    assert rotate_field_cues(torch.ones(1, 1, 1), ["logmel_mean"], TURNED).item() == 1
    with pytest.raises(AudioError, match=r"cues \['map_w'\] unknown"):
        field_cues(torch.zeros(1, 4, 4096), MICROPHONES["foa"], ["map_w"], FRONT, steering)
