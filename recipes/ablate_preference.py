"""The comparison of preferences at tiny size: a model before, after more fine-tuning on true answers, after DPO, and after
GRPO, on questions of perception, of reasoning, about sounds that are absent, and that nobody can answer. The model before is
the shipped one, taught the words for the last two.

    python recipes/ablate_preference.py --clips CLIPS/index.csv [--seeds '[0, 1, 2]'] [--kinds '[before, dpo]']

Goes from dry sounds to the table runs/preference/seeds.md and, for each run, to runs/preference/compared/<kind>-<seed>: the
run against the model before, question by question, with the Reliability Gain Index and its counts. Scored on unseen
recordings in unseen rooms. Several processes may share the work, each with other seeds (--until scores). A stage that is
finished and whose configuration did not change is reused.
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
BEFORE, SHIPPED = "before", "tiny"  # the reference, and what it is taught from
TAUGHT = "taught"
# The door that trains a model, and its files.
TRAINED = {
    TAUGHT: ("recipes/finetune_bat.py", {"train_manifest": "train"}),
    "finetuned": ("recipes/finetune_bat.py", {"train_manifest": "train"}),
    "dpo": ("recipes/train_preference.py", {"pairs": "train_pairs", "eval_pairs": "eval_pairs"}),
    "grpo": ("recipes/train_preference.py", {"questions": "train"}),
}
KINDS = (BEFORE, *(kind for kind in TRAINED if kind != TAUGHT))
# Kinds of pairs: those that need no other microphones than two ears.
PAIRS = ["mirrored", "front_back", "half_metre", "one_metre", "swapped_source", "absent_sound", "humility"]
METRICS = [
    "A_set_acc", "B_direction_acc", "B_DER", "C_set_acc", "D_direction_acc", "D_DER", "E_acc",
    *(f"hallucination_{kind}_f1_no" for kind in ("absent_sound", "wrong_place", "swapped")),
    *(f"{kind}_IF_KNOWN_unknown_declined" for kind in ("LOCATION", "DISTANCE", "ELEVATION")), "reliability",
]  # fmt: skip


@dataclass
class Arguments:
    """Sets what to train from, what to compare, and how often.

    Attributes:
        clips: index CSV of recorded dry sounds, as for recipes/train_tiny.py; its test recordings are used for scoring.
        kinds: the kinds to compare.
        seeds: each kind is trained once with each seed, from one model before.
        steps: steps of each training; default: those of its YAML.
        pairs_per_kind: most pairs of each kind to train on.
        until: last stage to run.
        runs: folder for everything that is made.
        configs: folder of scenes.yaml, questions.yaml and the YAML of each kind.
        sounds: YAML of data/prepare_sounds.py.
    """

    clips: str
    kinds: list[Literal[*KINDS]] = field(default_factory=lambda: list(KINDS))
    seeds: list[Seed] = field(default_factory=lambda: [0, 1, 2])
    steps: Count | None = None
    pairs_per_kind: Count = 400
    until: Literal["data", "scores", "table"] = "table"
    runs: str = "runs/preference"
    configs: str = "recipes/configs/preference/tiny"
    sounds: str = "recipes/configs/tiny/sounds.yaml"


def data(arguments: Arguments) -> list[Stage]:
    """Makes dry sounds, scenes, a manifest of questions, and pairs about both splits."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    *made, _ = comparison_stages(DOORS, runs, configs, Path(arguments.sounds), arguments.clips)  # no parts: all start whole
    for split, most in (("train", arguments.pairs_per_kind), ("eval", max(1, arguments.pairs_per_kind // 4))):
        command = ["-m", "spatial_llm", "pairs", f"--manifest={runs / 'data' / f'{split}.jsonl'}",
                   f"--pairs.kinds={PAIRS}", f"--pairs.most_per_kind={most}"]  # fmt: skip
        made.append(Stage(f"pairs ({split})", command, runs / "data", needs=made[-1:], marker=f"{split}_pairs.stage.json"))
    return made


def models(arguments: Arguments, needs: list[Stage]) -> list[Stage]:
    """Trains each kind with each seed, answers, scores and compares, and writes the table."""
    runs, manifest = Path(arguments.runs), Path(arguments.runs) / "data" / "eval.jsonl"
    asked = ["--task", str(TASK), f"--data={manifest}"]
    taught = training(arguments, TAUGHT, 0, SHIPPED, needs)
    before = predictions(BEFORE, str(taught.folder / "model"), runs, asked, [taught])
    stages, scored = [taught, before], []
    for seed, kind in product(arguments.seeds, arguments.kinds):
        name, answered = f"{kind}-{seed}", before
        if kind != BEFORE:
            trained = training(arguments, kind, seed, str(taught.folder / "model"), [taught])
            answered = predictions(name, str(trained.folder / "model"), runs, asked, [trained])
            stages += [trained, answered]
        out, said = runs / "scores" / name, f"--predictions={answered.folder / 'predictions.jsonl'}"
        scored.append(Stage(f"{name}: scores", ["eval/score.py", *asked, said, f"--out={out}"], out, configs=[TASK],
                            needs=[answered]))  # fmt: skip
        stages.append(scored[-1])
        if kind != BEFORE:
            out, sides = runs / "compared" / name, (("first", before), ("second", answered))
            given = [f"--{side}={one.folder / 'predictions.jsonl'}" for side, one in sides]
            command = ["eval/compare.py", *asked, *given, f"--out={out}"]
            stages.append(Stage(f"{name}: against before", command, out, configs=[TASK], needs=[before, answered]))
    if arguments.until != "table":
        return stages
    compare = [f"--scores={runs / 'scores'}", "--report=scores.json", f"--reference={arguments.kinds[0]}",
               f"--kinds={arguments.kinds}", f"--metrics={METRICS}", f"--out={runs}"]  # fmt: skip
    return [*stages, Stage("the table", ["eval/seeds.py", *compare], runs, needs=scored)]


def training(arguments: Arguments, kind: str, seed: int, start: str, needs: list[Stage]) -> Stage:
    """Returns the stage that trains one kind with one seed from the model `start`."""
    runs, config = Path(arguments.runs), Path(arguments.configs) / f"{kind}.yaml"
    door, files = TRAINED[kind]
    folder, length = runs / "models" / f"{kind}-{seed}", arguments.steps
    command = [door, "--config", str(config), f"--run_folder={folder}", f"--seed={seed}",
               f"--start_from={start}", f"--cache_folder={runs / 'encoded'}", "--cpu_threads=1",
               *([] if length is None else [f"--schedule.steps={length}"]),
               *(f"--{name}={runs / 'data' / f'{file}.jsonl'}" for name, file in files.items())]  # fmt: skip
    return Stage(f"{kind}, seed {seed}", command, folder, configs=[config], needs=needs, launch=True)


def predictions(name: str, model: str, runs: Path, asked: list[str], needs: list[Stage]) -> Stage:
    """Returns the stage in which a model answers the questions of unseen recordings."""
    out = runs / "answers" / name
    command = ["eval/predict.py", *asked, f"--model={model}", f"--out={out}", "--batch_size=64"]
    return Stage(f"{name}: answers", command, out, configs=[TASK], needs=needs)


if __name__ == "__main__":
    with door():
        given = parse_arguments(Arguments, description=__doc__)
        made = data(given)
        run_stages(made + (models(given, made) if given.until != "data" else []))
