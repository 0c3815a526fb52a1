"""Defines a question on its way through the server, and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spatial_llm.model.answer import Answer
from spatial_llm.model.heard import Heard
from spatial_llm.serving.recordings import Window

STOP, LENGTH, GONE = "stop", "length", "gone"  # why an answer ended
_Event = Callable[[str, Any], None]


@dataclass(eq=False)
class ServedRecording:
    """A recording on its way through the server.

    Attributes:
        sha256: of the file.
        window: what the model hears of it; None where its encoding is remembered.
        heard: its encoding; None before.
        warnings: about it.
    """

    sha256: str
    window: Window | None = None
    heard: Heard | None = None
    warnings: tuple[str, ...] = ()


@dataclass(eq=False)
class Question:
    """A conversation whose last question is to be answered.

    Attributes:
        turns: question, recordings and answer (None for the last) of each.
        max_new_tokens: longest answer, in tokens.
        event: is told "started", once nothing can be refused any more, then "piece" with text, if `stream`, and in the end
            "done" with a `Finished`, or "error" with an exception. Called in the thread of the model.
        stream: whether pieces are wanted.
        gone: whether nobody waits for the answer any more.
    """

    turns: Sequence[tuple[str, Sequence[ServedRecording], str | None]]
    max_new_tokens: int
    event: _Event
    stream: bool = False
    gone: bool = False


@dataclass(frozen=True)
class Finished:
    """An answer.

    Attributes:
        answer: with all that is known of it.
        reason: "stop", or "length" where it was cut.
        prompt_tokens, completion_tokens: their numbers; placeholders of recordings are tokens.
        warnings: about the question and the recordings.
        recordings: sha256 of each.
    """

    answer: Answer
    reason: str
    prompt_tokens: int
    completion_tokens: int
    warnings: tuple[str, ...]
    recordings: tuple[str, ...]
