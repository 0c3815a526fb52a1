"""Long recordings in windows: the same samples as when they are read whole, whatever the file and the blocks are."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.audio import windows
from spatial_llm.audio.formats import BINAURAL
from spatial_llm.audio.io import read_audio, resample
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.audio.windows import Blocks, iter_windows, number_of_windows, open_blocks
from spatial_llm.errors import AudioError

HOUR = AudioLimits(max_seconds=3600.0)


def _noise(seconds: float, rate: int, channels: int = 2) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((channels, round(seconds * rate))).astype(np.float32)


def _parts(waveform: np.ndarray, block: int) -> Iterator[np.ndarray]:
    return (waveform[:, start : start + block].T for start in range(0, waveform.shape[1], block))


def _cut(path: Path, rate: int, window: int, hop: int) -> list[windows.Window]:
    with open_blocks(path, HOUR) as blocks:
        return list(iter_windows(blocks, rate, window, hop, BINAURAL, path.name))


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_16"), ("wav", "FLOAT"), ("wav", "PCM_24"), ("w64", "PCM_16"), ("aiff", "PCM_16"), ("flac", "PCM_16"),
     ("flac", "PCM_24"), ("ogg", "VORBIS")],
)  # fmt: skip
def test_windows_are_parts_of_the_whole_recording(
    suffix: str, subtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "BLOCK", 4_001)
    path = tmp_path / f"long.{suffix}"
    soundfile.write(path, _noise(3.3, 16_000).T, 16_000, subtype=subtype)
    whole, rate = read_audio(path)
    window, hop = 16_000, 6_000
    found = _cut(path, 16_000, window, hop)
    assert len(found) == number_of_windows(whole.shape[1], rate, 16_000, window, hop) == 8
    for number, start_s, waveform in found:
        start = number * hop
        assert start_s == start / 16_000 and waveform.shape == (2, window)
        wanted = whole[:, start : start + window]
        assert np.array_equal(waveform[:, : wanted.shape[1]], wanted)
        assert not waveform[:, wanted.shape[1] :].any()


@pytest.mark.parametrize("rate", [44_100, 48_000, 8_000])
def test_another_rate_gives_the_samples_of_a_recording_resampled_whole(
    rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform = _noise(2.5, rate)
    soundfile.write(tmp_path / "a.wav", waveform.T, rate, subtype="FLOAT")
    whole = resample(waveform, rate, 32_000)
    for block in (997, 50_000):
        monkeypatch.setattr(windows, "BLOCK", block)
        found = _cut(tmp_path / "a.wav", 32_000, 32_000, 32_000)
        together = np.concatenate([each.waveform for each in found], axis=1)[:, : whole.shape[1]]
        assert np.abs(together - whole).max() < 1e-6


@pytest.mark.parametrize(
    ("samples", "starts"), [(10, [0]), (99, [0]), (100, [0]), (101, [0, 40]), (140, [0, 40]), (141, [0, 40, 80])]
)
@pytest.mark.parametrize("block", [1, 7, 40, 1000])
def test_the_last_window_holds_the_end(samples: int, starts: list[int], block: int) -> None:
    waveform = np.arange(1, 2 * samples + 1, dtype=np.float32).reshape(2, samples) / 1000
    found = list(iter_windows(Blocks(2, 1000, samples, _parts(waveform, block)), 1000, 100, 40, BINAURAL, "a"))
    assert [round(each.start_s * 1000) for each in found] == starts
    assert number_of_windows(samples, 1000, 1000, 100, 40) == len(starts)
    assert found[-1].waveform.max() == waveform.max()


def test_a_long_file_takes_the_memory_of_a_short_one(tmp_path: Path) -> None:
    peaks = []
    for seconds in (60, 600):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", 32_000, 2, "PCM_16") as file:
            for _ in range(seconds // 60):
                file.write(np.zeros((60 * 32_000, 2), np.int16))
        tracemalloc.start()
        with open_blocks(path, HOUR) as blocks:
            assert sum(1 for _ in iter_windows(blocks, 32_000, 64_000, 64_000, BINAURAL, "a")) == seconds // 2
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 40e6


def test_what_cannot_be_right_is_refused(tmp_path: Path) -> None:
    mono, lossy, broken = tmp_path / "mono.wav", tmp_path / "long.ogg", tmp_path / "nan.wav"
    soundfile.write(mono, _noise(1, 16_000, 1).T, 16_000)
    with pytest.raises(AudioError, match=r"mono\.wav: 2 channels needed, got 1"):
        _cut(mono, 16_000, 16_000, 16_000)
    soundfile.write(lossy, _noise(3, 16_000).T, 16_000)
    with pytest.raises(AudioError, match="max_seconds is 2"), open_blocks(lossy, AudioLimits(max_seconds=2.0)):
        pass
    samples = _noise(1, 16_000)
    samples[1, 8_000] = np.nan
    soundfile.write(broken, samples.T, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav: nan at channel 1, sample 8000 \(0\.500 s\)"):
        _cut(broken, 16_000, 16_000, 16_000)
    with pytest.raises(AudioError, match=r"none\.wav: cannot be opened"), open_blocks(tmp_path / "none.wav", HOUR):
        pass


def test_a_flac_with_other_samples_than_it_states_is_refused_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, _noise(1, 16_000).T, 16_000)
    content = bytearray(path.read_bytes())
    content[26] ^= 1  # a byte of the MD5 in STREAMINFO
    path.write_bytes(content)
    with pytest.raises(AudioError, match="MD5"):
        _cut(path, 16_000, 16_000, 16_000)
