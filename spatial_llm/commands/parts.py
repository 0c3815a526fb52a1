"""Write encoder and language model of a saved model as folders to train with.

spatial-llm parts MODEL FOLDER [--merged]
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("parts", script or __doc__)
    parser.add_argument("model", help="folder of a saved SpatialLLM, or tiny, which comes with the package")
    parser.add_argument("folder", help="where to write the folders encoder and language_model; replaces such folders")
    parser.add_argument("--merged", action="store_true", help="add LoRA to the language model (default: leave it out)")
    arguments = parser.parse_args(argv)

    from spatial_llm import SpatialLLM
    from spatial_llm.model.parts import save_parts

    save_parts(SpatialLLM.from_pretrained(arguments.model), arguments.folder, arguments.merged)
    print(f"{arguments.folder}: encoder and language_model")
