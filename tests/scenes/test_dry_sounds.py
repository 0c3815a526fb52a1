"""Which channel of a dry sound is played, and that a silent one is never stated to sound."""

import os
import time

import numpy as np
import pytest
import soundfile

from spatial_llm.errors import AudioError, SceneError
from spatial_llm.scenes.dry_sounds import audible_channel, only_audible, read_dry, used_channel
from spatial_llm.scenes.sounds import Sound

RATE = 32000
NOISE = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32) * np.float32(0.1)
SILENT = np.zeros(4000, dtype=np.float32)


@pytest.mark.parametrize(
    ("channels", "used"),
    [
        ([NOISE[0]], 0),
        ([NOISE[0], 5 * NOISE[1]], 0),  # the first, as the official loader takes it, also where another is louder
        ([0.01 * NOISE[0], NOISE[1]], 0),
        ([SILENT, NOISE[1]], 1),
        ([SILENT, 0.1 * NOISE[0], NOISE[1]], 2),
        ([1e-4 * NOISE[0], NOISE[1]], 1),  # what leaks into the first one
        ([SILENT + 0.5, NOISE[1]], 1),  # a constant is no sound
        ([NOISE[0], NOISE[1] * np.nan], 0),
        ([SILENT, SILENT], None),
        ([SILENT + 0.25], None),
    ],
)
def test_the_channel_that_is_played(channels, used):
    waveform = np.stack(channels).astype(np.float32)
    assert audible_channel(waveform) == used
    if used is None:
        with pytest.raises(AudioError, match=r"clip.wav: is silent"):
            used_channel(waveform, "clip.wav")
    else:
        np.testing.assert_array_equal(used_channel(waveform, "clip.wav"), waveform[used])


def test_a_first_channel_that_is_not_finite_is_refused_by_name():
    for bad in (np.nan, np.inf):
        with pytest.raises(AudioError, match=r"clip.wav: holds samples that are not finite"):
            used_channel(np.stack([NOISE[0] * bad, NOISE[1]]), "clip.wav")


def folder_of(tmp_path, silent) -> list[Sound]:
    sounds = []
    for label in ("bell", "dog", "rain"):
        (tmp_path / label).mkdir()
        for number in range(4):
            name = f"{label}/{number}.wav"
            quiet = name in silent
            soundfile.write(tmp_path / name, (NOISE.T * 0 if quiet else NOISE.T), RATE)
            sounds.append(Sound(label, name, "train" if number < 2 else "eval", name))
    return sounds


def test_silent_files_are_left_out_of_a_folder_and_refused_in_an_index(tmp_path):
    silent = {"dog/1.wav", "rain/3.wav"}
    sounds = folder_of(tmp_path, silent)
    with pytest.warns(
        UserWarning, match=r"2 of 12 sounds are silent or not finite: dog/1.wav, rain/3.wav; they are left out"
    ):
        kept = only_audible(sounds, tmp_path, named_by_hand=False)
    assert {sound.recording for sound in sounds} - {sound.recording for sound in kept} == silent
    with pytest.raises(SceneError, match=r"2 of 12 sounds are silent .*dog/1.wav.*leave them out of the index"):
        only_audible(sounds, tmp_path, named_by_hand=True)
    soundfile.write(tmp_path / "dog/1.wav", np.full((100, 2), np.nan), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "rain/3.wav", NOISE.T * [0, 1], RATE)  # the right track only
    with pytest.warns(UserWarning, match=r"1 of 12 .*: dog/1.wav"):
        only_audible(sounds, tmp_path, named_by_hand=False)


def test_classes_that_vanish_are_named_and_too_few_are_refused(tmp_path):
    sounds = folder_of(tmp_path, {f"dog/{number}.wav" for number in range(4)})
    with pytest.warns(UserWarning, match=r"left out, and with them \['dog'\]"):
        assert {sound.label for sound in only_audible(sounds, tmp_path, named_by_hand=False)} == {"bell", "rain"}
    for number in range(4):
        soundfile.write(tmp_path / f"rain/{number}.wav", np.zeros(100), RATE)
    with pytest.raises(SceneError, match="fewer than 2 classes"):
        only_audible(sounds, tmp_path, named_by_hand=False)


def test_built_in_sounds_are_not_looked_for():
    built_in = [Sound("bell", "synth:bell/1", "train", "synth:bell/1")]
    assert only_audible(built_in, None, named_by_hand=False) == built_in


def test_a_sound_is_what_its_file_is_now(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, NOISE[0], RATE, subtype="FLOAT")
    time.sleep(0.06)  # a file that was just written is read again
    first, before = read_dry(path, RATE), os.stat(path)
    assert read_dry(path, RATE) is first, "kept"
    soundfile.write(path, -NOISE[0], RATE, subtype="FLOAT")  # in place, as long, at once, with the old time
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_array_equal(read_dry(path, RATE), -first)
    path.unlink()
    with pytest.raises(AudioError, match="cannot be opened"):
        read_dry(path, RATE)
