"""Of a sound that a question names, the model is also asked whether it is there: what it does not hear is warned of."""

import warnings

import numpy as np
import pytest

from spatial_llm import SpatialLLM
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.heard import Heard
from spatial_llm.model.understanding import notes_not_warned_of
from spatial_llm.questions.matching import QuestionMatcher
from spatial_llm.questions.taught import TaughtQuestion, TaughtQuestions
from spatial_llm.shipped import RECORDINGS

NOTE = "the model does not hear the sound 'piano': it answers No to 'Is there the sound of the piano in the audio clip?'"


@pytest.fixture(scope="module")
def model() -> SpatialLLM:
    model = SpatialLLM.from_pretrained("tiny")
    model._spoke_of_level = True  # what it says once is tested elsewhere
    return model


@pytest.fixture
def engine(model: SpatialLLM) -> Heard:
    return model.listen(RECORDINGS / "one_source_behind.flac")


def test_an_absent_sound_gets_a_place_and_a_warning(engine: Heard) -> None:
    with pytest.warns(UserWarning, match=r"does not hear the sound 'piano'.* The answer may mean nothing"):
        answer = engine.ask("Where is the piano?")
    assert answer.notes == [NOTE] and notes_not_warned_of(answer) == [], "it is said once"
    assert engine.presence == {"piano": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine.ask("Where is the piano?", as_asked=True) == answer, "the answer is the same"


def test_a_sound_that_is_heard_is_not_spoken_of(engine: Heard) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine.ask("Where is the engine?").notes == []
        assert engine.ask("Is there an engine?") == "Yes"
        assert engine.ask("Is there a piano?") == "No", "an answer that says so itself"
        assert engine.ask("What is this?") == "engine"
    assert engine.presence == {"engine": True}


def test_each_sound_of_a_question_is_asked_for_once(engine: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = type(engine.model).plain_answer
    monkeypatch.setattr(
        type(engine.model), "plain_answer", lambda self, heard, text, *a, **k: asked.append(text) or plain(self, heard, text)
    )
    with pytest.warns(UserWarning, match="'piano'"):
        engine.ask("Is the piano nearer than the engine?")
    with pytest.warns(UserWarning, match="'piano'"):
        engine.ask("Is the engine nearer than the piano?")
    there = "Is there the sound of the {} in the audio clip?"
    questions = ["Is the piano nearer than the engine?", "Is the engine nearer than the piano?"]  # taught wordings
    assert asked == [questions[0], there.format("piano"), there.format("engine"), questions[1]]


def test_a_model_that_was_not_taught_presence_is_not_asked(engine: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    taught = engine.model.processor.taught
    without = tuple(question for question in taught.questions if question.question_type != "PRESENT")
    monkeypatch.setattr(engine.model.processor, "taught", TaughtQuestions(without, taught.labels, 2, -14.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine.ask("Where is the piano?").notes == []
    assert engine.presence == {}


def test_a_question_about_one_sound_alone_is_not_asked_for_others(engine: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    taught = engine.model.processor.taught
    others = tuple(question for question in taught.questions if question.question_type != "PRESENT")
    for wording in ("Is there a bell?", "Is there {x} at {place}?"):
        own = TaughtQuestion("PRESENT", "yes_no", (wording,), question=wording, answer="No")
        monkeypatch.setattr(engine.model.processor, "taught", TaughtQuestions((*others, own), taught.labels, 2, -14.0))
        assert engine.ask("Where is the piano?").notes == []
    assert engine.presence == {}


def test_named_are_the_sounds_where_the_taught_wording_has_them_and_nothing_else() -> None:
    wordings = ("At what hour of the clock is the {x}?", "Is the {x} left of the {y}? The {x} may be above it.")
    labels = ("bell", "bicycle bell", "clock", "bird", "bird flight, flapping wings", "alarm (fire)")
    matcher = QuestionMatcher(TaughtQuestions((TaughtQuestion("DOA", "location", wordings),), labels))
    for one, other in (("bicycle bell", "bird flight, flapping wings"), ("alarm (fire)", "clock"), ("bird", "bell")):
        assert matcher.named(wordings[0].format(x=one)) == [one], "not the clock of the wording"
        assert matcher.named(wordings[1].format(x=one, y=other)) == [one, other]
    assert matcher.named("Is the bell left of the doorbell?") == []
    assert QuestionMatcher(TaughtQuestions((), ())).named(wordings[0].format(x="bell")) == []


@pytest.fixture
def says_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model, as far as it is asked for a sound at a place, says Yes."""
    plain = SpatialLLM.plain_answer
    monkeypatch.setattr(
        SpatialLLM,
        "plain_answer",
        lambda self, heard, text, *a, **k: "Yes" if "away" in text else plain(self, heard, text, *a, **k),
    )


def test_a_sound_at_a_place_is_warned_of_where_the_answers_contradict_each_other(engine: Heard, says_yes: None) -> None:
    at_place = "Is the sound of the {} coming from the right, behind, below, approximately 2 meters away?"
    with pytest.warns(UserWarning, match="does not hear the sound 'piano'"):
        assert engine.ask(at_place.format("piano")) == "Yes"
    assert engine.ask(at_place.format("engine")).notes == []


def test_an_answer_that_denies_is_not_warned_of(engine: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpatialLLM, "plain_answer", lambda *a, **k: "No")
    answer = engine.ask("Is the sound of the piano coming from the right, behind, below, approximately 2 meters away?")
    assert answer == "No" and answer.notes == [] and engine.presence == {}


def test_each_recording_is_warned_of_by_pythons_default_filter(
    model: SpatialLLM, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_: print(message)
        for _ in range(2):
            model.listen(RECORDINGS / "one_source_behind.flac").ask("Where is the piano?")
            model.ask(RECORDINGS / "one_source_behind.flac", "Where is the violin?")
            model.listen(np.zeros((2, 32_000), np.float32), 32_000)
    said = capsys.readouterr().out
    assert said.count("does not hear the sound 'piano'") == said.count("does not know the sound 'violin'") == 2
    assert said.count("the recording is silent") == 2 and "recording 0" not in said


def test_the_limit_is_that_of_the_question_as_it_was_given(engine: Heard) -> None:
    with pytest.warns(UserWarning, match="'piano'"):
        engine.ask("Where is the piano?", max_question_characters=19)
    assert engine.ask("wheres the motor", max_question_characters=16).asked.startswith("Where is the sound of the engine")
    with pytest.raises(SpatialLLMError, match="19 characters, expected at most 18"):
        engine.ask("Where is the piano?", max_question_characters=18)
    with pytest.raises(SpatialLLMError, match="max_question_characters is 'a'"):
        engine.ask("Where is the piano?", max_question_characters="a")
