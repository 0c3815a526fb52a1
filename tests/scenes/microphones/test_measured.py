"""Measured arrays: a SOFA file with any number of microphones is heard from nearest directions, or says what is wrong."""

import numpy as np
import pytest
import sofar
from pyroomacoustics.doa import fibonacci_spherical_sampling

from spatial_llm.audio.formats import Array
from spatial_llm.audio.steering import steering
from spatial_llm.errors import SceneError
from spatial_llm.geometry import vector_to_direction
from spatial_llm.scenes.heads.binaural_rendering import ear_filters
from spatial_llm.scenes.heads.sofa_file import read_measured_array
from spatial_llm.scenes.microphones import microphone_of, receive
from spatial_llm.scenes.microphones.measured import measured_transfer, read_array
from spatial_llm.scenes.room.arrivals import Arrivals

pytestmark = pytest.mark.slow  # a real simulation or model in every test

RATE = 32000
POSITIONS_M = 0.06 * np.array([[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]) / np.sqrt(3)
OPEN = Array(tuple(map(tuple, POSITIONS_M)))
GRID = fibonacci_spherical_sampling(150).T


def write_array(path, directions=GRID, convention="GeneralFIR", **fields) -> str:
    """The open array as if it had been measured."""
    azimuth_deg, elevation_deg, _ = vector_to_direction(directions)
    sofa = sofar.Sofa(convention)
    sofa.Data_IR = microphone_of(OPEN, RATE).free_field(directions).astype(float)
    sofa.Data_SamplingRate, sofa.Data_Delay = float(RATE), np.zeros((1, len(POSITIONS_M)))
    sofa.SourcePosition = np.column_stack([azimuth_deg % 360, elevation_deg, np.full(len(directions), 1.5)])
    sofa.SourcePosition_Type, sofa.SourcePosition_Units = "spherical", "degree, degree, metre"
    sofa.ReceiverPosition, sofa.ReceiverPosition_Type, sofa.ReceiverPosition_Units = POSITIONS_M, "cartesian", "metre"
    for name, value in fields.items():
        setattr(sofa, name, value)
    sofar.write_sofa(str(path), sofa, compression=0)
    return str(path)


def measured(path) -> Array:
    return Array(OPEN.positions_m, sofa=path)


def test_a_measured_array_receives_what_the_array_itself_receives(tmp_path):
    """From measured directions; several arrivals at fractions of a sample."""
    path = write_array(tmp_path / "array.sofa")
    ways_m = np.linspace(2.0, 6.0, 40)
    arrivals = Arrivals(GRID[:40] * ways_m[:, None], np.linspace(1.0, -0.5, 40))
    found = receive(arrivals, measured(path), 0.0, RATE, 2000)
    waves = microphone_of(measured(path), RATE).free_field(GRID[:40])
    when = ways_m / 343.0
    assert found.shape == (4, 2000) and found.dtype == np.float32
    spectrum = np.fft.rfft(np.pad(waves, ((0, 0), (0, 0), (0, 2000))), 4000)
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(4000, 1 / RATE) * when[:, None])
    gains = (arrivals.gains / ways_m)[:, None, None]
    expected = np.fft.irfft((spectrum * shift[:, None] * gains).sum(axis=0), 4000)[:, :2000]
    assert np.sum((found - expected) ** 2) < 3e-3 * np.sum(expected**2), "what is cut off rings near half the sampling rate"


def test_its_transfer_functions_are_those_of_the_positions_but_for_one_delay(tmp_path):
    path = write_array(tmp_path / "array.sofa")
    hertz = np.array([200.0, 1000.0, 4000.0, 8000.0])
    found, known = measured_transfer(measured(path), GRID, hertz), steering(OPEN, GRID, hertz)
    common = found[:, :1, :1] / known[:, :1, :1]
    np.testing.assert_allclose(found / common, known, atol=0.03)
    assert not measured_transfer(measured(path), GRID[:3], np.array([16000.0])).any(), "above half the rate nothing is known"
    np.testing.assert_allclose(read_array(path).directions, GRID, atol=1e-6)


def test_ears_are_rendered_from_measured_responses_as_from_the_positions(tmp_path):
    path = write_array(tmp_path / "array.sofa", fibonacci_spherical_sampling(800).T)
    noise = np.random.default_rng(0).standard_normal(8000)
    wave = microphone_of(OPEN, RATE).free_field(np.array([[0.3, 0.8, 0.1]]))[0]
    waveform = np.stack([np.convolve(noise, each) for each in wave]).astype(np.float32)
    heard = [ear_filters(each, RATE).render(waveform) for each in (OPEN, measured(path))]
    energies = [np.sum(each.astype(np.float64) ** 2, axis=1) for each in heard]
    np.testing.assert_allclose(10 * np.log10(energies[0] / energies[1]), 0.0, atol=0.7)


@pytest.mark.parametrize("convention", ["GeneralFIR", "SimpleFreeFieldHRIR"])
def test_positions_come_from_the_file_in_the_listeners_frame(tmp_path, convention):
    fields = {"Data_Delay": np.zeros((1, 4))}
    np.testing.assert_allclose(
        read_measured_array(write_array(tmp_path / "a.sofa", convention=convention, **fields)).receivers_m, POSITIONS_M
    )


@pytest.mark.parametrize(
    ("format", "said"),
    [
        (Array(OPEN.positions_m[:3]), "measured with 4 microphones, and positions_m has 3"),
        (Array(OPEN.positions_m[::-1]), "do not fit positions_m"),
        (Array(tuple((x, -y, z) for x, y, z in OPEN.positions_m)), "do not fit positions_m"),
    ],
)
def test_positions_that_are_not_those_of_the_file_are_refused(tmp_path, format, said):
    path = write_array(tmp_path / "array.sofa")
    with pytest.raises(SceneError, match=said):
        microphone_of(Array(format.positions_m, sofa=path), RATE)


def test_a_file_of_another_kind_or_none_is_refused(tmp_path):
    with pytest.raises(SceneError, match="no such file; give a SOFA file with impulse responses of an array"):
        read_array(tmp_path / "none.sofa", RATE)
    path = tmp_path / "tf.sofa"
    sofa = sofar.Sofa("GeneralTF")
    sofa.Data_Real, sofa.Data_Imag, sofa.N = np.ones((3, 2, 5)), np.zeros((3, 2, 5)), np.arange(5.0)
    sofa.SourcePosition = np.eye(3)
    sofar.write_sofa(str(path), sofa)
    with pytest.raises(SceneError, match=r"GeneralTF with data None.*expected SimpleFreeFieldHRIR or GeneralFIR"):
        read_array(path, RATE)
