"""Tables that are wrong, each with its whole sentence and the line that would be right; nothing is left behind."""

from pathlib import Path

import pytest

from spatial_llm.data.importing.run import ImportArguments, import_recordings
from spatial_llm.errors import ManifestError, OutputError
from spatial_llm.prompts import AUDIO_TOKEN
from tests.data.importing.folder import make_folder

HEADER = "audio,question,answer"
PLACE = "Where is the sound in this audio clip coming from?"
EXAMPLE = f'kitchen/bell.wav,{PLACE},"left, front, above; 2m"'
# (table, sentence behind the file's name, line that would be right)
WRONG = {
    "no answers": (
        "audio,question,label\nhall.flac,What is this?,bell",
        "1: column answer missing.",
        f'audio,question,label,answer\n  kitchen/bell.wav,{PLACE},bell,"left, front, above; 2m"',
    ),
    "a column of another name": (
        f"{HEADER},azimuth_deg\nhall.flac,Where?,there,40",
        "1: no column is called 'azimuth_deg'; did you mean 'azimuth'?",
        f"{HEADER},azimuth\n  {EXAMPLE},40",
    ),
    "a misspelt column": (
        f"{HEADER},elevaton\nhall.flac,Where?,there,40",
        "1: no column is called 'elevaton'; did you mean 'elevation'?",
        f"{HEADER},elevation\n  {EXAMPLE},10",
    ),
    "no rows": (HEADER, "holds no rows, only the header.", f"{HEADER}\n  {EXAMPLE}"),
    "empty": ("", "is empty.", f"{HEADER}\n  {EXAMPLE}"),
    "Latin-1": (
        f"{HEADER}\nhall.flac,Wo?,k\xfchl",
        "2: not UTF-8 (byte 0xfc, as in Latin-1 or Windows-1252); save it as UTF-8.",
        f"{HEADER}\n  {EXAMPLE}",
    ),
    "a comma without quotation marks": (
        f"{HEADER}\nhall.flac,Where, please?,there",
        "2: 4 fields, the header names 3 columns; quote a field that holds a comma, and keep empty fields.",
        f"{HEADER}\n  {EXAMPLE}",
    ),
    "an open quotation mark": (
        f'{HEADER}\nhall.flac,"Where?,there',
        "2: not CSV (unexpected end of data); is a quotation mark left open?",
        f"{HEADER}\n  {EXAMPLE}",
    ),
    "no such file": (
        f"{HEADER}\nhal.flac,Where?,there",
        "2: audio 'hal.flac': no such file; a file of a similar name is there.",
        f"{HEADER}\n  hall.flac,Where?,there",
    ),
    "mono": (
        f"{HEADER}\nmono.wav,Where?,there",
        "2: audio: mono.wav: 2 channels needed, got 1 (shape (1, 64000)); expected binaural (2, samples), channels left, "
        "right. One channel holds no directions, nor do copies of it: record with 2 microphones.",
        f"{HEADER}\n  kitchen/bell.wav,Where?,there",
    ),
    "no sound": (
        f"{HEADER}\nnotes.wav,Where?,there",
        "2: audio: notes.wav: not a readable sound file: it is text that begins 'Recorded on Monday.'; expected WAV, RF64, "
        "W64, AIFF, AU, CAF, FLAC, Ogg (Vorbis, Opus) or MP3.",
        f"{HEADER}\n  kitchen/bell.wav,Where?,there",
    ),
    "an azimuth out of range": (
        f"{HEADER},azimuth\nhall.flac,Where?,there,270",
        "2: azimuth is 270; expected degrees from -180 to 180, positive to the left. Counted to the left from 0 to 360, "
        "write -90; counted to the right, write 90.",
        f"{HEADER},azimuth\n  hall.flac,Where?,there,-90",
    ),
    "a unit": (
        f"{HEADER},distance\nhall.flac,Where?,there,2 m",
        "2: distance is '2 m'; expected metres above 0, as a number alone.",
        f"{HEADER},distance\n  hall.flac,Where?,there,2.1",
    ),
    "a section beyond the end": (
        f"{HEADER},start,end\nhall.flac,Where?,there,1,2.5",
        "2: end is 2.5 s, and 'hall.flac' lasts 2 s.",
        f"{HEADER},start,end\n  hall.flac,Where?,there,1,2",
    ),
    "an empty section": (
        f"{HEADER},start,end\nhall.flac,Where?,there,1,0.5",
        "2: start is 1 s, and up to end 0.5 (2 s long) less than 0.01 s are left.",
        f"{HEADER},start,end\n  hall.flac,Where?,there,0,2",
    ),
    "another split": (
        f"{HEADER},split\nhall.flac,Where?,there,test",
        "2: split is 'test'; expected 'train', 'eval', or nothing to have it drawn.",
        f"{HEADER},split\n  hall.flac,Where?,there,eval",
    ),
    "a room in both splits": (
        f"{HEADER},split,room\nhall.flac,Where?,there,train,kitchen\nyard.flac,Where?,here,eval,kitchen",
        "3: split is 'eval', but the room 'kitchen' is in 'train' already (my.csv:2); what was trained on measures nothing.",
        f"{HEADER},split,room\n  yard.flac,Where?,here,train,kitchen",
    ),
    "a sound file in both splits": (
        f"{HEADER},split,start\nhall.flac,Where?,there,train,0\nhall.flac,Where?,here,eval,1",
        "3: split is 'eval', but the sound file of my.csv:2 is in 'train' already (my.csv:2); what was trained on measures "
        "nothing.",
        f"{HEADER},split,start\n  hall.flac,Where?,here,train,1",
    ),
    "splits tied by a row between": (
        f"{HEADER},split,room,recording\nhall.flac,Where?,there,train,a,\nyard.flac,Where?,here,,a,r\n"
        "desk.flac,Where?,here,eval,b,r",
        "4: split is 'eval', and rows without a split tie it to my.csv:2, which is 'train', by a recording or a room that "
        "they share with both.",
        f"{HEADER},split,room,recording\n  desk.flac,Where?,here,train,b,r",
    ),
    "one room for all": (
        f"{HEADER},room\nhall.flac,Where?,there,kitchen\nyard.flac,Where?,here,kitchen",
        "3: all rows share one room, 'kitchen', so that none can be kept for evaluation. Add rows of another recording and "
        "room, or train on all: --eval_share 0, or split 'train' in every row.",
        f"{HEADER},room,split\n  yard.flac,Where?,here,kitchen,train",
    ),
    "two rooms for one file": (
        f"{HEADER},room\nhall.flac,Where?,there,a\nhall.flac,Where to?,here,b\nyard.flac,Where?,there,b",
        "3: room is 'b', and my.csv:2 has the same sound file in 'a'.",
        f"{HEADER},room\n  hall.flac,Where to?,here,a",
    ),
    "no text": (
        f"{HEADER}\nhall.flac,Where?,",
        "2: answer is empty; expected a text.",
        f"{HEADER}\n  hall.flac,Where?,a kettle",
    ),
    "a placeholder": (
        f"{HEADER}\nhall.flac,{AUDIO_TOKEN} Where?,there",
        f"2: question holds {AUDIO_TOKEN!r}, which only the processor may put into a prompt; leave it out.",
        f"{HEADER}\n  hall.flac,Where?,there",
    ),
    "a side that contradicts the azimuth": (
        f'{HEADER},azimuth\nhall.flac,{PLACE},"left, front, above; 2m",-40',
        "2: the answer 'left, front, above; 2m' contradicts the row's own azimuth -40; correct one of them.",
        f'{HEADER},azimuth\n  hall.flac,{PLACE},"right, front, above; 2m",-40',
    ),
    "an hour that contradicts the azimuth": (
        f"{HEADER},azimuth\nhall.flac,At what o'clock is the bell?,3 o'clock,90",
        "2: the answer \"3 o'clock\" contradicts the row's own azimuth 90; correct one of them.",
        f"{HEADER},azimuth\n  hall.flac,At what o'clock is the bell?,9 o'clock,90",
    ),
    "a yes that contradicts the azimuth": (
        f"{HEADER},azimuth\nhall.flac,Is the sound of the bell on your left?,Yes,-40",
        "2: the answer 'Yes' contradicts the row's own azimuth -40; correct one of them.",
        f"{HEADER},azimuth\n  hall.flac,Is the sound of the bell on your left?,No,-40",
    ),
    "a name that contradicts the label": (
        f"{HEADER},label\nhall.flac,What is this?,bell,door",
        "2: the answer 'bell' contradicts the row's own label 'door'; correct one of them.",
        f"{HEADER},label\n  hall.flac,What is this?,door,door",
    ),
    "a no that contradicts the label": (
        f"{HEADER},label\nhall.flac,Can you hear the sound of the bell?,No,bell",
        "2: the answer 'No' contradicts the row's own label 'bell'; correct one of them.",
        f"{HEADER},label\n  hall.flac,Can you hear the sound of the bell?,Yes,bell",
    ),
    "a distance that contradicts the row": (
        f"{HEADER},distance\nhall.flac,How far away is the sound of the bell?,2m,3.2",
        "2: the answer '2m' contradicts the row's own distance 3.2; correct one of them.",
        f"{HEADER},distance\n  hall.flac,How far away is the sound of the bell?,3.2m,3.2",
    ),
    "a row twice": (
        f"{HEADER}\nhall.flac,Where?,there\nhall.flac,where? ,there",
        "3: repeats my.csv:2; leave it out.",
        f"{HEADER}\n  hall.flac,Where?,there",
    ),
    "two answers to one question": (
        f"{HEADER}\nhall.flac,What is this?,bell\nhall.flac,What is this?,door",
        "3: answers 'door' to the question of my.csv:2; there it is 'bell', keep one.",
        f"{HEADER}\n  hall.flac,What is this?,bell",
    ),
    "semicolons": (
        "audio;question;answer;distance\nhall.flac;Where?;there;-2,5",
        "2: distance is -2.5; expected metres above 0.",
        "audio;question;answer;distance\n  hall.flac;Where?;there;2.1",
    ),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_refused_with_a_line_that_would_be_right(name: str, recordings: Path) -> None:
    text, sentence, right = WRONG[name]
    table, out = recordings / "my.csv", recordings / "out"
    table.write_bytes(text.encode("latin-1"))
    with pytest.raises(ManifestError) as error:
        import_recordings(ImportArguments(str(table), str(out)))
    told = str(error.value).replace(f"{recordings}/", "").removeprefix("my.csv:").lstrip()
    assert told == f"{sentence} Right would be:\n  {right}"
    assert not out.exists() and [path.name for path in recordings.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["no such file", "a unit", "another split", "no text", "semicolons"])
def test_the_line_that_would_be_right_is(name: str, recordings: Path) -> None:
    table, out = recordings / "right.csv", recordings / "right"
    table.write_text("\n".join(line.strip() for line in WRONG[name][2].splitlines()))
    import_recordings(ImportArguments(str(table), str(out), eval_share=0.0))


def test_the_folder_of_the_recordings_is_not_replaced(recordings: Path, tmp_path: Path) -> None:
    """The folder to write is replaced as a whole, so that nothing of the user's may be in it."""
    (recordings / "my.csv").write_text(f"{HEADER}\nhall.flac,Where?,there\n")
    (tmp_path / "other.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds files and no import\.json.*give a new folder"):
        import_recordings(ImportArguments(str(recordings / "my.csv"), str(tmp_path)))
    with pytest.raises(ManifestError, match=r"my.csv: lies in .*give another folder"):
        import_recordings(ImportArguments(str(recordings / "my.csv"), str(recordings)))
    (recordings / "import.json").write_text("{}")
    (tmp_path / "my.csv").write_text(f"{HEADER}\n{recordings}/hall.flac,Where?,there\n")
    with pytest.raises(ManifestError, match=r"hall.flac' lies in .*replaced as a whole"):
        import_recordings(ImportArguments(str(tmp_path / "my.csv"), str(recordings)))
    assert (recordings / "hall.flac").is_file() and (tmp_path / "other.txt").is_file()
