"""The whole path on simulated data: rooms and sounds, encoder, language model, BAT, scores, three questions.

    python recipes/demo_train.py [--until scenes|data|encoder|text|bat|answers|scores|report|ask] [--runs runs/demo_train]

Needs 2 CPU cores and no download, and takes 9 to 14 minutes. A stage that is finished and whose configuration did not change
is reused. Expected with the configuration as shipped: left/right of one source right in at least 90 % of the answers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatial_llm.audio.writing import write_sound
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.door import door
from spatial_llm.evaluation.report.scores_table import first_part
from spatial_llm.model import SpatialLLM
from spatial_llm.questions.families import location_of_named
from spatial_llm.settings import parse_arguments
from spatial_llm.workflow import Stage, data_stages, run_stages, scoring_stages

DATA_DOORS = ("data/simulate_scenes.py", "data/write_questions.py")
SCORING_DOORS = ("eval/predict.py", "eval/score.py", "eval/report.py")

TASK = Path("eval/tasks/ours.yaml")
STAGES = ("scenes", "data", "encoder", "text", "bat", "answers", "scores", "report")
CONTROL_RECORDINGS = 150  # of 600 recordings; four controls take about 15 s


@dataclass
class DemoArguments:
    """Sets what to run, and where.

    Attributes:
        until: last stage to run.
        runs: folder for everything that is made.
        data_config: YAML of data/simulate_scenes.py.
        questions_config: YAML of data/write_questions.py.
        configs: folder with encoder.yaml, text.yaml and bat.yaml.
    """

    until: Literal[*STAGES, "ask"] = "ask"
    runs: str = "runs/demo_train"
    data_config: str = "data/configs/demo_train.yaml"
    questions_config: str = "data/configs/demo_train_questions.yaml"
    configs: str = "recipes/configs/demo_train"


def stages(arguments: DemoArguments) -> dict[str, Stage]:
    """Returns the stages up to the scores, in order."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    train, unseen = str(runs / "data" / "train.jsonl"), str(runs / "data" / "eval.jsonl")

    def recipe(name: str, config: str, *options: str) -> list[str]:
        return [f"recipes/{name}.py", "--config", str(configs / config), *options]

    scenes, data = data_stages(DATA_DOORS, Path(arguments.data_config), Path(arguments.questions_config), runs / "data")
    encoder = Stage(
        "train the tiny encoder to hear what, where and how far",
        recipe("train_encoder", "encoder.yaml", "--run_folder", str(runs / "encoder"), "--train_manifest", train,
               "--eval_manifest", unseen, "--cues_folder", str(runs / "cues")),
        runs / "encoder", configs=[configs / "encoder.yaml"], needs=[data], launch=True,
    )  # fmt: skip
    text = Stage(
        "teach the tiny language model questions about scenes in words",
        recipe("pretrain_text", "text.yaml", "--run_folder", str(runs / "text"), "--manifest", train),
        runs / "text", configs=[configs / "text.yaml"], needs=[data], launch=True,
    )  # fmt: skip
    bat = Stage(
        "connect the two: train projector and LoRA on questions about recordings",
        recipe("finetune_bat", "bat.yaml", "--run_folder", str(runs / "bat"), "--train_manifest", train, "--encoder",
               str(runs / "encoder" / "model"), "--language_model", str(runs / "text" / "model"), "--cache_folder",
               str(runs / "encoded")),
        runs / "bat", configs=[configs / "bat.yaml"], needs=[encoder, text], launch=True,
    )  # fmt: skip
    control = ["--control_recordings", str(CONTROL_RECORDINGS)]
    scoring = scoring_stages(SCORING_DOORS, TASK, str(runs / "bat" / "model"), unseen, runs, [bat], control)
    chain = (scenes, data, encoder, text, bat, *scoring)
    return dict(zip(STAGES, chain, strict=True))


def ask_three(runs: Path) -> None:
    """Asks about the first unseen recording of one sound: what it is, where it is, and where it is when named."""
    manifest = runs / "data" / "eval.jsonl"
    records = read_manifest(manifest)
    where = next(record for record in records if record.type == "B")
    what = next(record for record in records if record.type == "A" and record.recording_id == where.recording_id)
    named = location_of_named.WORDINGS.official[0].format(x=where.scene.sources[0].label)
    wav = runs / "unseen.wav"
    write_sound(wav, render_record(where, manifest.parent), where.sampling_rate, "WAV", "FLOAT")
    print(f"\nthree questions about {wav}, not met in training (room {where.scene.room.id}):")
    model = SpatialLLM.from_pretrained(runs / "bat" / "model")
    for question, truth in ((what.question, what.answer), (where.question, where.answer), (named, where.answer)):
        print(f"  {question}\n    answer: {model.ask(wav, question)}\n    truth:  {truth}")


def main(arguments: DemoArguments) -> None:
    chain = stages(arguments)
    last = "report" if arguments.until == "ask" else arguments.until
    wanted = list(chain)[: list(chain).index(last) + 1]
    reused = chain["scores"].finished()
    run_stages([chain[name] for name in wanted])
    if last in ("scores", "report") and reused:
        print(first_part((chain["scores"].folder / "scores.md").read_text()))
    if arguments.until == "ask":
        ask_three(Path(arguments.runs))


if __name__ == "__main__":
    with door():
        main(parse_arguments(DemoArguments, description=__doc__))
