"""Convert released encoder weights (.pth) to a folder of ours (safetensors), with the feature extractor.

spatial-llm convert dspast FILE.pth FOLDER
"""

from collections.abc import Sequence

from spatial_llm.commands.arguments import Parser


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("convert", script or __doc__)
    parser.add_argument("kind", choices=["spatial_ast", "dspast"], help="which encoder it is")
    parser.add_argument("checkpoint", help="released file")
    parser.add_argument("folder", help="where to write the model and its feature extractor; replaces an encoder")
    arguments = parser.parse_args(argv)

    from spatial_llm import SpatialFeatureExtractor
    from spatial_llm.checkpoints import convert_dspast, convert_spatial_ast, read_official
    from spatial_llm.encoders.seal import SEAL
    from spatial_llm.files import atomic_path, check_place

    check_place(arguments.folder, folder=True, replaces=SEAL)
    converter = {"spatial_ast": convert_spatial_ast, "dspast": convert_dspast}[arguments.kind]
    model, report = converter(read_official(arguments.checkpoint))
    with atomic_path(arguments.folder) as temporary:
        temporary.mkdir()
        model.save_pretrained(temporary)
        SpatialFeatureExtractor.for_encoder(model.config).save_pretrained(temporary)
    print(f"{arguments.folder}: {report.summary()}")
