"""The body of a chat completion as a conversation: questions with their recordings, and answers between them.

Every key is read or refused, so that no setting is without effect in silence. Nothing here opens a file or an address.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spatial_llm.nearest_name import did_you_mean
from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.refusals import Refusal, short

_GREEDY = "answers are the most probable ones (greedy decoding)"
_TEXT_ALONE = "an answer is one text"
# Parameters of OpenAI with the values that ask for what is done here anyway, and why there are no others.
NEUTRAL: dict[str, tuple[tuple[Any, ...], str]] = {
    "temperature": ((0,), _GREEDY),
    "top_p": ((1,), _GREEDY),
    "presence_penalty": ((0,), _GREEDY),
    "frequency_penalty": ((0,), _GREEDY),
    "logit_bias": (({},), _GREEDY),
    "n": ((1,), _TEXT_ALONE),
    "modalities": ((["text"],), _TEXT_ALONE),
    "response_format": (({"type": "text"},), _TEXT_ALONE),
    "stop": (([],), "an answer ends where the model ends it"),
    "logprobs": ((False,), "probabilities are not told"),
    "tools": (([],), "the model calls no tools"),
    "tool_choice": (("none",), "the model calls no tools"),
    "store": ((False,), "nothing is stored"),
}
OTHERS = ("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "seed")
MAGIC = {"wav": (b"RIFF", b"RIFX", b"RF64", b"BW64"), "flac": (b"fLaC",)}


@dataclass(frozen=True)
class Recording:
    """The file of one recording.

    Attributes:
        content: its bytes.
        where: the part of the request that holds it.
    """

    content: bytes
    where: str


@dataclass(frozen=True)
class Asked:
    """One question.

    Attributes:
        question: in words.
        recordings: that stand in front of it.
        answer: what the assistant said; None for the question that is to be answered.
    """

    question: str
    recordings: tuple[Recording, ...]
    answer: str | None = None


@dataclass(frozen=True)
class ChatRequest:
    """What a client asks for.

    Attributes:
        turns: of the conversation; the last one is to be answered.
        max_new_tokens: longest answer, in tokens.
        stream: whether the answer is sent in pieces.
        include_usage: whether a stream ends with the number of tokens.
    """

    turns: tuple[Asked, ...]
    max_new_tokens: int
    stream: bool = False
    include_usage: bool = False


def read_chat_request(body: bytes, model: str, arguments: ServeArguments) -> ChatRequest:
    """Reads the body of a request.

    Args:
        body: JSON.
        model: the name under which the model is served.
        arguments: limits on messages, recordings and tokens.

    Raises:
        Refusal: the body is no JSON object, a key is unknown or has a value that would be without effect, another model is
            asked for, or the messages are no conversation about recordings.
    """
    given = _json(body)
    _check_parameters(given)
    if given.get("model") != model:
        if not isinstance(given.get("model"), str):
            raise Refusal(f"model is {short(given.get('model'))}; give {model!r}.", param="model")
        raise Refusal(f"model {short(given['model'])} is not served here; give {model!r}.", 404, "model", "model_not_found")
    stream = _flag(given, "stream")
    usage = _stream_options(given.get("stream_options"), stream)
    turns = _turns(given.get("messages"), arguments)
    return ChatRequest(turns, _most_tokens(given, arguments.max_new_tokens), stream, usage)


def _json(body: bytes) -> dict[str, Any]:
    def no_number(text: str) -> Any:
        raise ValueError(f"{text} is no number of JSON")

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"the key {short(twice)} stands twice")
        return found

    try:
        given = json.loads(body, parse_constant=no_number, object_pairs_hook=each_once)
    except RecursionError:
        raise Refusal("the body is JSON in too many levels; expected one object of a chat completion.") from None
    except ValueError as error:
        raise Refusal(f"the body is no JSON ({error}); expected one object of a chat completion.") from None
    if not isinstance(given, dict):
        raise Refusal(f"the body is {short(given)}; expected one object of a chat completion.")
    return given


def _check_parameters(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in OTHERS or (name in NEUTRAL and value is None):
            continue
        if name not in NEUTRAL:
            known = (*OTHERS, *NEUTRAL)
            near = did_you_mean(name, known) or f"; known are {', '.join(known)}."
            raise Refusal(f"the parameter {short(name)} has no effect here: leave it out{near}", param=name[:40])
        allowed, why = NEUTRAL[name]
        if isinstance(value, bool) not in {isinstance(one, bool) for one in allowed} or value not in allowed:
            wanted = " or ".join(json.dumps(one) for one in allowed)
            raise Refusal(f"{name} is {short(value)}: {why}; leave it out, or give {wanted}.", param=name)
    seed = given.get("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise Refusal(f"seed is {short(seed)}; give a whole number: the answer is the same for each.", param="seed")


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal(f"{name} is {short(value)}; give true or false.", param=name)
    return bool(value)


def _stream_options(options: Any, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise Refusal("stream_options is for streams; give stream true, or leave it out.", param="stream_options")
    if not isinstance(options, dict) or set(options) - {"include_usage"}:
        raise Refusal(f'stream_options is {short(options)}; give {{"include_usage": true}}.', param="stream_options")
    return _flag(options, "include_usage")


def _most_tokens(given: Mapping[str, Any], most: int) -> int:
    named = [name for name in ("max_completion_tokens", "max_tokens") if given.get(name) is not None]
    if not named:
        return most
    if len(named) > 1:
        raise Refusal("max_tokens and max_completion_tokens are two names of one number; give one of them.", param=named[0])
    value = given[named[0]]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Refusal(f"{named[0]} is {short(value)}; give a whole number, 1 to {most}.", param=named[0])
    return value


def _turns(messages: Any, arguments: ServeArguments) -> tuple[Asked, ...]:
    if not isinstance(messages, list) or not 1 <= len(messages) <= arguments.max_messages:
        found = f"{len(messages)} messages" if isinstance(messages, list) else short(messages)
        raise Refusal(f"messages is {found}; give a list of 1 to {arguments.max_messages}.", param="messages")
    turns: list[Asked] = []
    for number, message in enumerate(messages):
        where, wanted = f"messages[{number}]", ("user", "assistant")[number % 2]
        role = _message(message, where, wanted)
        if role == "user":
            question, recordings = _asked(message.get("content"), f"{where}.content")
            turns.append(Asked(question, recordings))
        else:
            turns[-1] = Asked(turns[-1].question, turns[-1].recordings, _said(message.get("content"), f"{where}.content"))
    if turns[-1].answer is not None:
        raise Refusal("the last message is one of the assistant; expected a question of the user.", param="messages")
    if not turns[0].recordings:
        raise Refusal(
            "the first question is about no recording; add a part input_audio to messages[0].", param="messages[0].content"
        )
    count = sum(len(turn.recordings) for turn in turns)
    if count > arguments.max_recordings:
        raise Refusal(f"{count} recordings in one conversation; give at most {arguments.max_recordings}.", param="messages")
    return tuple(turns)


def _message(message: Any, where: str, wanted: str) -> str:
    if not isinstance(message, dict) or not isinstance(role := message.get("role"), str):
        raise Refusal(f'{where} is {short(message)}; expected {{"role": "{wanted}", "content": ...}}.', param=where)
    if role in ("system", "developer"):
        raise Refusal(
            f"{where} is one of the {role}; the model was trained on questions alone: put what matters into the question.",
            param=f"{where}.role",
        )
    if role != wanted:
        raise Refusal(
            f"{where} is one of {short(role)}; expected the {wanted}: questions and answers take turns.",
            param=f"{where}.role",
        )
    # What a client sends back of an answer may hold more keys than it wrote, all of them empty.
    others = {name: value for name, value in message.items() if name not in ("role", "content") and value not in (None, [])}
    if others:
        name = next(iter(others))
        raise Refusal(f"{where} has {short(name)}; expected role and content.", param=f"{where}.{name[:40]}")
    return role


def _said(content: Any, where: str) -> str:
    if isinstance(content, str) and content:
        return content
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        text = content[0].get("text")
        if content[0] == {"type": "text", "text": text} and isinstance(text, str) and text:
            return text
    raise Refusal(f"{where} is {short(content)}; expected the text of an answer.", param=where)


def _asked(content: Any, where: str) -> tuple[str, tuple[Recording, ...]]:
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise Refusal(f"{where} is {short(content)}; expected a text or a list of parts.", param=where)
    texts: list[str] = []
    recordings: list[Recording] = []
    for number, part in enumerate(parts):
        at = f"{where}[{number}]" if isinstance(content, list) else where
        read = _PARTS.get(str(part.get("type")), _other_part)
        found = read(part, at)
        (texts if isinstance(found, str) else recordings).append(found)
    if len(texts) != 1 or not texts[0].strip():
        raise Refusal(f"{where} holds {len(texts)} texts; expected one question in words, in one part.", param=where)
    return texts[0], tuple(recordings)


def _text_part(part: Mapping[str, Any], at: str) -> str:
    if set(part) != {"type", "text"} or not isinstance(part["text"], str):
        raise Refusal(f'{at} is {short(part)}; expected {{"type": "text", "text": ...}}.', param=at)
    return part["text"]


def _audio_part(part: Mapping[str, Any], at: str) -> Recording:
    inner = part.get("input_audio")
    if set(part) != {"type", "input_audio"} or not isinstance(inner, dict) or set(inner) != {"data", "format"}:
        raise Refusal(
            f'{at} is {short(part)}; expected {{"type": "input_audio", "input_audio": {{"data": ..., "format": "wav"}}}}.',
            param=at,
        )
    kind, data = inner["format"], inner["data"]
    if not isinstance(kind, str) or kind not in MAGIC:
        raise Refusal(
            f"{at}: format is {short(kind)}; give wav or flac: formats that save space change the differences between "
            "channels by which directions are heard.",
            param=f"{at}.input_audio.format",
        )
    try:
        content = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise Refusal(
            f"{at}: data is {short(data, 40)}; give the bytes of a {kind.upper()} file in base64, without a prefix.",
            param=f"{at}.input_audio.data",
        )
    if not content.startswith(MAGIC[kind]):
        raise Refusal(
            f"{at}: format is {kind}, and the file begins {content[:4].hex(' ')}, as no {kind.upper()} file does; give the "
            "format that it has.",
            422,
            f"{at}.input_audio.format",
        )
    return Recording(content, at)


def _other_part(part: Mapping[str, Any], at: str) -> Any:
    kind = short(part.get("type"), 40)
    if part.get("type") in ("audio_url", "image_url", "file", "video_url", "audio"):
        raise Refusal(
            f"{at} is of type {kind}: no address is fetched and no file of this machine is read; send the recording itself "
            "as input_audio.",
            param=f"{at}.type",
        )
    raise Refusal(f"{at} is of type {kind}; expected text or input_audio.", param=f"{at}.type")


_PARTS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {"text": _text_part, "input_audio": _audio_part}
