"""Long work in blocks that can be distributed, killed and resumed.

The work is split into numbered blocks. A block depends only on the configuration and its own number, and writes one folder,
complete or not at all. Blocks that exist are not made again, and their content does not depend on the process, shard or day
that made them. So results do not depend on the number of workers, a killed run resumes, and any scheduler can run shards
(`Shard(2, 8)`: every eighth block), which a last run without a shard joins.
"""

import json
import multiprocessing
import re
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import atomic_path, write_json

PLAN = "plan.json"


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`."""

    index: int = 1
    count: int = 1

    @classmethod
    def asked(cls, text: str | None, merge: bool = False) -> "Shard | None":
        """Returns the shard of a text "i/n", None for None. Raises SpatialLLMError unless 1 <= i <= n, or with `merge`."""
        if text is None:
            return None
        if merge:
            raise SpatialLLMError(f"shard {text} and merge: give one of them; merge after all shards are done.")
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise SpatialLLMError(f"shard is {text!r}; give i/n with 1 <= i <= n, such as 2/8.")
        return cls(int(found[1]), int(found[2]))


class Blocks:
    """The blocks of one piece of work, in their own folder.

    Args:
        folder: folder of the blocks until they are joined.
        count: number of blocks.
        plan: the configuration that they are made from, as JSON values.

    Raises:
        SpatialLLMError: the folder holds blocks of another plan, which must not be mixed with these.
    """

    def __init__(self, folder: str | Path, count: int, plan: dict[str, Any]) -> None:
        self.folder, self.count = Path(folder), count
        plan = json.loads(json.dumps({"blocks": count, **plan}))
        file = self.folder / PLAN
        if not file.is_file() or not any(self.folder.glob("block-*")):
            write_json(file, plan)
        elif self._known(file) != plan:
            raise SpatialLLMError(
                f"{self.folder}: holds parts made from another configuration; finish it with that one, or delete the folder."
            )

    @staticmethod
    def _known(file: Path) -> Any:
        try:
            return json.loads(file.read_bytes())
        except ValueError:
            return None  # damaged, so the plan of the blocks is unknown

    def __iter__(self) -> Iterator[Path]:
        """Iterates over the folders of all blocks in order, whether they exist or not."""
        return (self._path(index) for index in range(self.count))

    def missing(self) -> list[int]:
        """Returns the numbers of the blocks that do not exist yet."""
        return [index for index in range(self.count) if not self._path(index).is_dir()]

    def run(
        self, work: Callable[[int, Path], None], shard: Shard, workers: int, progress: bool, title: str, unit: str = "block"
    ) -> None:
        """Makes the missing blocks of a shard.

        Args:
            work: `work(index, folder)` fills the empty folder of one block. It is a module-level function or a
                `functools.partial` of one, so that it can be sent to another process.
            shard: the blocks to make.
            workers: number of processes.
            progress: whether to show a progress bar.
            title: title of the progress bar.
            unit: name of a block in the progress bar.
        """
        wanted = [index for index in self.missing() if index % shard.count == shard.index - 1]
        tasks = [(work, index, self._path(index)) for index in wanted]
        done = _in_processes(tasks, workers) if workers > 1 and len(tasks) > 1 else map(_make, tasks)
        for _ in tqdm(done, total=len(tasks), desc=title, unit=unit, disable=not progress):
            pass

    def require_all(self) -> None:
        """Raises SpatialLLMError naming the first missing block, unless all blocks exist."""
        missing = self.missing()
        if missing:
            raise SpatialLLMError(
                f"{self.folder}: {len(missing)} of {self.count} parts are missing, the first is {missing[0]}; run the "
                "shards that lack, then merge."
            )

    def _path(self, index: int) -> Path:
        return self.folder / f"block-{index:05d}"


def _make(task: tuple[Callable[[int, Path], None], int, Path]) -> None:
    work, index, path = task
    with atomic_path(path) as temporary:
        temporary.mkdir()
        work(index, temporary)


def _in_processes(tasks: list[tuple], workers: int) -> Iterator[None]:
    # Forked where that is safe (Linux), because importing the library again takes longer than many blocks do.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    # Ctrl-C reaches all processes of a terminal: this one stops, the others finish their block and say nothing.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(min(workers, len(tasks)), context, signal.signal, ignore) as pool:
        try:
            yield from pool.map(_make, tasks)
        except BrokenProcessPool:
            raise SpatialLLMError(
                f"a process at work in {tasks[0][2].parent} was killed (out of memory?); what is done is kept: give the "
                "same command again, with fewer workers."
            ) from None
        finally:
            # `map` cancels what waits only once all of it is handed in; a Ctrl-C before that would wait for every block.
            pool.shutdown(cancel_futures=True)
