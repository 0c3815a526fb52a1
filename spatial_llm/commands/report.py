"""Report scores: one HTML page with plots, controls and the twenty worst items with their recordings; needs no model.

    spatial-llm report --scores runs/demo/scores --data runs/demo/data/eval.jsonl --out runs/demo/report

--scores is the folder that `spatial-llm score` (eval/score.py) wrote (scores.json and items.jsonl), --data is what it was
given. Written into the folder --out, whole or not at all: index.html (opens from the disk, no network), report.md, plots and
recordings; an existing report is replaced. With --single_file true index.html holds its pictures and recordings itself (up
to 25 MB) and stands alone, to be sent to somebody. The last line printed says whether the model listens. Takes half a minute
for 4,000 questions on one core. To make a picture of the page's top:

    chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,1180 --screenshot=report.png REPORT/index.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.commands.arguments import read_settings
from spatial_llm.evaluation.predicting.evaluation_set import asked_questions, with_limits
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.evaluation.report import write_report
from spatial_llm.evaluation.report.write import read_scores
from spatial_llm.evaluation.verdicts import hearing_verdict


@dataclass
class ReportArguments:
    """Sets what to report on.

    Attributes:
        scores: folder with scores.json and items.jsonl.
        out: folder for the report.
        data: the questions that were scored; default: those of the task.
        task: path, or name in the package, of the YAML of the task, if one was used for scoring.
        audio_root: for SpatialSoundQA or a manifest of it, the folder of the dry sounds; default: AudioSet in its folder.
        reverb_root: for SpatialSoundQA or a manifest of it, the folder with binaural/; default: mp3d_reverb in its folder.
        audio_limits: how long and large a recording may be, and whether cut files are read.
        single_file: write one HTML file that holds pictures and recordings, and nothing beside it.
    """

    scores: str
    out: str
    data: str | None = None
    task: str | None = None
    audio_root: str | None = None
    reverb_root: str | None = None
    audio_limits: AudioLimits = field(default_factory=AudioLimits)
    single_file: bool = False


def _report(arguments: ReportArguments) -> None:
    task = None if arguments.task is None else read_task(arguments.task)
    evaluation_set = asked_questions(task, arguments.data, arguments.audio_root, arguments.reverb_root)
    evaluation_set = with_limits(evaluation_set, arguments.audio_limits)
    if task is not None and task.responses != "as_recorded":
        evaluation_set = evaluation_set.with_responses(task.responses)  # as in the input of the model
    page = write_report(arguments.scores, evaluation_set, arguments.out, arguments.single_file)
    print(f"written: {page}\n{hearing_verdict(read_scores(Path(arguments.scores) / 'scores.json'))}")


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    _report(read_settings(ReportArguments, "report", __doc__, argv, script))
