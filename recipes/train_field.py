"""Trains the tiny model of the sound field, which hears ambisonics of any order and any array, and scores it by microphone.

    python recipes/train_field.py --clips CLIPS/index.csv [--until sounds|data|encoder|foa_iv|bat|scores] [--runs runs/field]

From dry sounds to two tables: the encoder beside the same encoder over the classical planes of first-order ambisonics, and
the joined model, each on scenes in rooms and with recordings never met, heard by every microphone of the training and by
arrays that were not in it. It needs 2 CPU cores and no download, and takes about three hours. A finished stage whose
configuration did not change is reused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatial_llm.audio.formats import Field, as_format
from spatial_llm.door import door
from spatial_llm.settings import parse_arguments, read_yaml
from spatial_llm.workflow import Stage, data_stages, run_stages, sounds_stage

SOUND_DOOR = "data/prepare_sounds.py"
DATA_DOORS = ("data/simulate_scenes.py", "data/write_questions.py")
AMBISONICS = ["ambisonics1", "ambisonics2", "ambisonics3"]
TASK = Path("recipes/configs/fusion/tiny/task.yaml")
STAGES = ("sounds", "data", "encoder", "foa_iv", "bat", "scores")


@dataclass
class Arguments:
    """Sets the sources of the training, and where to write.

    Attributes:
        clips: index CSV of recorded dry sounds, as for recipes/train_tiny.py.
        until: last stage to run.
        runs: folder for all output.
        configs: folder of the YAML of every stage.
        sounds: YAML of data/prepare_sounds.py.
    """

    clips: str
    until: Literal[*STAGES] = "scores"
    runs: str = "runs/field"
    configs: str = "recipes/configs/field/tiny"
    sounds: str = "recipes/configs/tiny/sounds.yaml"


class Chain:
    """Builds the stages of one run, each named after the YAML that configures it."""

    def __init__(self, arguments: Arguments) -> None:
        self.arguments, self.runs, self.configs = arguments, Path(arguments.runs), Path(arguments.configs)

    def data(self, dry: Stage, scenes: str, out: str, *options: str) -> tuple[Stage, Stage]:
        """Returns the stages of scenes with these sounds, and of questions about them."""
        index = ["--simulation.sounds.index", str(dry.folder / "index.csv"), *options]
        configs = self.configs / f"{scenes}.yaml", self.configs / "questions.yaml"
        return data_stages(DATA_DOORS, *configs, self.runs / out, index, [dry])

    def recipe(self, title: str, script: str, out: str, needs: list[Stage], **options: Path) -> Stage:
        config, folder = self.configs / f"{out}.yaml", self.runs / out
        given = [f"--run_folder={folder}", *(f"--{name}={value}" for name, value in options.items())]
        command = [f"recipes/{script}.py", "--config", str(config), *given]
        return Stage(title, command, folder, configs=[config], needs=needs, launch=True)

    def encoder(self, title: str, out: str, questions: Stage) -> Stage:
        given = {f"{split}_manifest": questions.folder / f"{split}.jsonl" for split in ("train", "eval")}
        return self.recipe(title, "train_encoder", out, [questions], **given, cues_folder=self.runs / "cues")

    def scores(self, test: Stage, encoders: list[Stage], bat: Stage) -> list[Stage]:
        """Returns the stages that hear the test scenes with every microphone, and score encoders and joined model."""
        formats = [as_format(text) for text in read_yaml(self.configs / "test_scenes.yaml").content["simulation"]["formats"]]
        manifest = test.folder / "eval.jsonl"
        given = ["--manifest", str(manifest), "--formats", str([each.text for each in formats])]
        heard = Stage("the test scenes as heard with every microphone", ["data/hear_with.py", *given], test.folder,
                      needs=[test], marker="heard_with.json")  # fmt: skip
        manifests = {each.name: manifest.with_name(f"eval-{each.name}.jsonl") for each in formats}
        folders = [*(str(stage.folder / "model") for stage in encoders), str(self.runs / "parts" / "encoder")]
        out = self.runs / "encoder_scores"
        command = ["eval/formats.py", f"--encoders={folders}", f"--manifests={[str(each) for each in manifests.values()]}"]
        by_format = [heard, Stage("the encoders by microphone", [*command, f"--out={out}"], out, needs=[heard, *encoders])]
        scores, asked = self.runs / "scores", ["--task", str(TASK)]
        hears = [each.name for each in formats if Field().takes(each)]
        for name in hears:
            answers, out, data = self.runs / "answers" / name, scores / name, ["--data", str(manifests[name])]
            predict = ["eval/predict.py", *asked, *data, f"--model={bat.folder / 'model'}", f"--out={answers}"]
            score = ["eval/score.py", *asked, *data, f"--predictions={answers / 'predictions.jsonl'}", f"--out={out}"]
            answered = Stage(f"answers about {name}", predict, answers, configs=[TASK], needs=[heard, bat])
            by_format += [answered, Stage(f"scores of {name}", score, out, configs=[TASK], needs=[answered])]
        table = ["eval/formats.py", f"--scores={[str(scores / name) for name in hears]}"]
        out = self.runs / "table"
        last = Stage("the joined model by microphone", [*table, f"--out={out}"], out, needs=by_format[1:])
        return [*by_format, last]

    def stages(self) -> list[list[Stage]]:
        """Returns all stages, one list for each name in STAGES."""
        runs, clips, config = self.runs, self.arguments.clips, Path(self.arguments.sounds)
        dry = sounds_stage(SOUND_DOOR, config, runs / "sounds", clips, "held_out")
        recorded = ["--sounds.synthesized_eval=0"]  # scoring uses recorded sounds only
        unheard = sounds_stage(SOUND_DOOR, config, runs / "test_sounds", clips, "test", recorded)
        scenes, questions = self.data(dry, "scenes", "data")
        first_order, its_questions = self.data(dry, "scenes", "ambisonics", f"--simulation.formats={AMBISONICS}")
        test_scenes, test = self.data(unheard, "test_scenes", "test")
        encoder = self.encoder("the encoder of the sound field", "encoder", questions)
        classical = self.encoder("the same encoder over the classical planes", "foa_iv", its_questions)
        unpack = ["-m", "spatial_llm", "parts", "tiny", str(runs / "parts")]
        parts = Stage("language model of the shipped model", unpack, runs / "parts")
        given = {"encoder": encoder.folder / "model", "language_model": runs / "parts" / "language_model"}
        given |= {"train_manifest": questions.folder / "train.jsonl", "cache_folder": runs / "encoded"}
        bat = self.recipe("projector and LoRA join the two", "finetune_bat", "bat", [encoder, parts], **given)
        return [
            [dry, unheard],
            [scenes, questions, test_scenes, test],
            [encoder],
            [first_order, its_questions, classical],
            [parts, bat],
            self.scores(test, [encoder, classical], bat),
        ]


if __name__ == "__main__":
    with door():
        arguments = parse_arguments(Arguments, description=__doc__)
        wanted = Chain(arguments).stages()[: STAGES.index(arguments.until) + 1]
        run_stages([stage for stages in wanted for stage in stages])
