"""Encoder output on disk: exact or rounded once, found by what a recording is made from, never half a block."""

import dataclasses
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_llm.data.dataset import CueDataset, distinct_recordings
from spatial_llm.data.encoder_cache import BLOCK_RECORDINGS, ByRecordingId, EncoderCache, recording_key
from spatial_llm.data.records import Record, read_manifest
from spatial_llm.encoders import SpatialASTConfig
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
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


def block_of(cache: EncoderCache) -> Path:
    (block,) = cache.folder.glob("block-*")
    return block


def half_zeroed(block: Path) -> None:
    content = bytearray((block / "rows.npy").read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    (block / "rows.npy").write_bytes(content)


def one_bit_flipped(block: Path) -> None:
    content = bytearray((block / "rows.npy").read_bytes())
    content[-5] ^= 4
    (block / "rows.npy").write_bytes(content)


def keys_reversed(block: Path) -> None:
    (block / "keys.json").write_text(json.dumps(json.loads((block / "keys.json").read_text())[::-1]))


def keys_exchanged(block: Path) -> None:
    known = json.loads((block / "keys.json").read_text())
    known[0][0], known[1][0] = known[1][0], known[0][0]
    (block / "keys.json").write_text(json.dumps(known))


def other_shape(block: Path) -> None:
    np.save(block / "rows.npy", np.load(block / "rows.npy").swapaxes(1, 2))


def other_dtype(block: Path) -> None:
    np.save(block / "rows.npy", np.load(block / "rows.npy").view(np.int32))


def of_the_layout_before(block: Path) -> None:
    (block / "keys.json").write_text(json.dumps([key for key, _ in json.loads((block / "keys.json").read_text())]))


def other_header(block: Path) -> None:
    header = block.parent / "header.json"
    header.write_text(header.read_text().replace('"a"', '"b"'))


DAMAGES = {
    "half of it zeroed": half_zeroed,
    "one bit": one_bit_flipped,
    "keys reversed": keys_reversed,
    "two keys exchanged": keys_exchanged,
    "another shape": other_shape,
    "another dtype": other_dtype,
    "keys cut": lambda block: (block / "keys.json").write_bytes((block / "keys.json").read_bytes()[:-9]),
    "keys gone": lambda block: (block / "keys.json").unlink(),
    "keys are no list": lambda block: (block / "keys.json").write_text('{"a": 1}'),
    "keys not UTF-8": lambda block: (block / "keys.json").write_bytes(b'["\xff"]'),
    "keys of the layout before": of_the_layout_before,
    "rows gone": lambda block: (block / "rows.npy").unlink(),
    "rows empty": lambda block: (block / "rows.npy").write_bytes(b""),
    "rows no array": lambda block: (block / "rows.npy").write_bytes(b"x" * (block / "rows.npy").stat().st_size),
    "header of another encoder": other_header,
    "header gone": lambda block: (block.parent / "header.json").unlink(),
    "header cut": lambda block: (block.parent / "header.json").write_bytes(b'{"dtype"'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damage_is_refused_by_name_and_mended_by_deleting(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    given = rows(6)
    made_with = {"encoder": "a"}
    cache = EncoderCache(tmp_path, made_with, *SHAPE, dtype="float32")
    cache.add(names(6), given)
    assert all(torch.equal(cache[key], row) for key, row in zip(names(6), given, strict=True))
    block = block_of(cache)
    damage(block)
    with pytest.raises(CacheError, match=r"delete the (block|folder)") as refused:
        opened = EncoderCache(tmp_path, made_with, *SHAPE, dtype="float32")
        for key in names(6):
            opened[key]
    named = block.parent if "header" in str(refused.value) else block
    assert str(named) in str(refused.value)
    shutil.rmtree(named)
    mended = EncoderCache(tmp_path, made_with, *SHAPE, dtype="float32")
    assert len(mended) == 0
    mended.add(names(6), given)
    assert all(torch.equal(mended[key], row) for key, row in zip(names(6), given, strict=True)), "in the same process"


def test_a_block_of_another_encoder_is_refused(tmp_path: Path) -> None:
    cache, other = (EncoderCache(tmp_path, {"encoder": name}, *SHAPE) for name in "ab")
    cache.add(names(4), rows(4))
    other.add(names(4), rows(4, seed=1))
    shutil.rmtree(block_of(cache))
    shutil.copytree(block_of(other), cache.folder / block_of(other).name)
    with pytest.raises(CacheError, match="row 0 is not what was written"):
        EncoderCache(tmp_path, {"encoder": "a"}, *SHAPE)["key0"]


def test_output_without_digests_is_computed_anew_and_said(tmp_path: Path) -> None:
    header = {"layout": 1, "dtype": "float32", "tokens": SHAPE[0], "width": SHAPE[1], "made_with": {}}
    old = tmp_path / f"encoded-{hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:16]}"
    old.mkdir()
    with pytest.warns(UserWarning, match=f"{old.name}: encoder output without digests.*computed anew"):
        cache = EncoderCache(tmp_path, {}, *SHAPE, dtype="float32")
    assert len(cache) == 0 and cache.folder != old
    cache.add(names(1), rows(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(EncoderCache(tmp_path, {}, *SHAPE, dtype="float32")) == 1


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

    item, file = record(0, "opposed.wav"), folder / "opposed.wav"
    before = key(item)
    assert key(record(5, "opposed.wav", recording="other")) == before, "a name of its own changes nothing"
    os.utime(file, (1, 1))
    assert key(item) != before, "the file was changed"
    # Another file of the same size and date in its place, in the same process.
    before, sound = key(item), bytearray(file.read_bytes())
    sound[-1] ^= 1
    (folder / "new.wav").write_bytes(sound)
    os.utime(folder / "new.wav", (1, 1))
    os.replace(folder / "new.wav", file)
    assert key(item) != before


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
