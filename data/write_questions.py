"""Write questions, answers and structured truth about simulated scenes: manifests for training and evaluation.

    python data/write_questions.py --config data/configs/demo_train_questions.yaml --data DATA
    python data/write_questions.py --config data/configs/all_families.yaml --data DATA

DATA is a folder from data/simulate_scenes.py. train.jsonl and eval.jsonl are written into it, and questions.json with the
balance of the answers, which is also printed: the gain of guessing from the question alone. Every answer is parsed again and
kept only if it agrees with the truth. `--shard i/n` writes every n-th block of scenes, for schedulers; `--merge` joins the
shards. Needs a CPU only; about a thousand questions a second and core.
"""

import os
from dataclasses import dataclass, field

from spatial_llm.blocks import Shard
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.door import door
from spatial_llm.questions.balance import Balance, balance_table
from spatial_llm.ranges import Count
from spatial_llm.settings import parse_arguments


@dataclass
class Arguments:
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


def main() -> None:
    with door("write_questions"):
        arguments = parse_arguments(Arguments, description=__doc__.splitlines()[0])
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


if __name__ == "__main__":
    main()
