"""Frames are walked by their numbers, over all block sizes and both ways of counting."""

import io

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.containers.flac import _crc_8, _crc_16
from spatial_llm.audio.io import inspect_audio, read_audio
from tests.audio.makers import make, sound


def test_checksums_are_the_published_ones():
    assert _crc_8(b"123456789") == 0xF4  # CRC-8/SMBUS
    assert _crc_16(b"123456789") == 0xFEE8  # CRC-16/UMTS


@pytest.mark.parametrize("samples", [1, 15, 4096, 4097, 70_000, 600_000])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_piped_files_of_any_length_and_compression(tmp_path, samples, level):
    out = io.BytesIO()
    soundfile.write(out, sound(samples, 1), 44_100, "PCM_24", format="FLAC", compression_level=level)
    content = bytearray(out.getvalue())
    right = soundfile.read(io.BytesIO(bytes(content)), dtype="float32")[0]
    content[21] &= 0xF0
    content[22:42] = bytes(20)
    (tmp_path / "a.flac").write_bytes(content)
    assert inspect_audio(tmp_path / "a.flac").frames == samples
    np.testing.assert_array_equal(read_audio(tmp_path / "a.flac")[0][0], right)


def test_a_cut_at_the_end_of_a_frame_is_found_where_the_number_of_samples_is_known(tmp_path):
    content = bytearray(make("flac", sound(9000)))
    content[26:42] = bytes(16)  # no MD5
    second = content.index(b"\xff\xf8", 3000)
    (tmp_path / "a.flac").write_bytes(content[:second])
    assert "promises 9000 samples" in inspect_audio(tmp_path / "a.flac").missing
