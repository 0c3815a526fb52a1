"""A trained model answers the questions of a task, and those of the task's controls.

    spatial-llm predict --task ours --model tiny --data runs/demo/data/eval.jsonl --out runs/demo/answers

Writes predictions.jsonl (one line a question, with the raw answer) and run.json (model, task, questions and decoding) into
the folder --out, and those of each control into controls/<control>/ in it, anew in each call; only --resume continues an
interrupted run. `--data` is a manifest (.jsonl), the SpatialSoundQA folder with closed-end/, AudioSet/ and mp3d_reverb/, a
stage of it, or one of its question files. Options that replace a value of the task are recorded in run.json. Takes about a
minute for 1,000 questions with the tiny model on 2 cores. Score the result with
`spatial-llm score` (eval/score.py).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.commands.arguments import read_settings
from spatial_llm.evaluation.predicting.evaluation_set import read_questions, with_head, with_limits
from spatial_llm.evaluation.predicting.predict import predict
from spatial_llm.evaluation.predicting.tasks import Control, Responses, read_task
from spatial_llm.ranges import Count, Seed


@dataclass
class PredictArguments:
    """Sets what to answer, and how.

    Attributes:
        model: folder of a saved SpatialLLM, or tiny, which comes with the package.
        out: folder for predictions.jsonl, run.json and controls/.
        task: path, or name in the package, of the YAML of the task; ours is for manifests of our simulator.
        data: the questions; default: those that the task names.
        resume: continue an interrupted run of the same model, questions and settings.
        batch_size: questions answered at a time; answers do not depend on it.
        device: torch's name of it; default: a GPU if there is one.
        merge_lora: add LoRA to the weights while answering: faster; an answer may differ where two are nearly as likely.
        audio_root: for SpatialSoundQA or a manifest of it, the folder of the dry sounds; default: AudioSet in its folder.
        reverb_root: for SpatialSoundQA or a manifest of it, the folder with binaural/; default: mp3d_reverb in its folder.
        head: SOFA file of the head to whose ears ambisonics and arrays are rendered for a model of two ears; default: KEMAR.
        audio_limits: how long and large a recording may be, and whether cut files are read.
        num_beams: replaces the task's number of beams; 1 is greedy, BAT's own scores use 4.
        max_new_tokens: replaces the task's longest answer.
        responses: replaces the task's room-response policy.
        controls: replaces the task's list of controls; [] for none.
        control_recordings: replaces the task's number of recordings on which the controls are run, or all.
        seed: replaces the task's seed.
    """

    model: str
    out: str
    task: str = "ours"
    data: str | None = None
    resume: bool = False
    batch_size: Count = 16
    device: str | None = None
    merge_lora: bool = False
    audio_root: str | None = None
    reverb_root: str | None = None
    head: str | None = None
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    num_beams: Count | None = None
    max_new_tokens: Count | None = None
    responses: Responses | None = None
    controls: list[Control] | None = None
    control_recordings: Count | Literal["all"] | None = None
    seed: Seed | None = None

    def overrides(self) -> dict:
        """Returns the options that replace values of the task, by the task's keys."""
        given = {
            "decoding.num_beams": self.num_beams,
            "decoding.max_new_tokens": self.max_new_tokens,
            "responses": self.responses,
            "controls": self.controls,
            "control_recordings": self.control_recordings,
            "seed": self.seed,
        }
        return {key: None if value == "all" else value for key, value in given.items() if value is not None}


def _predict(arguments: PredictArguments) -> None:
    task = read_task(arguments.task)
    evaluation_set = read_questions(task.questions, arguments.data, arguments.audio_root, arguments.reverb_root)
    evaluation_set = with_limits(evaluation_set, arguments.audio_limits)
    if arguments.head is not None:
        evaluation_set = with_head(evaluation_set, arguments.head)
    evaluation_set.check_files()
    path = predict(
        arguments.model,
        evaluation_set,
        arguments.out,
        task,
        batch_size=arguments.batch_size,
        resume=arguments.resume,
        device=arguments.device,
        overrides=arguments.overrides(),
        merge_lora=arguments.merge_lora,
    )
    print(f"{len(evaluation_set.items)} answers in {path}")


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    given = sys.argv[1:] if argv is None else argv
    # --resume is a switch on the command line; in YAML it is `resume: true`
    given = ["--resume=true" if argument == "--resume" else argument for argument in given]
    _predict(read_settings(PredictArguments, "predict", __doc__, given, script))
