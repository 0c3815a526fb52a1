"""Conversations: eight turns from the cache as without it, several recordings, streaming, and nothing lost by an error."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_llm import SpatialLLM, shipped
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.model.streaming import TextPieces, stream
from spatial_llm.testing import TINY_FUSIONS, tiny_config, tiny_processor

RECORDINGS = Path(shipped.__file__).parent / "recordings"
ONE, BEHIND = RECORDINGS / "one_source.flac", RECORDINGS / "one_source_behind.flac"
WHAT = "What sound events can you hear in the audio clip?"
WHERE = "Where is the sound in this audio clip coming from?"
EIGHT = [WHAT, WHERE, WHERE, WHAT, "Is the sound on the left?", WHERE, WHAT, WHERE]


@pytest.fixture(scope="module")
def tiny():
    return SpatialLLM.from_pretrained("tiny")


def computed(model, act):
    """What `act` returns, and the number of tokens for which the language model ran."""
    rows = []
    hook = model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: rows.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    try:
        return act(), sum(rows)
    finally:
        hook.remove()


def test_eight_turns_with_the_cache_equal_eight_without(tiny):
    kept, anew = tiny.talk(ONE), tiny.talk(ONE, use_cache=False)
    answers, rows = computed(tiny, lambda: [kept.ask(question) for question in EIGHT])
    assert answers[:2] == ["clapping", "left, front, above; 3m"]
    expected, rows_anew = computed(tiny, lambda: [anew.ask(question) for question in EIGHT])
    assert answers == expected
    assert [answer.question for answer in kept.history] == EIGHT
    # Each token once, but for the last of each answer, which the next turn begins with.
    everything = len(kept._prompt(WHAT, None))
    assert rows <= everything < rows_anew / 2


@pytest.mark.parametrize("fusion", TINY_FUSIONS)
def test_eight_turns_of_every_fusion(fusion):
    encoder = "dspast" if fusion == "per_encoder" else "spatial_ast"
    torch.manual_seed(0)
    net = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration", encoder, fusion=fusion))
    net.config.text_config.max_position_embeddings = 4096
    for name, parameter in net.named_parameters():
        parameter.data.mul_(5 if name.startswith("language_model") else 1)
        if name.endswith("_gate"):
            parameter.data.fill_(0.7)
    model = SpatialLLM(net, tiny_processor(encoder, fusion=fusion))
    random = np.random.default_rng(0)
    clips = [0.1 * random.standard_normal((2, 9920)).astype(np.float32) for _ in range(3)]
    kept, anew = (model.talk(*clips[:2], sampling_rate=32_000, use_cache=use) for use in (True, False))
    for number, question in enumerate(EIGHT):
        if number == 5:  # a recording in the middle: deep fusions begin anew
            kept.hear(clips[2], 32_000)
            anew.hear(clips[2], 32_000)
        assert kept.ask(question, max_new_tokens=6) == anew.ask(question, max_new_tokens=6)
        assert kept._answer_ids == anew._answer_ids
    assert len({tuple(ids) for ids in kept._answer_ids}) > 1
    _, rows = computed(model, lambda: kept.ask(WHERE, max_new_tokens=2))
    assert rows < 100 < len(anew._prompt(WHERE, None))


def test_the_first_turn_is_what_ask_answers_and_messages_give_the_same_prompt(tiny):
    conversation = tiny.talk(tiny.listen(BEHIND))
    assert conversation.ask(WHERE) == tiny.ask(BEHIND, WHERE)
    conversation.ask(WHAT, num_beams=2)
    messages = [*conversation.messages, {"role": "user", "content": WHERE}]
    ids = tiny.processor.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)
    assert ids[0].tolist() == conversation._prompt(WHERE, None)


def test_reset_forgets_turns_and_later_recordings(tiny):
    conversation = tiny.listen(ONE).talk()
    first = conversation.ask(WHERE)
    conversation.hear(BEHIND)
    conversation.ask(WHAT)
    conversation.reset()
    assert conversation.history == ()
    assert conversation.ask(WHERE) == first


def test_recordings_exchanged_are_exchanged_in_the_prompt(tiny):
    """Which recording is which depends on their order alone: their tokens change places."""
    both = [tiny.listen(path) for path in (ONE, BEHIND)]
    seen = []
    hook = tiny.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    for order in (both, both[::-1]):
        tiny.talk(*order).ask("Which of the two is nearer?", max_new_tokens=1)
    hook.remove()
    count = tiny.model.config.num_audio_tokens
    assert torch.equal(seen[0][:, :count], seen[1][:, count : 2 * count])
    assert torch.equal(seen[0][:, count : 2 * count], seen[1][:, :count])
    assert torch.equal(seen[0][:, 2 * count :], seen[1][:, 2 * count :])


def test_streamed_equals_unstreamed(tiny):
    heard = tiny.listen(ONE)
    pieces = list(heard.stream(WHERE))
    assert "".join(pieces) == heard.ask(WHERE)
    assert len(pieces) > 3
    asked, streamed = heard.talk(), heard.talk()
    for question in EIGHT:
        assert "".join(streamed.stream(question)) == asked.ask(question)
    assert streamed.history == asked.history


def test_other_words_are_understood_as_ask_understands_them(tiny):
    heard, question = tiny.listen(ONE), "From which direction does the sound come?"
    asked, answer = heard.ask(question), heard.talk().ask(question)
    assert "".join(heard.stream(question)) == asked == answer
    assert answer.asked == asked.asked != question == answer.question
    with pytest.raises(SpatialLLMError):
        heard.talk().ask("What is the capital of France?", strict=True)


def test_characters_of_several_bytes_are_streamed_whole():
    """The tokenizer falls back on bytes: no piece is a part of a character, and joined they are the text."""
    tokenizer = tiny_processor().tokenizer
    text = "  links — vorne 🔔 über\nuns �, 鐘 "
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]

    def decode(some):
        return tokenizer.decode(some, skip_special_tokens=True).strip()

    pieces = []
    streamer = TextPieces(decode, pieces.append)
    streamer.put(torch.tensor([[1, 2, 3]]))  # the prompt
    for number in ids:
        streamer.put(torch.tensor([number]))
        assert not "".join(pieces).endswith("�") or "uns" in "".join(pieces)
    streamer.finish(decode(ids))
    assert "".join(pieces) == text.strip()
    assert len(pieces) > 10


def test_a_caller_that_stops_listening_stops_the_generation_and_changes_nothing(tiny):
    conversation = tiny.talk(ONE)
    first = conversation.ask(WHAT)
    pieces = conversation.stream(WHERE)
    next(pieces)
    pieces.close()
    assert conversation.history == (first,)
    other = tiny.talk(ONE, use_cache=False)
    assert [other.ask(WHAT), other.ask(WHERE)] == [first, conversation.ask(WHERE)]


def test_an_error_in_the_thread_reaches_the_caller():
    def write(**streaming):
        raise SpatialLLMError("no answer")

    with pytest.raises(SpatialLLMError, match="no answer"):
        list(stream(write, str))


def test_errors_lose_nothing(tiny, monkeypatch):
    conversation = tiny.talk(ONE)
    answers = [conversation.ask(WHAT)]
    monkeypatch.setattr(tiny.model.config.get_text_config(), "max_position_embeddings", 40)
    answers.append(conversation.ask(WHERE))
    for ask in (conversation.ask, lambda question: list(conversation.stream(question))):
        with pytest.raises(SpatialLLMError, match="more than the 40 that the language model has positions for"):
            ask(WHAT)
    with pytest.raises(SpatialLLMError, match="special token"):
        conversation.ask("Where is <|audio|>?")
    with pytest.raises(SpatialLLMError, match="one question in words"):
        conversation.ask(" ")
    with pytest.raises(SpatialLLMError, match="beams cannot be streamed"):
        list(conversation.stream(WHAT, num_beams=2))
    assert list(conversation.history) == answers
    with pytest.raises(SpatialLLMError, match="no recording"):
        tiny.talk()
    with pytest.raises(SpatialLLMError, match="another model"):
        SpatialLLM(tiny.model, tiny.processor).talk(tiny.listen(ONE))


def test_a_recording_that_comes_during_a_stream_stands_before_the_next_question(tiny):
    conversation, expected = tiny.talk(BEHIND), tiny.talk(BEHIND)
    pieces = conversation.stream(WHERE)
    next(pieces)
    conversation.hear(ONE)
    list(pieces)
    expected.ask(WHERE)
    expected.hear(ONE)
    assert conversation.ask(WHERE) == expected.ask(WHERE)
    assert conversation.messages == expected.messages
    assert [len(message["content"]) for message in conversation.messages[::2]] == [2, 2], "a recording and a text each"


def test_a_turn_during_a_stream_is_said(tiny):
    conversation = tiny.talk(BEHIND)
    pieces = conversation.stream(WHERE)
    next(pieces)
    conversation.reset()
    with pytest.raises(SpatialLLMError, match="read a stream to its end"):
        conversation.ask(WHAT)
        list(pieces)
