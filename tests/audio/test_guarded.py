"""Containers that are not checked are decoded in a process that can be ended."""

import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.audio import guarded
from spatial_llm.audio.io import read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import AudioError
from tests.audio.makers import sound


@pytest.mark.parametrize(("format", "subtype"), [("NIST", "PCM_16"), ("VOC", "PCM_16"), ("CAF", "ALAC_16")])
def test_they_are_read_with_the_same_samples(tmp_path, format, subtype):
    path = tmp_path / "a.snd"
    soundfile.write(path, sound(5000), 32_000, subtype, format=format)
    if format == "CAF":
        read, rate = read_audio(path)
    else:
        with pytest.warns(UserWarning, match="not checked here"):
            read, rate = read_audio(path)
    assert rate == 32_000
    np.testing.assert_array_equal(read, soundfile.read(path, dtype="float32")[0].T)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(AudioError, match="max_bytes is 100"):
            read_audio(path, AudioLimits(max_bytes=100))


def test_bytes_and_open_files_come_to_the_same_as_paths(tmp_path):
    """Their copy is read here and by the other process, which moves the same descriptor."""
    soundfile.write(tmp_path / "a.voc", sound(5000), 32_000, format="VOC")
    content = (tmp_path / "a.voc").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right, _ = read_audio(tmp_path / "a.voc")
        np.testing.assert_array_equal(read_audio(content)[0], right)
        with (tmp_path / "a.voc").open("rb") as file:
            np.testing.assert_array_equal(read_audio(file)[0], right)
    with pytest.raises(AudioError, match="bytes without a header known here"):
        read_audio(b"\x00" + bytes(range(256)) * 40)


def test_a_decoder_that_does_not_end_is_ended(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.voc", sound(5000), 32_000, format="VOC")
    (tmp_path / "sleeps.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(guarded, "__file__", str(tmp_path / "sleeps.py"))
    monkeypatch.setattr(guarded, "SECONDS", 0.5)
    with pytest.raises(AudioError, match=r"a\.voc: .*did not end within 0\.5 s"):
        read_audio(tmp_path / "a.voc")


def test_a_decoder_that_dies_is_an_error_of_ours(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.voc", sound(5000), 32_000, format="VOC")
    (tmp_path / "dies.py").write_text("import os; os.abort()")
    monkeypatch.setattr(guarded, "__file__", str(tmp_path / "dies.py"))
    with pytest.raises(AudioError, match=r"the decoder ended with status -6"):
        read_audio(tmp_path / "a.voc")
