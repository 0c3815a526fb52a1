"""Dry sounds and their splits: the built-in classes, a folder (class = subfolder), or an index CSV.

A split is by source recording: whatever was cut from one recording stays on one side. Labels are lower-case.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.errors import SceneError
from spatial_llm.files import can_be_named, leads_out
from spatial_llm.scenes.csv_rows import read_csv_rows
from spatial_llm.scenes.events import EVENT_CLASSES, synth_reference
from spatial_llm.scenes.sound_files import check_labels, copies_of, say, sound_files

SPLITS = ("train", "eval")
SPLIT_NAMES = {"train": "train", "test": "eval", "eval": "eval"}  # as written in an index -> ours
EVAL_SHARE = 0.25  # of the source recordings of a folder, which names no splits
EVAL_FIRST_SEED = 1_000_000  # draws of the built-in classes: train below, eval from here on
INDEX_COLUMNS = ("file", "label", "split", "source_recording")


@dataclass(frozen=True)
class Sound:
    """One dry recording: its label, its reference (a path relative to the sounds' folder, or "synth:<class>/<seed>"), its
    split, and the source recording it was cut from."""

    label: str
    recording: str
    split: str
    source_recording: str


def list_synthesized(train_recordings: int, eval_recordings: int, classes: Sequence[str] = EVENT_CLASSES) -> list[Sound]:
    """Returns the built-in classes, or some of them, with a number of draws for each; train and eval draws share no seed.

    Raises:
        SceneError: a class is not built in, there are fewer than two, or no draws.
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
    """Returns the sound files in subfolders named after their class, at any depth; see `sound_files` for what is left out
    with a warning.

    Each file is its own source recording, except that files that differ only in a "#number" ending, in case, or not at all
    (copies) belong together. A quarter of the recordings, chosen by a hash of the name, is eval.

    Raises:
        SceneError: a label is empty, one content is under two labels, or a split has fewer than two classes.
    """
    folder = Path(folder)
    files = {path.relative_to(folder).as_posix(): path for path in sound_files(folder)}
    label_of = {name: _label(name.split("/")[0]) for name in files}
    check_labels((f"{folder}/{name.split('/')[0]}", label) for name, label in label_of.items())
    sources = {name: f"{name.split('/')[0]}/{_stem(name)}" for name in files}
    together = _Together()
    for source in sources.values():
        together.join(source.casefold(), source)
    copies = copies_of(files)
    _check_one_label(copies, label_of, folder)
    for names in copies:
        for name in names[1:]:
            together.join(sources[names[0]], sources[name])
    if copies:
        said = "files are copies of others; they stay in one split"
        say(str(folder), {said: [name for names in copies for name in names[1:]]})
    spelled: dict[str, set[str]] = {}
    for name, label in label_of.items():
        spelled.setdefault(label, set()).add(name.split("/")[0])
    several = [" and ".join(sorted(names)) for names in spelled.values() if len(names) > 1]
    if several:
        say(str(folder), {"classes have folders of several spellings, which are one class": several})
    sounds = []
    for name, label in label_of.items():
        source = together.first(sources[name])
        draw = int.from_bytes(hashlib.sha256(source.encode()).digest()[:4], "big") / 2**32
        sounds.append(Sound(label, name, "eval" if draw < EVAL_SHARE else "train", source))
    return _checked(sounds, str(folder))


def list_index(index: str | Path) -> list[Sound]:
    """Returns the sounds of a CSV with the columns file (relative to the CSV's folder), label, split (train or test/eval)
    and source_recording; other columns are ignored.

    Raises:
        SceneError: a column or a file is missing, a split is unknown, a field is empty, or one source recording or one
            content is in both splits or under two labels; file and line are named.
    """
    index = Path(index)
    rows = read_csv_rows(index, INDEX_COLUMNS)
    if not rows:
        raise SceneError(f"{index}: no rows; expected one for each sound.")
    sounds = []
    for where, row in rows:
        if row["split"] not in SPLIT_NAMES:
            raise SceneError(f"{where}: split is {row['split']!r}; give one of {sorted(SPLIT_NAMES)}.")
        empty = [name for name in INDEX_COLUMNS if not row[name].strip()]
        if empty:
            raise SceneError(f"{where}: {', '.join(empty)} is empty; expected a text.")
        if leads_out(row["file"]) or not can_be_named(row["file"]):
            raise SceneError(f"{where}: file {row['file']!r} leads out of the index's folder; keep sounds below it.")
        if not (index.parent / row["file"]).is_file():
            raise SceneError(f"{where}: {row['file']} is not there; expected relative to the index.")
        check_labels([(where, row["label"])])
        sounds.append(Sound(_label(row["label"]), row["file"], SPLIT_NAMES[row["split"]], row["source_recording"]))
    labels: dict[str, str] = {}
    splits: dict[str, str] = {}
    for sound in sounds:
        if labels.setdefault(sound.recording, sound.label) != sound.label:
            raise SceneError(
                f"{index}: {sound.recording} has the labels {labels[sound.recording]} and {sound.label}; keep one."
            )
        if splits.setdefault(sound.recording, sound.split) != sound.split:
            raise SceneError(f"{index}: {sound.recording} is in both splits; keep one row of it.")
    copies = copies_of({sound.recording: index.parent / sound.recording for sound in sounds})
    _check_one_label(copies, labels, index)
    for names in copies:
        other = next((name for name in names if splits[name] != splits[names[0]]), None)
        if other is not None:
            raise SceneError(f"{index}: {names[0]} and {other} are the same sound, one in each split; keep one of them.")
    return _checked(sounds, str(index))


class _Together:
    """Groups source recordings that belong together, by the first name of each group."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._name: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        self._name.setdefault(self._root(one), other)
        self._parent[self._root(other)] = self._root(one)

    def first(self, source: str) -> str:
        return self._name[self._root(source)]

    def _root(self, source: str) -> str:
        while self._parent.get(source, source) != source:
            source = self._parent[source]
        return source


def _stem(name: str) -> str:
    """Returns the name of a file within its class, without its suffix and its "#number"."""
    inner = name.split("/", 1)[1]
    return inner[: len(inner) - len(Path(inner).suffix)].split("#")[0]


def _check_one_label(copies: list[list[str]], label_of: Mapping[str, str], where: Path) -> None:
    for names in copies:
        first = names[0]
        other = next((name for name in names if label_of[name] != label_of[first]), None)
        if other is not None:
            raise SceneError(
                f"{where}: {first} and {other} are the same sound under the labels {label_of[first]!r} and "
                f"{label_of[other]!r}; keep one of them."
            )


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
