"""Import recordings of your own with questions of your own: a CSV becomes manifests to train and to evaluate on.

    python data/import_recordings.py --csv my.csv --out DATA

The CSV has the columns audio, question, answer, and if wanted label, azimuth, elevation, distance, start, end, split,
recording, room (data/README.md explains them). The recordings are checked and copied, or cut by start and end, so that DATA
can be moved as a whole. A wrong row ends the run with a sentence that shows the row as it would be right; nothing is written
then. Needs a CPU only; about a hundred recordings a second.
"""

from spatial_llm.data.importing.run import ImportArguments, main
from spatial_llm.door import door
from spatial_llm.settings import parse_arguments

if __name__ == "__main__":
    with door("import_recordings"):
        main(parse_arguments(ImportArguments, description=__doc__.splitlines()[0]))
