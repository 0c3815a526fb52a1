"""The comparison of an encoder's objectives at tiny size: heads alone, contrastive, captioning, both, a language model as
teacher; the same scenes, steps and seeds, scored on unseen sounds in unseen rooms.

    python recipes/ablate_alignment.py [--clips CLIPS/index.csv] [--seeds '[0, 1, 2]'] [--kinds '[supervised, teacher]']

Goes from dry sounds, the simulator's own or recorded clips, to the table runs/alignment/seeds.md: what the heads tell (mAP,
ER20, DER), what a text projection finds on the frozen encoder, the same for all, by sound and by place, and what the shipped
language model answers after a short fine-tuning on the frozen encoder, from scenes that no encoder was trained on. Several
processes may share the work, each with other seeds (--until scores). A stage that is finished and whose configuration did
not change is reused.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Literal

from spatial_llm.door import door
from spatial_llm.ranges import Count, Seed
from spatial_llm.settings import parse_arguments
from spatial_llm.workflow import Stage, comparison_stages, data_stages, run_stages

DOORS = ("data/prepare_sounds.py", "data/simulate_scenes.py", "data/write_questions.py")
TASK = Path("recipes/configs/fusion/tiny/task.yaml")
KINDS = ("supervised", "contrastive", "captioning", "both", "teacher")  # the reference first
REPORTS = ("encoder.json", "retrieval.json", "scores.json")


@dataclass
class Arguments:
    """Sets what to train from, what to compare, and how often.

    Attributes:
        clips: index CSV of recorded dry sounds, as for recipes/train_tiny.py; its test recordings are used for scoring.
            Default: the simulator's own sounds.
        kinds: the objectives to compare, the reference first.
        seeds: each kind is trained once with each seed.
        steps: steps of training of each encoder; default: those of its YAML.
        answer_steps: steps of each fine-tuning; default: those of bat.yaml.
        until: last stage to run; "encoders" leaves out what the language model is taught and answers.
        runs: folder for everything that is made.
        configs: folder of scenes.yaml, answer_scenes.yaml (from which answers are taught), questions.yaml, projection.yaml,
            bat.yaml and the YAML of each kind.
        sounds: YAML of data/prepare_sounds.py; only used with clips.
    """

    clips: str | None = None
    kinds: list[Literal[*KINDS]] = field(default_factory=lambda: list(KINDS))
    seeds: list[Seed] = field(default_factory=lambda: [0, 1, 2])
    steps: Count | None = None
    answer_steps: Count | None = None
    until: Literal["data", "encoders", "scores", "table"] = "table"
    runs: str = "runs/alignment"
    configs: str = "recipes/configs/alignment/tiny"
    sounds: str = "recipes/configs/tiny/sounds.yaml"


def data(arguments: Arguments) -> tuple[list[Stage], list[Stage]]:
    """Makes scenes, a manifest of questions and a folder of the shipped model's language model; and, apart, the scenes and
    questions from which answers are taught."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    heard = list(comparison_stages(DOORS, runs, configs, Path(arguments.sounds), arguments.clips))
    dry = () if arguments.clips is None else heard[:1]
    index = [f"--simulation.sounds.index={runs / 'sounds' / 'index.csv'}" for _ in dry]
    asked = data_stages(DOORS[1:], configs / "answer_scenes.yaml", configs / "questions.yaml", runs / "answers", index, dry)
    return heard, list(asked)


class Run:
    """Builds the stages of one kind and seed."""

    def __init__(self, arguments: Arguments, kind: str, seed: int, heard: list[Stage], asked: list[Stage]) -> None:
        self.arguments, self.kind, self.name, self.heard, self.asked = arguments, kind, f"{kind}-{seed}", heard, asked
        self.runs, self.configs = Path(arguments.runs), Path(arguments.configs)
        self.seed = seed
        self.scores, self.manifest = self.runs / "scores" / self.name, self.runs / "data" / "eval.jsonl"

    def train(self, what: str, config: str, out: str, needs: list[Stage], *options: str) -> Stage:
        """Returns a stage that trains something in the folder `out`."""
        file, folder, answers = self.configs / f"{config}.yaml", self.runs / out / self.name, config == "bat"
        door = "recipes/finetune_bat.py" if answers else "recipes/train_encoder.py"
        manifest = self.runs / ("answers" if answers else "data") / "train.jsonl"
        given = [f"--run_folder={folder}", f"--seed={self.seed}", f"--train_manifest={manifest}"]
        command = [door, "--config", str(file), *given, *options]
        return Stage(f"{self.name}: {what}", command, folder, configs=[file], needs=[*self.heard, *needs], launch=True)

    def score(self, what: str, command: list[str], needs: Stage) -> Stage:
        """Returns a stage that scores; the three scores of a run share one folder."""
        return Stage(f"{self.name}: {what}", [*command, f"--out={self.scores}"], self.scores, configs=[TASK],
                     needs=[needs], marker=f"{what}.stage.json")  # fmt: skip

    def stages(self) -> tuple[list[Stage], list[Stage]]:
        """Returns all stages in order, and those that score."""
        runs, given = self.runs, self.arguments
        cues, language_model = f"--cues_folder={runs / 'cues'}", runs / "parts" / "language_model"
        options = [cues] + ([] if given.steps is None else [f"--schedule.steps={given.steps}"])
        options += [f"--objective.teacher={language_model}"] if self.kind == "teacher" else []
        encoder = self.train("encoder", self.kind, "encoders", [], *options)
        ears = encoder.folder / "model"
        frozen = f"--initial_encoder={ears}"
        text = self.train("text projection", "projection", "text", [encoder], cues, frozen)
        parts = [f"--encoder={ears}", f"--language_model={language_model}", f"--cache_folder={runs / 'encoded'}"]
        parts += [] if given.answer_steps is None else [f"--schedule.steps={given.answer_steps}"]
        joined = self.train("answers taught", "bat", "answering", [*self.asked, encoder], *parts)
        answers, asked = joined.folder / "answers", ["--task", str(TASK), f"--data={self.manifest}"]
        predict = ["eval/predict.py", *asked, f"--model={joined.folder / 'model'}", f"--out={answers}", "--batch_size=64"]
        predicted = Stage(f"{self.name}: answers", predict, answers, configs=[TASK], needs=[joined])
        score = ["eval/score.py", *asked, f"--predictions={answers / 'predictions.jsonl'}"]
        scored = [
            self.score("heads", ["eval/encoder.py", f"--model={ears}", f"--data={self.manifest}"], encoder),
            self.score(
                "retrieval", ["eval/retrieve.py", f"--model={text.folder / 'model'}", f"--data={self.manifest}"], text
            ),
            self.score("answers", score, predicted),
        ]
        heard = [encoder, scored[0], text, scored[1]]
        return (heard, scored[:2]) if given.until == "encoders" else ([*heard, joined, predicted, scored[2]], scored)


def comparison(arguments: Arguments, heard: list[Stage], asked: list[Stage]) -> list[Stage]:
    """Trains and scores each kind with each seed, and writes the table."""
    made = [Run(arguments, kind, seed, heard, asked).stages() for seed, kind in product(arguments.seeds, arguments.kinds)]
    stages, scored = ([stage for each in side for stage in each] for side in zip(*made, strict=True))
    if arguments.until != "table":
        return stages
    out = Path(arguments.runs)
    compare = [f"--scores={out / 'scores'}", f"--report={REPORTS[0]}", f"--further={list(REPORTS[1:])}"]
    compare += [f"--reference={arguments.kinds[0]}", f"--kinds={arguments.kinds}", f"--out={out}"]
    return [*stages, Stage("the table", ["eval/seeds.py", *compare], out, needs=scored)]


if __name__ == "__main__":
    with door():
        given = parse_arguments(Arguments, description=__doc__)
        heard, asked = data(given)
        made = heard if given.until == "encoders" else heard + asked
        run_stages(made + (comparison(given, heard, asked) if given.until != "data" else []))
