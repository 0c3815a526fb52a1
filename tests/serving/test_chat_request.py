"""Bodies of chat completions: what is read, what is refused and in which words; and bodies of a fuzzer."""

import base64
import json
import re

import pytest

from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.chat_request import NEUTRAL, OTHERS, read_chat_request
from spatial_llm.serving.refusals import Refusal, short
from tests.audio.makers import make, sound

WAV, FLAC = make("wav", sound(400)), make("flac", sound(400))
LIMITS = ServeArguments(max_new_tokens=50, max_messages=5, max_recordings=2)


def part(content: bytes = WAV, kind: str = "wav") -> dict:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(content).decode(), "format": kind}}


def user(*parts) -> dict:
    return {"role": "user", "content": list(parts)}


def text(words: str = "What is it?") -> dict:
    return {"type": "text", "text": words}


GOOD = [user(part(), text())]
SAID = {"role": "assistant", "content": "bell"}


def read(**given):
    return read_chat_request(json.dumps({"model": "tiny", "messages": GOOD} | given).encode(), "tiny", LIMITS)


def test_a_conversation_is_read_with_its_recordings_in_place():
    said = SAID | {"refusal": None, "tool_calls": [], "content": [text("bell")]}
    asked = read(messages=[user(text(), part(), part(FLAC, "flac")), said, {"role": "user", "content": "Where?"}])
    (first, second) = asked.turns
    assert (first.question, first.answer, second.question, second.answer) == ("What is it?", "bell", "Where?", None)
    assert [(one.content, one.where) for one in first.recordings] == [
        (WAV, "messages[0].content[1]"),
        (FLAC, "messages[0].content[2]"),
    ]
    assert second.recordings == () and (asked.max_new_tokens, asked.stream, asked.include_usage) == (50, False, False)
    asked = read(max_completion_tokens=3, stream=True, stream_options={"include_usage": True}, seed=5, temperature=0.0)
    assert (asked.max_new_tokens, asked.stream, asked.include_usage) == (3, True, True)


def test_every_parameter_that_asks_for_nothing_else_is_taken_and_every_other_value_refused():
    others = {"temperature": 1, "n": 2, "top_p": 0.5, "stop": ["a"], "logprobs": True, "tools": [{}], "store": True}
    for name, (values, why) in NEUTRAL.items():
        for value in (*values, None):
            read(**{name: value})
        with pytest.raises(Refusal, match=re.escape(why)) as caught:
            read(**{name: others.get(name, "other")})
        assert (caught.value.status, caught.value.param) == (400, name)


REFUSED = [
    ({"model": "x"}, 404, r"model 'x' is not served here; give 'tiny'"),
    ({"model": None}, 400, "model is None"),
    ({"colour": 1}, 400, "the parameter 'colour' has no effect here"),
    ({"max_token": 1}, 400, "max_tokens"),
    ({"n": True}, 400, "n is True"),
    ({"seed": 1.5}, 400, "seed is 1.5"),
    ({"stream": 1}, 400, "stream is 1; give true or false"),
    ({"stream_options": {}}, 400, "stream_options is for streams"),
    ({"stream": True, "stream_options": {"a": 1}}, 400, "stream_options is"),
    ({"max_tokens": 0}, 400, "max_tokens is 0; give a whole number, 1 to 50"),
    ({"max_tokens": 51}, 400, "max_tokens is 51"),
    ({"max_tokens": True}, 400, "max_tokens is True"),
    ({"max_tokens": 1, "max_completion_tokens": 1}, 400, "two names of one number"),
    ({"messages": []}, 400, "messages is 0 messages; give a list of 1 to 5"),
    ({"messages": GOOD * 6}, 400, "messages is 6 messages"),
    ({"messages": "hello"}, 400, "messages is 'hello'"),
    ({"messages": ["hello"]}, 400, r"messages\[0\] is 'hello'"),
    ({"messages": [{"role": "system", "content": "Be brief."}, *GOOD]}, 400, "trained on questions alone"),
    ({"messages": [SAID]}, 400, r"messages\[0\] is one of 'assistant'; expected the user"),
    ({"messages": GOOD * 2}, 400, r"messages\[1\] is one of 'user'; expected the assistant"),
    ({"messages": [*GOOD, SAID]}, 400, "the last message is one of the assistant"),
    ({"messages": [*GOOD, SAID | {"content": None}, *GOOD]}, 400, r"messages\[1\].content is None"),
    ({"messages": [user(text())]}, 400, "about no recording"),
    ({"messages": [GOOD[0] | {"name": "me"}]}, 400, "messages.0. has 'name'"),
    ({"messages": [user(part())]}, 400, "holds 0 texts"),
    ({"messages": [user(part(), text(), text())]}, 400, "holds 2 texts"),
    ({"messages": [user(part(), text("  "))]}, 400, "expected one question in words"),
    ({"messages": [user(part(), text(5))]}, 400, r"content\[1\] is"),
    ({"messages": [user(part(), {"type": "pizza"})]}, 400, "is of type 'pizza'"),
    ({"messages": [user({"type": "image_url", "image_url": {}}, text())]}, 400, "no address is fetched"),
    ({"messages": [user(part(), part(), part(), text())]}, 400, "3 recordings in one conversation; give at most 2"),
    ({"messages": [user(part(WAV, "mp3"), text())]}, 400, "format is 'mp3'; give wav or flac"),
    ({"messages": [user(part(FLAC, "wav"), text())]}, 422, "format is wav, and the file begins 66 4c 61 43"),
    ({"messages": [user(part(b"", "wav"), text())]}, 400, "give the bytes of a WAV file in base64"),
    ({"messages": [user({"type": "input_audio", "input_audio": {"data": "a b!", "format": "wav"}}, text())]}, 400, "base64"),
    ({"messages": [user({"type": "input_audio", "input_audio": {"data": "é", "format": "wav"}}, text())]}, 400, "base64"),
    ({"messages": [user({"type": "input_audio", "input_audio": {"data": "UklGRg=="}}, text())]}, 400, "expected"),
]


@pytest.mark.parametrize(("given", "status", "words"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_is_refused_says_what_is_wrong(given, status, words):
    with pytest.raises(Refusal, match=words) as caught:
        read(**given)
    assert caught.value.status == status and len(str(caught.value)) < 600
    json.dumps(caught.value.to_dict(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"[]", r"the body is \[\]"),
        (b"[" * 200_000, "too many levels"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"model": "tiny", "model": "x"}', "the key 'model' stands twice"),
        (b"\xff\xfe\x00", "no JSON"),
        (b'{"model": "\\ud800"}', "is not served here"),
        (b'{"\\ud800": 1}', "has no effect here"),
        (b'{"seed": ' + b"9" * 10_000 + b"}", "no JSON"),
    ],
)
def test_a_body_that_is_no_object_is_refused(body, words):
    with pytest.raises(Refusal, match=words) as caught:
        read_chat_request(body, "tiny", LIMITS)
    json.dumps(caught.value.to_dict(), ensure_ascii=False).encode()


def test_a_message_shows_no_more_than_the_beginning_of_what_is_large():
    assert len(short("a" * 10**8)) <= 80 and len(short({"a": ["b" * 10**7] * 100})) <= 80
    assert set(OTHERS).isdisjoint(NEUTRAL)
