"""The common suites of transformers, imported from the `tests` folder of its source distribution.

No wheel holds them and none of their files is kept here: `make test-suites` fetches the source distribution of the installed
version into `.cache`, and `TRANSFORMERS_TESTS` may name another `tests` folder, such as that of a git checkout. The source
distribution leaves out a few modules that the suites import: an empty stand-in takes the place of each that is not
found, so a checkout, which has them all, runs more (`GenerationTesterMixin` among it; our own checks of generation are in
tests/model/test_generation.py).
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import transformers

REPOSITORY = Path(__file__).resolve().parents[2]
FETCHED = REPOSITORY / ".cache" / f"transformers-{transformers.__version__}" / "tests"
PACKAGE = "transformers_suites"

# Fields that every config takes, each with a value that is not its default (ours: the real list is in a module left out).
COMMON_FIELDS = {
    "return_dict": False,
    "output_hidden_states": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 5,
    "is_encoder_decoder": True,
    "architectures": ["SomeModel"],
    "id2label": {0: "label"},
    "label2id": {"label": "0"},
    "problem_type": "regression",
}
LEFT_OUT: dict[str, dict[str, Any]] = {
    "exporters.test_export": {"ExportTesterMixin": type("ExportTesterMixin", (), {})},
    "generation.test_utils": {"GenerationTesterMixin": type("GenerationTesterMixin", (), {})},
    "utils.test_configuration_utils": {"config_common_kwargs": COMMON_FIELDS},
}


def folder() -> Path | None:
    """Where the suites lie, or None."""
    chosen = Path(os.environ.get("TRANSFORMERS_TESTS") or FETCHED)
    return chosen if (chosen / "test_modeling_common.py").is_file() else None


def load(name: str) -> ModuleType:
    """A module of the suites, such as "test_modeling_common"; skips the module that asks where there are none."""
    found = folder()
    if found is None:
        pytest.skip(
            "no suites of transformers: run make test-suites (downloads its source distribution once), or set "
            "TRANSFORMERS_TESTS to the tests folder of one",
            allow_module_level=True,
        )
    if PACKAGE not in sys.modules:
        _prepare(found)
    # The suite of configs imports the package anew from its own folder, which in a source distribution is no package.
    with mock.patch("transformers.utils.direct_transformers_import", lambda path: transformers):
        return importlib.import_module(f"{PACKAGE}.{name}")


def _prepare(found: Path) -> None:
    package = ModuleType(PACKAGE)
    package.__path__ = [str(found)]
    sys.modules[PACKAGE] = package
    for name, content in LEFT_OUT.items():
        parent = name.split(".")[0]
        if (found / name.replace(".", "/")).with_suffix(".py").is_file():
            continue
        outer = sys.modules.setdefault(f"{PACKAGE}.{parent}", ModuleType(f"{PACKAGE}.{parent}"))
        outer.__path__ = getattr(outer, "__path__", [str(found / parent)])
        inner = ModuleType(f"{PACKAGE}.{name}")
        vars(inner).update(content)
        sys.modules[f"{PACKAGE}.{name}"] = inner
    if (
        importlib.util.find_spec("fetch_hub_objects_for_ci") is None
        and not (found.parent / "utils" / "fetch_hub_objects_for_ci.py").is_file()
    ):
        fetch = ModuleType("fetch_hub_objects_for_ci")
        fetch.url_to_local_path = lambda url: url
        sys.modules["fetch_hub_objects_for_ci"] = fetch
