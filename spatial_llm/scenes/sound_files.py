"""Finds the dry sounds of a folder at any depth; what is left out is counted by reason and reported in a warning.

Note: a sound belongs to the first folder below the root, which names its class. Files whose name begins with a dot are
skipped; the "._name" companions of macOS hold no sound although they end like the file beside them. Copies are found by
content, so that one recording is not in both splits, or under two labels, by another name.
"""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from spatial_llm.audio.io import read_audio
from spatial_llm.audio.suffixes import SOUND_SUFFIXES, UNREAD_SUFFIXES
from spatial_llm.errors import AudioError, SceneError, printable
from spatial_llm.files import can_be_named, leads_out, sha256_of

SHOWN = 3  # most examples shown for each reason
_SPLIT_FOLDERS = {"train", "training", "test", "testing", "eval", "evaluation", "val", "valid", "validation", "dev"}


def sound_files(folder: str | Path) -> list[Path]:
    """Returns the sound files below a folder that belong to a class, sorted; warns once of all that is left out, by reason.

    Raises:
        SceneError: there is no such folder, or its subfolders are splits and not classes.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):
        raise SceneError(f"{folder}: no such folder; give one with a subfolder of sound files for each class.")
    found: list[Path] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        reason = _reason(path, name)
        if reason is None:
            found.append(path)
        elif reason:
            left_out[reason].append(name)
    found.sort()
    deeper = [path.relative_to(folder).as_posix() for path in found if len(path.relative_to(folder).parts) > 2]
    tops = {path.relative_to(folder).parts[0] for path in found}
    if deeper and {top.lower() for top in tops} <= _SPLIT_FOLDERS:
        raise SceneError(
            f"{folder}: its subfolders {', '.join(sorted(tops))} are splits, not classes; give an index CSV with the "
            "columns file, label, split, source_recording."
        )
    if left_out:
        say(f"{folder}: sounds are left out", left_out)
    if deeper:
        reason = f"of {len(found)} sounds lie in deeper folders; the first folder names their class"
        say(f"{folder}", {reason: deeper})
    return found


def say(what: str, names_of: Mapping[str, list[str]]) -> None:
    """Warns of names by reason: how many, and the first few."""
    parts = []
    for reason, names in names_of.items():
        shown = ", ".join(map(printable, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
        parts.append(f"{len(names)} {reason} ({shown})")
    warnings.warn(f"{what}: " + "; ".join(parts) + ".", stacklevel=4)


def check_labels(labels_of: Iterable[tuple[str, str]]) -> None:
    """Checks (where, label) pairs. Raises SceneError for an empty label, or one that an answer cannot hold."""
    for where, label in labels_of:
        if not label.strip(" _"):
            raise SceneError(f"{where}: the label is empty; name the class.")
        if not label.isprintable() or set(";|") & set(label):
            raise SceneError(f"{where}: label {label!r}; give one line of text without ';' and '|', which separate labels.")


def copies_of(files: Mapping[str, Path]) -> list[list[str]]:
    """Returns the names of files of equal content, in groups of two and more, in the order given. Only files of equal
    size are read. Silent files do not count as copies of each other. Raises SceneError for a file that cannot be read."""
    by_size: dict[int, list[str]] = defaultdict(list)
    by_hash: dict[str, list[str]] = defaultdict(list)
    try:
        for name, path in files.items():
            by_size[path.stat().st_size].append(name)
        for names in by_size.values():
            for name in names if len(names) > 1 else ():
                by_hash[sha256_of(files[name])].append(name)
    except OSError as error:
        raise SceneError(
            f"{error.filename}: cannot be read ({error.strerror}); repair its rights or leave it out."
        ) from None
    return [names for names in by_hash.values() if len(names) > 1 and not _is_silent(files[names[0]])]


def _is_silent(path: Path) -> bool:
    try:
        return not read_audio(path)[0].any()
    except AudioError:
        return False  # it is damaged, which is found and named when it is used


def _walk(folder: Path) -> Iterator[Path]:
    """Yields all files below a folder; links are followed, but a loop of links is left after one round."""
    seen: set[str] = set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(here, name) for name in files)


def _reason(path: Path, name: str) -> str | None:
    """Returns why a file is no sound of a class: a text to count it by, "" for a file that nobody takes for a sound, None
    if it is one."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        companion = path.name.startswith("._") and path.with_name(path.name[2:]).exists()
        return "" if companion or suffix not in SOUND_SUFFIXES else "are hidden"
    if suffix in UNREAD_SUFFIXES:
        return "are in formats that are not read; convert them to WAV or FLAC"
    if suffix not in SOUND_SUFFIXES:
        return ""
    if not can_be_named(name) or leads_out(name):
        return "have names that a manifest cannot hold (not UTF-8, or with a control, '\\' or ':'); rename them"
    if "/" not in name:
        return "lie in no class folder"
    try:
        if not path.is_file():
            return "are no regular files, or links to nothing"
        return "are empty" if path.stat().st_size == 0 else None
    except OSError:
        return "cannot be opened"
