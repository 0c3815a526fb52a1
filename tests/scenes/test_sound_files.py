"""Folders of sounds as people have them: what is taken, what is left out with a count, and what is refused."""

import os
import shutil
import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.io import read_audio
from spatial_llm.audio.suffixes import SOUND_SUFFIXES, UNREAD_SUFFIXES
from spatial_llm.errors import SceneError
from spatial_llm.scenes.sound_files import copies_of
from spatial_llm.scenes.sounds import list_folder, list_index

RATE = 16_000
HEADER = "file,label,split,source_recording\n"


def sound(path, seed=None, **kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*path.as_posix().encode()] if seed is None else seed)
    soundfile.write(path, 0.1 * rng.standard_normal(2000), RATE, **kind)


@pytest.fixture
def root(tmp_path):
    """Two classes of twelve WAV files each."""
    for label in ("dog", "bell"):
        for number in range(12):
            sound(tmp_path / label / f"{number}.wav")
    return tmp_path


def listed(root):
    """(sounds, words of the warnings)."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = list_folder(root)
    return found, [str(warning.message) for warning in said]


def test_a_plain_folder_gives_no_warning(root):
    for name in (
        ".DS_Store",
        "README.md",
        "dog/LICENSE.txt",
        "dog/Thumbs.db",
        "dog/notes.json",
        ".git/x.wav",
        "__MACOSX/a.wav",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    found, said = listed(root)
    assert len(found) == 24 and said == []


FORMATS = {
    ".opus": "OGG", ".oga": "OGG", ".ogg": "OGG", ".flac": "FLAC", ".mp3": "MP3", ".caf": "CAF", ".w64": "W64", ".au": "AU",
    ".snd": "AU", ".aif": "AIFF", ".aiff": "AIFF", ".aifc": "AIFF", ".rf64": "RF64", ".WAV": "WAV", ".Flac": "FLAC",
    ".wave": "WAV", ".bwf": "WAVEX", ".voc": "VOC", ".avr": "AVR", ".nist": "NIST", ".sf": "IRCAM", ".paf": "PAF",
    ".pvf": "PVF", ".iff": "SVX", ".htk": "HTK",
}  # fmt: skip
SUBTYPES = {".opus": "OPUS"} | dict.fromkeys((".iff", ".htk", ".paf", ".pvf", ".avr", ".voc"), "PCM_16")


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_that_is_read_is_listed(root, suffix):
    kind = {"format": FORMATS[suffix], "subtype": SUBTYPES.get(suffix)}
    for number in range(3):
        sound(root / "rain" / f"{number}{suffix}", **kind)
    found, said = listed(root)
    assert sum(each.label == "rain" for each in found) == 3 and said == []
    assert read_audio(root / "rain" / f"0{suffix}")[0].shape[0] == 1


def test_no_suffix_is_of_both_kinds():
    assert not SOUND_SUFFIXES & UNREAD_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SOUND_SUFFIXES | UNREAD_SUFFIXES)


def test_deeper_folders_belong_to_their_first_one_and_that_is_said(root):
    for take in range(3):
        for number in range(4):
            sound(root / "siren" / f"take{take}" / f"{number}.wav")
    found, said = listed(root)
    assert sum(each.label == "siren" for each in found) == 12
    assert len(said) == 1 and "12 of 36 sounds lie in deeper folders" in said[0] and "siren/take0/0.wav" in said[0]
    assert {each.recording for each in found if each.label == "siren"} >= {"siren/take2/3.wav"}
    # files of one name in different folders are different recordings
    assert len({each.source_recording for each in found if each.label == "siren"}) == 12


def test_what_is_left_out_is_counted_by_reason(root):
    for name in ("rain/0.m4a", "rain/1.aac", "loose.wav", "dog/empty.wav", "dog/.hidden.wav"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"" if "empty" in name else b"xx")
    (root / "dog" / "link.wav").symlink_to(root / "nowhere.wav")
    os.mkfifo(root / "dog" / "pipe.wav")
    (root / "dog" / "back\\slash.wav").write_bytes(b"xx")
    (root / "dog" / "new\nline.wav").write_bytes(b"xx")
    found, said = listed(root)
    assert len(found) == 24 and len(said) == 1
    for words in (
        "2 are in formats that are not read",
        "1 lie in no class folder (loose.wav)",
        "1 are empty (dog/empty.wav)",
        "1 are hidden (dog/.hidden.wav)",
        "2 are no regular files, or links to nothing",
        "2 have names that a manifest cannot hold",
    ):
        assert words in said[0]


def test_names_that_are_not_utf8_are_left_out_in_words_that_print(root):
    with open(os.path.join(os.fsencode(root), b"dog", b"caf\xe9.wav"), "wb") as out:
        out.write(b"xx")
    found, said = listed(root)
    assert len(found) == 24 and "not UTF-8" in said[0] and "caf\\udce9.wav" in said[0]
    said[0].encode("utf-8")


def test_companions_of_macos_are_no_sounds(root):
    for number in range(12):
        (root / "dog" / f"._{number}.wav").write_bytes(b"\0\5\x16\7" + bytes(60))
    found, said = listed(root)
    assert len(found) == 24 and said == []


def test_links_are_followed_but_no_loop(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for number in range(8):
        sound(elsewhere / "rain" / f"{number}.wav")
    (root / "rain").symlink_to(elsewhere / "rain")
    (root / "dog" / "loop").symlink_to(root)
    found, _ = listed(root)
    assert len(found) == 32 and sum(each.label == "rain" for each in found) == 8


def test_one_content_under_two_labels_is_refused(root):
    shutil.copyfile(root / "dog" / "3.wav", root / "bell" / "other.wav")
    with pytest.raises(SceneError, match=r"same sound under the labels '(dog|bell)' and '(dog|bell)'"):
        list_folder(root)


def test_copies_stay_in_one_split_and_are_said(root):
    before, _ = listed(root)
    split_of = {each.recording: each.split for each in before}
    for number in range(12):
        shutil.copyfile(root / "dog" / f"{number}.wav", root / "dog" / f"copy of {number}.wav")
        shutil.copyfile(root / "bell" / f"{number}.wav", root / "bell" / f"{number}.WAV")
    found, said = listed(root)
    assert "24 files are copies of others" in said[0]
    by_name = {each.recording: each.split for each in found}
    for number in range(12):
        assert by_name[f"dog/{number}.wav"] == by_name[f"dog/copy of {number}.wav"]
        assert by_name[f"bell/{number}.wav"] == by_name[f"bell/{number}.WAV"] == split_of[f"bell/{number}.wav"]


def test_folders_that_differ_in_case_or_spaces_are_one_class_and_that_is_said(root):
    for number in range(20):
        sound(root / "Dog" / f"{number}.wav")
        sound(root / "church_bell" / f"{number}.wav")
        sound(root / "Church bell" / f"{number + 50}.wav")
    found, said = listed(root)
    assert {each.label for each in found} == {"dog", "bell", "church bell"}
    assert len(said) == 1 and "Dog and dog" in said[0] and "Church bell and church_bell" in said[0]
    by_name = {each.recording: each.split for each in found}
    # "Dog/1.wav" and "dog/1.wav" would be one file on many a disk
    assert all(by_name[f"Dog/{number}.wav"] == by_name[f"dog/{number}.wav"] for number in range(12))


@pytest.mark.parametrize("name", ["_", " ", "a;b", "a|b"])
def test_labels_that_no_answer_can_hold_are_refused(root, name):
    sound(root / name / "0.wav")
    with pytest.raises(SceneError, match="label"):
        list_folder(root)


def test_folders_of_splits_are_not_taken_for_classes(tmp_path):
    for split in ("train", "test"):
        for label in ("dog", "bell"):
            sound(tmp_path / split / label / "0.wav")
    with pytest.raises(SceneError, match=r"test, train are splits, not classes; give an index"):
        list_folder(tmp_path)
    with pytest.raises(SceneError, match="no such folder"):
        list_folder(tmp_path / "none")


def test_copies_are_found_by_content_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"21")
    (tmp_path / "c").write_bytes(b"12")
    (tmp_path / "d").write_bytes(b"123")
    assert copies_of({name: tmp_path / name for name in "abcd"}) == [["a", "c"]]


# an index


def index(tmp_path, text, encoding="utf-8", sounds="abcd"):
    for name in sounds:
        if not (tmp_path / f"{name}.wav").exists():
            sound(tmp_path / f"{name}.wav")
    (tmp_path / "index.csv").write_bytes(text.encode(encoding))
    return tmp_path / "index.csv"


ROWS = "a.wav,Dog,train,1\nb.wav,dog,test,2\nc.wav,Bell,train,3\nd.wav,bell,eval,4\n"


@pytest.mark.parametrize(
    "text",
    [
        HEADER + ROWS,
        "\ufeff" + HEADER + ROWS,
        (HEADER + ROWS).replace("\n", "\r\n"),
        HEADER + "\n" + ROWS.replace("\n", "\n\n"),
        (HEADER + ROWS).rstrip("\n"),
        HEADER.replace(",", ", ") + ROWS,
        HEADER.replace("\n", ",,\n") + ROWS.replace("\n", ",,\n"),
        HEADER.replace("\n", ",note\n") + ROWS.replace("\n", ',"a, ""b""\nc"\n'),
    ],
)
def test_an_index_as_other_programs_write_it(tmp_path, text):
    sounds = list_index(index(tmp_path, text))
    assert [(each.label, each.split) for each in sounds] == [
        ("dog", "train"), ("dog", "eval"), ("bell", "train"), ("bell", "eval"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        (HEADER + ROWS, "utf-16", r"index\.csv:1: in UTF-16"),
        (HEADER + ROWS, "utf-16-le", r"index\.csv:1: in UTF-16"),
        (HEADER + ROWS.replace("Bell", "Gl\u00f6ckchen"), "latin-1", r"index\.csv:4: not UTF-8 \(byte 0xf6"),
        (HEADER.replace(",", ";") + ROWS.replace(",", ";"), "utf-8", r"index\.csv:1: columns separated by semicolons"),
        (HEADER.replace(",", "\t") + ROWS.replace(",", "\t"), "utf-8", "separated by tabs"),
        (HEADER.replace("file", "File") + ROWS, "utf-8", r"file missing\. Write 'File' in lower case"),
        (HEADER.replace("\n", ",label\n") + ROWS.replace("\n", ",x\n"), "utf-8", r"index\.csv:1: columns label stand twice"),
        (HEADER + ROWS.replace("a.wav,Dog", "a.wav,Dog, big"), "utf-8", r"index\.csv:2: 5 fields, the header names 4"),
        (HEADER + ROWS + "a.wav,Dog", "utf-8", r"index\.csv:6: 2 fields, the header names 4"),
        (HEADER + ROWS.replace("b.wav", '"b.wav'), "utf-8", r"not CSV .*quotation mark"),
        (HEADER + ROWS.replace("Dog", " "), "utf-8", r"index\.csv:2: label is empty"),
        (HEADER + ROWS.replace("Dog", "_"), "utf-8", r"index\.csv:2: the label is empty"),
        (HEADER + ROWS.replace("Dog", "dog;cat"), "utf-8", r"index\.csv:2: label 'dog;cat'"),
        (HEADER + ROWS.replace(",1\n", ",\n"), "utf-8", r"index\.csv:2: source_recording is empty"),
        (HEADER + ROWS.replace("a.wav", "../a.wav"), "utf-8", r"index\.csv:2: file '\.\./a\.wav' leads out"),
        (HEADER + ROWS.replace("a.wav", "/etc/passwd"), "utf-8", "leads out"),
        (HEADER + ROWS.replace("a.wav", "x" * 300), "utf-8", "leads out"),
        (HEADER + ROWS + "a.wav,dog,test,9\n", "utf-8", r"a\.wav is in both splits"),
        (HEADER + ROWS + "a.wav,bell,train,9\n", "utf-8", r"a\.wav has the labels dog and bell"),
        (HEADER, "utf-8", "no rows"),
        ("", "utf-8", "columns none"),
    ],
)
def test_an_index_that_is_none_is_refused_in_words(tmp_path, text, encoding, said):
    with pytest.raises(SceneError, match=said):
        list_index(index(tmp_path, text, encoding))


def test_one_content_in_both_splits_or_under_two_labels_of_an_index(tmp_path):
    path = index(tmp_path, HEADER + ROWS)
    shutil.copyfile(tmp_path / "a.wav", tmp_path / "b.wav")
    with pytest.raises(SceneError, match=r"a\.wav and b\.wav are the same sound, one in each split"):
        list_index(path)
    sound(tmp_path / "b.wav", seed=1)
    shutil.copyfile(tmp_path / "a.wav", tmp_path / "c.wav")
    with pytest.raises(SceneError, match=r"a\.wav and c\.wav are the same sound under the labels 'dog' and 'bell'"):
        list_index(path)
