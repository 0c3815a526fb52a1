"""Import recordings of your own with questions of your own: a CSV becomes manifests to train and to evaluate on.

    spatial-llm import --csv my.csv --out DATA

The CSV has the columns audio, question, answer, and if wanted label, azimuth, elevation, distance, start, end, split,
recording, room (data/README.md explains them). The recordings are checked and copied, or cut by start and end, so that DATA
can be moved as a whole. A wrong row ends the run with a sentence that shows the row as it would be right; nothing is written
then. Needs a CPU only; about a hundred recordings a second.
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.importing.run import ImportArguments
from spatial_llm.data.importing.run import main as import_recordings


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    import_recordings(read_settings(ImportArguments, "import", __doc__, argv, script))
