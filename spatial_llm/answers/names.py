"""Names of sounds, alone, in lists and in order, the statement that one is not there, and yes and no.

Formats: labels as SpatialSoundQA has them (lower-case, alphabetical, "; " between); the others are ours.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.lenient import sounds, verdicts
from spatial_llm.errors import SpatialLLMError

_YES_NO = re.compile(r"[\W_]*(yes|no)[\W_]*")
_ABSENT = "there is no "


def format_labels(labels: Iterable[str]) -> str:
    """Sound names to "bell; speech": lower-case, alphabetical, each once. Raises SpatialLLMError on none, "" or ";"."""
    return _joined(sorted({_label(label) for label in labels}))


def parse_labels(text: str, reading: Reading = "strict", known: Collection[str] | None = None) -> list[str] | None:
    """Sound names between semicolons, lower-case, alphabetical, each once; None if there is none or an empty one.

    Lenient: the wording around the names is taken off, which strict takes for names too ("I hear a dog." is dog): only a
    plain list has the same value in both. known: names to find in the text; lenient only, strict needs none.
    """
    if is_lenient(reading):
        found = sounds.read_names(text, known)
        return None if found is None else sorted(set(found))
    names = sorted({_label(part) for part in text.split(";")})
    return names if all(names) else None


def format_order(labels: Sequence[str]) -> str:
    """Sound names in the order given: "speech; bell". Raises SpatialLLMError as `format_labels`, and if one repeats."""
    names = [_label(label) for label in labels]
    if len(set(names)) != len(names):
        raise SpatialLLMError(f"labels are {names}; an order names each once.")
    return _joined(names)


def parse_order(text: str, reading: Reading = "strict", known: Collection[str] | None = None) -> list[str] | None:
    """Sound names between semicolons in their order; None if there is none, an empty one, or one twice. Lenient, known: as
    `parse_labels`, and "then", "followed by" or an arrow separate names as well."""
    if is_lenient(reading):
        found = sounds.read_names(text, known, ordered=True)
        return None if found is None or len(set(found)) != len(found) else found
    names = [_label(part) for part in text.split(";")]
    return names if all(names) and len(set(names)) == len(names) else None


def format_absent(label: str) -> str:
    """ "There is no bell". Raises SpatialLLMError on "", ";" or a name that ends with a point."""
    name = _label(label)
    if name.endswith("."):
        raise SpatialLLMError(f"label is {label!r}; a name that ends with a point cannot be read back.")
    return "There is no " + _joined([name])


def parse_absent(text: str, reading: Reading = "strict") -> str | None:
    """The name in "There is no <name>", with or without a point at the end; None for any other text. Lenient: also "I
    don't hear a <name>", "The <name> is not present" and the like."""
    lenient = is_lenient(reading)
    line = _label(text)
    name = line.removeprefix(_ABSENT).removesuffix(".").rstrip()
    if line.startswith(_ABSENT) and name and ";" not in name and not name.endswith("."):
        return name
    return sounds.read_absent(text) if lenient else None


def format_yes_no(yes: bool) -> str:
    """True to "Yes", False to "No"."""
    return "Yes" if yes else "No"


def parse_yes_no(text: str, reading: Reading = "strict") -> bool | None:
    """True for yes, False for no, after stripping case, spaces and punctuation around it; None for anything else. Lenient:
    also "Yes, it is.", "That is not the case" and the like, as long as the text does not contradict itself."""
    lenient = is_lenient(reading)
    found = _YES_NO.fullmatch(text.lower())
    if found is not None:
        return found[1] == "yes"
    return verdicts.read_yes_no(text) if lenient else None


def _label(text: str) -> str:
    return " ".join(text.lower().split())


def _joined(names: list[str]) -> str:
    if not names or not all(names) or any(";" in name for name in names):
        raise SpatialLLMError(f"labels are {names}; give at least one, none empty and none with a ';' inside.")
    return "; ".join(names)
