"""Data sets of the DCASE and STARSS family become manifests: what is asked is true of the whole window and known of the data
set, splits are the official ones, and what was left out is counted."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.formats import parse_format
from spatial_llm.audio.steering import steering
from spatial_llm.data.checks import check_files
from spatial_llm.data.importing.dcase import _BAND_HZ, _MOST_FOA, DcaseArguments, import_dcase
from spatial_llm.data.importing.dcase_sets import DATA_SETS
from spatial_llm.data.importing.windows import questions_about_annotations
from spatial_llm.data.record import Record
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.data.targets import targets_of
from spatial_llm.evaluation.metrics import read_truths
from spatial_llm.geometry import direction_to_vector
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.types import FAMILY_OF
from tests.data.importing.dcase_folder import frames, write_set, write_stereo

pytestmark = pytest.mark.slow  # a real simulation or model in every test

TRAIN, TEST = "dev-train-tau/fold3_room4_mix001", "dev-test-sony/fold4_room23_mix002"
WALK = [(frame, 6, 2, -60 + frame, 0, 200) for frame in range(120, 160)]  # 40 degrees in 4 s
LABELS = {
    # A pause of 0.3 s within the first sound is none; the second is one of a moving source.
    TRAIN: frames(5, 20, 1, 1, 40, 10) + frames(24, 40, 1, 1, 44, 12, 170) + WALK + frames(130, 150, 8, 0, -180, -20, 300),
    TEST: frames(10, 60, 0, 1, -100, 5) + frames(0, 99, 8, 0, 90, -30, 250),
}


def imported(root: Path, name: str, **options: object) -> tuple[dict[str, list[Record]], dict]:
    """The records of each manifest, and the summary."""
    out = root.parent / f"{root.name}_out"
    summary = import_dcase(DcaseArguments(str(root), name, str(out), **options))
    written = {split: read_manifest(out / f"{split}.jsonl") for split, told in summary.items() if told["questions"]}
    check_files([out / f"{split}.jsonl" for split in written])
    return written, summary


def types_of(records: list[Record]) -> set[str]:
    return {record.question_type for record in records}


def test_starss23_becomes_windows_with_the_truth_of_their_sounds_by_the_official_split(tmp_path: Path) -> None:
    root = write_set(tmp_path / "starss23", LABELS)
    found, summary = imported(root, "starss23-foa")
    first = next(record for record in found["train"] if record.recording_id == "fold3_room4_mix001-000")
    second = next(record for record in found["train"] if record.recording_id == "fold3_room4_mix001-001")
    (speech,) = first.known.sounds
    assert (speech.label, speech.onset_s, speech.offset_s) == ("male speech", 0.5, 4.1)
    assert 40 < speech.azimuth_deg < 44 and 10 < speech.elevation_deg < 12 and 1.5 < speech.distance_m < 1.7
    assert second.known.sounds == (
        HeardSource("footsteps", None, None, None, 2.0, 6.0),
        HeardSource("music", 180.0, -20.0, 3.0, 3.0, 5.1),
    )
    assert (first.known.room, first.known.recording) == ("starss room4", "starss fold3_room4_mix001")
    assert {record.recording_id for record in found["eval"]} == {"fold4_room23_mix002-000"}
    assert all(record.split == split for split, records in found.items() for record in records)
    counts = summary["train"]["counts"]
    assert (counts["events"], counts["windows"], counts["recordings"]) == (3, 2, 1)
    assert (counts["static sounds"], counts["moving sounds, without a place"]) == (2, 1)
    assert summary["eval"]["counts"]["windows without an annotated sound"] == 1
    told = json.loads((tmp_path / "starss23_out" / "import.json").read_text())
    assert told["splits"] == summary and told["licence"].startswith("MIT")


def test_a_window_is_the_very_samples_of_its_recording_in_its_format(tmp_path: Path) -> None:
    for audio, name in (("foa_dev", "starss23-foa"), ("mic_dev", "starss23-mic")):
        root = write_set(tmp_path / audio, LABELS, audio)
        found, _ = imported(root, name)
        samples, _ = soundfile.read(root / audio / f"{TRAIN}.wav", dtype="float32")
        for record in {record.recording_id: record for record in found["train"]}.values():
            assert record.format == parse_format(DATA_SETS[name].format)
            number = int(record.recording_id[-3:])
            waveform = render_record(record, tmp_path / f"{audio}_out")
            np.testing.assert_array_equal(waveform.T, samples[number * 240000 : (number + 1) * 240000])
        assert soundfile.info(tmp_path / f"{audio}_out" / found["train"][0].audio).subtype == "PCM_16"


def test_the_microphones_lie_on_the_sphere_in_the_four_directions_of_the_data_set() -> None:
    array = parse_format(DATA_SETS["starss23-mic"].format)
    x, y, z = np.array(array.positions_m).T
    np.testing.assert_allclose(np.rad2deg(np.arctan2(y, x)), [45, -45, 135, -135], atol=1e-4)
    np.testing.assert_allclose(np.rad2deg(np.arcsin(z / 0.042)), [35, -35, -35, 35], atol=1e-4)
    assert array.sphere_radius_m == 0.042


def test_the_power_of_its_channels_tells_foa_from_microphones_in_every_direction() -> None:
    directions = direction_to_vector(*np.random.default_rng(0).uniform([[-180], [-90]], [[180], [90]], (2, 200)))
    frequencies_hz = np.linspace(*_BAND_HZ, 7)
    for name, expected in (("starss23-foa", 1.0), ("starss23-mic", 3.0)):
        power = np.abs(steering(parse_format(DATA_SETS[name].format), directions, frequencies_hz)) ** 2
        ratio = power[:, 1:].sum(axis=(0, 1)) / power[:, 0].sum(axis=0)
        assert np.all((ratio < _MOST_FOA) == (expected == 1.0)) and np.median(ratio) == pytest.approx(expected, abs=0.1)


def test_azimuths_of_answers_are_those_from_which_the_sound_arrives(tmp_path: Path) -> None:
    labels = {
        f"dev-train-tau/fold3_room4_mix{number:03d}": frames(0, 99, number % 13, 1, azimuth, 10)
        for number, azimuth in enumerate(range(-170, 171, 40))
    }
    root = write_set(tmp_path / "set", labels, seconds=10.0)
    found, _ = imported(root, "starss23-foa")
    asked = [record for record in found["train"] if record.question_type == "AZIMUTH_DEG"]
    assert len(asked) > 4
    for record in asked:
        w, y, _, x = render_record(record, tmp_path / "set_out")
        arrives_deg = np.rad2deg(np.arctan2(np.mean(w * y), np.mean(w * x)))
        assert abs(arrives_deg - record.truth["azimuth_deg"]) < 2


def test_what_a_data_set_does_not_know_is_not_asked(tmp_path: Path) -> None:
    far = {"DISTANCE", "DOA", "MIXUP_SINGLE_DOA", "MIXUP_DISTANCE_BOTH", "MIXUP_NONBINARY_DISTANCE", "ROTATED", "ABSENT"}
    numbers = {"COUNT_SOURCES", "COUNT_CLASSES", "NEAREST", "FARTHEST", "ONSET_FIRST", "ONSET_ORDER"}
    much = QuestionConfig(ask=dict.fromkeys(questions_about_annotations().ask, 2), limit=100)
    of_23 = imported(write_set(tmp_path / "starss23", LABELS), "starss23-foa", questions=much)[0]
    of_22 = imported(write_set(tmp_path / "starss22", LABELS, columns=5), "starss22-foa", questions=much)[0]
    assert "DISTANCE" in types_of(of_23["train"]) and not numbers & types_of(of_23["train"] + of_23["eval"])
    assert not far & types_of(of_22["train"] + of_22["eval"])
    assert {"AZIMUTH_DEG", "ELEVATION_DEG"} <= types_of(of_22["train"])
    # The footsteps move: nothing is asked about where they are.
    moving = [r for r in of_23["train"] if r.recording_id.endswith("001") and "footsteps" in r.question]
    assert moving and types_of(moving) <= {"PRESENT", "SPAN", "DURATION", "STARTS_AT", "OVERLAP"}
    absent = {r.about.absent for r in of_23["train"] + of_23["eval"] if r.about.absent}
    assert absent and absent <= set(DATA_SETS["starss23-foa"].classes)


def test_stereo_tells_left_from_right_and_how_far_but_not_front_from_behind(tmp_path: Path) -> None:
    labels = {
        f"dev-train-tau/fold3_room12_mix001_deg{number:03d}_start{number}_idx00":
            frames(0, 49, 1, 1, azimuth, 20, 150) + frames(5, 40, 8, 0, -azimuth, 0, 300)
        for number, azimuth in enumerate((30, 150, -30, -150))
    }  # fmt: skip
    found, summary = imported(write_stereo(tmp_path / "stereo", labels), "dcase2025-stereo")
    records = found["train"]
    assert {(record.audio_format, record.known.recording) for record in records} == {
        ("stereo_ms", "starss fold3_room12_mix001")
    }
    assert {render_record(record, tmp_path / "stereo_out").shape for record in records} == {(2, 5 * 24000)}
    assert all(sound.folded and sound.elevation_deg is None for record in records for sound in record.known.sounds)
    assert {sound.azimuth_deg for record in records for sound in record.known.sounds} == {30.0, -30.0}
    assert {"DISTANCE", "WRONG_PLACE", "MIXUP_DIRECTION"} <= types_of(records)
    families = {FAMILY_OF[record.question_type].name for record in records}
    assert not {"azimuth", "elevation", "rotated", "location", "location_of_named", "detection_at_place"} & families
    sides = {record.about.axis for record in records if record.about.axis} - {"distance"}
    assert sides == {"left_right"}
    for record in records:
        if record.question_type == "WRONG_PLACE":
            sound = record.known.sounds[record.about.sources[0]]
            assert record.truth["yes"] == (record.about.side == ("left" if sound.azimuth_deg > 0 else "right"))
    assert summary["train"]["counts"]["static sounds"] == 8


def test_tau_nigens_keeps_its_validation_fold_apart_and_takes_each_event_for_a_source(tmp_path: Path) -> None:
    dogs = frames(0, 20, 3, 0, 60, 10) + frames(50, 80, 3, 0, -120, 0)  # one track number, two dogs
    labels = {f"fold{fold}_room1_mix001_ov1": dogs for fold in (1, 2, 3)}
    root = write_set(tmp_path / "tau", labels, columns=5, seconds=10.0)
    found, _ = imported(root, "tau-nigens2020-foa", seed=3)
    assert set(found) == {"train", "eval", "validation"}
    assert {record.split for record in found["validation"]} == {"eval"}
    assert [record.known.room for record in (found["train"][0], found["eval"][0])] == [
        "tau-nigens fold3 room1", "tau-nigens fold1 room1",
    ]  # fmt: skip
    first, second = found["train"][0].known.sounds
    assert (first.azimuth_deg, second.azimuth_deg) == (60.0, -120.0)
    assert {"COUNT_SOURCES", "COUNT_CLASSES"} & types_of([record for records in found.values() for record in records])


def test_windows_too_full_or_too_short_are_left_out_and_counted(tmp_path: Path) -> None:
    full = [row for kind in range(5) for row in frames(0, 10, kind, 1, 30 * kind, 0)]
    root = write_set(tmp_path / "set", {TRAIN: full + frames(100, 110, 2, 0, 0, 0)}, seconds=10.0 + 2.5)
    _, summary = imported(root, "starss23-foa", window_s=4.0)
    counts = summary["train"]["counts"]
    assert (counts["windows with more than 4 sounds"], counts["windows"]) == (1, 3)
    assert counts["rests of less than 1 s at the end"] == 1


def test_records_of_annotated_sounds_score_and_train_like_others(tmp_path: Path) -> None:
    found, _ = imported(write_set(tmp_path / "set", LABELS), "starss23-foa")
    truths = read_truths(found["train"])
    elevations = [t for r, t in zip(found["train"], truths, strict=True) if r.question_type == "ELEVATION_DEG"]
    assert None not in truths and all(truth.where is not None for truth in elevations)
    first = found["eval"][0]
    assert [(t.labels, t.azimuth_deg, t.distance_m) for t in targets_of(first)] == [
        (("female speech",), -100.0, 1.5), (("music",), 90.0, 2.5),
    ]  # fmt: skip


@pytest.mark.slow
def test_real_annotation_files(shared_audio: Path, tmp_path: Path) -> None:
    labels = {}
    for path in sorted((shared_audio / "annotations" / "starss22").glob("*.csv")):
        rows = [tuple(map(int, line.split(","))) for line in path.read_text().split()]
        labels[f"dev-train/{path.stem}"] = [(*row, 100) for row in rows]
    if not labels:
        pytest.skip("the annotation files are not there")
    few = dict(sorted(labels.items(), key=lambda item: item[1][-1][0])[:3])
    last = max(row[0] for rows in few.values() for row in rows)
    found, summary = imported(write_set(tmp_path / "real", few, columns=5, seconds=last / 10 + 1.5), "starss22-foa")
    counts = summary["train"]["counts"]
    pairs = {(name, row[0] // 100, row[1], row[2]) for name, rows in few.items() for row in rows}
    full = {key[:2] for key in pairs if sum(other[:2] == key[:2] for other in pairs) > 4}
    heard = {key for key in pairs if key[:2] not in full}
    in_full = len(pairs) - len(heard)
    assert counts["static sounds"] + counts["moving sounds, without a place"] == len(heard)
    assert counts.get("sounds in windows with more than 4", 0) == in_full
    assert counts.get("windows with more than 4 sounds", 0) == len(full)
    for record in found["train"]:  # each place is that of all its frames
        number = int(record.recording_id[-3:])
        rows = few[f"dev-train/{record.recording_id[:-4]}"]
        for sound in record.known.sounds:
            kind = DATA_SETS["starss22-foa"].classes.index(sound.label)
            own = [row for row in rows if row[0] // 100 == number and row[1] == kind]
            if sound.azimuth_deg is not None:
                assert any(abs((row[3] - sound.azimuth_deg + 180) % 360 - 180) < 11 for row in own)
