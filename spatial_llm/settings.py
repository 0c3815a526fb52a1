"""Settings of every script: one typed dataclass, filled from YAML files and the command line by jsonargparse.

Every field is read by the run that it belongs to; a key that no field has stops the run before anything is computed. The
dataclasses of the recipes: `training.encoder.arguments`, `training.finetune.arguments`, `training.tiny.arguments`.

A YAML file may name others under `include`, with paths relative to itself:

    include: dspast.yaml                # or a list
    run_folder: runs/dspast_no_attention
    model: {feature_attention: false}   # merged with the `model` of dspast.yaml

A file that comes with the package is also found by its name (`--config demo_train/bat`), see `named_yamls`.

The keys of the included files come first. Keys of a later file, and those of the including file, replace them; mappings are
merged key by key, lists are replaced whole. The command line wins over all files. lm-evaluation-harness composes its task
files in this way, and `evaluation.predicting.tasks` reads ours with the same function.
"""

import dataclasses
import json
import re
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from jsonargparse import ArgumentParser

from spatial_llm.errors import SpatialLLMError
from spatial_llm.named_yamls import find_yaml
from spatial_llm.nearest_name import did_you_mean
from spatial_llm.ranges import alternatives, check_numbers, field_types

Arguments = TypeVar("Arguments")
INCLUDE, CONFIG = "include", "--config"


def parse_arguments(
    kind: type[Arguments],
    argv: Sequence[str] | None = None,
    default_config: str | Path | None = None,
    description: str | None = None,
    program: str | None = None,
) -> Arguments:
    """Fills dataclass `kind` from `--config FILE.yaml` and `--key value` (nested: `--schedule.steps 10`); the last one wins.

    Args:
        kind: the dataclass of a script.
        argv: the command line without the program's name; None takes `sys.argv`.
        default_config: path or name of the YAML file that applies when `argv` holds no `--config`.
        description: the first lines of `--help`.
        program: what `--help` calls the program; default: the name of the script.

    Exits with a message if the command line has an unknown key (the message names the nearest known one), or any value the
    wrong type.

    Raises:
        SpatialLLMError: a file cannot be read or has a key that `kind` does not have (the error names file and key), or a
            number is outside the range of its field (see `ranges`; the error names the field and the number).
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if default_config is not None and not any(item.split("=")[0] == CONFIG for item in argv):
        argv = [CONFIG, str(default_config), *argv]
    argv, origins = _read_configs(kind, argv)
    parser = _Parser(prog=program, description=description, default_env=False)
    parser.origins = origins
    parser.add_argument(CONFIG, action="config", help="YAML file, or the name of one in the package, with fields below")
    parser.add_class_arguments(kind)
    try:
        parsed = parser.instantiate(parser.parse_args(argv))
    except SpatialLLMError:
        raise
    except ValueError as error:
        # In a field that may also be null, jsonargparse lists our message among others.
        messages = [line.removeprefix("  - ") for line in str(error).splitlines() if line.startswith("  - ")]
        raise SpatialLLMError(next((line for line in messages if " is " in line), str(error))) from error
    arguments = kind(**{item.name: parsed[item.name] for item in dataclasses.fields(kind)})
    check_numbers(arguments)
    return arguments


def flat_fields(arguments: Any) -> dict[str, Any]:
    """Returns the fields as JSON values by name; the fields of a nested dataclass are named as in "schedule.steps".

    A field with `metadata={"later": True}` is left out at its default, so that runs of versions without it are recognised.
    """

    def flatten(value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {name: value}
        return {key: item for part, inner in value.items() for key, item in flatten(inner, f"{name}.{part}").items()}

    later = set(_later_at_default(arguments))
    fields = json.loads(json.dumps(dataclasses.asdict(arguments)))
    flat = {key: item for part, inner in fields.items() for key, item in flatten(inner, part).items()}
    return {key: item for key, item in flat.items() if not any(key == one or key.startswith(f"{one}.") for one in later)}


def _later_at_default(arguments: Any, name: str = "") -> Iterator[str]:
    """Yields the names of the fields that later versions added and that have their defaults, also of nested dataclasses."""
    for one in dataclasses.fields(arguments):
        value = getattr(arguments, one.name)
        made = one.default_factory is not dataclasses.MISSING and value == one.default_factory()
        # `is`, as it was: records of runs that were given a default in words hold it.
        if "later" in one.metadata and (made or value is one.default):
            yield f"{name}{one.name}"
        elif dataclasses.is_dataclass(value):
            yield from _later_at_default(value, f"{name}{one.name}.")


def to_yaml(arguments: Any) -> str:
    """Returns the arguments, with everything that was included, as YAML that `parse_arguments` reads back equal."""
    return yaml.safe_dump(dataclasses.asdict(arguments), sort_keys=False, allow_unicode=True)


# --- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class YamlFile:
    """A YAML file together with the files that it includes.

    Attributes:
        content: the merged keys.
        origins: the file that each key came from, by dotted key ("schedule.steps").
        files: the file itself, then the included ones in the order in which they were read, each once.
    """

    content: dict[str, Any]
    origins: dict[str, Path]
    files: list[Path]


def read_yaml(path: str | Path) -> YamlFile:
    """Reads a YAML file and the files that it includes.

    Raises:
        SpatialLLMError: a file is missing or no YAML mapping, a key stands twice, or files include each other; the error
            names the file.
    """
    origins: dict[str, Path] = {}
    files: dict[Path, None] = {}
    return YamlFile(_resolve(Path(path), (), origins, files), origins, list(files))


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice, and 1e-3 is a number as it is on the command line."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        double = sorted({str(name) for name in names if names.count(name) > 1})
        if double:
            raise SpatialLLMError(f"key {', '.join(double)} stands twice; keep one.")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _resolve(path: Path, trail: tuple[Path, ...], origins: dict[str, Path], files: dict[Path, None]) -> dict[str, Any]:
    """Returns the keys of a file over those of the files it includes; `origins` and `files` are filled on the way."""
    if path.resolve() in trail:
        raise SpatialLLMError(f"{trail[-1]}: {INCLUDE}: {path} includes this file again; files may not go in a circle.")
    content = _load(path, trail[-1] if trail else None)
    files.setdefault(path)
    included = content.pop(INCLUDE, [])
    names = [included] if isinstance(included, str) else included
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise SpatialLLMError(f"{path}: {INCLUDE}: {included!r}; give a file name or a list of them.")
    merged: dict[str, Any] = {}
    for name in names:
        if Path(name).is_absolute():
            raise SpatialLLMError(f"{path}: {INCLUDE}: {name} is absolute; give it relative to this file.")
        _merge(merged, _resolve(path.parent / name, (*trail, path.resolve()), origins, files))
    _merge(merged, content, origins, path)
    return merged


def _load(path: Path, included_by: Path | None) -> dict[str, Any]:
    at = f"{path}" if included_by is None else f"{included_by}: {INCLUDE}: {path}"
    try:
        content = yaml.load(path.read_bytes(), Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except OSError as error:
        raise SpatialLLMError(f"{at}: cannot be read ({error.strerror}); give a YAML file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpatialLLMError(f"{at}: not YAML ({' '.join(str(error).split())}).") from None
    except SpatialLLMError as error:
        raise SpatialLLMError(f"{at}: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SpatialLLMError(f"{at}: expected keys with values, as in 'name: ours'.")
    return content


def _merge(
    into: dict[str, Any],
    content: dict[str, Any],
    origins: dict[str, Path] | None = None,
    path: Path | None = None,
    above: str = "",
) -> None:
    for key, value in content.items():
        if origins is not None:
            origins[f"{above}{key}"] = path
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, origins, path, f"{above}{key}.")
        else:
            # A copy: what is merged into it later must not change the mapping that a YAML anchor shares.
            into[key] = dict(value) if isinstance(value, dict) else value
            if isinstance(value, dict) and origins is not None:
                _merge({}, value, origins, path, f"{above}{key}.")


# --- the parser -------------------------------------------------------------------------------------------------------


class _Parser(ArgumentParser):
    """jsonargparse's parser, whose errors name the file that a wrong value stands in and the option that was meant."""

    origins: Mapping[str, Path] = {}

    def error(self, message: str, ex: Exception | None = None) -> None:
        named = re.match(r'Parser key "([\w.]+)"', message)
        at = self.origins.get(named[1]) if named else None
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown:
            message += did_you_mean(unknown[1], (name for action in self._actions for name in action.option_strings))
        if missing := re.match(r"the following arguments are required: (.+)", message):
            message = f"needed, and not given: {', '.join(f'--{name}' for name in missing[1].split(', '))}"
        # Without the usage of argparse: of fifty options it buries the sentence.
        self.exit(2, f"error: {message if at is None else f'{at}: {message}'}\nAll options: {self.prog} --help\n")


def _read_configs(kind: type, argv: Sequence[str]) -> tuple[list[str], dict[str, Path]]:
    """Replaces each `--config FILE` by the content of that file; returns also which file each key came from."""
    out, origins, rest = [], dict[str, Path](), iter(argv)
    for item in rest:
        name, equals, value = item.partition("=")
        if name != CONFIG or not (equals or (value := next(rest, ""))):
            out.append(item)
            continue
        path = find_yaml(value, lambda one: set(read_yaml(one).content) <= set(field_types(kind)))
        file = read_yaml(path)
        _check_keys(kind, file.content, file.origins, path)
        out.append(f"{CONFIG}={yaml.safe_dump(file.content, sort_keys=False, allow_unicode=True)}")
        origins |= file.origins
    return out, origins


def _check_keys(kind: type, content: Mapping[str, Any], origins: Mapping[str, Path], at: Path, above: str = "") -> None:
    """Raises SpatialLLMError naming file and key if `content` has a key that dataclass `kind`, or one inside it, lacks."""
    types = field_types(kind)
    for key, value in content.items():
        where = origins.get(f"{above}{key}", at)
        if key not in types:
            explain = getattr(kind, "explain_key", lambda key: None)(key)
            instead = explain or f"known are {', '.join(types)}"
            raise SpatialLLMError(f"{where}: unknown key {above}{key}; {instead}{did_you_mean(key, types) or '.'}")
        hints = [one for hint in alternatives(types[key]) for one in (hint, *get_args(hint))]
        nested = [one for one in hints if dataclasses.is_dataclass(one)]
        items = value if isinstance(value, list) else [value]
        # Of several dataclasses the parser chooses; what it refuses, it names itself.
        for number, item in enumerate(items if len(nested) == 1 else []):
            if isinstance(item, dict):
                part = f"{above}{key}[{number}]." if isinstance(value, list) else f"{above}{key}."
                _check_keys(nested[0], item, origins, where, part)
