"""Trains `spatial-llm-tiny`, the model that ships with the package, from dry sounds to the packed model.

    python recipes/train_tiny.py --clips CLIPS/index.csv --head IRC_1002.sofa [--until scenes|...] [--runs runs/tiny]

It needs 2 CPU cores and no download, and takes about eight hours; a GPU is used if there is one. A finished stage whose
configuration did not change is reused. recipes/score_tiny.py computes the scores and writes the model card.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatial_llm.door import door
from spatial_llm.settings import parse_arguments
from spatial_llm.workflow import Stage, data_stages, run_stages, sounds_stage

SOUND_DOOR = "data/prepare_sounds.py"
DATA_DOORS = ("data/simulate_scenes.py", "data/write_questions.py")

STAGES = ("sounds", "first", "scenes", "questions", "second", "third", "encoder", "text", "bat", "presence", "packed")


@dataclass
class Arguments:
    """Sets the sources of the training, and where to write.

    Attributes:
        clips: index CSV of recorded dry sounds (columns file, label, split, source_recording, licence, attribution).
        head: SOFA file of a second head to train with.
        until: last stage to run.
        runs: folder for all output.
        configs: folder of the YAML of every stage.
    """

    clips: str
    head: str
    until: Literal[*STAGES] = "packed"
    runs: str = "runs/tiny"
    configs: str = "recipes/configs/tiny"


class Chain:
    """Builds the stages of one run, each named after the YAML that configures it."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments, self.runs, self.configs = arguments, Path(arguments.runs), Path(arguments.configs)

    def recipe(self, title: str, door: str, out: str, needs: Sequence[Stage], **options: Path) -> Stage:
        config, folder = self.configs / f"{out}.yaml", self.runs / out
        given = [f"--run_folder={folder}", *(f"--{name}={value}" for name, value in options.items())]
        command = [f"recipes/{door}.py", "--config", str(config), *given]
        return Stage(title, command, folder, configs=[config], needs=needs, launch=True)

    def sounds(self, out: str, evaluate: str, *options: str) -> Stage:
        return sounds_stage(
            SOUND_DOOR, self.configs / "sounds.yaml", self.runs / out, self.arguments.clips, evaluate, options
        )

    def asked(self, out: str, prefix: str, questions: str, dry: Stage, *options: str) -> tuple[Stage, Stage]:
        """Returns the stages of scenes with these sounds, and of questions about them."""
        configs = self.configs / f"{prefix}scenes.yaml", self.configs / questions
        index = ["--simulation.sounds.index", str(dry.folder / "index.csv")]
        return data_stages(DATA_DOORS, *configs, self.runs / out, [*index, *options], [dry])

    def heard(self, prefix: str, dry: Stage, questions: str = "questions.yaml") -> tuple[Stage, Stage]:
        """Returns the stages of scenes rendered with both heads, and of questions about them."""
        heads = f'["binaural", "binaural:{self.arguments.head}"]'
        return self.asked(f"{prefix}data", prefix, questions, dry, "--simulation.formats", heads)

    def hearing(self, out: str, questions: Stage, *before: Stage) -> Stage:
        """Returns the training stage of an encoder on those scenes, which continues from the stage before."""
        given = {f"{split}_manifest": questions.folder / f"{split}.jsonl" for split in ("train", "eval")}
        given["cues_folder"] = self.runs / "cues"
        if before:
            given["initial_encoder"] = before[-1].folder / "model"
        return self.recipe("the encoder learns what, where and how far", "train_encoder", out, [questions, *before], **given)

    def speaking(self, what: str, out: str, questions: Stage, *before: Stage) -> Stage:
        """Returns the training stage of a language model on `what`, which continues from the stage before."""
        given = {"manifest": questions.folder / "train.jsonl"}
        if before:
            given["initial_language_model"] = before[-1].folder / "model"
        return self.recipe(f"the language model learns to {what}", "pretrain_text", out, [questions, *before], **given)

    def joining(self, encoder: Stage, text: Stage) -> Stage:
        """Returns the training stage of projector and LoRA between the two."""
        given = {"encoder": encoder.folder / "model", "language_model": text.folder / "model", **self.asking()}
        return self.recipe("projector and LoRA join the two", "finetune_bat", "bat", [encoder, text], **given)

    def answering(self, out: str, before: Stage, last: str = "", prefix: str = "", needs: Sequence[Stage] = ()) -> Stage:
        """Returns a further training stage of the joint model, from the run before or from its last stage."""
        given = {"start_from": before.folder / last / "model", **self.asking(prefix)}
        return self.recipe("the joined model goes on to answer", "finetune_bat", out, [before, *needs], **given)

    def asking(self, prefix: str = "") -> dict[str, Path]:
        manifest = self.runs / f"{prefix}data" / "train.jsonl"
        return {"train_manifest": manifest, "cache_folder": self.runs / f"{prefix}encoded"}

    def stages(self) -> list[list[Stage]]:
        """Returns all stages from the sounds to the packed model, one list for each name in STAGES."""
        runs = self.runs
        dry = self.sounds("sounds", "held_out")
        first_scenes, first_questions = self.heard("first_", dry)
        first_encoder = self.hearing("first_encoder", first_questions)
        scenes, questions = self.heard("", dry)
        second = self.hearing("second_encoder", questions, first_encoder)
        third = self.hearing("third_encoder", questions, second)
        encoder = self.hearing("encoder", questions, third)
        lookup = self.speaking("look up", "lookup", questions)
        text = self.speaking("answer all questions", "text", questions, lookup)
        compare = self.speaking("compare two sounds", "compare", questions, text)
        bat = self.joining(encoder, compare)
        answers = self.answering("answers", bat, last="2-answers")
        cooldown = self.answering("cooldown", answers)
        others = self.heard("presence_", dry, "presence_questions.yaml")
        presence = self.answering("presence", cooldown, prefix="presence_", needs=others)
        # Chosen on held-out scenes: this share keeps most of what the last run added and nothing of what it cost.
        averaged = ["--model", str(presence.folder / "model"), "--before", str(cooldown.folder / "model"), "--share", "0.6"]
        pack = ["recipes/pack_tiny.py", *averaged, "--out", str(runs / "packed")]
        packed = Stage("the model in half precision, as it is to ship", pack, runs / "packed", needs=[cooldown, presence])
        first = [first_scenes, first_questions, first_encoder]
        words = [lookup, text, compare]
        joined = [bat, answers, cooldown]
        hearing = [[second], [third], [encoder]]
        return [[dry], first, [scenes], [questions], *hearing, words, joined, [*others, presence], [packed]]


if __name__ == "__main__":
    with door():
        arguments = parse_arguments(Arguments, description=__doc__)
        wanted = Chain(arguments).stages()[: STAGES.index(arguments.until) + 1]
        run_stages([stage for stages in wanted for stage in stages])
