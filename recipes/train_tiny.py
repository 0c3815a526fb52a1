"""Training `spatial-llm-tiny`, the model that ships with the package, from dry sounds to scores on frozen manifests.

    python recipes/train_tiny.py --clips CLIPS/index.csv --head IRC_1002.sofa --test_head KU100.sofa \
        --test_responses RESPONSES/index.csv [--until scenes|...] [--runs runs/tiny]

2 CPU cores, no download, about three hours; a stage that is finished and whose configuration did not change is reused.
`--clips` lists recorded sounds (columns file, label, split, source_recording, licence, attribution), `--head` is a SOFA
file to train with beside KEMAR, `--test_head` and `--test_responses` are what is only scored on.
"""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.arguments import parse_arguments
from spatial_llm.training.stages import Stage, run_stages, scoring_stages

TASK = Path("eval/tasks/ours.yaml")
TESTS = ("kemar", "head", "measured")  # the head it was trained with, another one, and measured room responses
CLIPS = {"one": "clips_one_source", "two": "clips_two_sources"}
STAGES = ("sounds", "scenes", "questions", "encoder", "text", "bat", "packed", "tests", "card")


@dataclass
class Arguments:
    """What to train from, and where.

    Attributes:
        clips: index CSV of recorded dry sounds.
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


def stages(arguments: Arguments) -> dict[str, list[Stage]]:
    """The stages, in order; "tests" are several."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    card_text = configs / "card.md"
    train, held_out = str(runs / "data" / "train.jsonl"), str(runs / "data" / "eval.jsonl")

    def stage(title: str, door: str, config: str, folder: Path, *options: str, needs: tuple[Stage, ...] = ()) -> Stage:
        command = [door, "--config", str(configs / config), *options]
        marker = f"{Path(config).stem}.stage.json"
        launch = door.startswith("recipes/")
        return Stage(title, command, folder, configs=[configs / config], needs=needs, launch=launch, marker=marker)

    def sounds(folder: Path, evaluate: str, *options: str) -> Stage:
        given = ["--output", str(folder), "--sounds.index", arguments.clips, "--sounds.evaluate", evaluate, *options]
        return stage(f"dry sounds; {evaluate} recordings apart", "data/prepare_sounds.py", "sounds.yaml", folder, *given)

    def scenes(title: str, config: str, folder: Path, dry: Stage, *options: str) -> Stage:
        index = ["--simulation.sounds.index", str(dry.folder / "index.csv")]
        return stage(
            title, "data/simulate_scenes.py", config, folder, "--output", str(folder), *index, *options, needs=(dry,)
        )

    def questions(config: str, of: Stage) -> Stage:
        title = "questions about the scenes, with answers that are true"
        return stage(title, "data/write_questions.py", config, of.folder, "--data", str(of.folder), needs=(of,))

    dry = sounds(runs / "sounds", "held_out")
    heads = f'["binaural", "binaural:{arguments.head}"]'
    heard = scenes("rooms and scenes, two heads in turn", "scenes.yaml", runs / "data", dry, "--simulation.formats", heads)
    asked = questions("questions.yaml", heard)
    encoder = stage(
        "the encoder learns what, where and how far", "recipes/train_encoder.py", "encoder.yaml", runs / "encoder",
        "--run_folder", str(runs / "encoder"), "--train_manifest", train, "--eval_manifest", held_out, "--cues_folder",
        str(runs / "cues"), needs=(asked,),
    )  # fmt: skip
    text = stage(
        "the language model learns questions about scenes in words", "recipes/pretrain_text.py", "text.yaml", runs / "text",
        "--run_folder", str(runs / "text"), "--manifest", train, needs=(asked,),
    )  # fmt: skip
    bat = stage(
        "projector and LoRA learn to join the two", "recipes/finetune_bat.py", "bat.yaml", runs / "bat", "--run_folder",
        str(runs / "bat"), "--train_manifest", train, "--encoder", str(encoder.folder / "model"), "--language_model",
        str(text.folder / "model"), "--cache_folder", str(runs / "encoded"), needs=(encoder, text),
    )  # fmt: skip
    packed = Stage(
        "the model in half precision, as it ships",
        ["recipes/pack_tiny.py", "--model", str(bat.folder / "model"), "--out", str(runs / "packed")],
        runs / "packed", needs=(bat,),
    )  # fmt: skip
    # Recorded sounds alone: the built-in ones are caricatures, and easy.
    unheard = sounds(runs / "test_sounds", "test", "--sounds.synthesized", "[]", "--sounds.speeds", "[1.0]")
    measured = ["--simulation.eval.responses", arguments.test_responses]
    options = {"kemar": [], "head": ["--simulation.formats", f'["binaural:{arguments.test_head}"]'], "measured": measured}
    tests = [unheard]
    for name, (number, clips) in itertools.product(TESTS, CLIPS.items()):
        many, folder = [f"--simulation.eval.{clips}", str(arguments.test_clips)], runs / f"test_{name}_{number}"
        scene = scenes(f"test scenes: {folder.name}", "test_scenes.yaml", folder, unheard, *many, *options[name])
        ask = questions("test_questions.yaml", scene)
        tests += [scene, ask, *scoring_stages(TASK, str(packed.folder), folder / "eval.jsonl", folder, (packed, ask))]
    card = Stage(
        "its card",
        ["recipes/pack_tiny.py", "--out", str(runs / "packed"), "--runs", str(runs), "--template", str(card_text)],
        runs / "packed", configs=[card_text], needs=tests, marker="card.stage.json",
    )  # fmt: skip
    made = ([dry], [heard], [asked], [encoder], [text], [bat], [packed], tests, [card])
    return dict(zip(STAGES, made, strict=True))


def main(arguments: Arguments) -> None:
    chain = stages(arguments)
    wanted = list(chain)[: list(chain).index(arguments.until) + 1]
    run_stages([stage for name in wanted for stage in chain[name]])


if __name__ == "__main__":
    try:
        main(parse_arguments(Arguments, description=__doc__))
    except SpatialLLMError as error:
        sys.exit(f"error: {error}")
