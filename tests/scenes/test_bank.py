"""The bank on disk: same bytes from any number of workers, whole or absent, checked when opened."""

import dataclasses
import json

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.blocks import Shard
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.scenes.bank import BankRow, ResponseBank, write_bank
from spatial_llm.scenes.bank_simulation import BankConfig, bank_blocks, join_bank, simulate_parts
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.scenes.scene import Listener, Room, direction_of

ROOM = RoomConfig(positions_per_room=2, max_order=3, ray_tracing=False, duration_s=0.15, absorption=(0.5, 0.6))
CONFIG = BankConfig("train", seed=5, rooms=11, room=ROOM, formats=["binaural", "foa", "mono"])
BINAURAL, FOA, MONO = (parse_format(name) for name in CONFIG.formats)


def build(config: BankConfig, folder, workers: int = 1) -> ResponseBank:
    blocks = bank_blocks(config, folder / "parts")
    simulate_parts(config, blocks, Shard(), workers, progress=False)
    return join_bank(config, blocks, folder / "bank")


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> ResponseBank:
    return build(CONFIG, tmp_path_factory.mktemp("bank"))


def test_bytes_depend_on_neither_workers_nor_shards(bank, tmp_path):
    two = build(CONFIG, tmp_path / "two", workers=2)
    blocks = bank_blocks(CONFIG, tmp_path / "shards")
    simulate_parts(CONFIG, blocks, Shard(2, 2), 1, progress=False)
    with pytest.raises(SpatialLLMError, match="2 of 3 parts are missing"):
        join_bank(CONFIG, blocks, tmp_path / "early")
    simulate_parts(CONFIG, blocks, Shard(1, 2), 1, progress=False)
    sharded = join_bank(CONFIG, blocks, tmp_path / "sharded")
    for path in sorted(bank.folder.iterdir()):
        assert sha256_of(path) == sha256_of(two.folder / path.name) == sha256_of(sharded.folder / path.name), path.name
    assert not (tmp_path / "early").exists()


def test_layout(bank):
    assert len(bank) == 22 and bank.sampling_rate == 32000 and bank.propagation_delay
    shapes = {name: responses.shape for name, responses in bank.responses.items()}
    assert shapes == {"binaural": (22, 2, 4800), "ambisonics1": (22, 4, 4800), "mono": (22, 1, 4800)}
    assert all(isinstance(responses, np.memmap) for responses in bank.responses.values())
    assert [row.room.id for row in bank.rows] == [f"train-{i // 2:05d}" for i in range(22)]
    assert all(0.02 < row.rt60_s < 1 and -30 < row.drr_db < 30 for row in bank.rows)


def test_one_truth_in_every_format(bank):
    """Binaural louder on the source's side, ambisonic Y of its sign, the mono direct sound after distance / c."""
    checked = 0
    for row, where in enumerate(bank.rows):
        azimuth_deg, elevation_deg, distance_m = direction_of(where.listener, where.position_m)
        mono = bank.response(row, MONO)[0]
        first = np.argmax(np.abs(mono) > 0.5 * np.abs(mono).max())
        assert abs(first - distance_m / 343.0 * 32000) < 3
        if 40 < abs(azimuth_deg) < 140 and abs(elevation_deg) < 30 and distance_m < 2:
            energy = np.sum(bank.response(row, BINAURAL) ** 2, axis=1)
            assert (energy[0] > energy[1]) == (azimuth_deg > 0)
            foa = bank.response(row, FOA)[:, first - 4 : first + 5]
            assert (np.sum(foa[0] * foa[1]) > 0) == (azimuth_deg > 0)
            checked += 1
    assert checked > 3


def test_mirror_exchanges_left_and_right(bank):
    np.testing.assert_array_equal(bank.response(1, BINAURAL, mirror=True), bank.response(1, BINAURAL)[::-1])
    np.testing.assert_array_equal(bank.response(1, FOA, mirror=True), bank.response(1, FOA) * [[1], [-1], [1], [1]])
    np.testing.assert_array_equal(bank.response(1, MONO, mirror=True), bank.response(1, MONO))
    bank.response(1, BINAURAL)[:] = 0  # a copy: the file stays as it was
    assert np.any(bank.response(1, BINAURAL))


def test_errors(bank, tmp_path):
    with pytest.raises(SceneError, match="rows 0 to 21"):
        bank.response(22, BINAURAL)
    with pytest.raises(SceneError, match="no responses for ambisonics3; the bank has binaural, ambisonics1, mono"):
        bank.response(0, parse_format("ambisonics3"))
    with pytest.raises(SceneError, match="no bank of room responses"):
        ResponseBank.load(tmp_path)
    with pytest.raises(SceneError, match="0 rooms"):
        BankConfig(rooms=0)


def test_a_tail_longer_than_the_responses_is_refused(tmp_path):
    room = dataclasses.replace(ROOM, max_order=14, duration_s=0.03, absorption=(0.05, 0.05))
    with pytest.raises(SceneError, match="duration_s"):
        build(BankConfig("x", rooms=1, room=room), tmp_path)
    assert not (tmp_path / "bank").exists()


def test_disagreeing_files_are_refused(bank, tmp_path):
    for path in bank.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = (tmp_path / "geometry.jsonl").read_text().splitlines()
    (tmp_path / "geometry.jsonl").write_text("\n".join(lines[:-1]))
    with pytest.raises(SceneError, match="has 21 lines"):
        ResponseBank.load(tmp_path)
    (tmp_path / "geometry.jsonl").write_text(lines[0].replace('"position_m"', '"place"'))
    with pytest.raises(SceneError, match=r"geometry\.jsonl:1: .*place: unknown field"):
        ResponseBank.load(tmp_path)
    turning = lines[0].replace('"heading_deg"', '"headings": [[0.0, 0.0], [1.0, 90.0]], "heading_deg"')
    (tmp_path / "geometry.jsonl").write_text(turning)
    with pytest.raises(SceneError, match=r"geometry\.jsonl:1: listener.headings: a response is heard from one heading"):
        ResponseBank.load(tmp_path)


def test_a_bank_of_another_version_is_refused(bank, tmp_path):
    for path in bank.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((tmp_path / "bank.json").read_text())
    (tmp_path / "bank.json").write_text(json.dumps({name: settings[name] for name in settings if name != "simulated"}))
    with pytest.raises(SceneError, match="simulated missing; it is of another version"):
        ResponseBank.load(tmp_path)


def test_write_bank_takes_as_many_responses_as_rows(tmp_path):
    row = BankRow(Room("hall"), Listener(), (1.0, 0.0, 0.0))
    for responses in ([], [np.zeros((2, 9), np.float32)] * 2, [np.zeros((1, 9), np.float32)]):
        with pytest.raises(SceneError, match="expected"):
            write_bank(tmp_path / "b", [row], {BINAURAL: responses}, 9, 32000, {}, propagation_delay=False)
    assert not (tmp_path / "b").exists()
