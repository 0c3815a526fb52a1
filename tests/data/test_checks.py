"""Checking data before it is used: counts, balance and histograms of what is sound; everything else named by file, line
and field; and what training and evaluation share is found under any name."""

import copy
import json
import shutil

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.data.checks import check_files, format_contents
from spatial_llm.data.plots import draw_contents
from spatial_llm.errors import ManifestError
from spatial_llm.scenes.bank import BankRow, write_bank
from spatial_llm.scenes.scene import Listener, Room, mirror_room

RATE = 32_000
LISTENER, PLACES = Listener((2.0, 2.5, 1.5), 0.0), ((4.0, 3.0, 1.0), (1.0, 1.0, 2.0))


def room(split):
    return Room(f"{split}-0", (6.0, 5.0, 3.0), absorption=0.5)


def scene_line(split, number, recording, row, mirror=False):
    where, listener, (place,) = (mirror_room if mirror else lambda *plain: plain)(room(split), LISTENER, [PLACES[row]])
    return {
        "id": f"{split}-{number}", "split": split, "seed": 0, "duration_s": 1.0, "sampling_rate": RATE,
        "room": {"id": where.id, "size_m": list(where.size_m), "absorption": 0.5},
        "listener": {"position_m": list(listener.position_m), "heading_deg": listener.heading_deg},
        "sources": [{"label": "bark", "recording": recording, "position_m": list(place), "response": row}],
        "bank": f"{split}_bank", "sounds": "sounds", "mirror": mirror,
    }  # fmt: skip


def question_line(number, scene, question_type="CLASSIFICATION", answer="bark", truth=None):
    return {
        "id": f"q-{scene['id']}-{number}", "recording_id": scene["id"], "type": "A", "question_type": question_type,
        "question": "What sounds?", "answer": answer, "truth": truth or {"labels": [answer]}, "split": scene["split"],
        "sampling_rate": RATE, "scene": scene,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Two splits with a bank, four dry sounds, three scenes and six questions each."""
    rng = np.random.default_rng(0)
    (tmp_path / "sounds").mkdir()
    for name in ("t0", "t1", "e0", "e1"):
        soundfile.write(tmp_path / "sounds" / f"{name}.wav", 0.1 * rng.normal(size=1000), RATE)
    for split in ("train", "eval"):
        rows = [BankRow(room(split), LISTENER, place) for place in PLACES]
        write_bank(tmp_path / f"{split}_bank", rows, {BINAURAL: rng.normal(size=(2, 2, 50))}, 50, RATE, {}, True)
        scenes = [
            scene_line(split, 0, f"{split[0]}0.wav", 0),
            scene_line(split, 1, f"{split[0]}1.wav", 1, mirror=True),
            scene_line(split, 2, f"synth:bell/{len(split)}", 1),
        ]
        write(tmp_path, f"{split}_scenes", scenes)
        write(tmp_path, split, [question_line(n, scene) for scene in scenes for n in range(2)])
    return tmp_path


def write(folder, name, rows):
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def rows_of(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def files(folder, *names):
    return [folder / f"{name}.jsonl" for name in names or ("train", "eval")]


def test_counts_and_histograms(folder):
    contents = check_files(files(folder))
    train = contents["train"]
    assert (len(train.questions), train.recordings, train.rooms) == (6, 3, {"train-0"})  # the mirror image is the same room
    assert train.by_number_of_sources == {1: 3} and train.labels == {"bark": 3}
    assert [round(source.azimuth_deg) for source in train.sources] == [14, 124, -124]
    assert train.balance("question_type")["CLASSIFICATION"].n == 6
    text = "\n".join(format_contents(contents))
    assert "train: 6 questions, 3 recordings, 1 rooms; sources: 3 with 1" in text and "66.7 % left, 33.3 % front" in text
    assert check_files(files(folder, "train_scenes", "eval_scenes"))["train"].sources == train.sources
    draw_contents(contents, folder / "check.png")
    image = imread(folder / "check.png")
    assert image.shape[0] > 300 and len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50
    draw_contents(contents, folder / "again.png")
    assert (folder / "check.png").read_bytes() == (folder / "again.png").read_bytes()


def test_files_and_pairs_are_counted_and_drawn_too(folder):
    shutil.copy(folder / "sounds/t0.wav", folder / "clip.wav")
    soundfile.write(folder / "clip.wav", np.zeros((10, 2)) + 0.1, RATE)
    (folder / "rooms/r").mkdir(parents=True)
    (folder / "rooms/r/0.npy").touch()
    line = {k: v for k, v in rows_of(folder, "train")[0].items() if k != "scene"}
    pair = {"audio": "sounds/t1.wav", "response": "rooms/r/0.npy"}
    write(folder, "m", [
        line | {"id": "a", "recording_id": "a", "audio": "clip.wav"},
        line | {"id": "b", "recording_id": "b", "protocol": "official_bat",
                "pairs": [pair, pair | {"labels": ["bell"], "azimuth_deg": 90.0, "elevation_deg": 0.0, "distance_m": 2.0}]},
    ])  # fmt: skip
    held = check_files(files(folder, "m"))["train"]
    assert held.rooms == {"rooms/r"} and held.labels == {"bell": 1} and held.by_number_of_sources == {0: 1, 2: 1}
    draw_contents(check_files(files(folder, "m")), folder / "check.png")
    write(folder, "m", [line | {"audio": "clip.wav"}])
    draw_contents(check_files(files(folder, "m")), folder / "check.png")


def changed(folder, line, change):
    """train.jsonl with one line changed by `change(row)`."""
    rows = rows_of(folder, "train")
    change(rows[line - 1])
    write(folder, "train", rows)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.update(id=f"q-train-0-{0}"), r"train\.jsonl:7: id stands twice .*\n.*lines 1, 7"),
        (lambda row: row.update(bad=1), r"train\.jsonl:7: bad: unknown field"),
        (lambda row: row["scene"].update(bank="gone"), r"train\.jsonl:7: scene\.bank 'gone': is not there"),
        (lambda row: row["scene"].update(bank="../../etc/passwd"), r"train\.jsonl:7: scene\.bank .* leads out of"),
        (lambda row: row["scene"]["sources"][0].update(recording="../../etc/passwd"),
         r"train\.jsonl:7: scene\.sources\[0\]\.recording 'sounds/\.\./\.\./etc/passwd' leads out of"),
        (lambda row: row["scene"]["sources"][0]["position_m"].__setitem__(1, float("nan")),
         r"train\.jsonl:7: scene\.sources\[0\]\.position_m\[1\]: NaN is not JSON"),
        (lambda row: row["scene"]["sources"][0]["position_m"].__setitem__(1, 7.5),
         r"train\.jsonl:7: scene: sources\[0\]\.position_m .*7\.5.* is outside the room"),
        (lambda row: row["scene"]["sources"][0]["position_m"].__setitem__(1, 3.5),
         r"train\.jsonl:7: scene .*sources\[0\] is at .* but row 1 of bank"),
        (lambda row: row["scene"]["sources"][0].update(response=9), r"train\.jsonl:7: .*response 9 asked for"),
        (lambda row: row.update(type="distance", question_type="DISTANCE", answer="9.5m", truth={"distance_m": 9.5},
                                about={"sources": [0]}),
         r"train\.jsonl:7: record 'extra': about: source 0, .*distance_m differ"),
    ],
    ids=["duplicate id", "unknown field", "missing file", "bank leaves", "sound leaves", "NaN", "outside", "moved", "row",
         "place"],
)  # fmt: skip
def test_what_is_wrong_in_line_7_is_named(folder, change, said):
    rows = rows_of(folder, "train")
    extra = copy.deepcopy(rows[-1]) | {"id": "extra", "recording_id": "extra"}
    write(folder, "train", [*rows, extra])
    assert check_files(files(folder))
    changed(folder, 7, change)
    with pytest.raises(ManifestError, match=said):
        check_files(files(folder))


def test_bad_json_on_line_7_and_one_recording_id_for_two_recordings(folder):
    rows = rows_of(folder, "train")
    path = folder / "train.jsonl"
    path.write_text(path.read_text() + '{"id": "x",}\n')
    with pytest.raises(ManifestError, match=r"train\.jsonl:7: not JSON"):
        check_files(files(folder))
    rows[5]["recording_id"] = rows[0]["recording_id"]
    write(folder, "train", rows)
    with pytest.raises(ManifestError, match=r"train\.jsonl:6: recording_id 'train-0' stands for another recording"):
        check_files(files(folder))


def test_what_train_and_eval_share_is_found_under_any_name(folder):
    def refused(change, said):
        kept = (folder / "eval.jsonl").read_text()
        rows = rows_of(folder, "eval")
        change(rows)
        write(folder, "eval", rows)
        with pytest.raises(ManifestError, match=f"overlap; .*\n{said}"):
            check_files(files(folder))
        assert check_files(files(folder, "eval"))  # on its own it is sound
        (folder / "eval.jsonl").write_text(kept)

    def share_id(rows):
        rows[3]["id"] = "q-train-0-1"

    def share_recording_id(rows):
        rows[0]["recording_id"] = rows[1]["recording_id"] = "train-1"

    def share_synthesized(rows):
        for row in rows[4:]:
            row["scene"]["sources"][0]["recording"] = "synth:bell/5"

    def share_room(rows):
        for row in rows[2:4]:  # in the mirror, from a bank under another name
            row["scene"]["room"]["id"], row["scene"]["bank"] = "train-0-mirrored", "copy_bank"

    def share_sound(rows):
        for row in rows[:2]:
            row["scene"]["sources"][0]["recording"] = "copy.wav"

    refused(share_id, r"id: 1 in both splits\n  'q-train-0-1': .*train\.jsonl:2 and .*eval\.jsonl:4")
    refused(share_recording_id, r"recording_id: 1 in both splits\n  'train-1': .*train\.jsonl:3 and .*eval\.jsonl:1")
    refused(share_synthesized, r"source recording: 1 in both splits\n  'synth:bell/5': .*train\.jsonl:5 and .*eval\.jsonl:5")
    shutil.copytree(folder / "train_bank", folder / "copy_bank")
    refused(share_room, r"room: 1 in both splits\n  'train-0': .*train\.jsonl:1 and .*eval\.jsonl:3")
    shutil.copy(folder / "sounds/t1.wav", folder / "sounds/copy.wav")
    refused(
        share_sound,
        r"sound file \(SHA-256\): 1 in both splits\n.*train\.jsonl:3 \(t1\.wav\) and .*eval\.jsonl:1 \(copy\.wav\)",
    )
    assert check_files(files(folder, "train", "train_scenes"))  # one split may be described twice
    write(folder, "moved", [rows_of(folder, "train_scenes")[0] | {"split": "eval"}])
    with pytest.raises(ManifestError, match=r"\nid: 1 .*\n.*\nroom: 1 .*\n.*\nsound file"):
        check_files(files(folder, "train_scenes", "moved"))
