"""Plan the GPU memory that a fine-tuning run will take, in each of its modes.

spatial-llm plan CONFIG [--text_tokens 128] [--key value ...]
"""

import argparse
from collections.abc import Sequence

from spatial_llm.commands.arguments import PROGRAM, Parser
from spatial_llm.errors import SpatialLLMError


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    parser = Parser("plan", script or __doc__)
    parser.add_argument("config", help="path, or name in the package, of a YAML of finetune")
    parser.add_argument("--text_tokens", type=int, default=128, help="of the longest prompt and answer (default 128)")
    parser.add_argument("overrides", nargs=argparse.REMAINDER, help="--key value, as for finetune")
    arguments = parser.parse_args(argv)

    from spatial_llm.profiling.memory import format_plan, plan
    from spatial_llm.settings import parse_arguments
    from spatial_llm.training.finetune.arguments import BatArguments

    if arguments.text_tokens < 1:
        raise SpatialLLMError(f"text_tokens is {arguments.text_tokens}; give a whole number, 1 or more.")
    given = ["--config", arguments.config, *arguments.overrides]
    run = parse_arguments(BatArguments, given, program=f"{PROGRAM} finetune")
    print(format_plan(run, plan(run, arguments.text_tokens)))
