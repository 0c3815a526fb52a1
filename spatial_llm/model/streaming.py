"""Answers as they are written: pieces of text that joined are exactly the text of the whole answer."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

_UNFINISHED = "\ufffd"  # what a decoder writes for the first bytes of a character whose last ones are not there yet


class TextPieces(BaseStreamer):
    """Receives tokens from `generate` and hands on the text that no later token can change.

    What may still change is held back: the first bytes of a character of several, and white space at the end, which the text
    of an answer does not have.

    Args:
        decode: token ids to the text of an answer, without white space at its two ends.
        emit: gets each piece.
    """

    def __init__(self, decode: Callable[[list[int]], str], emit: Callable[[str], None]) -> None:
        self._decode, self._emit = decode, emit
        self._ids: list[int] = []
        self._written = ""
        self._in_prompt = True

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt first, which is left out, then one token at a time."""
        if self._in_prompt:
            self._in_prompt = False
            return
        self._ids += value.flatten().tolist()
        self._write(self._decode(self._ids).rstrip(_UNFINISHED).rstrip())

    def end(self) -> None:
        """Does nothing: `finish` gets the text."""

    def finish(self, text: str) -> None:
        """Hands on what is left of the whole text."""
        self._write(text)

    def _write(self, text: str) -> None:
        # A tokenizer that joins words and marks may take back white space; nothing is handed on until it goes on from there.
        if text.startswith(self._written) and len(text) > len(self._written):
            self._emit(text[len(self._written) :])
            self._written = text


def stream(
    write: Callable[..., str], decode: Callable[[list[int]], str], done: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Yields the pieces of an answer while another thread writes it.

    If the caller stops listening, the thread is told to stop, and waited for.

    Args:
        write: takes `streamer` and `stopping_criteria` for `generate`; returns the text of the whole answer.
        decode: token ids to the text of an answer.
        done: called when the answer is whole, before its last piece is yielded.

    Raises:
        Exception: what `write` raised.
    """
    pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    stop = threading.Event()
    streamer = TextPieces(decode, pieces.put)
    result: dict[str, Any] = {}

    def run() -> None:
        try:
            result["text"] = write(streamer=streamer, stopping_criteria=StoppingCriteriaList([_Stop(stop)]))
        except BaseException as error:  # raised again where the caller is
            result["error"] = error
        pieces.put(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            yield piece
        if "error" in result:
            raise result["error"]
        done()
        streamer.finish(result["text"])
        while not pieces.empty():
            yield pieces.get()
    finally:
        stop.set()
        thread.join()


class _Stop(StoppingCriteria):
    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self.stop.is_set(), dtype=torch.bool, device=input_ids.device)
