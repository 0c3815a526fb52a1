"""The comparison of fusions at tiny size, after Table 1 of PAL (arXiv 2506.10423): the same questions, steps and seeds for
every way to join ear and language model, scored on unseen recordings in unseen rooms.

    python recipes/ablate_fusion.py --clips CLIPS/index.csv [--compare fusions|projectors|compression|codes] [--seeds '[0]']

Goes from dry sounds to the table runs/fusion/<compare>/seeds.md; docs/experiments.md has the last ones. Encoder and base
language model are those of the shipped model, frozen but for LoRA; the projector, the fusion and LoRA train. The kind
lal_two_encoders is lal with a second encoder beside the first, a SpatialAST trained on the same scenes; the MLP reads the
channels of both. About six minutes for each kind and seed on one core; several processes may share the work, each with other
seeds (--until scores). A stage that is finished and whose configuration did not change is reused.
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
TASK = Path("recipes/configs/fusion/tiny/task.yaml")

SECOND_ENCODER = "spatial_ast"  # its YAML file
TWO_ENCODERS = "lal_two_encoders"
# The kinds of each comparison, the reference first: the YAML file, and options beside it.
METHODS, FACTORS = ("mean", "sample", "segments"), (1, 2, 4, 8)
# Half the positions, two tokens each: as many as of the others.
ONE_A_CODE = [f"--projector.{option}" for option in ("tokens=one_a_code", "num_levels=2", "factor=4")]
COMPARISONS: dict[str, dict[str, tuple[str, list[str]]]] = {
    "fusions": {
        **{name: (name, []) for name in ("prefix", "delayed", "lal", "hybrid", "gated_cross_attention")},
        TWO_ENCODERS: ("lal", []),
    },
    "projectors": {
        "mlp": ("lal", []),
        **{name: (f"lal_{name}", []) for name in ("qformer", "window_qformer", "pool", "regions", "slices")},
    },
    "compression": {
        f"{method}_{factor}x": ("pool", [f"--projector.method={method}", f"--projector.factor={factor}"])
        for method, factor in product(METHODS, FACTORS)
        if factor > 1 or method == METHODS[0]
    },
    "codes": {"continuous": ("pool", []), "discrete": ("rvq", []), "discrete_one_a_code": ("rvq", ONE_A_CODE)},
}


@dataclass
class Arguments:
    """Sets what to train from, what to compare, and how often.

    Attributes:
        clips: index CSV of recorded dry sounds, as for recipes/train_tiny.py; its test recordings are used for scoring.
        compare: fusions, one projector in all; projectors, one fusion in all; numbers of audio tokens; numbers or codes.
        kinds: some of the kinds of the comparison; empty for all.
        seeds: each kind is trained once with each seed.
        steps: steps of training of each kind; default: those of its YAML.
        until: last stage to run.
        runs: folder for everything that is made.
        configs: folder of scenes.yaml, questions.yaml and the YAML of each kind.
        sounds: YAML of data/prepare_sounds.py.
    """

    clips: str
    compare: Literal[*COMPARISONS] = "fusions"
    kinds: list[str] = field(default_factory=list)
    seeds: list[Seed] = field(default_factory=lambda: [0, 1, 2])
    steps: Count | None = None
    until: Literal["data", "scores", "table"] = "table"
    runs: str = "runs/fusion"
    configs: str = "recipes/configs/fusion/tiny"
    sounds: str = "recipes/configs/tiny/sounds.yaml"


def data(arguments: Arguments) -> list[Stage]:
    """Makes dry sounds, scenes, a manifest of questions, and folders of the shipped model's encoder and language model."""
    paths = Path(arguments.runs), Path(arguments.configs), Path(arguments.sounds)
    return list(comparison_stages(DOORS, *paths, arguments.clips))


def two_encoders(arguments: Arguments, needs: list[Stage]) -> list[Stage]:
    """Trains a second encoder on the scenes, and joins it with that of the shipped model, which gives the grid."""
    runs, config = Path(arguments.runs), Path(arguments.configs) / f"{SECOND_ENCODER}.yaml"
    folder, joined = runs / "second_encoder", runs / "two_encoders"
    options = {"run_folder": folder, "train_manifest": runs / "data" / "train.jsonl", "cues_folder": runs / "cues"}
    command = ["recipes/train_encoder.py", "--config", str(config), *(f"--{name}={path}" for name, path in options.items())]
    trained = Stage("a second encoder", command, folder, configs=[config], needs=needs, launch=True)
    members = [str(runs / "parts" / "encoder"), str(folder / "model")]
    join = ["-m", "spatial_llm", "join-encoders", str(joined), *members]
    return [trained, Stage("both encoders side by side", join, joined, needs=[*needs, trained])]


def models(arguments: Arguments, needs: list[Stage]) -> list[Stage]:
    """Trains each kind with each seed, answers and scores, and writes the table."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    given = {"train_manifest": runs / "data" / "train.jsonl", "encoder": runs / "parts" / "encoder",
             "language_model": runs / "parts" / "language_model", "cache_folder": runs / "encoded"}  # fmt: skip
    kinds = COMPARISONS[arguments.compare]
    chosen = arguments.kinds or list(kinds)
    length = [] if arguments.steps is None else [f"--schedule.steps={arguments.steps}"]
    manifest, scores, scored = runs / "data" / "eval.jsonl", runs / arguments.compare / "scores", []
    stages = two_encoders(arguments, needs) if TWO_ENCODERS in chosen else []
    joined = stages[-1:]
    for seed, kind in product(arguments.seeds, chosen):
        config, options = configs / f"{kinds[kind][0]}.yaml", kinds[kind][1]
        folder = runs / arguments.compare / f"{kind}-{seed}"
        settings = [f"--run_folder={folder}", f"--seed={seed}", *options, *length]
        command = ["recipes/finetune_bat.py", "--config", str(config), *settings]
        ears, before = ({"encoder": joined[0].folder}, joined) if kind == TWO_ENCODERS else ({}, [])
        trained = Stage(
            f"{kind}, seed {seed}", [*command, *(f"--{name}={path}" for name, path in (given | ears).items())], folder,
            configs=[config], needs=[*needs, *before], launch=True,
        )  # fmt: skip
        answers, out = folder / "answers", scores / f"{kind}-{seed}"
        asked = ["--task", str(TASK), "--data", str(manifest)]
        predict = ["eval/predict.py", *asked, f"--model={folder / 'model'}", f"--out={answers}", "--batch_size=64"]
        score = ["eval/score.py", *asked, f"--predictions={answers / 'predictions.jsonl'}", f"--out={out}"]
        answered = Stage(f"{kind}, seed {seed}: answers", predict, answers, configs=[TASK], needs=[trained])
        scored.append(Stage(f"{kind}, seed {seed}: scores", score, out, configs=[TASK], needs=[answered]))
        stages += [trained, answered, scored[-1]]
    compare = [f"--scores={scores}", "--report=scores.json", f"--reference={chosen[0]}", f"--kinds={chosen}"]
    table = Stage("the table", ["eval/seeds.py", *compare, f"--out={runs / arguments.compare}"], runs / arguments.compare,
                  needs=scored)  # fmt: skip
    return stages + ([table] if arguments.until == "table" else [])


if __name__ == "__main__":
    with door():
        given = parse_arguments(Arguments, description=__doc__)
        made = data(given)
        run_stages(made + (models(given, made[2:]) if given.until != "data" else []))
