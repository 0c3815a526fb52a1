"""Recordings in every form that people have, read to the same samples; none is downmixed."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.given import recordings_in
from spatial_llm.audio.io import prepare_waveform, read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import AudioError

RATE = 16_000


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, 3200)).astype(np.float32)


@pytest.fixture(scope="module")
def path(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("given") / "clip.flac"
    soundfile.write(path, clip.T, RATE, subtype="PCM_24")
    return path


class Decoder:
    """What `torchcodec.decoders.AudioDecoder` has; as the one of `datasets`, it averages channels if asked for an array."""

    def __init__(self, clip):
        self.clip = clip

    def get_all_samples(self):
        return SimpleNamespace(data=torch.from_numpy(self.clip), sample_rate=RATE)

    def __getitem__(self, key):
        return self.clip.mean(axis=0)


def forms(path):
    """One recording in many forms, with and without a rate of its own."""
    content, (clip, rate) = path.read_bytes(), read_audio(path)
    return {
        "path": (path, None),
        "text": (str(path), None),
        "path as bytes": (str(path).encode(), None),
        "bytes": (content, None),
        "bytearray": (bytearray(content), None),
        "memoryview": (memoryview(content), None),
        "BytesIO": (io.BytesIO(content), None),
        "open file": (path.open("rb"), None),
        "{path}": ({"path": str(path)}, None),
        "{bytes}": ({"bytes": content, "path": None}, None),
        "{bytes, path}": ({"bytes": content, "path": "name in an archive.flac"}, None),
        "{array, sampling_rate}": ({"path": "x", "array": clip, "sampling_rate": rate}, None),
        "{array}": ({"array": clip.tolist()}, rate),
        "a file's own rate counts": (content, 8000),
        "a dict's own rate counts": ({"array": clip, "sampling_rate": rate}, 8000),
        "array": (clip, rate),
        "list": (clip.tolist(), rate),
        "list of arrays": (list(clip), rate),
        "tensor": (torch.from_numpy(clip), rate),
        "decoder": (Decoder(clip), None),
        "samples": (Decoder(clip).get_all_samples(), None),
    }


def test_all_forms_are_one_recording(path, clip):
    right = prepare_waveform(path, None, 32_000, 7000)
    assert np.abs(right[0] - right[1]).max() > 0.5
    for name, (given, rate) in forms(path).items():
        np.testing.assert_array_equal(prepare_waveform(given, rate, 32_000, 7000), right, err_msg=name)
        assert len(recordings_in(given)) == 1, name


def test_opposite_channels_are_not_silence(clip):
    opposite = np.stack([clip[0], -clip[0]])
    for given in (Decoder(opposite), {"array": opposite, "sampling_rate": RATE}):
        np.testing.assert_array_equal(prepare_waveform(given, None, RATE, 3200), opposite)


def test_without_a_window_the_length_stays(clip):
    assert prepare_waveform(clip, RATE, 32_000, None).shape == (2, 6400)


def test_several_recordings_are_taken_apart(path, clip):
    some = [str(path), {"path": path}, clip, list(clip), clip.tolist()]
    assert [len(recordings_in(each)) for each in (some, tuple(some), [some, some[:1]])] == [5, 5, 6]
    assert len(recordings_in(np.stack([clip] * 3))) == len(recordings_in(torch.from_numpy(np.stack([clip] * 3)))) == 3
    column = np.empty(2, object)
    column[:] = [clip, clip]
    assert len(recordings_in(column)) == 2


def test_an_open_file_is_read_from_where_it_stands_and_stays_open(path):
    with path.open("rb") as file:
        read_audio(file)
        with pytest.raises(AudioError, match=r"clip\.flac: nothing left to read.*seek\(0\)"):
            read_audio(file)
        file.seek(0)
        assert read_audio(file)[1] == RATE


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"\0no sound", r"the recording \(9 bytes\): not a readable sound file"),
        (b"", "an empty file"),
        (io.BytesIO(), "nothing left to read"),
        (io.StringIO("text"), "open as text"),
        ({"path": None, "bytes": None}, r"a dict with \['bytes', 'path'\], none of which is a recording"),
        ({"bytes": b"no.wav"}, "not a readable sound file"),
        (b"no.wav", r"no\.wav: cannot be opened"),
        ("https://example.org/a.wav", "cannot be opened"),
    ],
)
def test_what_is_no_recording_is_refused_in_words(given, words):
    with pytest.raises(AudioError, match=words):
        prepare_waveform(given, None, RATE, 3200)


def test_a_file_without_end_is_not_read_for_ever():
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    with pytest.raises(AudioError, match="more than 4000 bytes"):
        read_audio(io.BufferedReader(Endless()), AudioLimits(max_bytes=1000))
