"""Which arguments of `ask` are recordings and which are questions; folders and tables."""

from pathlib import Path

import pytest

from spatial_llm.commands.asked import is_file, sort_arguments
from spatial_llm.errors import SpatialLLMError


@pytest.mark.parametrize("argument", ["a.wav", "my recording.FLAC", "b.m4a", "t.csv", "runs/x", "take.xyz", "folder/"])
def test_what_is_written_as_a_file_is_one(argument: str) -> None:
    assert is_file(argument)


@pytest.mark.parametrize(
    "argument", ["Where?", "left/right?", "Is it left/right of me?", "e.g. a dog?", "Is it 3.5", "鐘はどこ"]
)
def test_what_is_written_as_words_is_a_question(argument: str) -> None:
    assert not is_file(argument)


def test_recordings_come_first_and_a_model_may_come_before_them(tmp_path: Path) -> None:
    given = sort_arguments(["a.wav", "b.wav", "What?", "Where?"])
    assert (given.model, given.files, given.questions) == (None, ("a.wav", "b.wav"), ("What?", "Where?"))
    assert [(row.file, row.question) for row in given.rows()] == [
        ("a.wav", "What?"), ("a.wav", "Where?"), ("b.wav", "What?"), ("b.wav", "Where?")
    ]  # fmt: skip
    assert sort_arguments(["tiny", "a.wav", "What?"]).model == "tiny"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert sort_arguments([str(tmp_path / "model"), "a.wav", "What?"]).model == str(tmp_path / "model")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["What?", "a.wav"], r"'What\?' is no file and stands before the recording a.wav; give recordings first"),
        (["a-model", "a.wav", "What?"], r"'a-model' is no file .* a model by --model"),
        (["a.wav", "  "], r"the question is '  '; give one question in words"),
        (["recording", "What?"], r"none of 'recording', 'What\?' is a file"),
        ([], "no recording is given"),
    ],
)
def test_anything_else_is_refused_in_words(arguments: list[str], said: str) -> None:
    with pytest.raises(SpatialLLMError, match=said):
        sort_arguments(arguments)


def test_a_folder_stands_for_its_sounds(tmp_path: Path) -> None:
    for name in ("b.wav", "sub/a.FLAC", "c.m4a", "notes.txt", "._b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = sort_arguments([str(tmp_path), "What?"]).rows()
    assert [str(row.path.relative_to(tmp_path)) for row in found] == ["b.wav", "c.m4a", "sub/a.FLAC"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpatialLLMError, match="empty: no sound files in this folder"):
        sort_arguments([str(tmp_path / "empty"), "What?"]).rows()


def test_a_table_has_files_beside_it_and_questions_in_one_place(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,question\na.wav,What?\nsub/b.wav,\n")
    rows = sort_arguments([str(table)]).rows()
    assert [(row.file, row.path, row.question) for row in rows] == [
        ("a.wav", tmp_path / "a.wav", "What?"), ("sub/b.wav", tmp_path / "sub/b.wav", "")
    ]  # fmt: skip
    with pytest.raises(SpatialLLMError, match="has a column question, and 'Where\\?' is asked too"):
        sort_arguments([str(table), "Where?"]).rows()
    table.write_text("file\na.wav\n")
    assert [row.question for row in sort_arguments([str(table), "Where?"]).rows()] == ["Where?"]
    with pytest.raises(SpatialLLMError, match="expected at least file, question: question missing"):
        sort_arguments([str(table)]).rows()
    table.write_text("file,question\n ,What?\n")
    with pytest.raises(SpatialLLMError, match=r"t.csv:2: file is empty"):
        sort_arguments([str(table)]).rows()
    table.write_text("file,question\n")
    with pytest.raises(SpatialLLMError, match="no rows below the header"):
        sort_arguments([str(table)]).rows()


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "b.wav").touch()
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "a.wav").touch()
    (tmp_path / "near" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "near" / "circle").symlink_to(tmp_path / "near")
    rows = sort_arguments([str(tmp_path / "near"), "What is it?"]).rows()
    assert [row.path.relative_to(tmp_path / "near").as_posix() for row in rows] == ["a.wav", "linked/b.wav"]
