"""`spatial-llm env | ask | convert | export | parts | join-encoders | seal | plan`: thin commands over the library."""

import argparse
import sys

from spatial_llm.door import door
from spatial_llm.errors import SpatialLLMError


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, or 1 after an error sentence on standard error."""
    parser = argparse.ArgumentParser(prog="spatial-llm", description="Questions and answers about sound in space.")
    commands = parser.add_subparsers(dest="command", required=True)
    env = commands.add_parser("env", help="versions and devices, for a bug report")
    env.set_defaults(run=_env)
    ask = commands.add_parser("ask", help="ask a model about a binaural recording")
    ask.add_argument(
        "words",
        nargs="*",
        metavar="FILE QUESTION",
        help="two-channel sound file, left ear first, and one question, in quotation marks (a model may come first)",
    )
    ask.add_argument(
        "--list", action="store_true", help="print the kinds of questions that the model was taught, and its sounds"
    )
    ask.add_argument("--strict", action="store_true", help="refuse a question that is near none that the model was taught")
    ask.add_argument("--as_asked", action="store_true", help="put the question as it is, without a warning")
    ask.add_argument(
        "--level_dbfs_at_1m",
        type=float,
        metavar="DBFS",
        help="RMS level that your recordings have of a sound as loud as yours from 1 m in front; distances rest on it",
    )
    ask.add_argument(
        "--model",
        dest="named",
        metavar="FOLDER",
        help="folder of a saved SpatialLLM; default tiny, which comes with the package",
    )
    limits = ask.add_argument_group("limits of the recording")
    limits.add_argument("--audio_limits.max_seconds", dest="max_seconds", type=float, help="longest recording (default 600)")
    limits.add_argument(
        "--audio_limits.max_bytes",
        dest="max_bytes",
        type=int,
        help="largest one, decoded to 4 bytes a sample (default 2**28)",
    )
    limits.add_argument(
        "--audio_limits.allow_truncated",
        dest="allow_truncated",
        choices=["true", "false"],
        help="read a cut file, with a warning",
    )
    ask.add_argument(
        "--max_question_characters", type=int, help="longest question; default: that of the model's processor, 8000"
    )
    ask.set_defaults(run=_ask)
    convert = commands.add_parser("convert", help="released encoder weights (.pth) to a folder of ours (safetensors)")
    convert.add_argument("kind", choices=["spatial_ast", "dspast"], help="which encoder it is")
    convert.add_argument("checkpoint", help="released file")
    convert.add_argument("folder", help="where to write the model and its feature extractor")
    convert.set_defaults(run=_convert)
    export = commands.add_parser("export", help="a saved model as a file of the official layout, the reverse of convert")
    export.add_argument("kind", choices=["spatial_ast", "dspast", "bat"], help="whose layout; bat: projector and LoRA")
    export.add_argument("folder", help="of an encoder with heads, or of a saved SpatialLLM")
    export.add_argument("file", help="file to write (.pth, .pt)")
    export.set_defaults(run=_export)
    parts = commands.add_parser("parts", help="encoder and language model of a saved model, as folders to train with")
    parts.add_argument("model", help="folder of a saved SpatialLLM, or tiny, which comes with the package")
    parts.add_argument("folder", help="where to write the folders encoder and language_model")
    parts.add_argument("--merged", action="store_true", help="add LoRA to the language model (default: leave it out)")
    parts.set_defaults(run=_parts)
    join = commands.add_parser("join-encoders", help="several encoders that hear side by side, as one folder to train with")
    join.add_argument("folder", help="where to write the encoder and its feature extractor")
    join.add_argument("encoders", nargs="+", metavar="encoder", help="folder of an encoder; the first gives rate and grid")
    join.set_defaults(run=_join_encoders)
    seal = commands.add_parser("seal", help="accept a wanted change to the files of a saved model, if it loads")
    seal.add_argument("folder", help="of a saved model")
    seal.set_defaults(run=_seal)
    plan = commands.add_parser("plan", help="GPU memory that a fine-tuning run will take, in each of its modes")
    plan.add_argument("config", help="YAML of recipes/finetune_bat.py")
    plan.add_argument("--text_tokens", type=int, default=128, help="of the longest prompt and answer (default 128)")
    plan.add_argument("overrides", nargs=argparse.REMAINDER, help="--key value, as for the recipe")
    plan.set_defaults(run=_plan)
    arguments = parser.parse_args(argv)
    try:
        with door("spatial-llm"):
            arguments.run(arguments)
    except SystemExit as end:
        if not isinstance(end.code, str):
            raise
        print(end.code, file=sys.stderr)
        return 1
    return 0


def _env(_: argparse.Namespace) -> None:
    import platform

    import torch

    from spatial_llm.provenance import provenance

    record = provenance()
    print(f"python {platform.python_version()} on {platform.system()}")
    for name, version in record["versions"].items():
        print(f"{name} {version}")
    print(f"git {record['git_hash']}")
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    print(f"devices: {', '.join(devices) or 'CPU only'}, {torch.get_num_threads()} threads")


def _ask(arguments: argparse.Namespace) -> None:
    from spatial_llm import SpatialLLM
    from spatial_llm.audio.limits import AudioLimits
    from spatial_llm.model.understanding import notes_not_warned_of

    if len(arguments.words) not in ((0, 1) if arguments.list else (2, 3)):
        raise SpatialLLMError(
            f"{len(arguments.words)} words, {arguments.words}; give a sound file and a question in quotation marks."
        )
    named = arguments.words if arguments.list else arguments.words[:-2]
    if named and arguments.named is not None:
        raise SpatialLLMError(f"two models, {named[0]} and {arguments.named}; give one of them.")
    model = (named[0] if named else arguments.named) or "tiny"
    if arguments.list:
        _list(model)
        return
    given = {"max_seconds": arguments.max_seconds, "max_bytes": arguments.max_bytes}
    if arguments.allow_truncated is not None:
        given["allow_truncated"] = arguments.allow_truncated == "true"
    options = {
        "audio_limits": AudioLimits(**{name: value for name, value in given.items() if value is not None}),
        "max_question_characters": arguments.max_question_characters,
        **{name: getattr(arguments, name) for name in ("strict", "as_asked", "level_dbfs_at_1m")},
    }
    audio, question = arguments.words[-2:]
    answer = SpatialLLM.from_pretrained(model).ask(audio, question, **options)
    print(answer)
    for note in notes_not_warned_of(answer):
        print(f"note: {note}", file=sys.stderr)


def _list(model: str) -> None:
    from spatial_llm.model.taught_file import read_taught
    from spatial_llm.model.understanding import list_taught
    from spatial_llm.shipped import find_model

    taught = read_taught(find_model(model))
    if taught is None:
        raise SpatialLLMError(f"{model}: it was saved without what it was taught; write it with recipes/write_taught.py.")
    print(list_taught(taught))


def _convert(arguments: argparse.Namespace) -> None:
    from spatial_llm import SpatialFeatureExtractor
    from spatial_llm.checkpoints import convert_dspast, convert_spatial_ast, read_official
    from spatial_llm.files import atomic_path, check_place

    check_place(arguments.folder, folder=True, replaced=True)
    converter = {"spatial_ast": convert_spatial_ast, "dspast": convert_dspast}[arguments.kind]
    model, report = converter(read_official(arguments.checkpoint))
    with atomic_path(arguments.folder) as temporary:
        temporary.mkdir()
        model.save_pretrained(temporary)
        SpatialFeatureExtractor.for_encoder(model.config).save_pretrained(temporary)
    print(f"{arguments.folder}: {report.summary()}")


def _export(arguments: argparse.Namespace) -> None:
    from spatial_llm.checkpoints import export_folder

    print(export_folder(arguments.kind, arguments.folder, arguments.file))


def _parts(arguments: argparse.Namespace) -> None:
    from spatial_llm import SpatialLLM
    from spatial_llm.model.parts import save_parts

    save_parts(SpatialLLM.from_pretrained(arguments.model), arguments.folder, arguments.merged)
    print(f"{arguments.folder}: encoder and language_model")


def _join_encoders(arguments: argparse.Namespace) -> None:
    from spatial_llm import ParallelEncoder
    from spatial_llm.files import atomic_path, check_place

    if len(arguments.encoders) < 2:
        raise SpatialLLMError(f"one encoder, {arguments.encoders[0]}; give two or more after the folder to write.")
    check_place(arguments.folder, folder=True, replaced=True)
    encoder = ParallelEncoder.from_encoders(arguments.encoders)
    with atomic_path(arguments.folder) as temporary:
        encoder.save_pretrained(temporary)
        encoder.config.feature_extractor().save_pretrained(temporary)
    print(f"{arguments.folder}:\n{encoder.config.in_words()}")


def _seal(arguments: argparse.Namespace) -> None:
    from spatial_llm.model.resealing import reseal

    reseal(arguments.folder)
    print(f"{arguments.folder}: sealed as it is")


def _plan(arguments: argparse.Namespace) -> None:
    from spatial_llm.profiling.memory import format_plan, plan
    from spatial_llm.settings import parse_arguments
    from spatial_llm.training.finetune.arguments import BatArguments

    if arguments.text_tokens < 1:
        raise SpatialLLMError(f"text_tokens is {arguments.text_tokens}; give a whole number, 1 or more.")
    run = parse_arguments(BatArguments, ["--config", arguments.config, *arguments.overrides])
    print(format_plan(run, plan(run, arguments.text_tokens)))


if __name__ == "__main__":
    sys.exit(main())
