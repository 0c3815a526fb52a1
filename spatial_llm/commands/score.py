"""Score a predictions.jsonl and the controls beside it; needs no model and no GPU.

    spatial-llm score --task ours --predictions runs/demo/answers/predictions.jsonl --data runs/demo/data/eval.jsonl \
        --out runs/demo/scores

Writes scores.json, items.jsonl (one line a question: the value read, each measure, where the source is) and scores.md (the
tables, of which the first is printed; its last line says whether the model listens) into the folder --out, anew in each
call. `--data` is what predict was given. The task gives protocols, embedding, resamples and seed; without one all protocols
are reported. Average precision needs the embedding all-MiniLM-L6-v2, which the environment holds; vectors of a closed model
come from a file (--vectors, see `VectorFile`). Takes half a minute for 17,000 answers on one core (eval/bench_scores.py).

Refused with a sentence that names file, line and id, with nothing written: a line that is cut (a run killed while it wrote),
is not UTF-8, is no JSON or lacks a field; an id that occurs twice; a question without an answer; an id or a question that is
not in --data; predictions made for another --data (its hash is in run.json) or changed since; a control of another run; a
true label that is not in the label set; a text without a vector (all of them are listed in missing_texts.json). Counted, not
refused: answers that do not parse or that refuse, and records whose own answer does not parse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.commands.arguments import read_settings
from spatial_llm.evaluation.predicting.evaluation_set import asked_questions
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.evaluation.report.scores_table import first_part, format_table
from spatial_llm.evaluation.scoring.score import score_run
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.files import atomic_files, check_place, write_json, write_text
from spatial_llm.jsonl import write_jsonl
from spatial_llm.ranges import Count, Seed
from spatial_llm.sentences.embedding import DEFAULT_EMBEDDING, missing_texts_in, open_embedding


@dataclass
class ScoreArguments:
    """Sets what to score, and by which embedding.

    Attributes:
        predictions: path of predictions.jsonl.
        out: folder for scores.json, items.jsonl and scores.md.
        data: the manifest, or SpatialSoundQA folder or file, that the predictions were made for; default: that of the task.
        task: path, or name in the package, of the YAML of the task.
        embedding: all-MiniLM-L6-v2, or the folder or name of another sentence-transformers model; default: the task's.
        vectors: file of vectors of a closed model, in place of an embedding.
        labels: CSV with index,mid,display_name for the label set of types A and C; default: that of SpatialSoundQA's folder,
            or the labels that occur in the answers.
        resamples: number of bootstrap resamples over recordings; default: the task's, or 1000.
        seed: of the bootstrap; default: the task's, or 0.
    """

    predictions: str
    out: str
    data: str | None = None
    task: str | None = None
    embedding: str | None = None
    vectors: str | None = None
    labels: str | None = None
    resamples: Count | None = None
    seed: Seed | None = None


def _score(arguments: ScoreArguments) -> None:
    task = None if arguments.task is None else read_task(arguments.task)
    evaluation_set = asked_questions(task, arguments.data)
    given = {key: getattr(arguments, key) for key in ("resamples", "seed") if getattr(arguments, key) is not None}
    if task is None:
        settings = ScoreSettings(**given)
    else:
        names = ("resamples", "seed", "reading", "protocols", "controls")
        settings = ScoreSettings(**{name: getattr(task, name) for name in names} | given, task=task.identity())
    default = DEFAULT_EMBEDDING if task is None else task.embedding
    embed = open_embedding(arguments.embedding, arguments.vectors, default)
    out = Path(arguments.out)
    check_place(out, folder=True)
    with missing_texts_in(out):
        report, lines = score_run(arguments.predictions, evaluation_set, embed, embed.name, arguments.labels, settings)
    table = format_table(report)
    with atomic_files(out) as written:
        write_json(written / "scores.json", report)
        write_jsonl(written / "items.jsonl", lines)
        write_text(written / "scores.md", table)
    print(f"scores.json, items.jsonl and scores.md are in {out}\n")
    print(first_part(table), end="")


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    _score(read_settings(ScoreArguments, "score", __doc__, argv, script))
