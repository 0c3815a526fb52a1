"""The first hour, in five minutes: asks the shipped model about three recordings, then trains it on a new kind of question.

    python recipes/demo.py [--until ask|scenes|questions|before|training|after] [--runs runs/demo]

Needs 2 CPU cores and no download. First it prints the model's answers beside the truth, each with a tick or a cross, and
draws runs/demo/scene.png, which shows where the model places the sounds. Then it trains the model for two minutes on
questions that it was never trained on: the elevation of a sound, in degrees. At the end it prints, for rooms, recordings and
wordings that the model never met, the share of answers within 20 degrees before and after, with n and interval, and what
became of the questions that it knew. A stage that is finished and whose configuration did not change is reused. The path
from nothing is recipes/demo_train.py.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatial_llm.door import door
from spatial_llm.evaluation.predicting.evaluation_set import read_questions
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.model import SpatialLLM
from spatial_llm.questions.families import FAMILIES
from spatial_llm.scenes.picture import draw_believed
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped import find_model
from spatial_llm.shipped.render import read_shipped
from spatial_llm.showcase.gain import format_gain, gain
from spatial_llm.showcase.interview import Asked, believed_places, count_right, format_interview, interview
from spatial_llm.workflow import Stage, data_stages, run_stages

DATA_DOORS = ("data/simulate_scenes.py", "data/write_questions.py")

TASK = Path("eval/tasks/ours.yaml")
STAGES = ("scenes", "questions", "before", "training", "after")
# The shipped recordings in the order shown: what the model can do, what it cannot, and one more.
SHOWN = {
    "one_source_behind": "What it can do: one sound",
    "two_sources": "What it cannot do yet: two sounds at once, without mistakes",
    "one_source": "One sound again, for it is not always right about one either",
}


@dataclass
class DemoArguments:
    """Sets what to run, and where.

    Attributes:
        until: last stage to run.
        runs: folder for everything that is made.
        model: the model to begin with: the name of a shipped one, or a folder.
        data_config: YAML of data/simulate_scenes.py.
        questions_config: YAML of data/write_questions.py.
        family: question family that this config asks beside known ones; its gain is shown first.
        training_config: YAML of recipes/finetune_bat.py.
    """

    until: Literal["ask", *STAGES] = "after"
    runs: str = "runs/demo"
    model: str = "tiny"
    data_config: str = "data/configs/demo.yaml"
    questions_config: str = "data/configs/demo_questions.yaml"
    family: Literal[tuple(family.name for family in FAMILIES if not family.is_official)] = "elevation"
    training_config: str = "recipes/configs/demo.yaml"


def ask(name: str, picture: Path) -> None:
    """Asks about the shipped recordings, prints each answer beside the truth, and draws both."""
    model, shipped = SpatialLLM.from_pretrained(name), {scene.id: (scene, path) for scene, path in read_shipped()}
    scenes, believed, everything = [], [], list[Asked]()
    for scene_id, title in SHOWN.items():
        scene, recording = shipped[scene_id]
        labels = " and ".join(source.label for source in scene.sources)
        print(f"\n{title}.\n{recording.name} ({labels}; a room and a recording that the model never met)")
        asked = interview(model, scene, recording)
        print(format_interview(asked), flush=True)
        scenes.append(scene)
        believed.append(believed_places(asked, len(scene.sources)))
        everything += asked
    draw_believed(scenes, believed, picture)
    print(f"\n{count_right(everything)}: places need every word right and the distance within 0.5 m, azimuths 20 degrees.")
    print("This is a first look; scores on thousands of questions, with intervals, are in the card: README.md of the model.")
    print(f"where the sounds are (filled) and where the model thinks they are (rings), the listener looks up: {picture}")


def stages(arguments: DemoArguments) -> dict[str, Stage]:
    """Returns the stages, in order."""
    runs, weights = Path(arguments.runs), sorted(Path(find_model(arguments.model)).glob("*.safetensors"))
    training_config, unseen = Path(arguments.training_config), str(runs / "data" / "eval.jsonl")
    task = [TASK, *sorted(TASK.parent.glob("common/*.yaml"))]

    def predict(model: str, folder: str) -> list[str]:
        return ["eval/predict.py", "--task", str(TASK), "--model", model, "--data", unseen, "--out", str(runs / folder),
                "--batch_size", "64", "--controls", "[]"]  # fmt: skip

    title = f"write questions of a family that the model does not know ({arguments.family}), and a few that it does"
    scenes, questions = data_stages(
        DATA_DOORS, Path(arguments.data_config), Path(arguments.questions_config), runs / "data", title=title
    )
    before = Stage(
        "the model as it is answers about unseen rooms and recordings",
        predict(arguments.model, "before"), runs / "before", configs=[*task, *weights], needs=[questions],
    )  # fmt: skip
    training = Stage(
        "train its projector and LoRA on the new family for about two minutes",
        ["recipes/finetune_bat.py", "--config", str(training_config), "--run_folder", str(runs / "finetuned"),
         "--start_from", arguments.model, "--train_manifest", str(runs / "data" / "train.jsonl"),
         "--cache_folder", str(runs / "encoded")],
        runs / "finetuned", configs=[training_config, *weights], needs=[questions], launch=True,
    )  # fmt: skip
    after = Stage(
        "the trained model answers the same questions",
        predict(str(runs / "finetuned" / "model"), "after"), runs / "after", configs=task, needs=[training],
    )  # fmt: skip
    return dict(zip(STAGES, (scenes, questions, before, training, after), strict=True))


def main(arguments: DemoArguments) -> None:
    runs = Path(arguments.runs)
    ask(arguments.model, runs / "scene.png")
    if arguments.until == "ask":
        return
    chain = stages(arguments)
    run_stages([chain[name] for name in STAGES[: STAGES.index(arguments.until) + 1]])
    if arguments.until == "after":
        asked = read_questions(read_task(TASK).questions, runs / "data" / "eval.jsonl")
        rows = gain(runs / "before" / "predictions.jsonl", runs / "after" / "predictions.jsonl", asked)
        print("\nRooms and recordings never met, and half of the wordings; 95 % intervals over recordings:\n")
        print(format_gain(rows, arguments.family))
        print(f"\nthe trained model: {runs / 'finetuned' / 'model'}")


if __name__ == "__main__":
    with door():
        main(parse_arguments(DemoArguments, description=__doc__))
