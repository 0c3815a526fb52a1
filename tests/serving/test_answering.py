"""Questions that are answered together get the answers that they get alone, whole and in pieces."""

import pytest
import torch

from spatial_llm import SpatialLLM
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.near_ties import NEAR_TIE
from spatial_llm.serving import answering
from spatial_llm.serving.answering import LENGTH, STOP, Answerer, Finished, Question
from spatial_llm.serving.reader_process import ReaderSettings, WindowReader
from spatial_llm.serving.recordings import Window
from tests.serving.running import BEHIND, ONE, TWO, WHAT, WHERE

COUNT = "How many sound sources are there in the audio clip?"


@pytest.fixture(scope="module")
def tiny() -> SpatialLLM:
    return SpatialLLM.from_pretrained("tiny")


def answerer(tiny: SpatialLLM, **options) -> Answerer:
    return Answerer(tiny, tiny.processor.feature_extractor.default_format, **options)


class Asked(Question):
    """A question whose events are kept."""

    def __init__(self, of: Answerer, *turns, most: int = 200, stream: bool = False) -> None:
        config = of.model.model.config.encoder_config
        reader = WindowReader(ReaderSettings("binaural", "binaural", config.sampling_rate, config.window_samples))

        def recording(file):
            found = of.remembered(file.read_bytes())
            if found.heard is None:
                window, said = reader.read(file.read_bytes())
                found.window = Window(window, tuple(said))
            return found

        self.told: list = []
        read = [(text, [recording(file) for file in files], answer) for text, files, answer in turns]
        super().__init__(read, most, lambda name, value: self.told.append((name, value)), stream)

    @property
    def pieces(self) -> list[str]:
        return [value for name, value in self.told if name == "piece"]

    @property
    def done(self) -> Finished:
        assert self.told[0] == ("started", None) and self.told[-1][0] == "done", self.told
        return self.told[-1][1]


def test_a_batch_of_different_conversations_is_answered_like_each_alone(tiny):
    of, both = answerer(tiny), tiny.talk(ONE)
    first = str(both.ask(WHERE))
    both.hear(BEHIND)
    questions = [
        Asked(of, (WHERE, [ONE], None)),
        Asked(of, (WHAT, [BEHIND], None), stream=True),
        Asked(of, (WHERE, [ONE], first), (WHERE, [BEHIND], None)),
        Asked(of, (COUNT, [TWO], None), most=1, stream=True),
        Asked(of, (" ", [ONE], None)),
        Asked(of, ("Is <|audio|> there?", [ONE], None)),
        Asked(of, (WHAT + " x" * 5000, [ONE], None)),
    ]
    of.answer(questions)
    wanted = [str(tiny.ask(ONE, WHERE)), str(tiny.ask(BEHIND, WHAT)), str(both.ask(WHERE))]
    assert [str(each.done.answer) for each in questions[:3]] == wanted
    assert "".join(questions[1].pieces) == wanted[1] and [each.done.reason for each in questions[:3]] == [STOP] * 3
    cut = questions[3].done
    assert cut.reason == LENGTH and cut.completion_tokens == 1
    assert str(cut.answer) == "".join(questions[3].pieces) == str(tiny.ask(TWO, COUNT, max_new_tokens=1))
    for bad in questions[4:]:
        ((name, error),) = bad.told
        assert name == "error" and isinstance(error, SpatialLLMError)


def test_a_near_tie_is_answered_alone_and_nothing_that_was_shown_is_taken_back(tiny, monkeypatch):
    of = answerer(tiny)
    wanted = [str(tiny.ask(file, WHERE)) for file in (ONE, BEHIND, TWO)]
    written = []
    write = of._write
    of._write = lambda rows: (written.append(len(rows)), write(rows))[1]
    for tolerance, again in ((0.0, 0), (2.0**18, None), (2.0**24, 3)):
        monkeypatch.setitem(NEAR_TIE, torch.float32, tolerance)
        written.clear()
        questions = [Asked(of, (WHERE, [file], None), stream=True) for file in (ONE, BEHIND, TWO)]
        of.answer(questions)
        assert [str(each.done.answer) for each in questions] == wanted
        assert ["".join(each.pieces) for each in questions] == wanted
        assert [name for name, _ in questions[0].told].count("started") == 1
        if again is None:  # some were shown in part before the tie
            assert 1 < len(written) <= 4
        else:
            assert written == [3] + [1] * again


def test_long_answers_go_on_in_a_smaller_batch_when_the_short_ones_have_ended(tiny, monkeypatch):
    asked = [(WHERE, ONE), (COUNT, TWO), (COUNT, ONE), (WHERE, BEHIND), (COUNT, BEHIND), (WHAT, TWO), (WHERE, TWO)]
    wanted = [str(tiny.ask(file, text)) for text, file in asked]
    of, generate, sizes = answerer(tiny), tiny.generate, []

    def counted(input_ids, **options):
        out = generate(input_ids=input_ids, **options)
        sizes.append((len(input_ids), out.sequences.shape[1] - input_ids.shape[1]))
        return out

    monkeypatch.setattr(tiny, "generate", counted)
    questions = [Asked(of, (text, [file], None), stream=number % 2 == 0) for number, (text, file) in enumerate(asked)]
    of.answer(questions)
    assert [str(each.done.answer) for each in questions] == wanted
    assert ["".join(each.pieces) for each in questions[::2]] == wanted[::2]
    (whole, _), (rest, steps), *_ = sizes
    assert whole == 7 and rest <= 3 and steps > 2
    # A language model without keys and values that could be chosen from: those that are left are answered alone.
    sizes.clear()
    monkeypatch.setattr(answering, "DynamicCache", int)
    for most in (rest, 0):
        sizes.clear()
        questions = [Asked(of, (text, [file], None)) for text, file in asked]
        of.answer(questions)
        assert [str(each.done.answer) for each in questions] == wanted
        assert [size for size, _ in sizes] == [7] + [1] * most, "and from then on no batch is divided"


def test_nobody_waits_for_whoever_is_gone(tiny):
    of = answerer(tiny)
    gone, stays, leaves = (Asked(of, (WHERE, [file], None), stream=True) for file in (ONE, ONE, BEHIND))
    gone.gone = True
    tell = leaves.event

    def leave_at_the_first_piece(name, value):
        tell(name, value)
        leaves.gone = leaves.gone or name == "piece"

    leaves.event = leave_at_the_first_piece
    of.answer([gone, stays, leaves])
    assert gone.told == [] and str(stays.done.answer) == str(tiny.ask(ONE, WHERE))
    assert [name for name, _ in leaves.told] == ["started", "piece"]
    alone = Asked(of, (WHERE, [ONE], None), stream=True)
    alone.event = lambda name, value: (alone.told.append(name), setattr(alone, "gone", name == "piece"))
    of.answer([alone])
    assert alone.told == ["started", "piece"]


def test_an_error_of_a_whole_batch_is_one_of_those_alone_that_have_it(tiny, monkeypatch):
    of, generate = answerer(tiny), tiny.generate

    def no_room_for_two(input_ids, **options):
        if len(input_ids) > 1 or input_ids.shape[1] > 25:
            raise RuntimeError("out of memory")
        return generate(input_ids=input_ids, **options)

    monkeypatch.setattr(tiny, "generate", no_room_for_two)
    one, two = Asked(of, (WHERE, [ONE], None)), Asked(of, (WHAT, [BEHIND], None))
    long = Asked(of, (WHERE, [ONE], "left"), (WHAT, [BEHIND], None))
    of.answer([one, long, two])
    assert str(one.done.answer) == "left, front, above; 3m" and str(two.done.answer) == "engine"
    assert long.told[-1][0] == "error" and "out of memory" in str(long.told[-1][1])


def test_a_remembered_recording_is_not_encoded_again_and_the_oldest_are_forgotten(tiny, monkeypatch):
    of, encoded = answerer(tiny, most_remembered=1), []
    listen = tiny.listen_to_window
    monkeypatch.setattr(tiny, "listen_to_window", lambda *given: (encoded.append(1), listen(*given))[1])
    answers = []
    for file in (ONE, ONE, BEHIND, ONE):
        question = Asked(of, (WHERE, [file], None))
        of.answer([question])
        answers.append(str(question.done.answer))
        assert question.done.recordings == (of.remembered(file.read_bytes()).sha256,)
    assert answers[0] == answers[1] == answers[3] != answers[2] and len(encoded) == 3


def test_the_level_of_the_recordings_and_strictness_hold_for_all(tiny):
    of = answerer(tiny, level_dbfs_at_1m=-30.0, strict=True)
    known, far = Asked(of, (WHERE, [ONE], None)), Asked(of, ("Tell me a joke about the moon.", [ONE], None))
    of.answer([known, far])
    assert str(known.done.answer) == str(tiny.ask(ONE, WHERE, level_dbfs_at_1m=-30.0)) and known.done.answer.notes == []
    assert far.told[0][0] == "error" and "was taught" in str(far.told[0][1])
