"""Simulate a data folder: room responses in every configured format, and scenes with their truth, train and eval apart.

    spatial-llm simulate --config demo_train --output DATA
    spatial-llm simulate --config dry_index --simulation.sounds.index INDEX.csv --output DATA

The next step is to write questions (`spatial-llm questions`, data/write_questions.py). Every value can be overridden on the
command line (`--simulation.train.rooms 20`, see --help); an unknown key stops the run. The same configuration gives the same
files whatever the number of workers; a killed run continues where it was when it is started again. `--shard i/n` simulates
every n-th block of rooms, for schedulers; `--merge` joins the shards. Needs a CPU only; the demonstration takes about a
minute on 2 cores. An OUTPUT that was simulated before is replaced once the new folder is complete.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from spatial_llm.blocks import Shard
from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.simulate.simulation import SimulationConfig, simulate
from spatial_llm.ranges import Count


@dataclass
class SimulateArguments:
    """Sets what to simulate, and where to write it.

    Attributes:
        output: folder to write.
        workers: number of processes.
        shard: "i/n": only this share of the rooms, without joining; None: everything.
        merge: only join the shards.
        progress: show progress bars.
        simulation: what is simulated.
    """

    output: str
    workers: Count = os.cpu_count() or 1
    shard: str | None = None
    merge: bool = False
    progress: bool = True
    simulation: SimulationConfig = field(default_factory=SimulationConfig)


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    arguments = read_settings(SimulateArguments, "simulate", __doc__, argv, script)
    shard = Shard.asked(arguments.shard, arguments.merge)
    summary = simulate(arguments.simulation, arguments.output, arguments.workers, arguments.progress, shard, arguments.merge)
    if summary is None:
        print(f"shard {arguments.shard} simulated; run --merge when all are.")
        return
    for split, counts in summary["splits"].items():
        sizes = ", ".join(f"{n} with {count}" for count, n in counts["by_number_of_sources"].items())
        print(f"{split}: {counts['scenes']} scenes in {counts['rooms']} rooms (by number of sources: {sizes})")
        print(f"written: {arguments.output}/{split}_scenes.jsonl")
