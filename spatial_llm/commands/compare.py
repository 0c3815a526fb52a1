"""Compare two runs on the same questions, metric by metric; needs no model and no GPU.

    spatial-llm compare --task ours --first runs/a/predictions.jsonl --second runs/b/predictions.jsonl \
        --data runs/demo/data/eval.jsonl --out runs/a_and_b

Writes compare.json and compare.md (the tables, also printed) into the folder --out: both values, the difference with its
interval, a p-value (whole recordings exchanged between the runs at random), the same corrected for the number of metrics,
and how many items only one run has right; in the last line, at what the second run is better or worse. Refused with a
sentence: predictions for other questions than --data, by the hash in their run.json or by id; damaged files, as in
eval/score.py. For refusals (the Reliability Gain Index) the first run is the one before the treatment. Takes about 2 minutes
for 17,000 answers, 355 labels and 10,000 resamples on one core.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.commands.arguments import read_settings
from spatial_llm.evaluation.predicting.evaluation_set import asked_questions
from spatial_llm.evaluation.predicting.tasks import Reading, read_task
from spatial_llm.evaluation.scoring.compare import compare_predictions, format_comparison
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.files import atomic_files, check_place, write_json, write_text
from spatial_llm.ranges import Count, Seed
from spatial_llm.sentences.embedding import DEFAULT_EMBEDDING, missing_texts_in, open_embedding


@dataclass
class CompareArguments:
    """Sets what to compare.

    Attributes:
        first: path of a predictions.jsonl.
        second: path of the other one.
        out: folder for compare.json and compare.md.
        data: the manifest, or SpatialSoundQA folder or file, that both were made for; default: that of the task.
        task: path, or name in the package, of the YAML of the task: its protocols, embedding and reading; without one, all
            protocols.
        reading: how answers are read; default: the task's, or strict.
        embedding: all-MiniLM-L6-v2, or the folder or name of another sentence-transformers model; default: the task's.
        vectors: file of vectors of a closed model, in place of an embedding.
        labels: CSV with index,mid,display_name for the label set of types A and C; default: as in eval/score.py.
        resamples: number of bootstrap resamples, and of exchanges in the test; no p-value is below 1 / (resamples + 1).
        seed: of both; default: the task's, or 0.
    """

    first: str
    second: str
    out: str
    data: str | None = None
    task: str | None = None
    reading: Reading | None = None
    embedding: str | None = None
    vectors: str | None = None
    labels: str | None = None
    resamples: Count = 10_000
    seed: Seed | None = None


def _compare(arguments: CompareArguments) -> None:
    task = None if arguments.task is None else read_task(arguments.task)
    evaluation_set = asked_questions(task, arguments.data)
    given = {key: getattr(arguments, key) for key in ("reading", "seed") if getattr(arguments, key) is not None}
    if task is not None:
        of_task = {"protocols": task.protocols, "reading": task.reading, "seed": task.seed, "task": task.identity()}
        given = of_task | given
    default = DEFAULT_EMBEDDING if task is None else task.embedding
    embed = open_embedding(arguments.embedding, arguments.vectors, default)
    out, settings = Path(arguments.out), ScoreSettings(resamples=arguments.resamples, **given)
    check_place(out, folder=True)
    with missing_texts_in(out):
        report = compare_predictions(
            arguments.first, arguments.second, evaluation_set, embed, embed.name, arguments.labels, settings
        )
    table = format_comparison(report)
    with atomic_files(out) as written:
        write_json(written / "compare.json", report)
        write_text(written / "compare.md", table)
    print(f"compare.json and compare.md are in {out}\n")
    print(table, end="")


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    _compare(read_settings(CompareArguments, "compare", __doc__, argv, script))
