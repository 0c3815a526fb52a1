"""Lists of dry sounds: splits by source recording, labels, and what is refused."""

import numpy as np
import pytest
import soundfile

from spatial_llm.errors import SceneError
from spatial_llm.scenes.events import EVENT_CLASSES
from spatial_llm.scenes.sounds import list_folder, list_index, list_synthesized

HEADER = "file,label,split,source_recording,licence\n"


def write(path, rows):
    for row in rows:
        name = path.parent / row.split(",")[0]
        name.parent.mkdir(exist_ok=True)
        # by its name, for equal sounds under two labels are refused
        soundfile.write(name, np.random.default_rng([*name.as_posix().encode()]).normal(size=100) * 0.1, 32000)
    path.write_text(HEADER + "\n".join(row + ",CC0" for row in rows))
    return path


def test_synthesized_draws_are_disjoint():
    some = list_synthesized(3, 2, ["siren", "bell"])
    assert [sound.label for sound in some] == ["siren"] * 5 + ["bell"] * 5
    for wrong in (["siren", "horse"], ["siren"]):
        with pytest.raises(SceneError, match="two or more of alarm"):
            list_synthesized(3, 2, wrong)
    sounds = list_synthesized(3, 2)
    assert len(sounds) == 5 * len(EVENT_CLASSES)
    train, unseen = ({s.recording for s in sounds if s.split == split} for split in ("train", "eval"))
    assert not train & unseen and "synth:bell/0" in train and "synth:bell/1000000" in unseen


def test_index(tmp_path):
    rows = ["a/1.wav,Tick-tock,train,s1", "a/2.wav,Tick-tock,test,s2", "b/1.wav,Bell,train,s3", "b/2.wav,Bell,test,s4"]
    sounds = list_index(write(tmp_path / "index.csv", rows))
    assert [(s.label, s.recording, s.split) for s in sounds][:2] == [
        ("tick-tock", "a/1.wav", "train"),
        ("tick-tock", "a/2.wav", "eval"),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a/2.wav,Bark,test,s1", "'s1' is in both splits"),
        ("a/2.wav,Bark,dev,s2", "index.csv:3: split is 'dev'"),
        ("a/2.wav,Bark,test,s2", "expected at least 2 in each"),
    ],
)
def test_index_errors(tmp_path, row, said):
    with pytest.raises(SceneError, match=said):
        list_index(write(tmp_path / "index.csv", ["a/1.wav,Bark,train,s1", row]))


def test_index_missing_file_or_column(tmp_path):
    index = write(tmp_path / "index.csv", ["a/1.wav,Bark,train,s1"])
    (tmp_path / "a" / "1.wav").unlink()
    with pytest.raises(SceneError, match=r"index\.csv:2: a/1\.wav is not there"):
        list_index(index)
    index.write_text("file,label\nx,y\n")
    with pytest.raises(SceneError, match="source_recording"):
        list_index(index)
    with pytest.raises(SceneError, match="no such file"):
        list_index(tmp_path / "none.csv")


def test_folder(tmp_path):
    for name in ("dog_bark", "bell"):
        for number in range(12):
            (tmp_path / name).mkdir(exist_ok=True)
            for part in range(2):
                sound = np.random.default_rng([len(name), number, part]).normal(size=100) * 0.1
                soundfile.write(tmp_path / name / f"{number}#{part}.wav", sound, 32000)
    sounds = list_folder(tmp_path)
    assert {s.label for s in sounds} == {"dog bark", "bell"} and len(sounds) == 48
    splits = {}
    for sound in sounds:
        splits.setdefault(sound.source_recording, set()).add(sound.split)
    assert all(len(split) == 1 for split in splits.values())  # the parts of one recording stay together
    assert {"train", "eval"} == {s.split for s in sounds}
    with pytest.raises(SceneError, match="classes"):
        list_folder(tmp_path / "bell")


def test_real_index(shared_audio):
    sounds = list_index(shared_audio / "dry" / "index.csv")
    assert len(sounds) == 735 and sum(s.split == "eval" for s in sounds) == 184
    assert len({s.label for s in sounds}) == 24 and all(s.label == s.label.lower() for s in sounds)
