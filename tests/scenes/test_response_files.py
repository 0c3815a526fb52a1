"""Responses from files: sound files with a CSV of geometry (synthetic, and measured ones where they are), SoundSpaces."""

import csv
import json

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.ambisonics import encode, intensity_direction
from spatial_llm.audio.formats import parse_format
from spatial_llm.errors import AudioError, SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S, great_circle_deg, vector_to_direction
from spatial_llm.scenes.response_files import bank_from_index, bank_from_soundspaces
from spatial_llm.scenes.scene import direction_of
from tests.scenes.small import decaying

RATE = 32000
AXES = [(0, 0), (90, 0), (180, 0), (-90, 0), (0, 90), (0, -90)]  # azimuth, elevation


def response(direction, delay_s: float, rate: int = 48000) -> np.ndarray:
    """A first-order response: a direct sound and, 5 ms later, a tail of 0.3 s, 6 dB below."""
    made = np.zeros((4, round(0.4 * rate)), dtype=np.float32)
    start = round(delay_s * rate)
    made[:, start] = encode(np.array(direction), 1)
    made[0, start + 240 : start + 240 + round(0.3 * rate)] = 0.5 * decaying(1, round(0.3 * rate), 0)[0]
    return made


@pytest.fixture
def index(tmp_path):
    """Six axes in first-order ambisonics at 48 kHz, two rooms; one binaural file at 32 kHz."""
    folder = tmp_path / "measured"
    (folder / "foa").mkdir(parents=True)
    rows = []
    for number, (azimuth_deg, elevation_deg) in enumerate(AXES):
        azimuth, elevation = np.deg2rad([azimuth_deg, elevation_deg])
        direction = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        distance_m = 1.0 + number
        file = f"foa/{number}.wav"
        soundfile.write(folder / file, response(direction, distance_m / SPEED_OF_SOUND_M_S).T, 48000, subtype="FLOAT")
        rows.append([file, "FOA AmbiX (ACN WYZX, SN3D)", f"room {number % 2}", azimuth_deg, elevation_deg, distance_m])
    soundfile.write(folder / "ears.wav", decaying(2, 9600, 0).T, RATE, subtype="FLOAT")
    rows.append(["ears.wav", "binaural (L,R)", "hall", 30, 0, 2.0])
    return write_index(folder / "index.csv", rows)


def write_index(path, rows):
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([["file", "format", "room", "azimuth_deg", "elevation_deg", "distance_m"], *rows])
    return path


def test_an_index_becomes_a_bank(index, tmp_path):
    kind = parse_format("foa")
    bank = bank_from_index(index, tmp_path / "bank", "foa", RATE)
    assert len(bank) == 6 and bank.sampling_rate == RATE and [each.name for each in bank.formats] == ["ambisonics1"]
    assert bank.propagation_delay  # measured: onsets fit the distances
    for row, (azimuth_deg, elevation_deg) in enumerate(AXES):
        where = bank.geometry(row)
        assert where.room.id == f"room {row % 2}" and where.room.size_m is None
        found = direction_of(where.listener, where.position_m)
        assert great_circle_deg(*found[:2], azimuth_deg, elevation_deg) < 0.01 and found[2] == pytest.approx(1.0 + row)
        direct = bank.response(row, kind)
        onset = round((1.0 + row) / SPEED_OF_SOUND_M_S * RATE)
        heard = vector_to_direction(intensity_direction(direct[:, onset - 32 : onset + 32]))
        assert great_circle_deg(*heard[:2], azimuth_deg, elevation_deg) < 1
        assert where.rt60_s == pytest.approx(0.3, rel=0.1) and where.drr_db > 4
    some = bank_from_index(index, tmp_path / "some", "foa", RATE, rooms=["room 1"])
    assert len(some) == 3 and {row.room.id for row in some.rows} == {"room 1"}
    ears = bank_from_index(index, tmp_path / "ears", "binaural", RATE)
    np.testing.assert_array_equal(ears.response(0, parse_format("binaural")), decaying(2, 9600, 0))
    assert not ears.propagation_delay  # it begins at once


def test_an_index_says_what_is_wrong(index, tmp_path):
    good = list(csv.reader(index.open(encoding="utf-8")))[1:]

    def fails(rows, match, format="foa", error=SceneError, **fields):
        broken = write_index(index.parent / "broken.csv", rows)
        with pytest.raises(error, match=match):
            bank_from_index(broken, tmp_path / "bank", format, RATE, **fields)
        assert not (tmp_path / "bank").exists()

    def changed(row, column, value):
        rows = [list(each) for each in good]
        rows[row][column] = value
        return rows

    fails(changed(1, 3, "nan"), r"broken.csv:3: azimuth_deg is 'nan'")
    fails(changed(1, 4, "95"), r"broken.csv:3: .*elevation_deg 95")
    fails(changed(2, 5, ""), r"broken.csv:4: distance_m is ''")
    fails(changed(0, 2, ""), r"broken.csv:2: room is empty")
    fails(changed(0, 0, "../secret.wav"), r"broken.csv:2: file .*leads out of")
    fails(changed(3, 0, "foa/none.wav"), r"1 of 6 responses are not there:\n.*broken.csv:5: .*none.wav")
    fails(changed(6, 1, "AmbiX (ACN, SN3D)"), r"broken.csv:8: .*ears.wav.*expected .*\(4, samples\)")
    fails(good, r"\(9, samples\) for ambisonics2", format="ambisonics2")
    fails(good, "known here are binaural", format="mono")
    fails(good, r"no responses of room \['attic'\]", rooms=["attic"])
    fails([row[:2] for row in good], r"broken.csv:2: 2 fields, the header names 6")
    (index.parent / "foa" / "0.wav").write_bytes(b"RIFF")
    fails(good, "not a readable sound file", error=AudioError)
    with pytest.raises(SceneError, match="no such file"):
        bank_from_index(tmp_path / "none.csv", tmp_path / "bank", "foa", RATE)


def test_measured_ears_are_louder_on_the_side_of_the_source(shared_audio, tmp_path):
    kind = parse_format("binaural")
    bank = bank_from_index(shared_audio / "rir" / "index.csv", tmp_path / "bank", "binaural", RATE)
    rows = {row["file"]: row for row in csv.DictReader((shared_audio / "rir" / "index.csv").open(encoding="utf-8"))}
    indexed = [row for row in rows.values() if row["format"].startswith("binaural")]
    assert len(bank) == len(indexed) == 32
    for number, row in enumerate(indexed):
        azimuth_deg = direction_of(bank.geometry(number).listener, bank.geometry(number).position_m)[0]
        left, right = np.sum(bank.response(number, kind).astype(np.float64) ** 2, axis=1)
        if 5 < abs(azimuth_deg) < 175:
            assert np.sign(10 * np.log10(left / right)) == np.sign(azimuth_deg)
            assert abs(10 * np.log10(left / right)) > 3
        assert bank.geometry(number).rt60_s == pytest.approx(float(row["t30_s"]), abs=0.05)
        assert bank.geometry(number).drr_db == pytest.approx(float(row["drr_db"]), abs=1.5)


def test_measured_ambisonics_point_at_their_source(shared_audio, tmp_path):
    kind = parse_format("foa")
    bank = bank_from_index(shared_audio / "rir" / "index.csv", tmp_path / "bank", "foa", RATE)
    rows = csv.DictReader((shared_audio / "rir" / "index.csv").open(encoding="utf-8"))
    indexed = [row for row in rows if row["format"].startswith("FOA")]
    assert len(bank) == len(indexed) == 30
    for number, row in enumerate(indexed):
        early = bank.response(number, kind)[:, : round((int(row["onset_sample"]) / 48000 + 0.0025) * RATE)]
        heard_deg = vector_to_direction(intensity_direction(early))[0]
        assert great_circle_deg(heard_deg, 0, float(row["azimuth_deg"]), 0) < 3
        assert bank.geometry(number).rt60_s == pytest.approx(float(row["t30_s"]), rel=0.12)
        assert bank.geometry(number).drr_db == pytest.approx(float(row["drr_db"]), abs=1.0)


# The axes of the listener in SoundSpaces' frame: right is +x, up is +y, ahead is -z.
SOUNDSPACES = {
    "1,0,0": (-90, 0),
    "0,0,-1": (0, 0),
    "-1,0,0": (90, 0),
    "0,0,1": (180, 0),
    "0,1,0": (0, 90),
    "0,-1,0": (0, -90),
    "2,2,-2": (-45, np.rad2deg(np.arctan(np.sqrt(0.5)))),
}


@pytest.fixture
def tree(tmp_path):
    """The released layout: lists beside binaural/ and mono/, which hold a folder a scene."""
    root, items = tmp_path / "mp3d_reverb", []
    for number, delta in enumerate(SOUNDSPACES):
        scene, sensor = f"scene{number % 2}", np.array([1.0 + number, 1.5, -3.0])
        source = sensor + [float(part) for part in delta.split(",")]
        for kind, channels in (("binaural", 2), ("mono", 1)):
            (root / kind / scene).mkdir(parents=True, exist_ok=True)
            np.save(root / kind / scene / f"{number}.npy", decaying(channels, 3200 + 100 * number, number))
        texts = [",".join(str(float(part)) for part in place) for place in (sensor, source)]
        items.append({"fname": f"{scene}/{number}.npy", "sensor_position": texts[0], "source_position": texts[1]})
    (root / "train_reverberation.json").write_text(json.dumps({"data": items}))
    return root / "train_reverberation.json"


def test_soundspaces_becomes_a_bank_in_our_frame(tree, tmp_path):
    bank = bank_from_soundspaces(tree, tmp_path / "bank", RATE)
    assert len(bank) == 7 and not bank.propagation_delay
    for row, (azimuth_deg, elevation_deg) in enumerate(SOUNDSPACES.values()):
        where = bank.geometry(row)
        found = direction_of(where.listener, where.position_m)
        assert great_circle_deg(*found[:2], azimuth_deg, elevation_deg) < 0.01
        assert where.room.id == f"scene{row % 2}"
        kept = bank.response(row, parse_format("binaural"))
        np.testing.assert_array_equal(kept[:, : 3200 + 100 * row], decaying(2, 3200 + 100 * row, row))
        assert not kept[:, 3200 + 100 * row :].any()
    assert found[2] == pytest.approx(np.sqrt(12), abs=1e-3)
    slower = bank_from_soundspaces(tree, tmp_path / "slower", 16000, rooms=["scene1"])
    assert len(slower) == 3 and slower.response(0, parse_format("binaural")).shape == (2, 1850)


def test_soundspaces_says_what_is_wrong(tree, tmp_path):
    items = json.loads(tree.read_text())["data"]

    def fails(value, match):
        tree.write_text(value if isinstance(value, str) else json.dumps(value))
        with pytest.raises(SceneError, match=match):
            bank_from_soundspaces(tree, tmp_path / "bank", RATE)

    fails("{", "not JSON")
    fails([], r'expected \{"data"')
    fails({"data": []}, "no responses")
    fails({"data": [{"fname": "scene0/0.npy"}]}, r"data\[0\]: .*sensor_position")
    fails({"data": [items[0], items[1] | {"source_position": "1,2"}]}, r"data\[1\]: .*x,y,z")
    fails({"data": [items[0] | {"source_position": "1,nan,2"}]}, r"data\[0\]: source_position is 'nan'")
    fails({"data": [items[0] | {"source_position": items[0]["sensor_position"]}]}, "two different positions")
    fails({"data": [items[0] | {"fname": "../../secret.npy"}]}, r"data\[0\]: fname .*leads out of")
    fails({"data": [*items, items[0] | {"fname": "scene9/1.npy"}]}, r"1 of 8 responses.*\n.*data\[7\]: .*scene9/1.npy")
    np.save(tree.parent / "binaural" / "scene0" / "0.npy", np.array([{}], dtype=object))
    fails({"data": items}, r"data\[0\]: .*no readable array")
    np.save(tree.parent / "binaural" / "scene0" / "0.npy", np.zeros((100, 2)))
    fails({"data": items}, r"data\[0\]: .*\(100, 2\); expected .*\(2, samples\)")
    np.save(tree.parent / "binaural" / "scene0" / "0.npy", np.full((2, 100), np.inf))
    fails({"data": items}, r"data\[0\]: .*not finite")
