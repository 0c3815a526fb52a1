"""How every door is told what to do: a typed dataclass, filled from YAML and the command line by jsonargparse.

Every field is read by the run it belongs to; a key that no field has stops the run before anything is computed. The
dataclasses of the recipes: `training.encoder.arguments`, `training.finetune.arguments`, `training.tiny.arguments`.
"""

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser

from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import check_numbers

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

    Raises:
        SpatialLLMError: a number that its field does not allow, see `ranges`; field and value are named.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if default_config is not None and not any(item.split("=")[0] == "--config" for item in argv):
        argv = ["--config", str(default_config), *argv]
    parser = ArgumentParser(description=description, default_env=False)
    parser.add_argument("--config", action="config", help="YAML with any of the fields below")
    parser.add_class_arguments(kind)
    try:
        parsed = parser.instantiate(parser.parse_args(argv))
    except SpatialLLMError:
        raise
    except ValueError as error:
        # In a field that may also be null, jsonargparse tells our sentence among others.
        said = [line.removeprefix("  - ") for line in str(error).splitlines() if line.startswith("  - ")]
        raise SpatialLLMError(next((line for line in said if " is " in line), str(error))) from error
    arguments = kind(**{item.name: parsed[item.name] for item in dataclasses.fields(kind)})
    check_numbers(arguments)
    return arguments


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
