"""Answers in the shape of OpenAI's chat completions, whole and in pieces; what is known beyond the text has one key."""

import json
from collections.abc import Sequence
from typing import Any

from spatial_llm.serving.answering import Finished

EXTRA = "spatial_llm"
DONE = b"data: [DONE]\n\n"


def completion(request_id: str, created: int, model: str, finished: Finished) -> dict[str, Any]:
    """Returns a whole completion.

    Args:
        request_id: of the request.
        created: Unix time in s.
        model: its name.
        finished: the answer.
    """
    message = {"role": "assistant", "content": str(finished.answer), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finished.reason}
    head = {"id": f"chatcmpl-{request_id}", "object": "chat.completion", "created": created, "model": model}
    return head | {"choices": [choice], "usage": _usage(finished), EXTRA: extra(finished)}


def extra(finished: Finished) -> dict[str, Any]:
    """Returns what is known of an answer beyond its text: how the question was put, what the answer rests on, warnings, and
    which recordings were heard."""
    known = {name: value for name, value in finished.answer.to_dict().items() if name != "answer"}
    return known | {"warnings": list(finished.warnings), "recordings_sha256": list(finished.recordings)}


class Chunks:
    """The events of a streamed completion, as bytes of an event stream; arguments as of `completion`."""

    def __init__(self, request_id: str, created: int, model: str, include_usage: bool) -> None:
        self.include_usage = include_usage
        self._head = {
            "id": f"chatcmpl-{request_id}", "object": "chat.completion.chunk", "created": created, "model": model
        }  # fmt: skip

    def first(self) -> bytes:
        """Returns the event that says who speaks."""
        return self._event([_choice({"role": "assistant", "content": ""})])

    def piece(self, text: str) -> bytes:
        """Returns the event of a piece of the answer."""
        return self._event([_choice({"content": text})])

    def last(self, finished: Finished) -> bytes:
        """Returns the events that end the stream."""
        end = self._event([_choice({}, finished.reason)], {EXTRA: extra(finished)})
        usage = self._event([], {"usage": _usage(finished)}) if self.include_usage else b""
        return end + usage + DONE

    def _event(self, choices: Sequence[dict[str, Any]], more: dict[str, Any] | None = None) -> bytes:
        usage = {"usage": None} if self.include_usage else {}
        return event(self._head | {"choices": list(choices)} | usage | (more or {}))


def event(body: dict[str, Any]) -> bytes:
    """Returns JSON as an event of a stream."""
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _usage(finished: Finished) -> dict[str, int]:
    prompt, completion = finished.prompt_tokens, finished.completion_tokens
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
