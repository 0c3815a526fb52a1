"""Prepares a folder of dry sounds for simulation: an index of recorded clips, filtered, cut and varied.

    folder/index.csv       columns of `scenes.sounds.list_index`, with licence and attribution of every piece
    folder/<label>/*.flac  pieces of `piece_s` seconds, 16 bit
    folder/sounds.json     what it was made from

From a small set of clips an encoder memorises the clips. So each training recording is also written faster and slower (pitch
and tempo together, as for another animal or engine of its kind; Ko et al., "Audio augmentation for speech recognition",
2015) and in pieces; evaluation recordings stay unchanged. Splits are by source recording.
"""

import csv
import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from spatial_llm.audio.io import read_audio, resample
from spatial_llm.audio.writing import write_sound
from spatial_llm.errors import SceneError
from spatial_llm.files import atomic_path, check_place, sha256_of, write_json
from spatial_llm.provenance import provenance
from spatial_llm.scenes.csv_rows import read_csv_rows
from spatial_llm.scenes.dry_sounds import used_channel
from spatial_llm.scenes.events import EVENT_CLASSES, synthesize_event
from spatial_llm.scenes.sound_files import say
from spatial_llm.scenes.sounds import EVAL_FIRST_SEED, INDEX_COLUMNS, list_index

COLUMNS = ("file", "label", "split", "source_recording", "licence", "attribution")
SUMMARY = "sounds.json"
OURS = {"licence": "CC0 1.0", "attribution": "synthesized by spatial_llm"}
LOWEST_RATE = 1000
QUIET_DB = -20.0  # a piece this far below the loudest of its recording is mostly its decaying tail


@dataclass
class SoundFolderConfig:
    """Sets the content of the folder.

    Attributes:
        index: CSV with the columns file, label, split, source_recording, licence and attribution.
        licences: accepted licences, as the index spells them.
        leave_out: labels of the index that are not taken.
        evaluate: content of the split `eval`: "held_out", a share of the training recordings, for decisions; or "test", the
            test recordings of the index, for reports. Training recordings are the same in both.
        held_out_share: share of the source recordings of each label; at least one where there are two.
        piece_s: length of a piece, and of a built-in sound.
        hop_s: time from the start of a piece to that of the next one.
        speeds: of the training pieces; 1 is the recording itself.
        synthesized: built-in classes that are added; none may be a label of the index that is taken.
        synthesized_train, synthesized_eval: number of draws of each.
        sampling_rate: of all files.
    """

    index: str
    licences: list[str]
    leave_out: list[str] = field(default_factory=list)
    evaluate: Literal["held_out", "test"] = "held_out"
    held_out_share: float = 0.12
    piece_s: float = 2.0
    hop_s: float = 1.5
    speeds: list[float] = field(default_factory=lambda: [1.0])
    synthesized: list[str] = field(default_factory=list)
    synthesized_train: int = 100
    synthesized_eval: int = 20
    sampling_rate: int = 32_000

    def __post_init__(self) -> None:
        if not 0 < self.held_out_share < 1 or self.piece_s < 0.1 or self.hop_s <= 0:
            raise SceneError(
                f"held_out_share {self.held_out_share}, piece_s {self.piece_s}, hop_s {self.hop_s}; give a share between "
                "0 and 1, at least 0.1 s, and a hop above 0."
            )
        if min(self.synthesized_train, self.synthesized_eval) < 0 or self.sampling_rate < LOWEST_RATE:
            raise SceneError(
                f"synthesized_train {self.synthesized_train}, synthesized_eval {self.synthesized_eval}, sampling_rate "
                f"{self.sampling_rate}; give draws of 0 or more, and a rate of {LOWEST_RATE} Hz or more."
            )
        if not self.speeds or min(self.speeds) < 0.5 or max(self.speeds) > 2:
            raise SceneError(f"speeds {self.speeds}; give one or more from 0.5 to 2, 1 for the recording itself.")
        unknown = sorted(set(self.synthesized) - set(EVENT_CLASSES))
        if unknown:
            raise SceneError(f"synthesized {unknown}: no built-in classes; known are {', '.join(EVENT_CLASSES)}.")


@dataclass(frozen=True)
class Clip:
    """One recording taken from the index: its file, label, split, source recording, licence and attribution."""

    file: Path
    label: str
    split: Literal["train", "eval"]
    source_recording: str
    licence: str
    attribution: str


def chosen_clips(config: SoundFolderConfig) -> list[Clip]:
    """Returns the clips of the index that the folder takes, in the order of the index.

    Raises:
        SceneError: there is no such index or column, an unknown label to leave out, a licence that no clip has, nothing
            left, or a label that is synthesized as well.
    """
    index = Path(config.index)
    sounds = list_index(index)  # checks files and splits
    rows = [row for _, row in read_csv_rows(index, INDEX_COLUMNS)]
    missing = {"licence", "attribution"} - set(rows[0])
    if missing:
        raise SceneError(f"{index}: no column {', '.join(sorted(missing))}; sounds without licence are not taken.")
    _check_known("leave_out", config.leave_out, {sound.label for sound in sounds})
    _check_known("licences", config.licences, {row["licence"] for row in rows})
    taken = [
        (sound, row)
        for sound, row in zip(sounds, rows, strict=True)
        if row["licence"] in config.licences and sound.label not in config.leave_out
    ]
    held_out = _held_out({(s.label, s.source_recording) for s, _ in taken if s.split == "train"}, config.held_out_share)
    clips = []
    for sound, row in taken:
        part = "held_out" if sound.source_recording in held_out else "test" if sound.split == "eval" else "train"
        if part in ("train", config.evaluate):
            split = "train" if part == "train" else "eval"
            file = index.parent / sound.recording
            clips.append(Clip(file, sound.label, split, sound.source_recording, row["licence"], row["attribution"]))
    other: dict[str, list[str]] = {}
    for sound, row in zip(sounds, rows, strict=True):
        if sound.label not in config.leave_out and row["licence"] not in config.licences:
            other.setdefault(f"under {row['licence'] or 'no licence'}", []).append(sound.recording)
    if other:
        say(f"{index}: clips are left out, whose licence is not among those accepted", other)
    both = sorted({clip.label for clip in clips} & set(config.synthesized))
    if both or not clips:
        raise SceneError(
            f"{index}: " + (f"{both} are both recorded and synthesized; drop one." if both else "no clip is left.")
        )
    return clips


def write_sound_folder(config: SoundFolderConfig, folder: str | Path) -> dict[str, int]:
    """Writes the folder, whole or not at all; returns the number of pieces of each split.

    Raises:
        SceneError: see `chosen_clips`.
        AudioError: a clip cannot be read, or is silent.
    """
    check_place(folder, folder=True, replaces=SUMMARY)
    clips = chosen_clips(config)
    rows: list[dict[str, str]] = []
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for clip in tqdm(clips, desc="sounds", unit="clip"):
            waveform, rate = read_audio(clip.file)
            used = used_channel(waveform, clip.file)
            for speed in config.speeds if clip.split == "train" else [1.0]:
                sound = resample(used[None], round(rate * speed), config.sampling_rate)[0]
                for number, piece in enumerate(_pieces(sound, config)):
                    name = f"{clip.file.stem}@{speed:g}-{number}.flac"
                    rows.append(_write(temporary, name, piece, config.sampling_rate, clip))
        for label in config.synthesized:
            for split, first, count in (
                ("train", 0, config.synthesized_train),
                ("eval", EVAL_FIRST_SEED, config.synthesized_eval),
            ):
                for seed in range(first, first + count):
                    sound = synthesize_event(label, seed, config.piece_s, config.sampling_rate)
                    source = Clip(Path(), label, split, f"synth:{label}/{seed}", **OURS)
                    rows.append(_write(temporary, f"{seed}.flac", sound, config.sampling_rate, source))
        with (temporary / "index.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        counts = {split: sum(row["split"] == split for row in rows) for split in ("train", "eval")}
        settings = asdict(config) | {"index": Path(config.index).name, "index_sha256": sha256_of(config.index)}
        write_json(temporary / SUMMARY, {"config": settings, "pieces": counts, "provenance": provenance()})
    return counts


def _held_out(recordings: set[tuple[str, str]], share: float) -> set[str]:
    """Returns the source recordings of each label with the smallest hashes, so that other labels change nothing."""
    chosen: set[str] = set()
    for label in {label for label, _ in recordings}:
        names = sorted({name for other, name in recordings if other == label}, key=_hash)
        chosen.update(names[: max(1, round(share * len(names)))] if len(names) > 1 else [])
    return chosen


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _pieces(sound: np.ndarray, config: SoundFolderConfig) -> list[np.ndarray]:
    """Cuts (samples,) into pieces of at most `piece_s`; a short rest and quiet pieces are dropped."""
    length, hop = round(config.piece_s * config.sampling_rate), round(config.hop_s * config.sampling_rate)
    starts = range(0, max(1, len(sound) - length // 2), hop)
    pieces = [sound[start : start + length] for start in starts]
    energies = [float(np.sum(np.square(piece, dtype=np.float64))) for piece in pieces]
    loud = max(energies) * 10 ** (QUIET_DB / 10)
    return [piece for piece, energy in zip(pieces, energies, strict=True) if energy >= loud]


def _write(folder: Path, name: str, sound: np.ndarray, rate: int, clip: Clip) -> dict[str, str]:
    file = Path(clip.label.replace(", ", "-").replace(" ", "-")) / name
    (folder / file.parent).mkdir(exist_ok=True)
    again = 2
    while (folder / file).exists():  # clips of one name in two folders, which must not replace each other
        file, again = file.with_name(f"{Path(name).stem}~{again}{Path(name).suffix}"), again + 1
    # Only pieces that would be clipped are scaled: the simulation brings every sound to one level anyway.
    write_sound(folder / file, sound / max(1.0, float(np.abs(sound).max())), rate, "FLAC", "PCM_16")
    values = (file.as_posix(), clip.label, clip.split, clip.source_recording, clip.licence, clip.attribution)
    return dict(zip(COLUMNS, values, strict=True))


def _check_known(what: str, given: list[str], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise SceneError(f"{what} {unknown}: not in the index; it has {', '.join(sorted(known))}.")
