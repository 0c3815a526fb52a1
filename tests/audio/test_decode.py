"""Decoded samples are those of libsndfile; of cut files what is there, where the limits allow it."""

import io
import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.io import inspect_audio, read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import AudioError
from tests.audio.makers import KINDS, WRITTEN, make, sound

SAMPLES = 12_000
LENIENT = AudioLimits(allow_truncated=True)


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("channels", [1, 2])
def test_whole_files_are_read_as_soundfile_reads_them(tmp_path, kind, channels):
    content = make(kind, sound(SAMPLES, channels))
    (tmp_path / "a").write_bytes(content)
    right, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read, read_rate = read_audio(tmp_path / "a")
    assert read_rate == rate and read.dtype == np.float32 and read.flags.c_contiguous
    np.testing.assert_array_equal(read, right.T)


def test_a_piped_flac_is_read_whole(tmp_path):
    """ffmpeg leaves number and MD5 of the samples at 0 where it writes into a pipe."""
    samples = sound(SAMPLES)
    (tmp_path / "piped.flac").write_bytes(make("flac_piped", samples))
    (tmp_path / "a.flac").write_bytes(make("flac", samples))
    assert inspect_audio(tmp_path / "piped.flac").frames == SAMPLES
    np.testing.assert_array_equal(read_audio(tmp_path / "piped.flac")[0], read_audio(tmp_path / "a.flac")[0])
    with pytest.raises(AudioError, match=r"max_seconds is 0\.3 s"):
        read_audio(tmp_path / "piped.flac", AudioLimits(max_seconds=0.3))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "wav_streamed"])
def test_of_a_cut_file_what_is_there_is_read_by_flag(tmp_path, kind):
    ogg = kind in ("vorbis", "opus")
    content = make(kind, sound(100_000 if ogg else SAMPLES))  # of several pages
    (tmp_path / "whole").write_bytes(content)
    (tmp_path / "cut").write_bytes(content[: 2 * len(content) // 3])
    whole, _ = read_audio(tmp_path / "whole")
    with pytest.raises(AudioError, match=r"cut: cut or damaged .*allow_truncated of AudioLimits"):
        read_audio(tmp_path / "cut")
    with pytest.warns(UserWarning, match="cut or damaged .*What is there is taken"):
        read, _ = read_audio(tmp_path / "cut", LENIENT)
    n = read.shape[1]
    assert 0 < n < whole.shape[1]
    if "flac" in kind:  # whole frames of 4096
        assert n == 4096
    else:
        assert n > 0.4 * whole.shape[1]
    if kind == "wav_adpcm":
        n -= 505  # of the block that is cut
    if not ogg and kind not in ("mp3", "mp3_tagged"):
        np.testing.assert_array_equal(read[:, :n], whole[:, :n])


def test_the_words_say_how_much_is_there_and_how_much_was_promised(tmp_path):
    content = make("wav", sound(SAMPLES))
    (tmp_path / "a.wav").write_bytes(content[:-4000])
    with pytest.raises(AudioError, match="promises 48000 bytes of samples, the file holds 44000"):
        read_audio(tmp_path / "a.wav")


def test_another_flac_with_the_same_frames_but_one_bit_is_found_by_its_md5(tmp_path):
    """The header of a good file with the MD5 of another: nothing else is wrong."""
    content = bytearray(make("flac", sound(SAMPLES)))
    content[30] ^= 1
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(AudioError, match="do not have the MD5"):
        read_audio(tmp_path / "a.flac")


def test_inspecting_decodes_nothing(tmp_path):
    for kind, channels in (("wav", 2), ("mp3", 1), ("vorbis", 2), ("caf", 5)):
        (tmp_path / "a").write_bytes(make(kind, sound(SAMPLES, channels)))
        found = inspect_audio(tmp_path / "a", shown="its name")
        assert (found.channels, found.rate, found.missing) == (channels, 32_000, None)
    (tmp_path / "a").write_bytes(make("vorbis", sound(SAMPLES))[:-1])
    assert "is cut" in inspect_audio(tmp_path / "a").missing
    (tmp_path / "a").write_bytes(b"text")
    with pytest.raises(AudioError, match="its name: not a readable"):
        inspect_audio(tmp_path / "a", shown="its name")
