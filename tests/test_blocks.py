"""Work in blocks: the same from any number of workers and shards, taken up again after a kill, never mixed."""

import errno
import functools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from spatial_llm.blocks import Blocks, Shard
from spatial_llm.errors import OutputError, SpatialLLMError
from spatial_llm.files import atomic_path


def write_square(factor: int, index: int, folder: Path) -> None:
    (folder / "square").write_text(str(factor * index**2))


def sleep(index: int, folder: Path) -> None:
    time.sleep(0.3)


def contents(blocks: Blocks) -> list[str]:
    return [(block / "square").read_text() for block in blocks]


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_are_made_once_each(tmp_path, workers):
    blocks = Blocks(tmp_path / "parts", 7, {"factor": 3})
    blocks.run(functools.partial(write_square, 3), Shard(), workers, progress=False, title="")
    assert contents(blocks) == [str(3 * i**2) for i in range(7)] and blocks.missing() == []
    before = [(block / "square").stat().st_mtime_ns for block in blocks]
    blocks.run(functools.partial(write_square, 99), Shard(), workers, progress=False, title="")
    assert [(block / "square").stat().st_mtime_ns for block in blocks] == before


def test_shards_together_are_the_whole(tmp_path):
    blocks = Blocks(tmp_path / "parts", 7, {})
    for index in (3, 1):
        blocks.run(functools.partial(write_square, 1), Shard(index, 3), 1, progress=False, title="")
    assert blocks.missing() == [1, 4]
    with pytest.raises(SpatialLLMError, match="2 of 7 parts are missing, the first is 1"):
        blocks.require_all()
    blocks.run(functools.partial(write_square, 1), Shard(2, 3), 1, progress=False, title="")
    blocks.require_all()
    assert contents(blocks) == [str(i**2) for i in range(7)]


def test_another_plan_is_refused(tmp_path):
    Blocks(tmp_path / "parts", 7, {"rooms": 2})  # nothing made of it yet
    blocks = Blocks(tmp_path / "parts", 7, {"rooms": 3})
    blocks.run(functools.partial(write_square, 1), Shard(1, 7), 1, progress=False, title="")
    Blocks(tmp_path / "parts", 7, {"rooms": 3})
    with pytest.raises(SpatialLLMError, match="another configuration"):
        Blocks(tmp_path / "parts", 7, {"rooms": 4})


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "-1/2", "1/0"])
def test_a_shard_that_is_none_is_refused(text):
    assert Shard.asked("2/8") == Shard(2, 8) and Shard.asked(None, merge=True) is None
    with pytest.raises(SpatialLLMError, match="give i/n"):
        Shard.asked(text)
    with pytest.raises(SpatialLLMError, match="give one of them"):
        Shard.asked("2/8", merge=True)


def fail_at_two(index: int, folder: Path) -> None:
    (folder / "square").write_text("x")
    if index == 2:
        raise RuntimeError("stopped")


def test_a_block_that_fails_leaves_nothing(tmp_path):
    blocks = Blocks(tmp_path / "parts", 4, {})
    with pytest.raises(RuntimeError, match="stopped"):
        blocks.run(fail_at_two, Shard(), 1, progress=False, title="")
    assert blocks.missing() == [2, 3]
    assert sorted(path.name for path in blocks.folder.iterdir()) == ["block-00000", "block-00001", "plan.json"]


def full_at_two(index: int, folder: Path) -> None:
    (folder / "square").write_text("x")
    if index == 2:
        raise OSError(errno.ENOSPC, "No space left on device")


def killed_at_two(index: int, folder: Path) -> None:
    if index == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "square").write_text("x")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_said_in_words_from_another_process_too(tmp_path, workers):
    blocks = Blocks(tmp_path / "parts", 4, {})
    with pytest.raises(OutputError, match=r"parts/block-00002: cannot be written \(No space left on device\)"):
        blocks.run(full_at_two, Shard(), workers, progress=False, title="")
    assert 2 in blocks.missing() and not list(blocks.folder.glob(".*"))


def test_a_worker_that_was_killed_is_said_in_words(tmp_path):
    blocks = Blocks(tmp_path / "parts", 4, {})
    with pytest.raises(SpatialLLMError, match=r"a process at work in .*parts was killed .*what is done is kept"):
        blocks.run(killed_at_two, Shard(), 2, progress=False, title="")
    assert 2 in blocks.missing()


SLOW_BLOCKS = """
import os, sys, time
from spatial_llm.blocks import Blocks, Shard
from spatial_llm.door import door

def work(index, folder):
    os.write(1, b"begun\\n")
    time.sleep(0.5)

with door("slow"):
    Blocks(sys.argv[1], 100, {}).run(work, Shard(), 2, progress=False, title="")
"""


def test_ctrl_c_stops_all_processes_with_one_sentence(tmp_path):
    command = [sys.executable, "-c", SLOW_BLOCKS, str(tmp_path / "parts")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(command, **pipes) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n", "begun\n"], "both processes are at work"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "slow: stopped.\n")
    assert len(Blocks(tmp_path / "parts", 100, {}).missing()) > 90 and not list((tmp_path / "parts").glob(".*"))


def test_ctrl_c_while_blocks_are_handed_to_the_processes_leaves_those_that_wait(tmp_path, monkeypatch):
    submit, handed = ProcessPoolExecutor.submit, []

    def interrupted(pool, *task):
        handed.append(task)
        if len(handed) == 40:
            raise KeyboardInterrupt
        return submit(pool, *task)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupted)
    blocks = Blocks(tmp_path / "parts", 100, {})
    with pytest.raises(KeyboardInterrupt):
        blocks.run(sleep, Shard(), 2, progress=False, title="")
    assert 80 < len(blocks.missing()) < 100, "two at work and three next in the queue are finished"


def test_blocks_with_a_damaged_plan_are_refused(tmp_path):
    blocks = Blocks(tmp_path / "parts", 2, {})
    blocks.run(functools.partial(write_square, 1), Shard(), 1, progress=False, title="")
    (tmp_path / "parts" / "plan.json").write_text("{")
    with pytest.raises(SpatialLLMError, match=r"parts: holds parts made from another configuration; .*delete the folder"):
        Blocks(tmp_path / "parts", 2, {})


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    """A process killed inside `atomic_path` leaves its temporary; the next writer of the same target removes it."""
    code = (
        "import sys, time\nfrom spatial_llm.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as p:\n    p.mkdir()\n    (p / 'half').write_text('x')\n"
        "    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    target = tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        mine = tmp_path / f".out.{os.getppid()}.tmp"  # of a process that is alive: not ours to touch
        mine.mkdir()
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = tmp_path / f".out.{process.pid}.tmp"
    assert left.is_dir()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{process.pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with atomic_path(target) as temporary:
        temporary.mkdir()
    assert target.is_dir() and not left.exists() and mine.exists()
