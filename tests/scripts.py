"""Which dataclass a script of recipes/, data/ or eval/ parses its command line into: its own, or that of its command."""

import importlib.util
import re
import sys
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType

from spatial_llm.commands import load

REPOSITORY = Path(__file__).resolve().parents[1]


def module_of(script: str) -> ModuleType:
    """The module with the settings of a script: that of the command that it runs, or the script itself."""
    command = re.search(r'load\("([\w-]+)"\)', (REPOSITORY / script).read_text())
    if command:
        return load(command[1])
    spec = importlib.util.spec_from_file_location(f"door_{Path(script).stem}", REPOSITORY / script)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where its annotations are looked up
    spec.loader.exec_module(module)
    return module


def arguments_of(script: str) -> type:
    """The dataclass of a script."""
    (kind,) = [each for name, each in vars(module_of(script)).items() if name.endswith("Arguments") and is_dataclass(each)]
    return kind
