"""How every door is told what to do: a typed dataclass, filled from YAML and the command line by jsonargparse.

Every field is read by the run it belongs to; a key that no field has stops the run before anything is computed. The
dataclasses of the recipes: `encoder_arguments`, `text_arguments`, `bat_arguments`.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser

Arguments = TypeVar("Arguments")


def parse_arguments(
    kind: type[Arguments],
    argv: Sequence[str] | None = None,
    default_config: str | Path | None = None,
    description: str | None = None,
) -> Arguments:
    """Fills dataclass `kind` from `--config FILE.yaml` and `--key value` (nested: `--schedule.steps 10`), later wins.

    Args:
        kind: the dataclass of a recipe.
        argv: command line without the program's name; None = `sys.argv`.
        default_config: YAML that applies when `argv` holds no `--config`.
        description: first lines of `--help`.

    Exits with a message on a key or type that the dataclass does not have.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if default_config is not None and not any(item.split("=")[0] == "--config" for item in argv):
        argv = ["--config", str(default_config), *argv]
    parser = ArgumentParser(description=description, default_env=False)
    parser.add_argument("--config", action="config", help="YAML with any of the fields below")
    parser.add_class_arguments(kind)
    parsed = parser.instantiate(parser.parse_args(argv))
    return kind(**{item.name: parsed[item.name] for item in dataclasses.fields(kind)})


def flat_fields(arguments: Any) -> dict[str, Any]:
    """The fields by name, as JSON has them; nested ones as "schedule.steps"."""

    def flatten(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {name: value}
        return {key: item for part, inner in value.items() for key, item in flatten(inner, f"{name}.{part}").items()}

    fields = json.loads(json.dumps(dataclasses.asdict(arguments)))
    return {key: item for part, inner in fields.items() for key, item in flatten(inner, part).items()}


def to_yaml(arguments: Any) -> str:
    """The arguments as YAML that `parse_arguments` reads back to an equal value."""
    return yaml.safe_dump(dataclasses.asdict(arguments), sort_keys=False, allow_unicode=True)
