"""Scores `spatial-llm-tiny` on frozen manifests and writes its card: twelve test sets of unseen rooms, recordings and
wordings.

    python recipes/score_tiny.py --clips CLIPS/index.csv --test_head KU100.sofa --test_responses RESPONSES/index.csv

Run it after recipes/train_tiny.py, in the same folder. It needs 2 CPU cores and no download, and takes about two hours. A
stage that is finished and whose configuration did not change is reused.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from spatial_llm.door import door
from spatial_llm.ranges import Count
from spatial_llm.settings import parse_arguments
from spatial_llm.showcase.card import NUMBERS, TEST_SETS
from spatial_llm.workflow import Stage, data_stages, run_stages, scoring_stages, sounds_stage

SOUND_DOOR = "data/prepare_sounds.py"
DATA_DOORS = ("data/simulate_scenes.py", "data/write_questions.py")
SCORING_DOORS = ("eval/predict.py", "eval/score.py", "eval/report.py")

TASK = Path("eval/tasks/ours.yaml")
CONTROLS = ["--control_recordings", "1800"]  # gives every row of controls in the card 1,000 questions
CONTROLLED = "kemar"  # the test sets whose controls the card shows
ASKED = {"mixed": "test_counts.yaml", "presence": "test_presence.yaml"}  # of as many recordings of one source as of two


@dataclass
class Arguments:
    """Sets what to score, and on what.

    Attributes:
        clips: index CSV of recorded dry sounds, that of recipes/train_tiny.py; its test recordings are used.
        test_head: SOFA file of a head that the model was not trained with.
        test_responses: index CSV of measured binaural room responses.
        runs: folder of recipes/train_tiny.py, with the packed model and its encoder.
        configs: folder of the YAML of every stage and of card.md.
        test_clips: recordings of each test set; 4,800 give the rarest family, nearest of two loudspeakers, 1,000 questions.
    """

    clips: str
    test_head: str
    test_responses: str
    runs: str = "runs/tiny"
    configs: str = "recipes/configs/tiny"
    test_clips: Count = 4800


def test_sets(arguments: Arguments) -> tuple[Stage, dict[tuple[str, str], tuple[Stage, Stage]]]:
    """Returns the stage of the dry sounds (recorded ones only, because the built-in ones are synthetic and easy), and the
    stages of scenes and questions of each test set, by its room and its number of sources."""
    runs, configs = Path(arguments.runs), Path(arguments.configs)
    recorded = ["--sounds.synthesized", "[]", "--sounds.speeds", "[1.0]"]
    dry = sounds_stage(SOUND_DOOR, configs / "sounds.yaml", runs / "test_sounds", arguments.clips, "test", recorded)
    head = ["--simulation.formats", f'["binaural:{arguments.test_head}"]']
    heard = {"kemar": [], "head": head, "measured": ["--simulation.eval.responses", arguments.test_responses]}
    index, made = ["--simulation.sounds.index", str(dry.folder / "index.csv")], {}
    for name, number in product(TEST_SETS, NUMBERS):
        sources = ("one", "two") if number in ASKED else (number,)
        each = arguments.test_clips // len(sources)
        many = [f"--simulation.eval.clips_{count}_source{'s' * (count != 'one')}={each}" for count in sources]
        asked = configs / ASKED.get(number, "test_questions.yaml")
        folder, options = runs / f"test_{name}_{number}", [*index, *many, *heard[name]]
        made[name, number] = data_stages(DATA_DOORS, configs / "test_scenes.yaml", asked, folder, options, [dry])
    return dry, made


def scores(arguments: Arguments, data: dict[tuple[str, str], tuple[Stage, Stage]]) -> list[Stage]:
    """Predicts, scores and reports each test set, scores the encoder's own heads where one source sounds, and writes the
    card."""
    runs, made = Path(arguments.runs), list[Stage]()
    for (name, number), (_, questions) in data.items():
        manifest, folder = str(questions.folder / "eval.jsonl"), questions.folder / "run"
        controls = CONTROLS if name == CONTROLLED else ["--controls", "[]"]
        made += scoring_stages(SCORING_DOORS, TASK, str(runs / "packed"), manifest, folder, [questions], controls)
        if number == "one":
            heads = ["eval/encoder.py", f"--model={runs / 'encoder' / 'model'}", f"--data={manifest}"]
            heads.append(f"--out={folder / 'encoder'}")
            made.append(Stage("its encoder's own heads", heads, folder / "encoder", needs=[questions]))
    template = Path(arguments.configs) / "card.md"
    write = ["recipes/pack_tiny.py", f"--out={runs / 'packed'}", f"--runs={runs}", f"--template={template}"]
    return [*made, Stage("its card", write, runs / "packed", configs=[template], needs=made, marker="card.stage.json")]


if __name__ == "__main__":
    with door():
        given = parse_arguments(Arguments, description=__doc__)
        dry, data = test_sets(given)
        run_stages([dry, *(stage for stages in data.values() for stage in stages), *scores(given, data)])
