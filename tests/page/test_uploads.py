"""Uploads are read once and removed; no other file of the machine is read."""

import numpy as np
import pytest

from spatial_llm.errors import AudioError
from tests.audio.makers import make, sound
from tests.page.conftest import MOST_BYTES


def test_a_recording_is_read_and_removed(handlers, uploaded):
    path = uploaded("a.wav", make("wav", sound(64_000)))
    window = handlers.uploads.recording(path)
    assert window.waveform.shape == (2, 64_000)
    with pytest.raises(AudioError, match="is not there"):
        handlers.uploads.recording(path)
    assert not list(handlers.uploads.folder.rglob("a.wav"))


def test_of_a_sound_to_be_placed_the_first_channel_that_can_be_heard_is_used(handlers, uploaded):
    one = handlers.uploads.sound(uploaded("one.wav", make("wav_float", sound(32_000, 1))))
    assert one.waveform.shape == (1, 64_000) and one.warnings == ()
    channels = sound(32_000, 2)
    channels[:, 0] = 0
    two = handlers.uploads.sound(uploaded("two.wav", make("wav_float", channels)))
    np.testing.assert_allclose(two.waveform[0, :32_000], channels[:, 1], atol=1e-6)
    assert "the sound has 2 channels" in two.warnings[0]
    with pytest.raises(AudioError, match="the sound: is silent"):
        handlers.uploads.sound(uploaded("none.wav", make("wav", np.zeros((32_000, 1), np.float32))))


def test_files_outside_the_folder_are_neither_read_nor_removed(handlers, uploaded, tmp_path):
    outside = tmp_path / "secret.wav"
    outside.write_bytes(make("wav", sound(64_000)))
    link = handlers.uploads.folder / "link.wav"
    link.symlink_to(outside)
    inside = str(handlers.uploads.folder)
    for path in (str(outside), str(link), f"{inside}/../{tmp_path.name}/secret.wav", inside, "", "a\0b", None, 3, ["x"],
                 "https://example.org/a.wav", "/dev/zero"):  # fmt: skip
        with pytest.raises(AudioError, match="the file is not there"):
            handlers.uploads.recording(path)
    assert outside.is_file()


def test_too_large_and_empty_files_are_refused_and_removed(handlers, uploaded):
    large = uploaded("large.wav", b"x" * (MOST_BYTES + 1))
    with pytest.raises(AudioError, match="the file has 2,000,001 bytes, more than the 2,000,000 that are taken"):
        handlers.uploads.recording(large)
    with pytest.raises(AudioError, match="the file is empty"):
        handlers.uploads.recording(uploaded("empty.wav", b""))
    assert not list(handlers.uploads.folder.rglob("*.wav")) or not list(handlers.uploads.folder.rglob("large.wav"))
