"""Join several encoders that hear side by side, as one folder to train with.

spatial-llm join-encoders FOLDER ENCODER ENCODER ...
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser
from spatial_llm.errors import SpatialLLMError


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("join-encoders", script or __doc__)
    parser.add_argument("folder", help="where to write the encoder and its feature extractor; replaces an encoder")
    parser.add_argument("encoders", nargs="+", metavar="encoder", help="folder of one; the first gives rate and grid")
    arguments = parser.parse_args(argv)
    if len(arguments.encoders) < 2:
        raise SpatialLLMError(f"one encoder, {arguments.encoders[0]}; give two or more after the folder to write.")

    from spatial_llm import ParallelEncoder
    from spatial_llm.encoders.seal import SEAL
    from spatial_llm.files import atomic_path, check_place

    check_place(arguments.folder, folder=True, replaces=SEAL)
    encoder = ParallelEncoder.from_encoders(arguments.encoders)
    with atomic_path(arguments.folder) as temporary:
        encoder.save_pretrained(temporary)
        encoder.config.feature_extractor().save_pretrained(temporary)
    print(f"{arguments.folder}:\n{encoder.config.in_words()}")
