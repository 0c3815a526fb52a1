"""Training `spatial-llm-tiny`, the model that is to ship with the package, from dry sounds to scores on frozen manifests.

    python recipes/train_tiny.py --clips CLIPS/index.csv --head IRC_1002.sofa --test_head KU100.sofa \
        --test_responses RESPONSES/index.csv [--until scenes|...] [--runs runs/tiny]

2 CPU cores, no download, some hours; a stage that is finished and whose configuration did not change is reused.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.card import TEST_SETS
from spatial_llm.training.arguments import parse_arguments
from spatial_llm.training.stages import Stage, data_stages, run_stages, scoring_stages

TASK = Path("eval/tasks/ours.yaml")
CONTROLS = ["--control_recordings", "300"]
NUMBERS = {"one": ("one",), "two": ("two",), "mixed": ("one", "two")}  # sources of the recordings of a test set
STAGES = ("sounds", "first", "scenes", "questions", "second", "encoder", "text", "bat", "packed", "tests", "card")


@dataclass
class Arguments:
    """What to train from, and where.

    Attributes:
        clips: index CSV of recorded dry sounds (columns file, label, split, source_recording, licence, attribution).
        head: SOFA file of a second head to train with.
        test_head: SOFA file of a head that is only scored on.
        test_responses: index CSV of measured binaural room responses that are only scored on.
        until: last stage.
        runs: folder of everything that is made.
        configs: folder of the YAML of every stage and of card.md.
        test_clips: recordings of each test set.
    """

    clips: str
    head: str
    test_head: str
    test_responses: str
    until: Literal[*STAGES] = "card"
    runs: str = "runs/tiny"
    configs: str = "recipes/configs/tiny"
    test_clips: int = 2000


class Chain:
    """Stages of one run, each named by the YAML that it is configured by."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments, self.runs, self.configs = arguments, Path(arguments.runs), Path(arguments.configs)

    def stage(self, title: str, door: str, config: str, out: str, *options: str, needs: Sequence[Stage] = ()) -> Stage:
        config_path, folder = self.configs / f"{config}.yaml", self.runs / out
        return Stage(
            title, [door, "--config", str(config_path), *options], folder, configs=[config_path], needs=needs,
            launch=door.startswith("recipes/"), marker=f"{config}.stage.json",
        )  # fmt: skip

    def recipe(self, title: str, door: str, out: str, needs: Sequence[Stage], **options: Path) -> Stage:
        given = [f"--run_folder={self.runs / out}", *(f"--{name}={value}" for name, value in options.items())]
        return self.stage(title, f"recipes/{door}.py", out, out, *given, needs=needs)

    def sounds(self, out: str, evaluate: str, *options: str) -> Stage:
        given = ["--output", str(self.runs / out), "--sounds.index", self.arguments.clips, "--sounds.evaluate", evaluate]
        return self.stage(f"dry sounds; {evaluate} apart", "data/prepare_sounds.py", "sounds", out, *given, *options)

    def asked(self, out: str, prefix: str, questions: str, dry: Stage, *options: str) -> tuple[Stage, Stage]:
        """Scenes with these sounds, and questions about them."""
        configs = self.configs / f"{prefix}scenes.yaml", self.configs / questions
        index = ["--simulation.sounds.index", str(dry.folder / "index.csv")]
        return data_stages(*configs, self.runs / out, [*index, *options], [dry])

    def heard(self, prefix: str, dry: Stage) -> tuple[Stage, Stage]:
        """Scenes with both heads, and questions about them."""
        heads = f'["binaural", "binaural:{self.arguments.head}"]'
        return self.asked(f"{prefix}data", prefix, "questions.yaml", dry, "--simulation.formats", heads)

    def hearing(self, out: str, questions: Stage, needs: Sequence[Stage] = (), **options: Path) -> Stage:
        """An encoder that hears those scenes."""
        manifests = {f"{split}_manifest": questions.folder / f"{split}.jsonl" for split in ("train", "eval")}
        title, options = "the encoder learns what, where and how far", options | {"cues_folder": self.runs / "cues"}
        return self.recipe(title, "train_encoder", out, [questions, *needs], **manifests, **options)

    def parts(self, encoder: Stage, text: Stage) -> dict[str, Path]:
        """What is joined, and on what."""
        models = {"encoder": encoder.folder / "model", "language_model": text.folder / "model"}
        return models | {"train_manifest": self.runs / "data" / "train.jsonl", "cache_folder": self.runs / "encoded"}

    def learning(self) -> list[list[Stage]]:
        """From the sounds to the packed model."""
        runs, train = self.runs, self.runs / "data" / "train.jsonl"
        dry = self.sounds("sounds", "held_out")
        first = [*self.heard("first_", dry)]
        first.append(self.hearing("first_encoder", first[-1]))
        scenes, questions = self.heard("", dry)
        begun = {"initial_encoder": runs / "first_encoder" / "model"}
        second = self.hearing("second_encoder", questions, first[-1:], **begun)
        encoder = self.hearing("encoder", questions, [second], initial_encoder=runs / "second_encoder" / "model")
        words, join = "the language model learns scenes in words", "projector and LoRA join the two"
        first_text = self.recipe(words, "pretrain_text", "first_text", [questions], manifest=train)
        begun = {"initial_language_model": first_text.folder / "model"}
        text = self.recipe(words, "pretrain_text", "text", [first_text], manifest=train, **begun)
        first_bat = self.recipe(join, "finetune_bat", "first_bat", [second, first_text], **self.parts(second, first_text))
        begun = {"start_from": first_bat.folder / "model"}
        bat = self.recipe(join, "finetune_bat", "bat", [encoder, text, first_bat], **self.parts(encoder, text), **begun)
        pack = ["recipes/pack_tiny.py", "--model", str(runs / "bat" / "model"), "--out", str(runs / "packed")]
        packed = Stage("the model in half precision, as it is to ship", pack, runs / "packed", needs=[bat])
        return [[dry], first, [scenes], [questions], [second], [encoder], [first_text, text], [first_bat, bat], [packed]]

    def tests(self, packed: Stage) -> list[Stage]:
        """Each test set: recorded sounds alone, for the built-in ones are caricatures, and easy."""
        dry = self.sounds("test_sounds", "test", "--sounds.synthesized", "[]", "--sounds.speeds", "[1.0]")
        head = ["--simulation.formats", f'["binaural:{self.arguments.test_head}"]']
        options = {"kemar": [], "head": head, "measured": ["--simulation.eval.responses", self.arguments.test_responses]}
        stages, model = [dry], str(packed.folder)
        for name, (number, sources) in product(TEST_SETS, NUMBERS.items()):
            out, each = f"test_{name}_{number}", self.arguments.test_clips // len(sources)
            many = [f"--simulation.eval.clips_{count}_source{'s' * (count != 'one')}={each}" for count in sources]
            asked = "test_counts.yaml" if number == "mixed" else "test_questions.yaml"
            scenes, questions = self.asked(out, "test_", asked, dry, *many, *options[name])
            manifest, folder = str(scenes.folder / "eval.jsonl"), scenes.folder / "run"
            stages += [scenes, questions, *scoring_stages(TASK, model, manifest, folder, [packed, questions], CONTROLS)]
            if number == "one":
                heads = [f"--model={self.runs / 'encoder' / 'model'}", f"--data={manifest}", f"--out={folder / 'encoder'}"]
                title, command = "its encoder's own heads", ["eval/encoder.py", *heads]
                stages.append(Stage(title, command, folder / "encoder", needs=[packed, questions]))
        return stages

    def all(self) -> dict[str, list[Stage]]:
        """By the names of STAGES, in order."""
        learning, text = self.learning(), self.configs / "card.md"
        tests, out = self.tests(learning[-1][0]), self.runs / "packed"
        command = ["recipes/pack_tiny.py", "--out", str(out), "--runs", str(self.runs), "--template", str(text)]
        card = Stage("its card", command, out, configs=[text], needs=tests, marker="card.stage.json")
        return dict(zip(STAGES, [*learning, tests, [card]], strict=True))


def main(arguments: Arguments) -> None:
    chain = Chain(arguments).all()
    run_stages([stage for name in STAGES[: STAGES.index(arguments.until) + 1] for stage in chain[name]])


if __name__ == "__main__":
    try:
        main(parse_arguments(Arguments, description=__doc__))
    except SpatialLLMError as error:
        sys.exit(f"error: {error}")
