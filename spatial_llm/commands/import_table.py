"""Import a table of annotations, a CSV of which sound is where and when, under a convention that you declare.

    spatial-llm import-table --csv my.csv --out DATA --format foa --convention.azimuth clockwise --convention.zero front \\
        --convention.angles degrees --convention.elevation up --convention.distance m

The CSV has the columns file, start, end, label, azimuth, and if wanted elevation, distance, source, split, room, recording
(data/README.md explains them). What its numbers mean is never guessed. Recordings of any format are cut into windows, and
questions are written about them, as `import-dcase` does. A wrong row ends the run with a sentence that shows the row as it
would be right; nothing is written then. For questions and answers of your own: `import`. Needs a CPU only.
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.importing.annotations import TableArguments
from spatial_llm.data.importing.annotations import main as import_table


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    import_table(read_settings(TableArguments, "import-table", __doc__, argv, script))
