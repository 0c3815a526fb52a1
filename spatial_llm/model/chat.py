"""Conversations as text: messages with recordings become prompts, answers and what ends an answer, by a chat template.

Messages are those of transformers. The content of one is a text, or a list of parts {"type": "text", "text": ...} and
{"type": "audio", ...}; the recording of an audio part is its "audio", "path", "array" (with "sampling_rate"), "bytes" or
"base64". transformers would load recordings itself, and average their channels.

A template writes answers among its own text. To know where they are, it is rendered with a mark in place of each answer.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from spatial_llm.errors import SpatialLLMError
from spatial_llm.prompts import AUDIO_TOKEN

Message = Mapping[str, Any]
_MARK = "\ue000"  # of a private use area: in no text that people write
_HOLDERS = ("array", "audio", "bytes", "base64", "path", "url")


@dataclass(frozen=True)
class Turn:
    """One answer of a conversation and the text since the answer before.

    Attributes:
        prompt: text before the answer, with one `AUDIO_TOKEN` a recording.
        answer: the answer, as text or as token ids; None where it is to be generated.
        end: special token that ends the answer; None where the answer is to go on, or there is none.
    """

    prompt: str
    answer: str | list[int] | None = None
    end: str | None = None


@dataclass(frozen=True)
class Chat:
    """The messages of one conversation, with texts as contents, and their recordings in order; None for a recording that
    its part does not hold."""

    messages: list[dict[str, Any]]
    recordings: list[Any]


def read_chat(conversation: Sequence[Message], refuse_special: Callable[[str, str], None]) -> Chat:
    """Reads a list of messages.

    Args:
        conversation: see the module.
        refuse_special: raises SpatialLLMError for a text that holds a special token; it gets the text and what it is.

    Raises:
        SpatialLLMError: a message or part has another form, or its text holds a special token.
    """
    messages: list[dict[str, Any]] = []
    recordings: list[Any] = []
    for message in conversation:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or "content" not in message:
            raise SpatialLLMError(f'{_short(message)} is no message; expected {{"role": "user", "content": ...}}.')
        role, content = message["role"], message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list | tuple) or not all(isinstance(part, Mapping) for part in parts):
            raise SpatialLLMError(f"the content of a message is {_short(content)}; expected a text or a list of parts.")
        text = ""
        for part in parts:
            if part.get("type") == "text" and isinstance(part.get("text"), str):
                refuse_special(part["text"], f"message of the {role}")
                text += part["text"]
            elif part.get("type") == "audio" and role != "assistant":
                recordings.append(_recording_in(part))
                text += AUDIO_TOKEN
            else:
                raise SpatialLLMError(
                    f"{_short(part)} is no part of a message of the {role}; expected "
                    '{"type": "text", "text": ...}, or in one of the user {"type": "audio", "path": ...}.'
                )
        messages.append({**message, "content": text})
    if not messages:
        raise SpatialLLMError("the conversation holds no message; give at least one of the user.")
    return Chat(messages, recordings)


def render(template: str, messages: Sequence[Message], add_generation_prompt: bool, variables: Mapping[str, Any]) -> str:
    """Returns the text of a conversation by a Jinja template.

    Args:
        template: the template.
        messages: with texts as contents.
        add_generation_prompt: whether the text ends where an answer begins.
        variables: further ones of the template, such as `eos_token`.

    Raises:
        SpatialLLMError: the template refuses the messages.
    """
    try:
        texts, _ = render_jinja_template(
            [list(messages)], chat_template=template, add_generation_prompt=add_generation_prompt, **variables
        )
    except TemplateError as error:
        raise SpatialLLMError(f"the chat template refuses the messages: {error}.") from None
    return texts[0]


def turns_of(
    template: str,
    messages: Sequence[Message],
    answers: Sequence[str | list[int]] | None,
    special_tokens: Sequence[str],
    eos_token: str | None,
    variables: Mapping[str, Any],
    add_generation_prompt: bool = False,
    continue_final_message: bool = False,
) -> list[Turn]:
    """Returns the turns of a conversation.

    Args:
        template, messages, variables, add_generation_prompt: see `render`.
        answers: of the assistant's messages, in order; None for their own contents.
        special_tokens: of the tokenizer; the first one after an answer ends it.
        eos_token: ends an answer that the template leaves without an end.
        continue_final_message: whether the last answer is a beginning that the model goes on with.

    Raises:
        SpatialLLMError: the template refuses the messages, or does not write each answer once and in order.
    """
    own = [message["content"] for message in messages if message["role"] == "assistant"]
    answers = own if answers is None else answers
    if continue_final_message and messages[-1]["role"] != "assistant":
        raise SpatialLLMError("continue_final_message is set, and the last message is not one of the assistant.")
    marked, number = [], 0
    for message in messages:
        if message["role"] == "assistant":
            message, number = {**message, "content": f"{_MARK}{number}{_MARK}"}, number + 1
        marked.append(message)
    text = render(template, marked, add_generation_prompt and not continue_final_message, variables)
    pieces = re.split(f"{_MARK}([0-9]+){_MARK}", text)
    if pieces[1::2] != [str(index) for index in range(len(own))]:
        raise SpatialLLMError(
            f"the chat template writes {len(pieces) // 2} of the {len(own)} answers, or in another order; "
            "give a template that writes each once."
        )
    prompt, turns = pieces[0], []
    lead = _lead(template, marked, prompt, variables) if own else ""
    for index, (answer, after) in enumerate(zip(answers, pieces[2::2], strict=True)):
        end, following = _end(after, special_tokens)
        last = index == len(own) - 1
        if isinstance(answer, str):
            answer = lead + answer  # ids have it where the model wrote it
        end = None if last and continue_final_message else end or eos_token
        turns.append(Turn(prompt.removesuffix(lead), answer, end))
        prompt = following
    goes_on = messages[-1]["role"] != "assistant" or (add_generation_prompt and not continue_final_message)
    return [*turns, Turn(prompt)] if goes_on else turns


def _lead(template: str, messages: Sequence[Message], prompt: str, variables: Mapping[str, Any]) -> str:
    """Returns the white space that a template writes before an answer and not where an answer is to be generated, as that of
    Llama-2 does: the model writes it, so it belongs to the answer."""
    if not prompt[-1:].isspace():
        return ""
    first = next(index for index, message in enumerate(messages) if message["role"] == "assistant")
    generated_from = render(template, messages[:first], True, variables) if first else ""
    rest = prompt.removeprefix(generated_from)
    return rest if rest.isspace() and rest != prompt else ""


def _end(text: str, special_tokens: Sequence[str]) -> tuple[str | None, str]:
    """Returns the special token that the text after an answer begins with, if it does, and the text after it."""
    bare = text.lstrip()
    # The longest, because one may begin with another.
    for token in sorted(special_tokens, key=len, reverse=True):
        if bare.startswith(token):
            return token, bare[len(token) :]
    return None, text


def _recording_in(part: Message) -> Any:
    names = [name for name in _HOLDERS if part.get(name) is not None]
    if len(names) > 1:
        raise SpatialLLMError(f"an audio part holds {names}; give the recording in one of them.")
    if not names:
        return None
    name, value = names[0], part[names[0]]
    if name == "base64":
        try:
            return {"bytes": base64.b64decode(value.partition("base64,")[2] or value, validate=True)}
        except (binascii.Error, ValueError, AttributeError):
            raise SpatialLLMError("the base64 of an audio part is no base64 text; give the file's bytes encoded.") from None
    if name in ("path", "url"):
        if str(value).startswith(("http://", "https://")):
            raise SpatialLLMError(f"the recording {value!r} lies on the network; fetch it and give its path or bytes.")
        return str(value).removeprefix("file://")
    if name == "bytes" or part.get("sampling_rate") is not None:
        name = "array" if name == "audio" else name
        return {name: value, "sampling_rate": part.get("sampling_rate")}
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
