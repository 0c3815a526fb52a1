"""`spatial-llm ask` with the shipped model: one and many, JSON, a table, a conversation; what is refused before loading."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.cli import main
from spatial_llm.commands import ask
from spatial_llm.shipped import RECORDINGS

ONE, BEHIND = str(RECORDINGS / "one_source.flac"), str(RECORDINGS / "one_source_behind.flac")
WHAT, WHERE = "What sound events can you hear in the audio clip?", "Where is the sound in this audio clip coming from?"
HEARD = {(ONE, WHAT): "clapping", (ONE, WHERE): "left, front, above; 3m", (BEHIND, WHAT): "engine",
         (BEHIND, WHERE): "right, behind, below; 2m"}  # fmt: skip


@pytest.fixture(scope="module")
def tiny() -> SpatialLLM:
    return SpatialLLM.from_pretrained("tiny")


@pytest.fixture
def counted(tiny: SpatialLLM, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often a model is loaded and a recording encoded; loading gives the same one."""
    counts = {"loaded": 0, "encoded": 0}
    listen = SpatialLLM.listen_to_window

    def load(folder: str) -> SpatialLLM:
        assert folder == "tiny"
        counts["loaded"] += 1
        return tiny

    def heard(self: SpatialLLM, *args: object) -> object:
        counts["encoded"] += 1
        return listen(self, *args)

    monkeypatch.setattr(SpatialLLM, "from_pretrained", load)
    monkeypatch.setattr(SpatialLLM, "listen_to_window", heard)
    return counts


def test_a_single_answer_is_printed_bare_and_several_below_what_was_asked(counted, capsys):
    assert main(["ask", ONE, WHERE]) == 0
    assert capsys.readouterr() == ("left, front, above; 3m\n", "")
    assert main(["ask", ONE, "--model", "tiny", WHAT, WHERE]) == 0
    assert capsys.readouterr().out == f"{WHAT}\n  clapping\n{WHERE}\n  left, front, above; 3m\n"
    assert main(["ask", "tiny", ONE, BEHIND, WHAT]) == 0
    assert capsys.readouterr().out == f"{ONE}\n  {WHAT}\n    clapping\n{BEHIND}\n  {WHAT}\n    engine\n"
    assert counted == {"loaded": 3, "encoded": 4}


def test_json_is_one_object_a_line_with_what_the_answer_tells(counted, tiny, capsys):
    assert main(["ask", ONE, BEHIND, WHAT, WHERE, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["file"], line["question"]): line["answer"] for line in lines} == HEARD
    known = tiny.listen(ONE).ask(WHAT).to_dict()
    assert lines[0] == {"file": ONE} | known
    assert counted["loaded"] == 1 and counted["encoded"] == 2 + 1


def test_a_table_of_answers_goes_on_after_bad_files_and_encodes_each_once(counted, tmp_path, capsys):
    shutil.copy(ONE, tmp_path / "one.flac")
    shutil.copy(BEHIND, tmp_path / "behind.flac")
    soundfile.write(tmp_path / "mono.wav", np.ones(8000) * 0.1, 32_000)
    soundfile.write(tmp_path / "equal.wav", np.ones((64_000, 2)) * 0.1, 32_000)
    rows = [("one.flac", WHAT), ("mono.wav", WHAT), ("behind.flac", WHAT), ("one.flac", WHERE), ("one.flac", " "),
            ("absent.wav", WHAT), ("equal.wav", WHAT)]  # fmt: skip
    table, out = tmp_path / "t.csv", tmp_path / "answers.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "question"), *rows])
    with pytest.warns(UserWarning, match=r"equal.wav: all channels of the recording are the same"):
        assert main(["ask", str(table), "--out", str(out)]) == 1
    assert "3 of 7 questions have no answer; the column error of" in capsys.readouterr().err
    answers = list(csv.DictReader(out.open(newline="")))
    assert [(row["file"], row["question"]) for row in answers] == rows
    assert [row["answer"] for row in answers][:4] == ["clapping", "", "engine", "left, front, above; 3m"]
    said = [row["error"] for row in answers]
    assert (
        "2 channels needed, got 1" in said[1] and "give one question in words" in said[4] and "cannot be opened" in said[5]
    )
    assert [bool(text) for text in said] == [False, True, False, False, True, True, False]
    assert "all channels of the recording are the same" in answers[6]["warnings"]
    assert counted["encoded"] == 3
    before = out.read_bytes()
    assert main(["ask", str(out), "--out", str(out)]) == 1
    assert "would replace the questions" in capsys.readouterr().err and out.read_bytes() == before
    # The same as JSON, where a folder is given.
    (tmp_path / "folder").mkdir()
    (tmp_path / "mono.wav").rename(tmp_path / "folder" / "mono.wav")
    assert main(["ask", str(tmp_path / "folder"), WHAT, "--json"]) == 1
    printed = capsys.readouterr()
    assert "2 channels needed" in json.loads(printed.out)["error"] and "1 of 1 questions" in printed.err


def test_a_conversation_reads_lines_until_they_end(counted, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{WHAT}\n\n{'x' * 9000}\n{WHERE}\n"))
    assert main(["ask", ONE, "--interactive"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "clapping\nleft, front, above; 3m\n" and "8000" in printed.err.replace(",", "")
    lines, printed = io.StringIO(f"{WHAT}\n"), []
    read = lines.readline
    lines.readline = lambda *size: printed.append(capsys.readouterr().out) or read(*size)
    monkeypatch.setattr("sys.stdin", lines)
    assert main(["ask", ONE, "--interactive"]) == 0
    assert printed == ["", "clapping\n"], "a line is answered before the next is read"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{WHAT}\n"))
    assert main(["ask", ONE, WHERE, "--interactive", "--json"]) == 0
    assert [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()] == [HEARD[ONE, WHERE], "clapping"]
    assert counted["encoded"] == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["absent.wav", WHAT], "absent.wav: cannot be opened"),
        (["{folder}/mono.wav", WHAT], "2 channels needed, got 1; expected binaural (2, samples), channels left, right."),
        (["{folder}/cut.wav", WHAT], "cut.wav: cut or damaged WAV"),
        (["{folder}/text.wav", WHAT], "not a"),
        (["{folder}/long.wav", WHAT, "--audio_limits.max_seconds", "0.1"], "lasts 0.25 s, and max_seconds is 0.1 s"),
        ([ONE, "{folder}/mono.wav", WHAT], "2 channels needed"),
        ([ONE], "add one in quotation marks"),
        ([ONE, BEHIND, "--interactive"], "--interactive is a conversation about one recording"),
        (["{folder}", WHAT], "a folder or a table has many answers; give --out answers.csv"),
        ([ONE, WHAT, "--json", "--out", "x.csv"], "--json prints and --out writes a table"),
        ([ONE, WHAT, "--out", "{folder}/text.wav/x.csv"], "cannot be written"),
        (["tiny", ONE, WHAT, "--model", "tiny"], "two models, tiny and tiny; give one of them"),
    ],
)
def test_what_is_wrong_is_said_before_the_model_is_loaded(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SpatialLLM, "from_pretrained", lambda *_: pytest.fail("the model was loaded"))
    noise = 0.1 * np.random.default_rng(0).standard_normal((8_000, 2))
    soundfile.write(tmp_path / "long.wav", noise, 32_000)
    soundfile.write(tmp_path / "mono.wav", noise[:, :1], 32_000)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "long.wav").read_bytes()[:20_000])
    (tmp_path / "text.wav").write_text("words")
    assert main(["ask", *(argument.replace("{folder}", str(tmp_path)) for argument in arguments)]) == 1
    printed = capsys.readouterr()
    assert said in printed.err and printed.err.startswith("spatial-llm: ") and printed.err.count("\n") == 1
    assert printed.out == ""


def test_the_format_of_a_model_is_read_from_its_folder(tmp_path: Path) -> None:
    assert ask._format_of("tiny").name == "binaural"
    (tmp_path / "config.json").write_text('{"encoder_config": {"audio_format": "foa"}}')
    assert ask._format_of(str(tmp_path)).channels == 4
    (tmp_path / "config.json").write_text("[]")
    assert ask._format_of(str(tmp_path)) is None and ask._format_of("some/hub-name") is None


def test_a_paraphrase_is_put_as_taught_and_a_note_says_so(counted, capsys):
    assert main(["ask", ONE, "where's that sound coming from"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "left, front, above; 3m\n"
    assert printed.err == "note: asked as: How would you describe the location of this audio clip?\n"
    assert main(["ask", ONE, "where's that sound coming from", "--json", "--as_asked"]) == 0
    assert json.loads(capsys.readouterr().out)["asked"] == "where's that sound coming from"


def test_what_was_not_taught_is_warned_of_or_refused(counted, capsys):
    with pytest.warns(UserWarning, match="'capital', 'france' are in no question that the model was taught"):
        assert main(["ask", ONE, "What is the capital of France?"]) == 0
    capsys.readouterr()
    assert main(["ask", ONE, "Is there a violin?", "--strict"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("spatial-llm: ") and printed.err.count("\n") == 1


def test_the_list_of_what_was_taught_needs_no_recording_and_no_weights(counted, capsys):
    assert main(["ask", "--list"]) == main(["ask", "tiny", "--list"]) == 0
    printed = capsys.readouterr().out
    assert "\n    What is this?\n" in printed and "Sounds: acoustic guitar; alarm;" in printed
    assert main(["ask", ONE, WHERE, "--list"]) == 1
    assert "--list is about a model" in capsys.readouterr().err
    assert counted["loaded"] == 0


def test_a_recording_of_another_level_is_calibrated(counted, tiny, capsys, tmp_path):
    waveform, rate = soundfile.read(ONE)
    soundfile.write(tmp_path / "faint.wav", waveform / 10, rate, subtype="FLOAT")
    level = tiny.processor.taught.level_dbfs_at_1m - 20
    assert main(["ask", str(tmp_path / "faint.wav"), WHERE, "--level_dbfs_at_1m", str(level)]) == 0
    assert capsys.readouterr() == ("left, front, above; 3m\n", "")
