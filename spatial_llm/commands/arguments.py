"""How commands read their command line: settings as a dataclass, a few positional arguments, help, the option that was
meant."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from spatial_llm.nearest_name import did_you_mean

Arguments = TypeVar("Arguments")
PROGRAM = "spatial-llm"


def read_settings(
    kind: type[Arguments],
    command: str,
    doc: str,
    argv: Sequence[str] | None,
    script: str | None = None,
    default_config: Any = None,
) -> Arguments:
    """Fills the dataclass of a command, see `settings.parse_arguments`.

    Args:
        kind: the dataclass.
        command: name of the command.
        doc: docstring of the command's module: a sentence, how it is called (indented), and more.
        argv: command line after the command's name; None: that of a script.
        script: docstring of the script, whose sentence and call replace those of the command in `--help`.
        default_config: path or name of the YAML file that applies when none is given.
    """
    from spatial_llm.settings import parse_arguments

    described = doc if script is None else f"{script.rstrip()}\n\n{_after_call(doc)}"
    return parse_arguments(kind, argv, default_config, described, f"{PROGRAM} {command}" if script is None else None)


def _after_call(doc: str) -> str:
    """Returns the paragraphs after the sentence and the indented ones that open a docstring."""
    paragraphs = doc.split("\n\n")[1:]
    while paragraphs and paragraphs[0].startswith("    "):
        paragraphs.pop(0)
    return "\n\n".join(paragraphs)


def add_microphone(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what the recordings were made with, and to whose ears they are rendered."""
    group = parser.add_argument_group("microphone")
    group.add_argument(
        "--microphone",
        metavar="FORMAT",
        help="what the recordings are: foa, ambisonics2, stereo_ms, ..., or a YAML or JSON file with the places of the "
        "microphones of an array; default: what the model takes",
    )
    group.add_argument("--head", metavar="FILE", help="SOFA file of the head to whose ears they are rendered")
    group.add_argument(
        "--heading_deg", type=float, default=0.0, metavar="DEG", help="where that head looks; positive = to the left"
    )


def microphone_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of `add_microphone` as those of `SpatialLLM.listen`.

    Raises:
        AudioError: --microphone is no format and no file that describes one.
    """
    given = {} if arguments.head is None else {"head": arguments.head}
    given |= {} if not arguments.heading_deg else {"heading_deg": arguments.heading_deg}
    if arguments.microphone is None:
        return given
    from spatial_llm.audio.formats import as_format

    return given | {"format": as_format(arguments.microphone)}


class Parser(argparse.ArgumentParser):
    """A parser of positional arguments and a few options, whose errors are one sentence.

    Args:
        command: name of the command.
        doc: what `--help` begins with.
        intermixed: options may stand between positional arguments of any number.
    """

    def __init__(self, command: str, doc: str, intermixed: bool = False) -> None:
        super().__init__(
            prog=f"{PROGRAM} {command}",
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._parse = self.parse_known_intermixed_args if intermixed else self.parse_known_args

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> argparse.Namespace:
        """Returns the arguments; ends with a sentence and status 2 at an option that this command does not have."""
        found, unknown = self._parse(args, namespace)
        if unknown:
            known = [name for action in self._actions for name in action.option_strings]
            near = did_you_mean(unknown[0].partition("=")[0], known) or "."
            self.error(f"{unknown[0]} is no option or argument of this command{near}")
        return found

    def error(self, message: str) -> NoReturn:
        """Ends the program with a sentence and status 2."""
        self.exit(2, f"{self.prog}: {message}\nAll options: {self.prog} --help\n")
