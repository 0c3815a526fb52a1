"""Check manifests and scene files: every line, every file they name, and that train and eval share nothing.

    spatial-llm check --files '[DATA/train.jsonl, DATA/eval.jsonl]' [--png DATA/check.png]
    spatial-llm check --config check_manifest

Prints counts and balance (with the score of guessing from the questions alone), and draws histograms of azimuth, distance
and class. The first fault ends the run with file, line and field; missing files are listed together; everything that both
splits use (ids, recordings, rooms, sound files of equal content) is listed by kind. The exit status is 0 only if there is no
fault. Needs a CPU only; about 0.3 ms a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.checks import check_files, format_contents
from spatial_llm.data.plots import draw_contents
from spatial_llm.data.spatialsoundqa.release import roots_elsewhere
from spatial_llm.questions.balance import balance_table


@dataclass
class CheckArguments:
    """Sets what to check together.

    Attributes:
        files: manifests and files of scenes; give training and evaluation in one call to find what they share.
        png: where to draw histograms of azimuth, distance and class; default: nowhere.
        by: rows of the balance: types (families), or question types.
        audio_root: folder of AudioSet, for manifests of SpatialSoundQA that have it elsewhere.
        reverb_root: likewise for mp3d_reverb.
    """

    files: list[str]
    png: str | None = None
    by: Literal["type", "question_type"] = "question_type"
    audio_root: str | None = None
    reverb_root: str | None = None


def _check(arguments: CheckArguments) -> None:
    contents = check_files(arguments.files, roots_elsewhere(arguments.audio_root, arguments.reverb_root))
    print("\n".join(format_contents(contents)))
    for split, held in contents.items():
        if held.questions:
            print(f"\nbalance of {split}\n{balance_table(held.balance(arguments.by))}")
    if arguments.png is not None:
        draw_contents(contents, arguments.png)
        print(f"\nwritten: {arguments.png}")


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    _check(read_settings(CheckArguments, "check", __doc__, argv, script))
