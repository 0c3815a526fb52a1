"""Names of sounds, alone, in lists and in order, the statement that one is not there, and yes and no.

Formats: labels as SpatialSoundQA has them (lower-case, alphabetical, "; " between); the others are ours.
"""

import re
from collections.abc import Iterable, Sequence

from spatial_llm.errors import SpatialLLMError

_YES_NO = re.compile(r"[\W_]*(yes|no)[\W_]*")
_ABSENT = "there is no "


def format_labels(labels: Iterable[str]) -> str:
    """Sound names to "bell; speech": lower-case, alphabetical, each once. Raises SpatialLLMError on none, "" or ";"."""
    return _joined(sorted({_label(label) for label in labels}))


def parse_labels(text: str) -> list[str] | None:
    """Sound names between semicolons, lower-case, alphabetical, each once; None if there is none or an empty one."""
    names = sorted({_label(part) for part in text.split(";")})
    return names if all(names) else None


def format_order(labels: Sequence[str]) -> str:
    """Sound names in the order given: "speech; bell". Raises SpatialLLMError as `format_labels`, and if one repeats."""
    names = [_label(label) for label in labels]
    if len(set(names)) != len(names):
        raise SpatialLLMError(f"labels are {names}; an order names each once.")
    return _joined(names)


def parse_order(text: str) -> list[str] | None:
    """Sound names between semicolons in their order; None if there is none, an empty one, or one twice."""
    names = [_label(part) for part in text.split(";")]
    return names if all(names) and len(set(names)) == len(names) else None


def format_absent(label: str) -> str:
    """ "There is no bell". Raises SpatialLLMError on "", ";" or a name that ends with a point."""
    name = _label(label)
    if name.endswith("."):
        raise SpatialLLMError(f"label is {label!r}; a name that ends with a point cannot be read back.")
    return "There is no " + _joined([name])


def parse_absent(text: str) -> str | None:
    """The name in "There is no <name>", with or without a point at the end; None for any other text."""
    text = _label(text)
    name = text.removeprefix(_ABSENT).removesuffix(".").rstrip()
    return name if text.startswith(_ABSENT) and name and ";" not in name and not name.endswith(".") else None


def format_yes_no(yes: bool) -> str:
    """True to "Yes", False to "No"."""
    return "Yes" if yes else "No"


def parse_yes_no(text: str) -> bool | None:
    """True for yes, False for no, after stripping case, spaces and punctuation around it; None for anything else."""
    found = _YES_NO.fullmatch(text.lower())
    return None if found is None else found[1] == "yes"


def _label(text: str) -> str:
    return " ".join(text.lower().split())


def _joined(names: list[str]) -> str:
    if not names or not all(names) or any(";" in name for name in names):
        raise SpatialLLMError(f"labels are {names}; give at least one, none empty and none with a ';' inside.")
    return "; ".join(names)
