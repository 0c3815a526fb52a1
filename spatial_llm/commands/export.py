"""Write a saved model as a file of the official layout, the reverse of convert.

spatial-llm export spatial_ast|dspast|bat FOLDER FILE
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("export", script or __doc__)
    parser.add_argument("kind", choices=["spatial_ast", "dspast", "bat"], help="whose layout; bat: projector and LoRA")
    parser.add_argument("folder", help="of an encoder with heads, or of a saved SpatialLLM")
    parser.add_argument("file", help="file to write (.pth, .pt)")
    arguments = parser.parse_args(argv)

    from spatial_llm.checkpoints import export_folder

    print(export_folder(arguments.kind, arguments.folder, arguments.file))
