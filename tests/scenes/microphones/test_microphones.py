"""Microphones: every format receives a source from its direction, after its delay, and at the level of its distance."""

import dataclasses
import json

import numpy as np
import pyroomacoustics as pra
import pytest
from pyroomacoustics.directivities import MeasuredDirectivity, Rotation3D
from pyroomacoustics.doa import GridSphere
from scipy.signal import correlate, resample

from spatial_llm.audio.ambisonics import intensity_direction, rotation, turn
from spatial_llm.audio.formats import FORMATS as ALL_FORMATS
from spatial_llm.audio.formats import Ambisonics, Array, AudioFormat, parse_format
from spatial_llm.audio.steering import steering
from spatial_llm.blocks import Shard
from spatial_llm.errors import SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S, direction_to_vector, great_circle_deg, vector_to_direction
from spatial_llm.scenes.bank import ResponseBank
from spatial_llm.scenes.bank_simulation import BankConfig, bank_blocks, join_bank, simulate_parts
from spatial_llm.scenes.heads.hrtf import interaural_delay_s, kemar
from spatial_llm.scenes.microphones import MICROPHONES, microphone_of, receive
from spatial_llm.scenes.microphones.impulses import sum_impulses
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.arrivals import Arrivals, simulate_arrivals
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.scenes.scene import Noise, Room
from spatial_llm.scenes.scene_json import scene_from_dict, scene_to_dict
from tests.scenes.ears import anechoic, level_db
from tests.scenes.small import ANECHOIC, scene
from tests.scenes.small import source as source_at

RATE, SAMPLES = 32000, 1600
TETRAHEDRON = [[0.06, 0.06, 0.06], [-0.06, -0.06, 0.06], [0.06, -0.06, -0.06], [-0.06, 0.06, -0.06]]
SPHERE = json.dumps({"positions_m": TETRAHEDRON, "sphere_radius_m": 0.06 * 3**0.5})
# The texts of formats that have fields; every other format of the library is tested by its name.
TEXTS = {"ambisonics": ["ambisonics1", "ambisonics3"], "array": [f"array:{TETRAHEDRON}", f"array:{SPHERE}"]}
FORMATS = [text for kind in ALL_FORMATS for text in TEXTS.get(kind, [kind])]
# All directions of a cube's faces, edges and corners.
CUBE = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z], dtype=float)


def heard(format: str, azimuth_deg, elevation_deg, distance_m, heading_deg=37.0) -> list[np.ndarray]:
    """Responses in an anechoic room to sources at these directions, as heard."""
    room, listener, positions_m = anechoic(azimuth_deg, elevation_deg, distance_m, heading_deg)
    arrivals = simulate_arrivals(room, listener.position_m, positions_m)
    return [receive(each, parse_format(format), heading_deg, RATE, SAMPLES) for each in arrivals]


def reverberant(seed: int = 0) -> Arrivals:
    room = Room("reverberant", (6.0, 5.0, 3.0), target_rt60_s=0.3, response_s=0.4)
    return simulate_arrivals(room, (2.0, 2.5, 1.5), [[4.0, 3.5, 1.2]])[0]


def lag_samples(late: np.ndarray, early: np.ndarray, finer: int = 20) -> float:
    """How much later the first waveform is, whatever its sign, to 1/finer of a sample."""
    late, early = (resample(x.astype(float), len(x) * finer) for x in (late, early))
    return (int(np.argmax(np.abs(correlate(late, early)))) - (len(early) - 1)) / finer


@pytest.mark.parametrize("heading_deg", [0.0, 37.0, -150.0])
def test_left_source_is_earlier_and_louder_left_as_the_head_says(heading_deg):
    head = kemar(RATE)
    azimuth_deg = np.array([90.0, -90.0, 30.0, 60.0, 120.0, -45.0])
    for azimuth, response in zip(azimuth_deg, heard("binaural", azimuth_deg, 0.0, 1.5, heading_deg), strict=True):
        side = np.sign(azimuth)
        own_s = interaural_delay_s(head.responses[head.nearest(direction_to_vector(azimuth, 0.0))], RATE)
        assert side * own_s > 0.2e-3
        assert interaural_delay_s(response, RATE) == pytest.approx(own_s, rel=0.1)
        assert side * (level_db(response[0]) - level_db(response[1])) > 6
    (front,) = heard("binaural", 0.0, 0.0, 1.5, heading_deg)
    assert abs(interaural_delay_s(front, RATE)) < 2e-5


@pytest.mark.parametrize("format", FORMATS)
def test_twice_the_distance_is_six_db_less(format):
    levels_db = [level_db(response) for response in heard(format, 20.0, 10.0, [1.0, 2.0, 4.0])]
    np.testing.assert_allclose(-np.diff(levels_db), 6.02, atol=0.1)


def test_a_source_in_front_at_one_metre_has_unit_gain_and_arrives_on_time():
    for format in ("binaural", "ambisonics1", "mono"):
        near, far = heard(format, 0.0, 0.0, [1.0, 4.0])
        ears = 2 if format == "binaural" else 1
        first = near if format == "binaural" else near[:1]
        assert level_db(first) - 10 * np.log10(ears) == pytest.approx(0, abs=0.1)
        assert lag_samples(far[0], near[0]) == pytest.approx(3.0 / SPEED_OF_SOUND_M_S * RATE, abs=0.1)
    (mono,) = heard("mono", 0.0, 0.0, 3.43)
    assert np.argmax(mono[0]) == round(0.01 * RATE)


def test_intensity_points_at_the_source_for_26_directions():
    azimuth_deg, elevation_deg, _ = vector_to_direction(CUBE)
    assert len(azimuth_deg) == 26
    for order in (1, 3):
        responses = heard(f"ambisonics{order}", azimuth_deg, elevation_deg, 2.0)
        for azimuth, elevation, response in zip(azimuth_deg, elevation_deg, responses, strict=True):
            found = vector_to_direction(intensity_direction(response))
            assert great_circle_deg(azimuth, elevation, *found[:2]) < 0.01
            assert found[2] == pytest.approx(1, abs=1e-4)  # all of it from one direction


@pytest.mark.parametrize("order", [1, 2, 3])
def test_rotating_the_scene_is_rotating_the_channels(order):
    """Turning head, and any rotation in space of all arrivals of a reverberant room, tail included."""
    arrivals, format = reverberant(), parse_format(f"ambisonics{order}")
    straight = receive(arrivals, format, 0.0, RATE, 8000).astype(np.float64)
    scale = np.abs(straight).max()
    turned = receive(arrivals, format, 50.0, RATE, 8000)  # the head to the left: the scene to the right
    np.testing.assert_allclose(turned, rotation(order, turn(-50.0)) @ straight, atol=1e-6 * scale)
    matrix = turn(20.0, -70.0, 130.0)
    moved = receive(Arrivals(arrivals.offsets_m @ matrix.T, arrivals.gains), format, 0.0, RATE, 8000)
    np.testing.assert_allclose(moved, rotation(order, matrix) @ straight, atol=1e-6 * scale)


def test_array_delays_match_geometry():
    """Between all pairs of microphones, for plane-like and for near sources, well below a sample."""
    format, positions_m = f"array:{TETRAHEDRON}", np.array(TETRAHEDRON)
    for azimuth_deg, elevation_deg, distance_m in ((75.0, 20.0, 3.0), (-160.0, -30.0, 0.5)):
        (response,) = heard(format, azimuth_deg, elevation_deg, distance_m)
        source = direction_to_vector(azimuth_deg, elevation_deg, distance_m)
        away_m = np.linalg.norm(source - positions_m, axis=1)
        for microphone in range(1, 4):
            lag = lag_samples(response[microphone], response[0])
            assert lag == pytest.approx((away_m[microphone] - away_m[0]) / SPEED_OF_SOUND_M_S * RATE, abs=0.1)
            assert level_db(response[microphone]) - level_db(response[0]) == pytest.approx(
                -20 * np.log10(away_m[microphone] / away_m[0]), abs=0.1
            )


def spectra(format: AudioFormat, directions: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """What the simulator gives of plane waves, relative to the sound at the centre: (frequencies, channels, waves)."""
    centre = Arrivals(np.array([[1.0, 0.0, 0.0]]), np.ones(1))
    turn = np.exp(-2j * np.pi * np.arange(SAMPLES) / RATE * hertz[:, None])
    found = [receive(Arrivals(each[None], np.ones(1)), format, 0.0, RATE, SAMPLES) @ turn.T for each in directions]
    return np.moveaxis(
        np.array(found) / (receive(centre, parse_format("mono"), 0.0, RATE, SAMPLES) @ turn.T), 0, -1
    ).transpose(1, 0, 2)


def test_a_rigid_sphere_is_heard_as_its_series_says():
    """Within 3 % of the sound in free air, from 100 Hz to 12 kHz, on both sides of the sphere; seen to fail by 20 % and more
    with the open array in its place."""
    format = parse_format(f"array:{SPHERE}")
    directions = CUBE / np.linalg.norm(CUBE, axis=1, keepdims=True)
    hertz = np.array([100.0, 500.0, 1000.0, 3000.0, 6000.0, 12000.0])
    found, known = spectra(format, directions, hertz), steering(format, directions, hertz)
    assert np.abs(found - known).max() < 0.03
    waves = np.moveaxis(microphone_of(format, RATE).free_field(directions), 0, -1)
    plane = np.einsum("ctq,ft->fcq", waves, np.exp(-2j * np.pi * np.arange(waves.shape[1]) / RATE * hertz[:, None]))
    plane /= plane[:, :1, :1] / known[:, :1, :1]  # up to the moment at which the wave passes the centre
    assert np.abs(plane - known).max() < 0.03


def test_a_small_sphere_is_no_obstacle():
    positions_m = tuple(map(tuple, 1e-4 * np.array(TETRAHEDRON) / np.linalg.norm(TETRAHEDRON[0])))
    arrivals = reverberant()
    small, free = (receive(arrivals, Array(positions_m, radius), 20.0, RATE, 8000) for radius in (1e-4, None))
    audible = np.fft.rfftfreq(8000, 1 / RATE) < 14000  # near half the rate their windows differ
    small, free = (np.fft.rfft(each.astype(np.float64))[:, audible] for each in (small, free))
    assert np.sum(np.abs(small - free) ** 2) < 1e-4 * np.sum(np.abs(free) ** 2)


def test_formats_in_conventions_of_files_are_not_simulated():
    with pytest.raises(SceneError, match="scenes are simulated in ACN/SN3D: give ambisonics1"):
        microphone_of(parse_format("foa:n3d"), RATE)
    with pytest.raises(SceneError, match="format is ambisonics1-fuma; scenes are simulated in ACN/SN3D"):
        render_scene(scene(source_at(60.0), format=parse_format("foa:fuma")), ".")


@pytest.mark.parametrize("format", FORMATS)
def test_free_field_is_the_direct_sound_from_afar(format):
    """Plane waves have the delays between channels and the levels of a source far away."""
    azimuth_deg, elevation_deg = np.array([0.0, 80.0, -130.0]), np.array([0.0, 20.0, -30.0])
    waves = microphone_of(parse_format(format), RATE).free_field(direction_to_vector(azimuth_deg, elevation_deg))
    sources = heard(format, azimuth_deg, elevation_deg, 5.0)
    assert waves.dtype == np.float32 and waves.shape[:2] == (3, parse_format(format).channels)
    for wave, source in zip(waves, 5 * np.array(sources), strict=True):
        np.testing.assert_allclose([level_db(x) for x in wave], [level_db(x) for x in source], atol=0.3)
        loudest = int(np.argmax(np.sum(wave**2, axis=1)))
        for channel in range(len(wave)):
            if level_db(wave[channel]) > -20:  # below, the nearest measured direction or the order decide
                lags = [lag_samples(x[channel], x[loudest]) for x in (wave, source)]
                assert lags[0] == pytest.approx(lags[1], abs=0.15)


def test_same_response_as_pyroomacoustics_own_directivity():
    """Our table of delayed heads against the library's sum, which rounds its delays to 1/20 sample."""
    room = Room("images", (6.0, 5.0, 3.0), absorption=0.5, max_order=5, ray_tracing=False, response_s=0.15)
    listener_m, heading_deg, samples = np.array([2.0, 2.2, 1.5]), 50.0, 4800
    sources_m = np.array([[4.0, 3.5, 1.2], [1.0, 4.0, 2.0]])
    shoebox = pra.ShoeBox(room.size_m, fs=RATE, materials=pra.Material(room.absorption), max_order=5, air_absorption=False)
    shoebox.set_sound_speed(SPEED_OF_SOUND_M_S)
    for source in sources_m:
        shoebox.add_source(source)
    head = kemar(RATE)
    grid, turned = GridSphere(cartesian_points=head.directions.T), Rotation3D([heading_deg], "z", degrees=True)
    for ear in range(2):
        taps = np.ascontiguousarray(head.responses[:, ear])
        shoebox.add_microphone(listener_m, directivity=MeasuredDirectivity(turned, grid, taps, RATE))
    shoebox.compute_rir()
    latency = pra.constants.get("frac_delay_length") // 2
    for source, arrivals in enumerate(simulate_arrivals(room, listener_m, sources_m)):
        ours = receive(arrivals, parse_format("binaural"), heading_deg, RATE, samples)
        for ear in range(2):
            theirs = shoebox.rir[ear][source][latency : latency + samples]
            assert np.sum((ours[ear, : len(theirs)] - theirs) ** 2) < 10**-3 * np.sum(theirs**2)


def test_what_arrives_after_the_end_is_left_out():
    for format in map(parse_format, FORMATS):
        arrivals = reverberant()
        long, short = (receive(arrivals, format, 0.0, RATE, samples) for samples in (8000, 3000))
        np.testing.assert_allclose(short, long[:, :3000], atol=1e-7)
        late = dataclasses.replace(arrivals, offsets_m=arrivals.offsets_m * 1e3)
        assert not receive(late, format, 0.0, RATE, 100).any()


# --- a new microphone ---------------------------------------------------------------------------------------------------


def test_every_format_has_a_microphone_and_no_format_falls_to_another():
    assert set(MICROPHONES) == set(ALL_FORMATS)

    @dataclasses.dataclass(frozen=True)
    class Unknown(AudioFormat):
        kind, name, channels, channel_names = "unknown", "unknown", 1, ("1",)

    with pytest.raises(SceneError, match=f"no microphone for format 'unknown'; there are {', '.join(ALL_FORMATS)}"):
        microphone_of(Unknown(), RATE)


@dataclasses.dataclass(frozen=True)
class FigureOfEight(AudioFormat):
    """A microphone that is not in the library, written as an extension would be."""

    kind = texts = name = "figure_of_eight"
    channels, channel_names = 1, ("sideways",)

    def mirror(self, waveform):
        return -waveform

    def mirrors_exactly(self, measured=False):
        return True


@dataclasses.dataclass
class SidewaysMicrophone:
    format: FigureOfEight
    sampling_rate: int
    head = None

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        gains = arrivals.gains * arrivals.offsets_m[:, 1] / distance_m
        return sum_impulses(distance_m, gains[None], self.sampling_rate, samples)

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        return (directions[:, 1] / np.linalg.norm(directions, axis=1))[:, None, None].astype(np.float32)


def test_a_new_microphone_is_a_class_of_each_kind_and_a_line_in_each_table(tmp_path, monkeypatch):
    """It renders with noise, goes through JSON and a bank, and is mirrored, while no other line of the library changes."""
    monkeypatch.setitem(ALL_FORMATS, "figure_of_eight", FigureOfEight)
    monkeypatch.setitem(MICROPHONES, "figure_of_eight", SidewaysMicrophone)
    new = parse_format("figure_of_eight")
    placed = scene(source_at(60.0), format=new, noise=Noise("white", 40.0), room=ANECHOIC)
    assert scene_from_dict(json.loads(json.dumps(scene_to_dict(placed)))) == placed
    sideways = render_scene(placed, tmp_path)[0]
    y = render_scene(dataclasses.replace(placed, noise=None), tmp_path, Ambisonics(1))[1]
    assert np.sum((sideways - y) ** 2) == pytest.approx(1e-4 * np.sum(y**2), rel=0.05), "the Y of ambisonics, and the noise"
    config = BankConfig("b", 0, 1, RoomConfig(positions_per_room=2, max_order=1, ray_tracing=False, duration_s=0.1),
                        ["figure_of_eight", "foa"])  # fmt: skip
    simulate_parts(config, bank_blocks(config, tmp_path / "parts"), Shard(), 1, progress=False)
    bank = join_bank(config, bank_blocks(config, tmp_path / "parts"), tmp_path / "bank")
    assert ResponseBank.load(tmp_path / "bank").formats == [new, Ambisonics(1)]
    np.testing.assert_allclose(bank.response(0, new), bank.response(0, Ambisonics(1))[1:2], atol=1e-6)
    np.testing.assert_array_equal(bank.response(0, new, mirror=True), -bank.response(0, new))
