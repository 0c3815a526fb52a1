"""`spatial-llm env | ask | convert | seal | plan`: thin commands over the library."""

import argparse
import sys

from spatial_llm.errors import SpatialLLMError


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, or 1 after an error sentence on standard error."""
    parser = argparse.ArgumentParser(prog="spatial-llm", description="Questions and answers about sound in space.")
    commands = parser.add_subparsers(dest="command", required=True)
    env = commands.add_parser("env", help="versions and devices, for a bug report")
    env.set_defaults(run=_env)
    ask = commands.add_parser("ask", help="ask a model about a binaural recording")
    ask.add_argument("model", nargs="?", help="as --model")
    ask.add_argument("audio", help="two-channel sound file, left ear first")
    ask.add_argument("question")
    ask.add_argument(
        "--model", dest="named", help="folder of a saved SpatialLLM; default tiny, which comes with the package"
    )
    ask.add_argument(
        "--max_question_characters", type=int, help="longest question; default: that of the model's processor, 8000"
    )
    ask.set_defaults(run=_ask)
    convert = commands.add_parser("convert", help="released encoder weights (.pth) to a folder of ours (safetensors)")
    convert.add_argument("kind", choices=["spatial_ast", "dspast"])
    convert.add_argument("checkpoint", help="released file")
    convert.add_argument("folder", help="where to write the model and its feature extractor")
    convert.set_defaults(run=_convert)
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
        arguments.run(arguments)
    except SpatialLLMError as error:
        print(f"spatial-llm: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a folder without rights
        print(f"spatial-llm: {error.filename or arguments.command}: {error.strerror or error}", file=sys.stderr)
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

    if arguments.model is not None and arguments.named is not None:
        raise SpatialLLMError(f"two models, {arguments.model} and {arguments.named}; give one of them.")
    model = SpatialLLM.from_pretrained(arguments.model or arguments.named or "tiny")
    print(model.ask(arguments.audio, arguments.question, max_question_characters=arguments.max_question_characters))


def _convert(arguments: argparse.Namespace) -> None:
    from spatial_llm import SpatialFeatureExtractor
    from spatial_llm.checkpoints import convert_dspast, convert_spatial_ast, read_official
    from spatial_llm.files import atomic_path

    converter = {"spatial_ast": convert_spatial_ast, "dspast": convert_dspast}[arguments.kind]
    model, report = converter(read_official(arguments.checkpoint))
    with atomic_path(arguments.folder) as temporary:
        model.save_pretrained(temporary)
        SpatialFeatureExtractor.for_encoder(model.config).save_pretrained(temporary)
    print(f"{arguments.folder}: {report.summary()}")


def _seal(arguments: argparse.Namespace) -> None:
    from spatial_llm.model.pipeline import reseal

    reseal(arguments.folder)
    print(f"{arguments.folder}: sealed as it is")


def _plan(arguments: argparse.Namespace) -> None:
    from spatial_llm.training.arguments import parse_arguments
    from spatial_llm.training.bat_arguments import BatArguments
    from spatial_llm.training.plan import format_plan, plan

    run = parse_arguments(BatArguments, ["--config", arguments.config, *arguments.overrides])
    print(format_plan(run, plan(run, arguments.text_tokens)))


if __name__ == "__main__":
    sys.exit(main())
