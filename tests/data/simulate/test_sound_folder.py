"""A folder of dry sounds: what is taken, cut and varied, and what stays as it was recorded."""

import csv
import json

import numpy as np
import pytest
import soundfile

from spatial_llm.data.simulate.sound_folder import SoundFolderConfig, chosen_clips, write_sound_folder
from spatial_llm.errors import SceneError
from spatial_llm.scenes.sounds import list_index

RATE = 32_000


@pytest.fixture
def index(tmp_path):
    """Two classes of five source recordings, one each for testing, and a class of another licence."""
    rows = []
    for label, licence in (("owl", "CC0"), ("Gong, bowl", "CC BY"), ("train", "NC")):
        for number in range(5):
            name = f"{label[:3].lower()}{number}.wav"
            seconds = np.arange(round(3.2 * RATE)) / RATE
            # of other phases, for equal sounds under two labels are refused
            tone = 0.3 * np.sin(2 * np.pi * 1000 * seconds + number + 7 * len(label)) * (seconds < 2.5)
            soundfile.write(tmp_path / name, tone, RATE)
            split = "test" if number == 4 else "train"
            rows.append([name, label, split, f"{label}-{number}", licence, f"author {number}"])
    with (tmp_path / "clips.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["file", "label", "split", "source_recording", "licence", "attribution"], *rows])
    return tmp_path / "clips.csv"


def config(index, **changes):
    return SoundFolderConfig(str(index), **{"licences": ["CC0", "CC BY"], "piece_s": 2.0, "hop_s": 1.0} | changes)


def test_held_out_and_test_recordings_are_others_and_training_is_the_same(index):
    chosen = {part: chosen_clips(config(index, evaluate=part)) for part in ("held_out", "test")}
    sources = {
        part: {split: {c.source_recording for c in clips if c.split == split} for split in ("train", "eval")}
        for part, clips in chosen.items()
    }
    assert sources["held_out"]["train"] == sources["test"]["train"]
    assert len(sources["test"]["train"]) == 6, "of each class one of four is held out"
    assert sources["test"]["eval"] == {"owl-4", "Gong, bowl-4"}
    assert len(sources["held_out"]["eval"]) == 2
    assert not sources["held_out"]["eval"] & (sources["test"]["train"] | sources["test"]["eval"])
    assert {c.label for c in chosen["test"]} == {"owl", "gong, bowl"}


def test_pieces_speeds_and_licences(index, tmp_path):
    folder = tmp_path / "sounds"
    counts = write_sound_folder(
        config(index, speeds=[0.8, 1.0], synthesized=["siren"], synthesized_train=2, synthesized_eval=1), folder
    )
    with (folder / "index.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    # 3.2 s with 2.5 s of tone: pieces at 0 s and 1 s; the one at 2 s would be half as long and is a rest.
    recorded = [row for row in rows if row["label"] == "owl"]
    assert next(row["file"] for row in recorded if row["split"] == "eval").endswith("@1-0.flac")
    assert all("@1-" in row["file"] for row in recorded if row["split"] == "eval"), "evaluated as it was recorded"
    assert counts["train"] == sum(row["split"] == "train" for row in rows)
    assert {row["attribution"] for row in recorded} == {f"author {n}" for n in range(4)}
    assert sum(row["label"] == "siren" for row in rows) == 3
    assert {sound.split for sound in list_index(folder / "index.csv")} == {"train", "eval"}, "the simulation takes it"

    train = next(row["file"] for row in recorded if row["split"] == "train" and "@0.8-0" in row["file"])
    sound, rate = soundfile.read(folder / train)
    assert rate == RATE and len(sound) == 2 * RATE
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) * RATE / len(sound) == pytest.approx(800, abs=1), "slower is lower"
    assert json.loads((folder / "sounds.json").read_text())["config"]["index"] == "clips.csv"


def test_quiet_pieces_are_dropped(index, tmp_path):
    write_sound_folder(config(index, hop_s=0.7), tmp_path / "sounds")
    names = [sound.recording for sound in list_index(tmp_path / "sounds" / "index.csv") if sound.label == "owl"]
    # At 2.1 s there are 0.4 s of tone: -7 dB, kept. None begins after the tone.
    starts = sorted({int(name[-6]) for name in names})
    assert starts == [0, 1, 2, 3]
    write_sound_folder(config(index, hop_s=2.2, piece_s=1.0), tmp_path / "short")
    names = [sound.recording for sound in list_index(tmp_path / "short" / "index.csv") if sound.label == "owl"]
    assert sorted({int(name[-6]) for name in names}) == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licences": ["CC0", "MIT"]}, "licences .*MIT.*not in the index"),
        ({"leave_out": ["horse"]}, "leave_out .*horse"),
        ({"synthesized": ["horse"]}, "no built-in classes"),
        ({"speeds": []}, "speeds"),
        ({"held_out_share": 1.5}, "held_out_share"),
    ],
)
def test_bad_configuration_is_named(index, changes, message):
    with pytest.raises(SceneError, match=message):
        chosen_clips(config(index, **changes))


def test_recorded_and_synthesized_class_of_one_name(index):
    text = index.read_text().replace("owl,", "siren,")
    index.write_text(text)
    with pytest.raises(SceneError, match=r"siren.*both recorded and synthesized"):
        chosen_clips(config(index, synthesized=["siren"]))


def test_clips_of_one_name_in_two_folders_do_not_replace_each_other(tmp_path):
    rows = [["file", "label", "split", "source_recording", "licence", "attribution"]]
    for number, (folder, label, split) in enumerate(
        (folder, label, split) for folder in "ab" for label in ("owl", "gong") for split in ("train", "test")
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        name = f"{folder}/{label} {split}.wav"
        soundfile.write(tmp_path / name, 0.1 * np.random.default_rng(number).standard_normal(RATE), RATE)
        rows.append([name, label, split, f"{number}", "CC0", "x"])
    with (tmp_path / "clips.csv").open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    counts = write_sound_folder(
        config(tmp_path / "clips.csv", licences=["CC0"], evaluate="test", piece_s=0.5), tmp_path / "out"
    )
    sounds = list_index(tmp_path / "out" / "index.csv")
    assert len({sound.recording for sound in sounds}) == len(sounds) == sum(counts.values()) == 6
