"""Encoder output on disk: exact or rounded once, found by what a recording is made from, never half a block."""

import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from spatial_llm.audio.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.data.dataset import CueDataset, distinct_recordings
from spatial_llm.data.encoder_cache import BLOCK_RECORDINGS, ByRecordingId, EncoderCache, recording_key
from spatial_llm.data.records import Record, read_manifest
from spatial_llm.encoders import SpatialASTConfig
from spatial_llm.errors import CacheError
from tests.data.test_dataset import folder, record  # noqa: F401  (a fixture)
from tests.training.conftest import data  # noqa: F401  (a fixture)

SHAPE = (3, 4)


def rows(number: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(number, *SHAPE, generator=torch.Generator().manual_seed(seed))


def names(number: int) -> list[str]:
    return [f"key{index}" for index in range(number)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_come_back_as_they_went_in(tmp_path: Path, dtype: str) -> None:
    given = rows(5)
    EncoderCache(tmp_path, {"encoder": "a"}, *SHAPE, dtype=dtype).add(names(5), given)
    cache = EncoderCache(tmp_path, {"encoder": "a"}, *SHAPE, dtype=dtype)
    assert list(cache) == names(5) and "key9" not in cache
    for key, row in zip(names(5), given, strict=True):
        assert torch.equal(cache[key], row.to(getattr(torch, dtype))), "bfloat16 is rounded once, float32 not at all"
    header = json.loads((cache.folder / "header.json").read_text())
    assert (header["dtype"], header["tokens"], header["width"]) == (dtype, *SHAPE)


def test_another_encoder_cue_or_dtype_is_another_cache(tmp_path: Path) -> None:
    EncoderCache(tmp_path, {"encoder": "a"}, *SHAPE).add(names(2), rows(2))
    assert len(EncoderCache(tmp_path, {"encoder": "a"}, *SHAPE)) == 2
    for other in (
        EncoderCache(tmp_path, {"encoder": "b"}, *SHAPE),
        EncoderCache(tmp_path, {"encoder": "a"}, *SHAPE, dtype="float32"),
    ):
        assert len(other) == 0


def test_room_is_estimated_and_refused_with_numbers(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path, {}, 515, 768)
    cache.add(["a"], torch.zeros(1, 515, 768))
    size = cache.size(["a", "a", *names(1000)])
    assert (size.recordings, size.missing, size.row_bytes) == (1001, 1000, 515 * 768 * 2)
    cache.check_room(size, limit_gb=0.8)
    with pytest.raises(CacheError, match=r"1001 recordings x 0\.791 MB = 0\.792 GB, of which 1000 .*cache_limit is 0\.7 GB"):
        cache.check_room(size, limit_gb=0.7)
    with pytest.raises(CacheError, match=r"GB free"):
        cache.check_room(dataclasses.replace(size, missing=10**12), limit_gb=0.8)


def test_a_cut_block_and_rows_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    cache = EncoderCache(tmp_path, {}, *SHAPE)
    with pytest.raises(CacheError, match="NaN"):
        cache.add(names(1), torch.full((1, *SHAPE), float("nan")))
    with pytest.raises(CacheError, match="expected"):
        cache.add(names(2), rows(1))
    cache.add(names(80), rows(80))
    (file,) = cache.folder.glob("block-*/rows.npy")
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CacheError, match="delete the block"):
        EncoderCache(tmp_path, {}, *SHAPE)


def test_a_recording_is_known_by_what_it_is_made_from(data: Path, folder: Path) -> None:  # noqa: F811
    records = read_manifest(data / "train.jsonl")
    keys = {item.recording_id: recording_key(item, data) for item in distinct_recordings(records)}
    assert len(set(keys.values())) == len(keys)
    for item in records[:6]:
        assert recording_key(item, data) == keys[item.recording_id], "whatever is asked about it"
    scene = dataclasses.replace(records[0].scene, seed=records[0].scene.seed + 1)
    assert recording_key(dataclasses.replace(records[0], scene=scene), data) != keys[records[0].recording_id]

    def key(item: Record) -> str:
        return recording_key(item, folder)

    item = record(0, "opposed.wav")
    before = key(item)
    assert key(record(5, "opposed.wav", recording="other")) == before, "a name of its own changes nothing"
    os.utime(folder / "opposed.wav", (1, 1))
    touched = key(item)
    assert touched != before, "the file was changed"
    content = (folder / "opposed.wav").read_bytes()
    (folder / "opposed.wav").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(folder / "opposed.wav", (1, 1))
    assert key(item) != touched, "it was replaced by one of the same size and time"


def test_shares_fill_one_cache_and_nothing_is_computed_twice(data: Path, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr("spatial_llm.data.encoder_cache.BLOCK_RECORDINGS", 4)
    heard, recordings, keys = [], *few(data)

    def encode(cues: torch.Tensor) -> torch.Tensor:
        heard.append(len(cues))
        return cues.flatten(1)[:, : SHAPE[0] * SHAPE[1]].unflatten(1, SHAPE)

    for share in ((0, 2), (1, 2)):
        EncoderCache(tmp_path, {}, *SHAPE, dtype="float32").fill(encode, recordings, keys, share)
    assert sum(heard) == len(recordings), "the second share saw the first one's blocks, and did its own all the same"
    cache = EncoderCache(tmp_path, {}, *SHAPE, dtype="float32")
    cache.fill(encode, recordings, keys)
    assert sum(heard) == len(recordings)
    by_id = ByRecordingId(cache, dict(zip((r.recording_id for r in recordings.records), keys, strict=True)))
    last = recordings.records[-1].recording_id
    assert torch.equal(by_id[last].flatten(), recordings[len(recordings) - 1].flatten()[:12])
    assert "nothing" not in by_id and len(by_id) == len(recordings)


def few(data: Path) -> tuple[CueDataset, list[str]]:  # noqa: F811
    records = distinct_recordings(read_manifest(data / "train.jsonl"))
    config = SpatialASTConfig(hop_length=640, num_mel_bins=32, num_frames=64, duration_s=1.0, hidden_size=24,
                              num_attention_heads=2)  # fmt: skip
    recordings = CueDataset(records, data, SpatialFeatureExtractor.for_encoder(config), config.window_samples)
    return recordings, [recording_key(item, data) for item in records]


def _sum(path: Path, keys: list[str], results: multiprocessing.Queue) -> None:
    cache = EncoderCache(path, {}, *SHAPE, dtype="float32")
    results.put(float(sum(cache[key].double().sum() for key in keys)))


def test_two_processes_read_while_a_third_adds(tmp_path: Path) -> None:
    given = rows(200)
    cache = EncoderCache(tmp_path, {}, *SHAPE, dtype="float32")
    for start in range(0, 200, 20):
        cache.add(names(200)[start : start + 20], given[start : start + 20])
    context, results = multiprocessing.get_context("fork"), multiprocessing.get_context("fork").Queue()
    readers = [context.Process(target=_sum, args=(tmp_path, names(200), results)) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(50):
        cache.add([f"new{number}"], rows(1, seed=number))
    sums = [results.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join()
    assert sums == pytest.approx([float(given.double().sum())] * 2)


WRITER = """
import sys, torch
from spatial_llm.data.encoder_cache import EncoderCache
cache = EncoderCache(sys.argv[1], {}, 3, 4, dtype="float32")
for index in range(10_000):
    if f"key{index}" not in cache:
        cache.add([f"key{index}"], torch.full((1, 3, 4), float(index)))
        print(index, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_blocks_and_goes_on(tmp_path: Path, repository: Path) -> None:
    seen = 0
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], cwd=repository, stdout=subprocess.PIPE, text=True
        )
        while int(writer.stdout.readline()) < seen + 10:
            pass
        time.sleep(0.003)
        writer.send_signal(signal.SIGKILL)
        first_not_read = writer.stdout.read().split()
        writer.wait()
        cache = EncoderCache(tmp_path, {}, *SHAPE, dtype="float32")
        assert len(cache) >= seen + 10 + len(first_not_read)
        for key in cache:
            assert torch.equal(cache[key], torch.full(SHAPE, float(key.removeprefix("key"))))
        assert sorted(cache, key=lambda key: int(key[3:])) == names(len(cache)), "no gap"
        seen = len(cache)


def test_blocks_are_of_a_size_that_fits_memory() -> None:
    assert BLOCK_RECORDINGS * 515 * 768 * 4 < 2**27
