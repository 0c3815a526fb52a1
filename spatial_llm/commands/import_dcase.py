"""Import a data set of the DCASE and STARSS family: recordings with frame labels become windows, questions and manifests.

    spatial-llm import-dcase --data STARSS23 --data_set starss23-foa --out DATA

STARSS23 is the unpacked data set, with metadata_dev and foa_dev (or mic_dev, stereo_dev) inside. Recordings are cut into
windows of 10 s, and only what is true of a whole window is asked: a place only of a sound that keeps it, a distance only
where the data set has it, front or back only where its azimuths tell them. The manifests follow the official split. What was
left out is counted, printed and kept in DATA/import.json. Needs a CPU only; about a minute for an hour of recordings.
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.data.importing.dcase import DcaseArguments
from spatial_llm.data.importing.dcase import main as import_dcase


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    import_dcase(read_settings(DcaseArguments, "import-dcase", __doc__, argv, script))
