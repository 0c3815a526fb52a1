"""Parses and writes names of sounds: "bell; speech", lower-case, alphabetical, with "; " between, as in SpatialSoundQA."""

from collections.abc import Collection, Iterable

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.text.sounds import joined, name_of, read_names


def format_labels(labels: Iterable[str]) -> str:
    """Returns sound names as "bell; speech": lower-case, alphabetical, each once. Raises SpatialLLMError on none, "" or
    ";"."""
    return joined(sorted({name_of(label) for label in labels}))


def parse_labels(text: str, reading: Reading = "strict", known: Collection[str] | None = None) -> list[str] | None:
    """Returns sound names between semicolons, lower-case, alphabetical, each once; None if there is none or an empty one.

    Lenient: removes the wording around the names, which strict takes for names too ("I hear a dog." gives dog). So only a
    plain list has the same value in both readings. known: names to find in the text; only the lenient reading uses them.
    """
    if is_lenient(reading):
        found = read_names(text, known)
        return None if found is None else sorted(set(found))
    names = sorted({name_of(part) for part in text.split(";")})
    return names if all(names) else None


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    labels = parse_labels(text, reading, known)
    return None if labels is None else {"labels": labels}


KIND = Kind("labels", _read, lambda value: format_labels(value["labels"]))
