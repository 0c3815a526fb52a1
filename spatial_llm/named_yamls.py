"""The YAML files that come with the package, found by name: `--config demo`, `--config demo_train/bat`, `--task ours`.

They stand in the folders `FOLDERS` at the top of the repository. A wheel holds copies of these in `spatial_llm/yamls`
(setup.py); a checkout, and an editable installation, which is one, have the folders themselves. The name of a file is its
path in its folder without the suffix. Two files of different folders may have one name, such as "demo": then the keys that
a command knows decide.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from spatial_llm.errors import SpatialLLMError
from spatial_llm.nearest_name import did_you_mean

FOLDERS = ("recipes/configs", "recipes/launch", "data/configs", "eval/tasks")
_PACKAGE = Path(__file__).resolve().parent
_SUFFIXES = (".yaml", ".yml")


def yaml_root() -> Path:
    """Returns the folder that holds `FOLDERS`: `spatial_llm/yamls` of an installed wheel, or the top of the checkout."""
    inside = _PACKAGE / "yamls"
    return inside if inside.is_dir() else _PACKAGE.parent


def named_yamls() -> Iterator[tuple[str, Path]]:
    """Yields name and path of every YAML file that comes with the package, in order of folders and names."""
    for folder in (yaml_root() / name for name in FOLDERS):
        for path in sorted(folder.rglob("*.yaml")):
            yield path.relative_to(folder).with_suffix("").as_posix(), path


def find_yaml(given: str | Path, fits: Callable[[Path], bool], wanted: str = "config") -> Path:
    """Returns the path of a YAML file that is given by path or by name.

    A file of that path wins. A path that begins with one of `FOLDERS` is also found outside the checkout, so that commands
    can be copied from the documents. Any other path with a suffix is returned as it is; whoever reads it reports it missing.

    Args:
        given: path, or name without a suffix.
        fits: whether the caller can use a file that comes with the package.
        wanted: what the file is, for the error.

    Raises:
        SpatialLLMError: no such file comes with the package, or it belongs to another command; the error lists those that
            fit.
    """
    path = Path(given)
    if os.path.isfile(path):
        return path
    if path.suffix in _SUFFIXES:
        inside = yaml_root() / path
        return inside if path.as_posix().startswith(FOLDERS) and ".." not in path.parts and inside.is_file() else path
    name = path.as_posix()
    found = [file for known, file in named_yamls() if known == name]
    fitting = next((file for file in found if fits(file)), None)
    if fitting is not None:
        return fitting
    names = list(dict.fromkeys(known for known, file in named_yamls() if fits(file)))
    if found:
        lacking = f"the file of this name in the package is no {wanted} of this command."
    else:
        near = did_you_mean(name, names) or "."
        lacking = f"no such file, and no {wanted} of this name comes with the package{near}"
    of_package = f", or one of {', '.join(names)}" if names else ""
    raise SpatialLLMError(f"{given}: {lacking} Give the path of a YAML file{of_package}.")
