"""Questions are gathered up to a number and a time, in their order, and nobody waits for nobody."""

import asyncio
import time

from spatial_llm.serving.answering import Question
from spatial_llm.serving.batcher import Batcher


class Noted:
    """An answerer that notes the batches that it gets."""

    def __init__(self, seconds: float = 0.0, fails: bool = False, after_s: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.seconds, self.fails, self.after_s = seconds, fails, after_s

    def answer(self, questions) -> None:
        self.batches.append([question.max_new_tokens for question in questions])
        time.sleep(self.seconds)
        if self.fails:
            raise RuntimeError("a bug")
        for question in questions:
            question.event("done", question.max_new_tokens)
        time.sleep(self.after_s)


def run(answerer, numbers, size=4, wait_s=0.2, expected=lambda: 0, pause_s=0.0):
    """Adds questions and waits for all; their events and the seconds that it took."""

    async def all_of_them():
        batcher, told = Batcher(answerer, size, wait_s, expected), []
        running, loop = asyncio.create_task(batcher.run()), asyncio.get_running_loop()
        begun = loop.time()
        for number in numbers:
            tell = lambda name, value: loop.call_soon_threadsafe(told.append, (name, value))  # noqa: E731
            batcher.add(Question([], number, tell))
            await asyncio.sleep(pause_s)
        while len(told) < len(numbers):
            await asyncio.sleep(0.005)
        took, retry = loop.time() - begun, batcher.retry_after_s()
        running.cancel()
        batcher.thread.shutdown()
        return told, took, retry

    return asyncio.run(all_of_them())


def test_what_comes_together_is_answered_together_in_order():
    noted = Noted(0.05)
    told, _, retry = run(noted, range(1, 11))
    assert [number for batch in noted.batches for number in batch] == list(range(1, 11)) and retry == 1
    assert max(map(len, noted.batches)) == 4 and len(noted.batches) <= 4
    assert told == [("done", number) for number in range(1, 11)]


def test_others_are_waited_for_only_where_some_are_on_their_way_and_not_for_long():
    patient, alone = Noted(), Noted()
    run(patient, [1, 2], expected=lambda: 1, pause_s=0.02)
    assert patient.batches == [[1, 2]]
    run(alone, [1, 2], expected=lambda: 0, pause_s=0.05)
    assert alone.batches == [[1], [2]]


def test_clients_that_ask_again_at_once_come_into_one_batch():
    """Of three clients two come during the first batch: if nobody waited for the answered one, 1 and 2 would take turns."""

    async def clients(wait_s: float) -> list[int]:
        noted = Noted(0.2)
        batcher = Batcher(noted, 4, wait_s, lambda: 0)
        running, loop = asyncio.create_task(batcher.run()), asyncio.get_running_loop()

        async def client(late_s: float) -> None:
            await asyncio.sleep(late_s)
            for _ in range(3):
                answered = asyncio.Event()
                batcher.add(Question([], 0, lambda *_, done=answered: loop.call_soon_threadsafe(done.set)))
                await answered.wait()
                await asyncio.sleep(0.005)

        await asyncio.gather(client(0), client(0.05), client(0.05))
        running.cancel()
        batcher.thread.shutdown()
        return [len(batch) for batch in noted.batches]

    assert asyncio.run(clients(0.0)) == [1, 2] * 3
    assert asyncio.run(clients(1.0)) == [1, 3, 3, 2]


async def ask(batcher, clients):
    """Returns when so many clients have asked at once, and have their answers."""
    answered, loop = asyncio.Semaphore(0), asyncio.get_running_loop()
    for _ in range(clients):
        batcher.add(Question([], 0, lambda *_: loop.call_soon_threadsafe(answered.release)))
    for _ in range(clients):
        await answered.acquire()


def test_nobody_waits_for_those_who_were_answered_long_ago():
    async def long_ago() -> None:
        batcher = Batcher(Noted(), 4, 0.05, lambda: 0)
        running = asyncio.create_task(batcher.run())
        await ask(batcher, 3)
        await asyncio.sleep(0.5)
        batcher.wait_s = 300.0  # for two clients that asked half a second ago it would be too long for this test
        async with asyncio.timeout(60):
            await ask(batcher, 1)
        running.cancel()
        batcher.thread.shutdown()

    asyncio.run(long_ago())


def test_nobody_waits_for_those_who_are_here():
    """A client may ask again while the batch of its answer is not quite over."""

    async def here(after_s: float) -> None:
        batcher = Batcher(Noted(after_s=after_s), 4, 300.0, lambda: 0)
        running = asyncio.create_task(batcher.run())
        async with asyncio.timeout(60):
            for _ in range(4):
                await ask(batcher, 1)
        running.cancel()
        batcher.thread.shutdown()

    for after_s in (0.0, 0.1):
        asyncio.run(here(after_s))


def test_an_answerer_that_fails_tells_those_who_wait_and_goes_on():
    told, _, _ = run(Noted(fails=True), [1, 2, 3, 4, 5])
    assert [name for name, _ in told] == ["error"] * 5
