"""Encoding of sound files: what is written, in what memory, what is refused, and that nothing is left behind."""

import json
import resource

import numpy as np
import pytest
import soundfile

from spatial_llm.audio import encoding_file
from spatial_llm.audio.ambisonic_encoding import EncodingSettings, ambisonic_filters
from spatial_llm.audio.encoding_file import encode_file
from spatial_llm.audio.formats import Ambisonics, format_from_dict
from spatial_llm.audio.io import read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import AudioError, OutputError
from spatial_llm.files import sha256_of
from tests.audio.cues.waves import RING, TETRAHEDRON, array

RATE = 16_000
OPEN = array(TETRAHEDRON)
SETTINGS = EncodingSettings()


def write(path, channels=4, samples=5000, rate=RATE, seed=0):
    noise = 0.1 * np.random.default_rng(seed).standard_normal((samples, channels))
    soundfile.write(path, noise, rate, subtype="FLOAT")
    return path


def test_the_file_is_what_the_filters_make_and_the_json_says_what_holds(tmp_path):
    recording = write(tmp_path / "a.wav")
    out = tmp_path / "made" / "foa.wav"
    facts = encode_file(recording, OPEN, out, SETTINGS)
    assert sorted(each.name for each in out.parent.iterdir()) == ["foa.wav", "foa.wav.json"]
    encoded, rate = read_audio(out)
    filters = ambisonic_filters(OPEN, RATE)
    assert rate == RATE and soundfile.info(out).subtype == "FLOAT"
    np.testing.assert_allclose(encoded, filters.encode(read_audio(recording)[0]), atol=1e-6)
    written = json.loads((out.parent / "foa.wav.json").read_text())
    assert written == json.loads(json.dumps(facts))
    assert format_from_dict(written["format"]) == Ambisonics(1) and format_from_dict(written["microphone"]) == OPEN
    assert written["recording"] == {"name": "a.wav", "sha256": sha256_of(recording)}
    assert written["samples"] == 5000 and written["settings"] == {"order": 1, "min_validity": 0.5}
    assert written["words"] == filters.validity.words(OPEN.tells) and written["words"][1].startswith("Y holds from ")
    assert [band["low_hz"] for band in written["bands"]][:2] == [44.2, 88.4]
    assert len(written["bands"]) == 8 and written["bands"][-1]["high_hz"] == RATE / 2
    assert set(written["bands"][0]) == {
        *("low_hz", "high_hz", "validity", "kept", "noise_gain_db", "direction_error_deg", "azimuth_error_deg")
    }
    assert str(tmp_path) not in (out.parent / "foa.wav.json").read_text()


def test_blocks_of_any_size_give_the_same_file(tmp_path, monkeypatch):
    recording = write(tmp_path / "a.flac.wav", samples=9001)
    encode_file(recording, OPEN, tmp_path / "whole.wav", SETTINGS)
    for block in (512, 3000, 9001):
        monkeypatch.setattr(encoding_file, "BLOCK", block)
        encode_file(recording, OPEN, tmp_path / "parts.wav", SETTINGS)
        parts, whole = (read_audio(tmp_path / name)[0] for name in ("parts.wav", "whole.wav"))
        assert parts.shape == whole.shape == (4, 9001)
        np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_more_than_a_wav_can_hold_has_a_header_of_64_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding_file, "MOST_OF_WAV", 1000)
    encode_file(write(tmp_path / "a.wav"), OPEN, tmp_path / "foa.wav", SETTINGS)
    assert (tmp_path / "foa.wav").read_bytes()[:4] == b"RF64"
    assert read_audio(tmp_path / "foa.wav")[0].shape == (4, 5000)


@pytest.mark.parametrize(
    ("channels", "format", "out", "said"),
    [
        (5, OPEN, "foa.wav", r"a.wav: 4 channels needed, got 5; expected array4-\w+ \(4, samples\)"),
        (8, array(RING), "foa.flac", "foa.flac: the result is a WAV file; give a name that ends in .wav"),
        (4, OPEN, "a.wav", "a.wav is the recording itself; give the result another name"),
        (4, Ambisonics(1), "foa.wav", "ambisonics1 is not encoded to ambisonics; give an array"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(channels, format, out, said, tmp_path):
    recording = write(tmp_path / "a.wav", channels)
    with pytest.raises(AudioError, match=said):
        encode_file(recording, format, tmp_path / out, SETTINGS)
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]


def test_a_recording_beyond_the_limits_or_with_a_wrong_sample_leaves_nothing(tmp_path):
    recording = write(tmp_path / "a.wav", samples=20_000)
    with pytest.raises(AudioError, match="max_seconds"):
        encode_file(recording, OPEN, tmp_path / "foa.wav", SETTINGS, limits=AudioLimits(max_seconds=1.0))
    samples = soundfile.read(recording)[0]
    samples[15_000, 2] = np.nan
    soundfile.write(recording, samples, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="nan at channel 2, sample 15000"):
        encode_file(recording, OPEN, tmp_path / "foa.wav", SETTINGS)
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("room", [20, 200_000, 40_000 * 4 * 4])
def test_a_full_disk_is_named_and_what_was_there_stays(room, tmp_path):
    """Room for less than the header, for a part, and for all but the header."""
    recording = write(tmp_path / "a.wav", samples=40_000)
    (tmp_path / "foa.wav").write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OutputError, match=r"foa\.wav: cannot be written"):
            encode_file(recording, OPEN, tmp_path / "foa.wav", SETTINGS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.wav", "foa.wav"]
    assert (tmp_path / "foa.wav").read_bytes() == b"before"
