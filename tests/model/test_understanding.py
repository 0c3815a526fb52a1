"""The shipped model knows what it was taught: it maps, warns or refuses, and takes the level of a recording chain."""

import json
import shutil
import warnings

import pytest
import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.encoders.folder_files import read_json
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model.understanding import ON_DISTANCE, list_taught
from spatial_llm.questions.taught import TAUGHT
from spatial_llm.shipped import RECORDINGS, find_model

ENGINE = RECORDINGS / "one_source_behind.flac"
WHERE = "Where is the sound of the engine coming from?"


@pytest.fixture(scope="module")
def heard():
    model = SpatialLLM.from_pretrained("tiny")
    model._spoke_of_level = True  # what it says once is tested below
    return model.listen(ENGINE)


def quiet(ask, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ask(*arguments, **options)


def test_a_paraphrase_is_asked_in_the_taught_wording_and_the_answer_says_so(heard):
    answer = quiet(heard.ask, "wheres the motor")
    assert answer == quiet(heard.ask, WHERE) == "right, behind, below; 2m"
    assert (answer.question, answer.asked, answer.question_type) == ("wheres the motor", WHERE, "MIXUP_SINGLE_DOA")
    assert answer.notes == [f"asked as: {WHERE}", "'motor' is taken for the sound 'engine'"] and answer.similarity > 0.5
    assert quiet(heard.ask, "left or right?").startswith("right, behind")  # the answer to its own words is another side
    assert answer.to_dict()["taught"] == WHERE and json.dumps(answer.to_dict())


def test_a_taught_wording_is_put_unchanged(heard):
    plain = quiet(heard.ask, "Where is the engine?")
    assert (plain.asked, plain.notes, plain.similarity) == ("Where is the engine?", [], 1.0)
    assert quiet(heard.ask, "Where is the engine?", as_asked=True) == plain


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ("What is the capital of France?", "are in no question that the model was taught"),
        ("Where is the violin?", "does not know the sound 'violin'; it knows acoustic guitar; alarm"),
        ("Is the engine moving?", "was not taught this kind of question"),
        ("Is the engine not on the left?", "may be taken for its opposite"),
        ("Wo ist der Motor?", "are in no question"),
    ],
)
def test_what_is_near_nothing_is_warned_of_or_refused(heard, question, problem):
    with pytest.warns(UserWarning, match=problem):
        answer = heard.ask(question)
    assert answer.asked == question and answer.similarity < 0.5 and problem in answer.notes[0]
    with pytest.raises(SpatialLLMError, match=problem):
        heard.ask(question, strict=True)
    assert quiet(heard.ask, question, as_asked=True) == answer


def test_strict_refuses_before_anything_is_answered(heard, monkeypatch):
    monkeypatch.setattr(type(heard.model), "generate", lambda *_, **__: pytest.fail("answered"))
    with pytest.raises(SpatialLLMError, match="violin"):
        heard.ask(["Where is it?", "Where is the violin?"], strict=True)
    with pytest.raises(SpatialLLMError, match="violin"):
        heard.model.ask("no such file.wav", "Where is the violin?", strict=True)


@pytest.mark.parametrize(
    ("question", "message"), [("  ", "give one question in words"), ("Where? " * 1500, "10,500 characters")]
)
def test_blank_and_endless_questions_are_refused(heard, question, message):
    with pytest.raises(SpatialLLMError, match=message):
        quiet(heard.ask, question)


def test_distance_says_once_what_it_rests_on():
    heard = SpatialLLM.from_pretrained("tiny").listen(ENGINE)
    assert ON_DISTANCE not in quiet(heard.ask, "What is this?").notes
    with pytest.warns(UserWarning, match="distances rest on the level"):
        assert ON_DISTANCE in heard.ask(WHERE).notes
    assert ON_DISTANCE not in quiet(heard.ask, WHERE).notes


def test_a_known_level_makes_up_for_the_gain_of_a_recording_chain():
    """x0.1 and x3 in gain tell another distance; with the level at 1 m, the answer is that of the recording as it was."""
    model = SpatialLLM.from_pretrained("tiny")
    waveform, rate = soundfile.read(ENGINE, dtype="float32")
    for gain, level in ((0.1, -34.0), (3.0, -14.0 + 9.5424)):
        audio = (waveform.T * gain).clip(-1, 1)
        answer = quiet(model.ask, audio, WHERE, sampling_rate=rate, level_dbfs_at_1m=level)
        assert answer == "right, behind, below; 2m"
        assert model.ask(audio, WHERE, sampling_rate=rate, as_asked=True) != answer


@pytest.mark.parametrize("level", [float("nan"), 50, True, "-20"])
def test_a_level_that_is_none_is_refused(heard, level):
    with pytest.raises(SpatialLLMError, match="level_dbfs_at_1m is"):
        heard.model.listen(ENGINE, level_dbfs_at_1m=level)


def test_a_folder_without_the_file_answers_as_before(tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(find_model("tiny"), folder)
    with (folder / "seal.json").open() as file:
        seal = json.load(file)
    del seal["files"][TAUGHT]
    (folder / "seal.json").write_text(json.dumps(seal))
    (folder / TAUGHT).unlink()
    model = SpatialLLM.from_pretrained(folder)
    assert model.processor.taught is None
    answer = quiet(model.ask, ENGINE, "What is the capital of France?")
    assert (answer.taught, answer.similarity, answer.notes) == (None, None, [])
    with pytest.raises(SpatialLLMError, match="write_taught"):
        model.ask(ENGINE, WHERE, strict=True)
    with pytest.raises(SpatialLLMError, match="not known at which level"):
        model.ask(ENGINE, WHERE, level_dbfs_at_1m=-20)


def test_the_file_travels_with_the_processor_under_its_seal(heard, tmp_path):
    heard.model.processor.save_pretrained(tmp_path)
    again = type(heard.model.processor).from_pretrained(tmp_path)
    assert again.taught == heard.model.processor.taught
    assert "taught" not in read_json(tmp_path / "processor_config.json")
    text = (tmp_path / TAUGHT).read_text(encoding="utf-8")
    (tmp_path / TAUGHT).write_text(text.replace('"siren"', '"sirene"'), encoding="utf-8")
    with pytest.raises(CheckpointError, match="not the file that was saved"):
        type(heard.model.processor).from_pretrained(tmp_path)
    again.taught = None
    again.save_pretrained(tmp_path)
    assert not (tmp_path / TAUGHT).exists()
    assert type(heard.model.processor).from_pretrained(tmp_path).taught is None


def test_the_list_names_every_question_with_an_example_and_every_sound(heard):
    taught = heard.model.processor.taught
    text = list_taught(taught)
    assert all(question.question in text for question in taught.questions) and text.endswith("tick-tock; waves, surf")
