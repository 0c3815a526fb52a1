"""Gathers questions that come at nearly the same time, so that the model answers them together.

Clients that ask one question after the other come back at once after their answer. If those that came during a batch did not
wait for those that were answered by it, two groups of clients would take turns, and a small batch costs more a question.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from spatial_llm.serving.answering import Answerer, Question


class Batcher:
    """Hands questions to the model in batches, in the order in which they came.

    Args:
        answerer: of the model; it runs in one thread of its own.
        batch_size: most questions in a batch.
        wait_s: longest time for which a question waits for others, in s.
        expected: returns how many questions are on their way. Where none is, nobody is waited for but those who were
            answered just now, and for these not longer than `wait_s` from their answers.
    """

    def __init__(self, answerer: Answerer, batch_size: int, wait_s: float, expected: Callable[[], int]) -> None:
        self.answerer, self.batch_size, self.wait_s, self.expected = answerer, batch_size, wait_s, expected
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: deque[Question] = deque()
        self._came = asyncio.Event()
        self._seconds_a_batch = 0.1
        self._coming_back, self._back_until = 0, 0.0  # clients, and until when they are waited for

    def add(self, question: Question) -> None:
        """Puts a question at the end of the row."""
        question.event = self._noting(question.event, asyncio.get_running_loop())
        self._waiting.append(question)
        self._coming_back = max(0, self._coming_back - 1)
        self._came.set()

    def _noting(self, event: Callable[[str, Any], None], loop: asyncio.AbstractEventLoop) -> Callable[[str, Any], None]:
        """Returns an event that counts the client as one who may come back before it is told its answer: whoever asks again
        at once would be counted as missing if this waited for the end of the batch."""

        def told(name: str, value: Any) -> None:
            if name in ("done", "error"):
                loop.call_soon_threadsafe(self._answered)
            event(name, value)

        return told

    def _answered(self) -> None:
        self._coming_back += 1

    def look(self) -> None:
        """Says that `expected` may have changed."""
        self._came.set()

    def retry_after_s(self) -> int:
        """Returns when one of so many questions as now should be answered, in s."""
        return max(1, math.ceil((1 + len(self._waiting) // self.batch_size) * self._seconds_a_batch))

    async def run(self) -> None:
        """Answers questions until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wait(None)
            until = loop.time() + self.wait_s
            while len(self._waiting) < self.batch_size and (left := self._seconds_left(loop.time(), until)) > 0:
                await self._wait(left)
            batch = [self._waiting.popleft() for _ in range(min(self.batch_size, len(self._waiting)))]
            begun, self._coming_back = time.perf_counter(), 0
            try:
                await loop.run_in_executor(self.thread, self.answerer.answer, batch)
            except Exception as error:  # a bug must not leave the questions after it waiting for ever
                for question in batch:
                    question.event("error", error)
            self._seconds_a_batch += 0.2 * (time.perf_counter() - begun - self._seconds_a_batch)
            self._back_until = loop.time() + self.wait_s

    def _seconds_left(self, now: float, until: float) -> float:
        """Returns how long others are still waited for, in s."""
        return (until if self.expected() else self._back_until if self._coming_back else now) - now

    async def _wait(self, seconds: float | None) -> None:
        """Waits until a question comes, or `seconds`; with None until there is one."""
        while seconds is not None or not self._waiting:
            self._came.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._came.wait()
            except TimeoutError:
                return
            if seconds is not None:
                return
