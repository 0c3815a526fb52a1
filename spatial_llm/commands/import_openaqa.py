"""Import OpenAQA, or a set of its layout: a JSON list of questions about recordings becomes a manifest.

    spatial-llm import-openaqa --json openaqa_5.6M.json --audio AUDIO --strip /data/sls/ --mono both_ears --out DATA

AUDIO holds the recordings, which are not released with the questions; --strip is the beginning of audio_id that AUDIO stands
for. Fields, recordings and tasks that are missing are named with their numbers, and nothing is written then; --missing
leave_out goes without such recordings. The manifest's questions are free ones (type open); --labels output keeps the labels
of LTU's evaluation sets, which the tasks hearing_classes and hearing_labels score. Reads row by row, so any length will do.
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.importing.openaqa import OpenAqaArguments
from spatial_llm.data.importing.openaqa import main as import_openaqa


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    import_openaqa(read_settings(OpenAqaArguments, "import-openaqa", __doc__, argv, script))
