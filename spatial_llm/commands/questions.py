"""Write questions, answers and structured truth about simulated scenes: manifests for training and evaluation.

    spatial-llm questions --config demo_train_questions --data DATA
    spatial-llm questions --config all_families --data DATA

DATA is a folder of simulated scenes (`spatial-llm simulate`, data/simulate_scenes.py). train.jsonl and eval.jsonl are
written into it, and questions.json with the balance of the answers, which is also printed: the gain of guessing from the
question alone. Every answer is parsed again and kept only if it agrees with the truth. `--shard i/n` writes every n-th block
of scenes, for schedulers; `--merge` joins the shards. Needs a CPU only; about a thousand questions a second and core.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from spatial_llm.blocks import Shard
from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.questions.balance import Balance, balance_table
from spatial_llm.ranges import Count


@dataclass
class QuestionsArguments:
    """Sets what to ask, and about which scenes.

    Attributes:
        data: folder with train_scenes.jsonl and eval_scenes.jsonl.
        workers: number of processes.
        shard: "i/n": only this share, without joining; None: everything.
        merge: only join the shards.
        progress: show progress bars.
        writing: which questions to write.
    """

    data: str
    workers: Count = os.cpu_count() or 1
    shard: str | None = None
    merge: bool = False
    progress: bool = True
    writing: WritingConfig = field(default_factory=WritingConfig)


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    arguments = read_settings(QuestionsArguments, "questions", __doc__, argv, script)
    shard = Shard.asked(arguments.shard, arguments.merge)
    summary = write_questions(
        arguments.data, arguments.writing, arguments.workers, arguments.progress, shard, arguments.merge
    )
    if summary is None:
        print(f"shard {arguments.shard} written; run --merge when all are.")
        return
    for split, counts in summary["splits"].items():
        balance = {name: Balance(**row) for name, row in counts["balance"].items()}
        print(f"{split}: {counts['scenes']} scenes\n{balance_table(balance)}")
        print(f"written: {arguments.data}/{split}.jsonl")
