"""MP3 frames of every version and channel number, and tags around them."""

import struct

import numpy as np
import pytest

from spatial_llm.audio.containers.mp3 import _frame
from spatial_llm.audio.io import inspect_audio, read_audio
from spatial_llm.errors import AudioError
from tests.audio.makers import make, sound


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_files_of_every_rate(tmp_path, rate, channels):
    (tmp_path / "a.mp3").write_bytes(make("mp3", sound(9000, channels), rate))
    found = inspect_audio(tmp_path / "a.mp3")
    assert (found.channels, found.rate, found.missing, found.notes) == (channels, rate, None, [])
    assert 0 < found.at_least <= read_audio(tmp_path / "a.mp3")[0].shape[1] == 9000
    whole = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(whole[:-1])
    assert "is cut" in inspect_audio(tmp_path / "a.mp3").missing


def test_tags_are_skipped(tmp_path):
    plain = make("mp3", sound(9000))
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    for content in (
        b"ID3\4\0\0\0\0\x01\0" + bytes(128) + bytes(700) + plain,
        plain + ape,
        plain + ape + b"TAG" + b"x" * 125,
        plain + b"LYRICSBEGINabc000014LYRICS200" + b"TAG" + b"x" * 125,
    ):
        (tmp_path / "a.mp3").write_bytes(content)
        found = inspect_audio(tmp_path / "a.mp3")
        assert found.missing is None
    (tmp_path / "a.mp3").write_bytes(plain)
    (tmp_path / "b.mp3").write_bytes(plain + ape)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.mp3")[0], read_audio(tmp_path / "b.mp3")[0])


def test_a_damaged_frame_of_lengths_is_warned_of(tmp_path):
    content = bytearray(make("mp3", sound(9000)))
    content[36 + 141] ^= 4  # samples to take off the beginning
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.warns(UserWarning, match="may be shorter or longer"):
        read_audio(tmp_path / "a.mp3")


@pytest.mark.parametrize(("rate", "channels"), [(32_000, 2), (16_000, 2), (44_100, 1)])
def test_without_a_frame_of_lengths_every_frame_is_decoded(tmp_path, rate, channels):
    """As ffmpeg writes into a pipe: libsndfile then guesses a length, which is wrong on either side."""
    content = make("mp3", sound(30_000, channels), rate)
    first = _frame(content, 0)
    bare = content[first.length :]
    (tmp_path / "a.mp3").write_bytes(bare)
    frames = position = 0
    while (frame := _frame(bare, position)) is not None:
        frames, position = frames + 1, position + frame.length
    with pytest.warns(UserWarning, match="nothing in it says how long it is"):
        read, _ = read_audio(tmp_path / "a.mp3")
    assert read.shape[0] == channels and np.isfinite(read).all()
    assert abs(read.shape[1] - frames * first.samples) <= first.samples
    (tmp_path / "a.mp3").write_bytes(bare[:-7])
    with pytest.raises(AudioError, match=r"its last frame, at byte .* is cut"):
        read_audio(tmp_path / "a.mp3")
