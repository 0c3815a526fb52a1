"""DSpAST's ablation at tiny size: four encoders, three seeds each, the same recordings and steps, scored on unseen
recordings.

    python recipes/ablate_tiny.py --clips CLIPS/index.csv [--seeds '[0, 1, 2]'] [--until data|table]

Goes from dry sounds to the table runs/ablation/seeds.md; docs/experiments.md has the last one. Takes about an hour
on one core; several processes may share the work, each with other seeds. A stage that is finished and whose configuration
did not change is reused.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

from spatial_llm.door import door
from spatial_llm.ranges import Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.workflow import Stage, data_stages, run_stages, sounds_stage

SOUND_DOOR = "data/prepare_sounds.py"
DATA_DOORS = ("data/simulate_scenes.py", "data/write_questions.py")

KINDS = ("spatial_ast", "dspast", "dspast_original_cues", "dspast_no_attention")
REFERENCE = "dspast"


@dataclass
class Arguments:
    """Sets what to train from, and how often.

    Attributes:
        clips: index CSV of recorded dry sounds, as for recipes/train_tiny.py; its test recordings are used for scoring.
        seeds: each kind of encoder is trained once with each seed.
        until: last stage to run.
        runs: folder for everything that is made.
        configs: folder of scenes.yaml, questions.yaml and the YAML of each kind.
        sounds: YAML of data/prepare_sounds.py.
    """

    clips: str
    seeds: list[Seed] = field(default_factory=lambda: [0, 1, 2])
    until: Literal["data", "table"] = "table"
    runs: str = "runs/ablation"
    configs: str = "recipes/configs/ablation"
    sounds: str = "recipes/configs/tiny/sounds.yaml"


def data(arguments: Arguments) -> list[Stage]:
    """Makes dry sounds, scenes, and a manifest of them."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    recorded = ["--sounds.synthesized_eval=0"]  # scoring uses recorded sounds only
    dry = sounds_stage(SOUND_DOOR, Path(arguments.sounds), runs / "sounds", arguments.clips, "test", recorded)
    index = f"--simulation.sounds.index={runs / 'sounds' / 'index.csv'}"
    return [
        dry,
        *data_stages(DATA_DOORS, configs / "scenes.yaml", configs / "questions.yaml", runs / "data", [index], [dry]),
    ]


def encoders(arguments: Arguments, questions: Stage) -> list[Stage]:
    """Trains each kind with each seed, scores it, and writes the table."""
    runs, trained, scored = Path(arguments.runs), list[Stage](), list[Stage]()
    for seed, kind in product(arguments.seeds, KINDS):
        config, folder = Path(arguments.configs) / f"{kind}.yaml", runs / "encoders" / f"{kind}-{seed}"
        options = {"run_folder": folder, "train_manifest": runs / "data" / "train.jsonl", "seed": seed}
        options["cues_folder"] = runs / "cues"
        command = ["recipes/train_encoder.py", "--config", str(config), *(f"--{k}={v}" for k, v in options.items())]
        trained.append(Stage(f"{kind}, seed {seed}", command, folder, configs=[config], needs=[questions], launch=True))
        out = runs / "scores" / folder.name
        score = ["eval/encoder.py", f"--model={folder / 'model'}", f"--data={runs / 'data' / 'eval.jsonl'}", f"--out={out}"]
        scored.append(Stage(f"{kind}, seed {seed}: scores", score, out, needs=[trained[-1]]))
    compare = [f"--scores={runs / 'scores'}", f"--reference={REFERENCE}", f"--out={runs}"]
    table = Stage("the table", ["eval/seeds.py", *compare], runs, needs=scored)
    return [*(stage for pair in zip(trained, scored, strict=True) for stage in pair), table]


if __name__ == "__main__":
    with door():
        given = parse_arguments(Arguments, description=__doc__)
        made = data(given)
        run_stages(made + (encoders(given, made[-1]) if given.until == "table" else []))
