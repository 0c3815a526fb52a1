"""Of a sound that a question names, the model is first asked whether it is there: what it does not hear is warned of."""

import warnings

import pytest

from spatial_llm import SpatialLLM
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
    assert asked == [there.format("piano"), there.format("engine"), *questions]


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


def test_of_names_within_names_the_longest_counts() -> None:
    question = TaughtQuestion("DOA", "location", ("Where is the {x}?",))
    matcher = QuestionMatcher(
        TaughtQuestions((question,), ("bell", "bicycle bell", "bird", "bird flight, flapping wings", "alarm (fire)"))
    )
    asked = (
        "Is the bicycle bell left of the bird flight, flapping wings, or of the bird or the doorbell, or the alarm (fire)?"
    )
    assert matcher.named(asked) == ["bicycle bell", "bird flight, flapping wings", "bird", "alarm (fire)"]
    assert QuestionMatcher(TaughtQuestions((question,), ())).named(asked) == []
