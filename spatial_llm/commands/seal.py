"""Accept a wanted change to the files of a saved model, if it loads.

spatial-llm seal FOLDER
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("seal", script or __doc__)
    parser.add_argument("folder", help="of a saved model")
    arguments = parser.parse_args(argv)

    from spatial_llm.model.resealing import reseal

    reseal(arguments.folder)
    print(f"{arguments.folder}: sealed as it is")
