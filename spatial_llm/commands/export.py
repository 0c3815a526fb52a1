"""Write a saved model as a file of the official layout, the reverse of convert; or its language model for other engines.

spatial-llm export spatial_ast|dspast|bat FOLDER FILE
spatial-llm export merged FOLDER OUT
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("export", script or __doc__)
    parser.add_argument(
        "kind",
        choices=["spatial_ast", "dspast", "bat", "merged"],
        help="whose layout; bat: projector and LoRA; merged: the language model with LoRA in its weights, as a folder",
    )
    parser.add_argument("folder", help="of an encoder with heads, or of a saved SpatialLLM")
    parser.add_argument("file", help="file to write (.pth, .pt); merged: folder to write, new or empty")
    arguments = parser.parse_args(argv)

    if arguments.kind == "merged":
        from spatial_llm.checkpoints.merged import export_merged

        print(export_merged(arguments.folder, arguments.file))
        return
    from spatial_llm.checkpoints import export_folder

    print(export_folder(arguments.kind, arguments.folder, arguments.file))
