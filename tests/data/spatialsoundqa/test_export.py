"""Our scenes in the released layout and back: questions, answers, truths, labels, directions, and the sound itself."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.formats import BINAURAL, Ambisonics
from spatial_llm.data.records import Record, read_manifest, write_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.data.spatialsoundqa.export import export_release, format_export
from spatial_llm.data.spatialsoundqa.prepare import format_report, prepare_release
from spatial_llm.data.spatialsoundqa.release import read_label_csv
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import great_circle_deg
from spatial_llm.questions.types import parse_value
from spatial_llm.scenes.bank import BankRow, write_bank
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Noise, Room, Scene, Source, direction_of, mirror_room

RATE = 32_000
ROOMS = {
    split: Room(f"{split} #1", (6.0, 5.0, 3.0), absorption=0.5, max_order=1, ray_tracing=False)
    for split in ("train", "eval")
}
LISTENER = Listener((2.0, 2.5, 1.5), heading_deg=70.0)
PLACES = ((4.0, 3.0, 1.0), (1.0, 1.0, 2.0), (2.5, 4.0, 1.6), (2.0, 2.4, 2.9))


def scene(name, *sources, split="train", mirror=False, **fields):
    """A scene of (label, recording, row of the bank) sources."""
    places = [PLACES[row or 0] for _, _, row in sources]
    room, listener = ROOMS[split], LISTENER
    if mirror:
        room, listener, places = mirror_room(room, listener, places)
    placed = tuple(
        Source(label, recording, place, response=row) for (label, recording, row), place in zip(sources, places, strict=True)
    )
    plain = {
        "split": split,
        "seed": 0,
        "duration_s": 10.0,
        "sampling_rate": RATE,
        "bank": f"{split}_bank",
        "sounds": "sounds",
    }
    return Scene(name, room=room, listener=listener, sources=placed, mirror=mirror, **(plain | fields))


BELL, BARK, VROOM = ("bell", "synth:bell/1", 0), ("bark", "bark/1.wav", 1), ("accelerating, revving", "bark/2.wav", 2)
ASKED = (  # question type, answer, scene
    ("CLASSIFICATION", "bell", scene("one", BELL)),
    ("DOA", "right, front, below; 2m", scene("one", BELL)),
    ("CLASSIFICATION", "accelerating, revving", scene("short", VROOM, duration_s=2.0)),
    ("MIXUP_SINGLE_DOA", "left, behind, above; 2m", scene("two", BELL, BARK)),
    ("MIXUP_SINGLE_CLASSIFICATION", "bark", scene("two", BELL, BARK)),
    ("MIXUP_NONBINARY_SOURCE", "bell", scene("mirrored", BARK, BELL, mirror=True)),
    ("MIXUP_DIRECTION", "No", scene("mirrored", BARK, BELL, mirror=True)),
    ("DOA", "right, behind, above; 1.5m", scene("above", ("bell", "synth:bell/1", 3))),
    ("CLASSIFICATION", "bell", scene("simulated", ("bell", "synth:bell/1", None), bank=None)),
    ("CLASSIFICATION", "siren", scene("unseen", ("siren", "synth:siren/9", 0), split="eval")),
    ("MIXUP_NONBINARY_DISTANCE", "3.5m", scene("unseen two", ("siren", "synth:siren/9", 2), BARK, split="eval")),
)


def records(asked):
    return [
        Record(f"r{i}", about.id, {"C": "A", "D": "B"}.get(kind[0], "E") if kind in ("CLASSIFICATION", "DOA") else
               {"MIXUP_SINGLE_DOA": "D", "MIXUP_SINGLE_CLASSIFICATION": "C"}.get(kind, "E"),
               kind, f"What about {kind}, {i}?", answer, parse_value(kind, answer), about.split, RATE, scene=about)
        for i, (kind, answer, about) in enumerate(asked)
    ]  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """Banks of noise-like responses, two dry sounds as files (one stereo, at another rate), and both manifests."""
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    (folder / "sounds/bark").mkdir(parents=True)
    soundfile.write(folder / "sounds/bark/1.wav", 0.1 * rng.normal(size=(30_000, 2)), 44_100, subtype="FLOAT")
    soundfile.write(folder / "sounds/bark/2.wav", 0.3 * rng.normal(size=5 * RATE), RATE)
    for split, room in ROOMS.items():
        rows = [BankRow(room, LISTENER, place, 0.3, 2.0) for place in PLACES]
        responses = (rng.normal(size=(len(rows), 2, 3000)) * np.exp(-np.arange(3000) / 500)).astype(np.float32)
        write_bank(folder / f"{split}_bank", rows, {BINAURAL: responses}, 3000, RATE, {}, True)
    for split in ("train", "eval"):
        asked = [record for record in records(ASKED) if record.split == split]
        write_manifest(folder / f"{split}.jsonl", asked)
    return folder


def test_there_and_back(data, tmp_path):
    release = tmp_path / "release"
    report = export_release([data / "train.jsonl", data / "eval.jsonl"], release)
    assert report["left_out"] == {} and report["lengthened_to_10_s"] == 1
    # a bark in each split; mirrored responses, and those of the room without a bank, on their own
    assert report["sounds"] == 5 and report["responses"] == 6 + 1 + 3
    prepared = prepare_release(release)
    assert prepared["splits"]["train-stage3-mixup"]["locations"] == {"compared_with_the_lists": 2, "other_than_the_lists": 0}
    assert {name: said["kept"] for name, said in prepared["splits"].items()} == {
        "train-stage1-clsdoa": 5, "train-stage2-single": 7, "train-stage3-mixup": 9, "eval": 2,
    }  # fmt: skip
    ours = {record.question: record for split in ("train", "eval") for record in read_manifest(data / f"{split}.jsonl")}
    theirs = [r for name in ("train-stage3-mixup", "eval") for r in read_manifest(release / f"{name}.jsonl")]
    assert len(theirs) == len(ours) == len(ASKED)
    for there in theirs:
        here = ours[there.question]
        for field in ("type", "question_type", "question", "answer", "truth", "split", "sampling_rate"):
            assert getattr(there, field) == getattr(here, field)
        for source, pair in zip(here.scene.sources, there.pairs, strict=True):
            azimuth_deg, elevation_deg, distance_m = direction_of(here.scene.listener, source.position_m)
            assert pair.labels == (source.label,)
            assert great_circle_deg(azimuth_deg, elevation_deg, pair.azimuth_deg, pair.elevation_deg) < 0.01
            assert abs(distance_m - pair.distance_m) < 0.001
        expected, heard = render_scene(here.scene, data), render_record(there, release)
        assert heard.shape == (2, 10 * RATE)
        np.testing.assert_allclose(heard[:, : expected.shape[1]], expected, atol=1e-6 * np.abs(expected).max())
    by_recording = {there.recording_id for there in theirs}
    assert len(by_recording) == len({record.recording_id for record in ours.values()})


def test_the_layout_is_that_of_the_release(data, tmp_path):
    release = tmp_path / "release"
    export_release([data / "train.jsonl", data / "eval.jsonl"], release)
    rows = {path.relative_to(release / "closed-end").as_posix(): json.loads(path.read_text())["data"]
            for path in (release / "closed-end").rglob("*.json")}  # fmt: skip
    assert {name: len(each) for name, each in rows.items()} == {
        "stage1-clsdoa/train.json": 5, "stage2-single/train.json": 7, "stage3-mixup/train.json": 9,
        "stage1-clsdoa/eval-stage1-classification.json": 1, "stage3-mixup/eval-stage3-nonbinary.json": 1,
    }  # fmt: skip
    one, two = rows["stage3-mixup/train.json"][0], rows["stage3-mixup/train.json"][-1]
    assert set(one) == {
        "audio_id",
        "reverb_id",
        "audio_id2",
        "reverb_id2",
        "question_id",
        "question_type",
        "question",
        "answer",
    }
    assert one["audio_id2"] is None and one["reverb_id2"] is None and two["audio_id2"] is not None
    sound = soundfile.info(release / "AudioSet" / f"{one['audio_id']}.wav")
    assert one["audio_id"].startswith("balanced_train/audio/") and (sound.samplerate, sound.channels) == (RATE, 1)
    response = np.load(release / "mp3d_reverb/binaural" / two["reverb_id2"])
    assert response.shape == (2, 3000) and response.dtype == np.float32
    assert read_label_csv(release / "AudioSet/metadata/class_labels_indices_subset.csv") == [
        "accelerating, revving", "bark", "bell", "siren"
    ]  # fmt: skip
    clips = json.loads((release / "AudioSet/metadata/eval.json").read_text())
    assert {clip["folder"] for clip in clips} == {"eval/audio"} and all(len(clip["label"]) == 1 for clip in clips)
    (place, *_) = json.loads((release / "mp3d_reverb/train_reverberation.json").read_text())["data"]
    assert len(place["sensor_position"].split(",")) == 3 and place["fname"] == one["reverb_id"]
    assert str(tmp_path) not in (release / "exported.json").read_text()


def walking(source):
    x, y, z = source.position_m
    return dataclasses.replace(source, response=None, path=((0.0, source.position_m), (1.0, (x + 0.1, y, z))))


def test_what_cannot_be_said_is_counted_and_named(data, tmp_path):
    plain = scene("plain", BELL, BARK)
    (first, second) = plain.sources
    changes = {
        "background noise": {"noise": Noise()},
        "motion": {"sources": (walking(first), dataclasses.replace(second, response=None)), "bank": None},
        "gain": {"sources": (first, dataclasses.replace(second, gain_db=-3.0))},
        "onset": {"sources": (dataclasses.replace(first, onset_s=1.0), second)},
        "offset": {"sources": (dataclasses.replace(first, offset_s=1.0), second)},
        "more than two sources": {"sources": (first, second, first)},
        "format other than binaural": {"format": Ambisonics(1)},
        "protocol other than official_bat": {"protocol": "checkpoint_matched"},
        "longer than 10 s": {"duration_s": 11.0},
    }
    asked = [
        ("MIXUP_DIRECTION", "Yes", dataclasses.replace(plain, id=reason, **change)) for reason, change in changes.items()
    ]
    lines = [*records([("MIXUP_DIRECTION", "Yes", plain), *asked])]
    soundfile.write(data / "heard.wav", np.ones((100, 2)) * 0.1, RATE)
    lines.append(dataclasses.replace(lines[0], id="heard", recording_id="h", scene=None, audio="heard.wav"))
    write_manifest(data / "train.jsonl", lines)
    report = export_release([data / "train.jsonl"], tmp_path / "release")
    named = {reason: said["first"] for reason, said in report["left_out"].items()}
    expected = {reason: [f"r{number}"] for number, reason in enumerate(changes, start=1)}
    assert named == expected | {"the recording is not a scene": ["heard"]}
    assert report["questions"] == {"closed-end/stage3-mixup/train.json": 1}
    assert "left out: 1 (gain): r3" in "\n".join(format_export(report))
    write_manifest(data / "train.jsonl", lines[1:])
    with pytest.raises(ManifestError, match="nothing to export"):
        export_release([data / "train.jsonl"], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_prepared_are_the_questions_whose_files_are_there(data, tmp_path):
    release = tmp_path / "release"
    export_release([data / "train.jsonl", data / "eval.jsonl"], release)
    rows = json.loads((release / "closed-end/stage1-clsdoa/train.json").read_text())["data"]
    bell, vroom = (next(row for row in rows if row["answer"] == label) for label in ("bell", "accelerating, revving"))
    (release / "AudioSet" / f"{vroom['audio_id']}.wav").unlink()
    (release / "mp3d_reverb/binaural" / bell["reverb_id"]).unlink()
    (release / "closed-end/stage2-single/train.json").unlink()
    train = release / "closed-end/stage3-mixup/train.json"
    train.write_text(train.read_text().replace('"answer": "No"', '"answer": "perhaps"'))
    assert "rows_published" not in prepare_release(release)["splits"]["train-stage1-clsdoa"]  # our own folder
    (release / "exported.json").unlink()
    said = prepare_release(release, fingerprints=True, protocol="checkpoint_matched")["splits"]
    one = said["train-stage1-clsdoa"]
    assert (one["rows"], one["kept"], one["manifest"]) == (5, 2, "train-stage1-clsdoa.jsonl")
    assert one["missing_sounds"] == {"files": 1, "first": [f"AudioSet/{vroom['audio_id']}.wav"]}
    assert one["missing_responses"] == {"files": 1, "first": [f"mp3d_reverb/binaural/{bell['reverb_id']}"]}
    assert one["left_out_by_question_type"] == {"CLASSIFICATION": 2, "DOA": 1}
    assert one["files"]["closed-end/stage1-clsdoa/train.json"] == {"rows": 5, "kept": 2}
    assert said["train-stage2-single"]["question_files_missing"] == ["closed-end/stage2-single/train.json"]
    assert said["train-stage2-single"]["manifest"] is None and not (release / "train-stage2-single.jsonl").exists()
    assert said["train-stage3-mixup"]["unreadable_answers"] == 1
    text = "\n".join(format_report({"splits": said}))
    assert (
        "train-stage1-clsdoa: 2 of 5 questions kept -> train-stage1-clsdoa.jsonl" in text
        and "278784 questions were released" in text
    )
    record, _ = read_manifest(release / "train-stage1-clsdoa.jsonl")
    assert record.protocol == "checkpoint_matched" and len(record.files) == 2
    sound = release / record.pairs[0].audio
    sound.write_bytes(sound.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ManifestError, match=r"train-stage1-clsdoa\.jsonl:1: pairs\[0\]\.audio .* another SHA-256"):
        read_manifest(release / "train-stage1-clsdoa.jsonl")


def test_prepared_twice_is_the_same_and_an_empty_folder_is_refused(data, tmp_path):
    release = tmp_path / "release"
    export_release([data / "train.jsonl", data / "eval.jsonl"], release)
    first = {split: said["sha256"] for split, said in prepare_release(release)["splits"].items()}
    (release / "AudioSet").rename(tmp_path / "sounds")
    (release / "mp3d_reverb").rename(tmp_path / "rooms")
    again = prepare_release(release, audio_root=tmp_path / "sounds", reverb_root=tmp_path / "rooms")["splits"]
    assert {split: said["sha256"] for split, said in again.items()} == first
    assert prepare_release(release)["splits"]["eval"]["kept"] == 0 and not (release / "eval.jsonl").exists()
    with pytest.raises(ManifestError, match=r"none of 10 question files is there"):
        prepare_release(tmp_path / "sounds")
