"""A table of one's own becomes manifests: questions are typed where they can be, nothing of a recording is lost, and no room
and no recording is on both sides."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.io import read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.checks import check_files
from spatial_llm.data.importing.meaning import known_of, meaning_of
from spatial_llm.data.importing.run import ImportArguments, import_recordings
from spatial_llm.data.importing.splits import Member, assign_splits
from spatial_llm.data.importing.table import Row, read_table
from spatial_llm.data.record import Known, Record
from spatial_llm.data.records import read_manifest, record_from_dict
from spatial_llm.data.rendering import render_record
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics import read_truths
from spatial_llm.questions.about import About
from tests.data.importing.folder import make_folder

HEADER = "audio,question,answer,label,azimuth,elevation,distance,split"
PLACE = "Where is the sound in this audio clip coming from?"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "own")


def imported(folder: Path, text: str | bytes, **options: object) -> dict[str, list[Record]]:
    """The records of each split of a table in `folder`."""
    (folder / "my.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    out = folder.parent / "data"
    summary = import_recordings(ImportArguments(str(folder / "my.csv"), str(out), **options))
    return {split: read_manifest(out / f"{split}.jsonl") for split in summary}


def test_questions_answers_and_what_is_known(recordings: Path) -> None:
    rows = [
        f'yard.flac,{PLACE},"Right, behind, below; 2.5 m",engine,-135,-15,2.4,train',
        "yard.flac,Which machine runs here?,It's the OLD pump!,engine,-135,-15,2.4,train",
        "yard.flac,Which way do I turn?,-135 degrees,engine,-135,-15,2.4,train",
        "hall.flac,Can you hear the sound of the cat?,no,bell,,,,eval",
    ]
    found = imported(recordings, "\n".join([HEADER, *rows]))
    place, machine, turn = found["train"]
    assert (place.type, place.question_type, place.answer) == ("B", "DOA", "right, behind, below; 2.5m")
    assert place.about == About((0,)) and place.known == Known(("engine",), -135.0, -15.0, 2.4)
    assert (machine.type, machine.question_type, machine.answer) == ("open", "OPEN", "It's the OLD pump!")
    assert machine.truth == {"text": "it's the old pump"}
    assert (turn.question_type, turn.truth) == ("AZIMUTH_DEG", {"azimuth_deg": -135.0})
    (cat,) = found["eval"]
    assert (cat.question_type, cat.truth, cat.answer) == ("PRESENT", {"yes": False}, "No")
    truth, free, _ = read_truths(found["train"])
    assert truth.where == pytest.approx({"azimuth_deg": -135.0, "elevation_deg": -15.0, "distance_m": 2.4})
    assert free.asked == () and free.source is None
    contents = check_files([recordings.parent / "data" / f"{split}.jsonl" for split in found])
    assert contents["train"].recordings == 1 and contents["train"].labels == {"engine": 1}


@pytest.mark.parametrize(
    ("texts", "question_type"),
    [
        ({"question": "Where is the bell?", "answer": "Left, front, above, about 2 m away."}, "MIXUP_SINGLE_DOA"),
        ({"question": "How far away is the sound of the bell?", "answer": "2 metres"}, "DISTANCE"),
        ({"question": "what is this", "answer": "bell; door"}, "CLASSIFICATION"),
        ({"question": "What is this?", "answer": "I hear a bell.", "label": "bell"}, "CLASSIFICATION"),
        ({"question": "How many sounds are there?", "answer": "two"}, "COUNT_SOURCES"),
        ({"question": "Name everything that sounds behind the bell.", "answer": "door"}, "RELATION_BEHIND"),
        ({"question": "How far?", "answer": "2.1m", "distance": "2.1"}, "DISTANCE"),
        ({"question": "How far?", "answer": "2.1m"}, "OPEN"),
        ({"question": "How wide is the room?", "answer": "5m", "distance": "2.1"}, "OPEN"),
        ({"question": "How high?", "answer": "30 degrees", "azimuth": "30", "elevation": "30"}, "OPEN"),
        ({"question": "Where does it sound?", "answer": "left, front, above; 2m"}, "DOA"),
        ({"question": "Is it working?", "answer": "Yes"}, "OPEN"),
        ({"question": "What is this?", "answer": "unknown"}, "OPEN"),
    ],
)
def test_the_type_of_a_question(texts: dict[str, str], question_type: str) -> None:
    row = Row("my.csv:2", {"audio": "a.wav", **texts}, ",")
    assert meaning_of(row, known_of(row)).question_type == question_type


def test_an_answer_about_another_sound_is_not_compared_with_the_row() -> None:
    texts = {
        "question": "At what azimuth is the sound of the dog?",
        "answer": "90 degrees",
        "label": "bell",
        "azimuth": "-40",
    }
    row = Row("my.csv:2", texts, ",")
    meaning = meaning_of(row, known_of(row))
    assert (meaning.truth, meaning.about) == ({"azimuth_deg": 90.0}, About())


def test_an_answer_after_a_turn_is_compared_after_it() -> None:
    texts = {"question": "Turn 90 degrees to the left. At which azimuth is the bell now?", "azimuth": "-40"}
    row = Row("my.csv:2", {**texts, "answer": "-130 degrees"}, ",")
    assert meaning_of(row, known_of(row)).about == About((0,), turn_deg=90.0)
    row = Row("my.csv:2", {**texts, "answer": "-40 degrees"}, ",")
    with pytest.raises(ManifestError, match=r"contradicts the row's own azimuth -40"):
        meaning_of(row, known_of(row))


def test_known_questions_with_free_answers_are_free_and_warned_of(recordings: Path) -> None:
    rows = [f"{name}.flac,{PLACE},{answer}" for name, answer in (("hall", "the kitchen"), ("yard", "on the left"))]
    told = r"my.csv:2: the answer 'the kitchen' is not of the form, such as 'left, front, above; 2m', .* with 1 other rows"
    with pytest.warns(UserWarning, match=told) as warned:
        found = imported(recordings, "\n".join(["audio,question,answer", *rows]), eval_share=0.0)["train"]
    assert len(warned) == 1 and [record.question_type for record in found] == ["OPEN", "OPEN"]


@pytest.mark.parametrize(
    "text",
    [
        '\ufeffaudio,question,answer,distance\r\nhall.flac,"A ""b""\nand, c?",ja,"2.5"\r\n\r\n',
        'audio;question;answer;distance\r\nhall.flac;"A ""b""\nand, c?";ja;2,5\r\n;;;\r\n',
        '\ufeffaudio\tquestion\tanswer\tdistance\nhall.flac\t"A ""b""\nand, c?"\tja\t2.5\n',
        ' answer , audio,question,distance,\nja, hall.flac ,"A ""b""\nand, c?",2.5,,\n',
    ],
    ids=["CRLF and a byte-order mark", "semicolons and decimal commas", "tabs", "another order, blanks, empty columns"],
)
def test_what_spreadsheets_write(text: str, recordings: Path) -> None:
    (record,) = imported(recordings, text, eval_share=0.0)["train"]
    assert (record.question, record.answer, record.known) == ('A "b"\nand, c?', "ja", Known(distance_m=2.5))


def test_other_columns_are_named_and_left_out(recordings: Path) -> None:
    with pytest.warns(UserWarning, match=r"my.csv:1: columns weather are not used"):
        imported(recordings, "audio,question,answer,weather\nhall.flac,A?,b,rain\n", eval_share=0.0)


def test_recordings_are_copied_and_sections_hold_the_samples_of_the_file(recordings: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(recordings / "long (1).wav", rng.uniform(-1, 1, (44_100, 2)), 44_100, subtype="PCM_24")
    table = "audio,question,answer,start,end\nlong (1).wav,A?,b,0.25,0.5\nlong (1).wav,A?,c,0.5,\nhall.flac,A?,b,,\n"
    found = imported(recordings, table, eval_share=0.0)["train"]
    out, (whole, _) = recordings.parent / "data", read_audio(recordings / "long (1).wav")
    assert [record.sampling_rate for record in found] == [44_100, 44_100, 32_000]
    first, second = (render_record(record, out) for record in found[:2])
    assert [record.known for record in found] == [Known(recording="long (1).wav")] * 2 + [None]
    assert np.array_equal(first, whole[:, 11_025:22_050]) and np.array_equal(second, whole[:, 22_050:])
    assert (out / found[2].audio).read_bytes() == (recordings / "hall.flac").read_bytes()
    (out / found[2].audio).write_bytes(b"RIFF")
    with pytest.raises(ManifestError, match="had"):
        read_manifest(out / "train.jsonl")


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_section_of_a_long_recording_is_cut_without_reading_the_whole(suffix: str, recordings: Path) -> None:
    """The limits hold for the section, not for the file; the samples are those of the file."""
    rng = np.random.default_rng(0)
    soundfile.write(recordings / f"day.{suffix}", rng.uniform(-1, 1, (400_000, 2)), 8_000, subtype="PCM_16")
    limits = AudioLimits(max_seconds=10.0)
    table = f"audio,question,answer,start,end\nday.{suffix},A?,b,30,36\nday.{suffix},A?,c,45.5,\n"
    found = imported(recordings, table, eval_share=0.0, audio_limits=limits)["train"]
    whole, _ = read_audio(recordings / f"day.{suffix}")
    first, second = (render_record(record, recordings.parent / "data") for record in found)
    assert np.array_equal(first, whole[:, 240_000:288_000]) and np.array_equal(second, whole[:, 364_000:])
    for ends, told in ((",,", r"day.*: lasts 50 s"), (",30,", r"the section of day.* lasts 20 s, and max_seconds is 10 s")):
        with pytest.raises(ManifestError, match=told):
            imported(recordings, f"audio,question,answer,start,end\nday.{suffix},A?,b{ends}\n", audio_limits=limits)


def test_the_same_table_gives_the_same_folder(recordings: Path) -> None:
    table = "audio,question,answer\nhall.flac,A?,b\nyard.flac,A?,c\ndesk.flac,A?,d\n"
    first = imported(recordings, table)
    data = {path.name: path.read_bytes() for path in (recordings.parent / "data").rglob("*") if path.is_file()}
    assert {split: len(records) for split, records in first.items()} == {"train": 2, "eval": 1}
    imported(recordings, table)
    assert {path.name: path.read_bytes() for path in (recordings.parent / "data").rglob("*") if path.is_file()} == data
    assert json.loads(data["import.json"])["splits"]["eval"] == {"questions": 1, "recordings": 1, "types": {"OPEN": 1}}


def drawn(keys: list[tuple[str, ...]], splits: list[str] | None = None, share: float = 0.25, seed: int = 0) -> list[str]:
    row = Row("my.csv:2", {"audio": "a.wav"}, ",")
    given = splits or [""] * len(keys)
    members = [Member(row, split, tuple(("room", key) for key in each)) for split, each in zip(given, keys, strict=True)]
    return assign_splits(members, share, seed)


def test_what_shares_a_recording_or_a_room_is_on_one_side() -> None:
    rng = np.random.default_rng(0)
    for seed in range(50):
        keys = [(f"a{rng.integers(12)}", f"b{rng.integers(30)}") for _ in range(40)]
        try:
            found = drawn(keys, seed=seed)
        except ManifestError as error:
            assert "share one" in str(error)
            continue
        sides = {key: {split for each, split in zip(keys, found, strict=True) if key in each} for key in sum(keys, ())}
        assert {len(side) for side in sides.values()} == {1} and set(found) == {"train", "eval"}


def test_about_the_share_is_drawn_and_more_rows_move_none() -> None:
    keys = [(f"room {index // 3}",) for index in range(300)]
    found = [drawn(keys, seed=seed) for seed in range(2)]
    assert [each.count("eval") for each in found] == [75, 75] and found[0] != found[1]
    moved = sum(one != two for one, two in zip(drawn(keys + [("new",)] * 3), found[0], strict=False))
    assert moved <= 3


def test_what_is_given_stays_and_draws_its_own_after_it() -> None:
    keys = [("a",), ("a",), ("b",), ("c",), ("d",)]
    assert drawn(keys, ["eval", "", "", "", ""])[:2] == ["eval", "eval"]
    assert drawn(keys, ["train"] * 5) == ["train"] * 5
    found = drawn(keys, ["train", "", "", "", ""])
    assert found[:2] == ["train", "train"] and found.count("eval") == 1
    assert drawn(keys, share=0.0) == ["train"] * 5


@pytest.mark.parametrize(
    ("known", "told"),
    [({"azimuth_deg": 200.0}, r"known.azimuth_deg is 200.0"), ({"rooms": "a"}, "rooms")],
)
def test_a_record_is_strict_about_what_is_known(known: dict[str, object], told: str) -> None:
    line = {
        "id": "q", "recording_id": "r", "type": "open", "question_type": "OPEN", "question": "A?", "answer": "b",
        "truth": {"text": "b"}, "split": "train", "sampling_rate": 32_000, "audio": "a.wav", "known": known,
    }  # fmt: skip
    with pytest.raises(ManifestError, match=told):
        record_from_dict(line)


def test_a_table_without_a_file_says_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no such file; give a CSV. Right would be:\n  audio,question,answer"):
        read_table(tmp_path / "none.csv")


def test_a_mono_recording_in_two_channels_is_warned_of_by_its_name(recordings: Path) -> None:
    samples, rate = soundfile.read(recordings / "mono.wav")
    soundfile.write(recordings / "twice.wav", np.stack([samples, samples], axis=1), rate)
    (recordings / "my.csv").write_text("audio,question,answer\ntwice.wav,Where?,there\n")
    with pytest.warns(UserWarning, match=r"^twice\.wav: all channels of the recording are the same"):
        import_recordings(ImportArguments(str(recordings / "my.csv"), str(recordings / "out"), eval_share=0.0))
