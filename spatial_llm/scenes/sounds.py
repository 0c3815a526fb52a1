"""Dry sounds and their splits: the built-in classes, a folder (class = subfolder), or an index CSV.

A split is by source recording: whatever was cut from one recording stays on one side. Labels are lower-case.
"""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.errors import SceneError
from spatial_llm.scenes.events import EVENT_CLASSES, synth_reference

SPLITS = ("train", "eval")
SPLIT_NAMES = {"train": "train", "test": "eval", "eval": "eval"}  # as written in an index -> ours
EVAL_SHARE = 0.25  # of the source recordings of a folder, which names no splits
EVAL_FIRST_SEED = 1_000_000  # draws of the built-in classes: train below, eval from here on
SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}


@dataclass(frozen=True)
class Sound:
    """One dry recording: its label, its reference (a path relative to the sounds' folder, or "synth:<class>/<seed>"),
    its split, and the source recording it was cut from."""

    label: str
    recording: str
    split: str
    source_recording: str


def list_synthesized(train_recordings: int, eval_recordings: int, classes: Sequence[str] = EVENT_CLASSES) -> list[Sound]:
    """The built-in classes, or some of them, with so many draws a class; train and eval draws share no seed.

    Raises:
        SceneError: a class that is not built in, fewer than two, or no draws.
    """
    unknown = sorted(set(classes) - set(EVENT_CLASSES))
    if unknown or len(set(classes)) < 2:
        raise SceneError(f"built-in classes {list(classes)}; give two or more of {', '.join(EVENT_CLASSES)}.")
    if not 1 <= train_recordings <= EVAL_FIRST_SEED or eval_recordings < 1:
        raise SceneError(
            f"{train_recordings} train and {eval_recordings} eval recordings a class; "
            f"give 1 to {EVAL_FIRST_SEED} and at least 1."
        )
    seeds = [("train", seed) for seed in range(train_recordings)]
    seeds += [("eval", EVAL_FIRST_SEED + seed) for seed in range(eval_recordings)]
    references = [(label, synth_reference(label, seed), split) for label in dict.fromkeys(classes) for split, seed in seeds]
    return [Sound(label, reference, split, reference) for label, reference, split in references]


def list_folder(folder: str | Path) -> list[Sound]:
    """Sound files in subfolders named after their class. Each file is its own source recording, except that files that
    differ only in a "#number" ending belong together. A quarter of them, chosen by a hash of the name, is eval."""
    folder = Path(folder)
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    sounds = []
    for path in files:
        source = f"{path.parent.name}/{path.stem.split('#')[0]}"
        draw = int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], "big") / 2**32
        split = "eval" if draw < EVAL_SHARE else "train"
        sounds.append(Sound(_label(path.parent.name), path.relative_to(folder).as_posix(), split, source))
    return _checked(sounds, str(folder))


def list_index(index: str | Path) -> list[Sound]:
    """Sounds of a CSV with the columns file (relative to the CSV's folder), label, split (train or test/eval) and
    source_recording; other columns are ignored.

    Raises:
        SceneError: a column or a file is missing, an unknown split, or one source recording in both splits.
    """
    index = Path(index)
    if not index.is_file():
        raise SceneError(f"{index}: no such file; give a CSV with the columns file, label, split, source_recording.")
    with index.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    needed = {"file", "label", "split", "source_recording"}
    if not rows or not needed <= set(rows[0]):
        raise SceneError(f"{index}: columns {sorted(rows[0]) if rows else 'none'}; expected at least {sorted(needed)}.")
    sounds = []
    for number, row in enumerate(rows, start=2):
        if row["split"] not in SPLIT_NAMES:
            raise SceneError(f"{index}:{number}: split is {row['split']!r}; give one of {sorted(SPLIT_NAMES)}.")
        if not (index.parent / row["file"]).is_file():
            raise SceneError(f"{index}:{number}: {row['file']} is not there; expected relative to the index.")
        sounds.append(Sound(_label(row["label"]), row["file"], SPLIT_NAMES[row["split"]], row["source_recording"]))
    return _checked(sounds, str(index))


def _label(text: str) -> str:
    return " ".join(text.lower().replace("_", " ").split())


def _checked(sounds: list[Sound], where: str) -> list[Sound]:
    splits_of: dict[str, set[str]] = {}
    labels: dict[str, set[str]] = {split: set() for split in SPLITS}
    for sound in sounds:
        splits_of.setdefault(sound.source_recording, set()).add(sound.split)
        labels[sound.split].add(sound.label)
    both = sorted(source for source, splits in splits_of.items() if len(splits) > 1)
    if both:
        raise SceneError(f"{where}: source recording {both[0]!r} is in both splits ({len(both)} such); use one.")
    if min(len(names) for names in labels.values()) < 2:
        counts = " and ".join(f"{len(names)} {split}" for split, names in labels.items())
        raise SceneError(f"{where}: {counts} classes; expected at least 2 in each.")
    return sounds
