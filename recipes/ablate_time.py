"""The comparison of ways to write times at tiny size, after TAC (arXiv 2602.15766): the same questions, steps and seeds for
times in the vocabulary of the language model and in tokens of their own, with and without a weight on them in the loss.

    python recipes/ablate_time.py --clips CLIPS/index.csv [--seeds '[0, 1, 2]']

Goes from dry sounds to two tables: runs/time/spans/seeds.md, times that were asked for, and runs/time/events/seeds.md, the
captions with times as events; docs/experiments.md has the last ones. Encoder and base language model are those of the
shipped model, frozen but for LoRA and the rows of the time tokens. About eight minutes for each kind and seed on one core;
several processes may share the work, each with other seeds (--until scores). A stage that is finished and whose
configuration did not change is reused.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

from spatial_llm.door import door
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.workflow import Stage, comparison_stages, run_stages

DOORS = ("data/prepare_sounds.py", "data/simulate_scenes.py", "data/write_questions.py")
TASK = Path("recipes/configs/fusion/tiny/task.yaml")  # without controls
# The kinds, the reference first, by their options; the weight is TAC's best one.
WEIGHT = "--time_weight=5.0"
DIGITS, ABSOLUTE = ["--time_tokens=digits"], ["--time_tokens=absolute", "--longest_time_s=2.0"]
KINDS: dict[str, list[str]] = {
    "vocabulary": [],
    "vocabulary_weighted": [WEIGHT],
    "digits": DIGITS,
    "digits_weighted": [*DIGITS, WEIGHT],
    "absolute": ABSOLUTE,
    "absolute_weighted": [*ABSOLUTE, WEIGHT],
}
# The tables: the scores of each run that they compare, and the metrics.
SPANS, EVENTS = "spans", "events"
METRICS = {
    SPANS: ["SPAN_onset_error", "SPAN_temporal_iou", "SPAN_iou_at_least_50"],
    EVENTS: ["event_onset_error", "event_F1_200ms", "event_F1_1000ms", "segment_F1_100ms", "hallucinated"],
}


@dataclass
class Arguments:
    """Sets what to train from, what to compare, and how often.

    Attributes:
        clips: index CSV of recorded dry sounds, as for recipes/train_tiny.py; its test recordings are used for scoring.
        kinds: some of the kinds; empty for all.
        seeds: each kind is trained once with each seed.
        steps: steps of training of each kind; default: those of the YAML.
        until: last stage to run.
        runs: folder for everything that is made.
        configs: folder of scenes.yaml, questions.yaml and base.yaml.
        sounds: YAML of data/prepare_sounds.py.
    """

    clips: str
    kinds: list[Literal[*KINDS]] = field(default_factory=list)
    seeds: list[Seed] = field(default_factory=lambda: [0, 1, 2])
    steps: Count | None = None
    until: Literal["data", "scores", "table"] = "table"
    runs: str = "runs/time"
    configs: str = "recipes/configs/time/tiny"
    sounds: str = "recipes/configs/tiny/sounds.yaml"


def data(arguments: Arguments) -> list[Stage]:
    """Makes dry sounds, scenes, a manifest of questions, and folders of the shipped model's encoder and language model."""
    paths = Path(arguments.runs), Path(arguments.configs), Path(arguments.sounds)
    return list(comparison_stages(DOORS, *paths, arguments.clips))


def models(arguments: Arguments, needs: list[Stage]) -> list[Stage]:
    """Trains each kind with each seed, answers and scores, and writes the tables."""
    runs, config = Path(arguments.runs), Path(arguments.configs) / "base.yaml"
    given = {"train_manifest": runs / "data" / "train.jsonl", "encoder": runs / "parts" / "encoder",
             "language_model": runs / "parts" / "language_model", "cache_folder": runs / "encoded"}  # fmt: skip
    chosen = arguments.kinds or list(KINDS)
    length = [] if arguments.steps is None else [f"--schedule.steps={arguments.steps}"]
    manifest, stages, scored = runs / "data" / "eval.jsonl", [], {SPANS: [], EVENTS: []}
    for seed, kind in product(arguments.seeds, chosen):
        name = f"{kind}-{seed}"
        folder, answers = runs / "models" / name, runs / "models" / name / "answers"
        options = [f"--run_folder={folder}", f"--seed={seed}", *KINDS[kind], *length]
        train = [
            "recipes/finetune_bat.py",
            "--config",
            str(config),
            *options,
            *(f"--{key}={path}" for key, path in given.items()),
        ]
        trained = Stage(f"{kind}, seed {seed}", train, folder, configs=[config], needs=needs, launch=True)
        asked = ["--task", str(TASK), "--data", str(manifest)]
        predict = ["eval/predict.py", *asked, f"--model={folder / 'model'}", f"--out={answers}", "--batch_size=64"]
        answered = Stage(f"{kind}, seed {seed}: answers", predict, answers, configs=[TASK], needs=[trained])
        said = answers / "predictions.jsonl"
        score = {
            SPANS: ["eval/score.py", *asked, f"--predictions={said}"],
            EVENTS: ["eval/events.py", f"--reference={manifest}", f"--predicted={said}"],
        }
        stages += [trained, answered]
        for what, command in score.items():
            command, out = [*command, f"--out={runs / what / 'scores' / name}"], runs / what / "scores" / name
            scored[what].append(Stage(f"{kind}, seed {seed}: {what}", command, out, configs=[TASK], needs=[answered]))
            stages.append(scored[what][-1])
    return stages + (
        [table(runs / name, name, chosen, scored[name]) for name in METRICS] if arguments.until == "table" else []
    )


def table(folder: Path, name: str, kinds: list[str], needs: list[Stage]) -> Stage:
    """Compares the kinds over their seeds."""
    compare = [f"--scores={folder / 'scores'}", "--report=scores.json", f"--reference={kinds[0]}", f"--kinds={kinds}"]
    command = ["eval/seeds.py", *compare, f"--metrics={METRICS[name]}", f"--out={folder}"]
    return Stage(f"the table of {name}", command, folder, needs=needs)


if __name__ == "__main__":
    with door():
        given = parse_arguments(Arguments, description=__doc__)
        made = data(given)
        run_stages(made + (models(given, made[2:]) if given.until != "data" else []))
