"""`spatial-llm COMMAND ...`: finds the command and runs it; errors are sentences, and other libraries stay quiet."""

import sys
from collections.abc import Sequence

from spatial_llm import __version__
from spatial_llm.commands import COMMANDS, load
from spatial_llm.commands.quiet import quiet_libraries
from spatial_llm.door import door
from spatial_llm.nearest_name import did_you_mean

_CALL = "spatial-llm COMMAND ...; spatial-llm COMMAND --help lists the options of one."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 1 after an error sentence, 2 for an unknown command."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("-h", "--help"):
        print(_help())
        return 0
    if command == "--version":
        print(__version__)
        return 0
    if command not in COMMANDS:
        near = did_you_mean(command, COMMANDS) or f"; commands are {', '.join(COMMANDS)}."
        print(f"spatial-llm: {command} is no command{near}", file=sys.stderr)
        return 2
    quiet_libraries()
    try:
        with door("spatial-llm"):
            return load(command).main(rest) or 0
    except SystemExit as end:
        if not isinstance(end.code, str):
            raise
        print(end.code, file=sys.stderr)
        return 1


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}  {about}" for name, about in COMMANDS.items())
    return "\n".join([_CALL, "", "Questions and answers about sound in space. Commands:", "", *lines])
