"""The recordings of a table: checked, and copied or cut into the folder of the manifest.

A whole file is copied byte by byte. A section (columns start, end) is written as WAV with 32-bit floats: the very samples
that reading the file gives.
"""

import difflib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from spatial_llm.audio.containers.chunks import frame_bytes
from spatial_llm.audio.io import check_waveform, inspect_audio, read_audio, warn_of_same_channels
from spatial_llm.audio.limits import MIN_SECONDS, AudioLimits
from spatial_llm.audio.windows import open_blocks
from spatial_llm.data.importing.table import EXAMPLE, Row
from spatial_llm.data.paths import FileFacts
from spatial_llm.errors import AudioError
from spatial_llm.files import sha256_of

FOLDER = "recordings"
_LONGEST_NAME = 80
_LONGEST_S = 24 * 3600.0  # of a file that sections are cut from
_Key = tuple[Path, float | None, float | None]


@dataclass(frozen=True)
class Placed:
    """Holds a recording in the folder of the manifest.

    Attributes:
        name: relative to that folder.
        rate: in Hz.
        facts: size and SHA-256 of the file.
        source: SHA-256 of the file that it was copied or cut from, equal for all sections of one file.
        is_cut: whether it is a section.
    """

    name: str
    rate: int
    facts: FileFacts
    source: str
    is_cut: bool


class Recordings:
    """Takes the recordings of one row after another; each file, or section, is checked and written once.

    Args:
        beside: the folder that relative names start from: that of the CSV.
        folder: where they are written.
        out: the folder that `folder` will replace; no recording may be read from there.
        limits: how long and large a recording may be.
    """

    def __init__(self, beside: Path, folder: Path, out: Path, limits: AudioLimits) -> None:
        self.beside, self.folder, self.out, self.limits = beside, folder, out, limits
        self._placed: dict[_Key, Placed] = {}
        self._read: tuple[Path, NDArray[np.float32], int] | None = None  # the last file, of which more sections may follow

    def place(self, row: Row) -> Placed:
        """Returns the recording of a row.

        Raises:
            ManifestError: the file is missing, no sound file, damaged, without two channels or not finite; or the section
                has no length or reaches beyond its end.
        """
        start_s, end_s = row.number("start"), row.number("end")
        path = find_audio(row, "audio", self.beside, self.out)
        key = (path, start_s, end_s)
        if key not in self._placed:
            name = row.text("audio")
            try:
                section, rate = self._section(row, path, start_s, end_s)
            except AudioError as error:
                told = str(error).replace(str(path), name).removesuffix(".")
                raise row.error(f"audio: {told}", audio=EXAMPLE["audio"]) from None
            self._placed[key] = self._write(path, section, rate)
        return self._placed[key]

    def _section(
        self, row: Row, path: Path, start_s: float | None, end_s: float | None
    ) -> tuple[NDArray[np.float32] | None, int]:
        """Returns the samples of a section, None if it is the whole file, and the rate. A file that is longer than the
        limits allow is read in blocks, and the section alone has to keep to them."""
        if (start_s is not None or end_s is not None) and _seconds(path) > self.limits.max_seconds:
            return self._section_of_long(row, path, start_s, end_s)
        if self._read is None or self._read[0] != path:
            waveform, rate = read_audio(path, self.limits)
            self._read = path, check_waveform(waveform, name=row.text("audio")), rate
            warn_of_same_channels(self._read[1], row.text("audio"))
        _, waveform, rate = self._read
        first, last = _ends(row, waveform.shape[1], rate, start_s, end_s)
        return None if (first, last) == (0, waveform.shape[1]) else waveform[:, first:last], rate

    def _section_of_long(
        self, row: Row, path: Path, start_s: float | None, end_s: float | None
    ) -> tuple[NDArray[np.float32], int]:
        parts, at = [], 0
        with open_blocks(path, replace(self.limits, max_seconds=_LONGEST_S)) as opened:
            rate = int(opened.rate)
            first, last = _ends(row, opened.frames, rate, start_s, end_s)
            self.limits.check(last - first, opened.channels, rate, f"the section of {row.text('audio')}")
            for block in opened.blocks:  # to the end, where damage shows
                parts.append(block[max(0, first - at) : max(0, last - at)])
                at += len(block)
        return check_waveform(np.ascontiguousarray(np.concatenate(parts).T), name=row.text("audio")), rate

    def _write(self, path: Path, section: NDArray[np.float32] | None, rate: int) -> Placed:
        """Copies a file, or writes a section of it."""
        whole = section is None
        suffix = path.suffix.lower() if whole else ".wav"
        name = f"{FOLDER}/{len(self._placed) + 1:04d}_{safe_stem(path)}{suffix}"
        target = self.folder / name
        target.parent.mkdir(exist_ok=True)
        if whole:
            shutil.copyfile(path, target)
        else:
            soundfile.write(target, section.T, rate, subtype="FLOAT")
        return Placed(name, rate, FileFacts(target.stat().st_size, sha256_of(target)), sha256_of(path), not whole)


def find_audio(row: Row, column: str, beside: Path, out: Path) -> Path:
    """Returns the path of the recording that a column of a row names.

    Args:
        row, column: the row, and the name of the column.
        beside: the folder that relative names start from.
        out: the folder that is replaced; no recording may be read from there.

    Raises:
        ManifestError: none is named, there is no such file, or it lies in `out`.
    """
    name, example = row.text(column), row.columns.example[column]
    if not name:
        raise row.error(f"{column} is empty; expected the path of a sound file, relative to the CSV", **{column: example})
    path = beside / name
    if not path.is_file():
        near = _near(path)
        right = str(Path(name).with_name(near)) if near else example
        hint = "a file of a similar name is there" if near else "paths start at the folder of the CSV"
        raise row.error(f"{column} {name!r}: no such file; {hint}", **{column: right})
    if path.resolve().is_relative_to(out.resolve()):
        raise row.error(
            f"{column} {name!r} lies in {out}, which is replaced as a whole; move it, or give another --out",
            **{column: example},
        )
    return path.resolve()


def safe_stem(path: Path) -> str:
    """Returns the name of a file without its suffix, of letters that any file system holds."""
    return re.sub(r"[^\w.-]+", "_", path.stem)[:_LONGEST_NAME].strip(".") or "recording"


def _seconds(path: Path) -> float:
    """Returns the length that a file promises; 0 where only its decoder can tell."""
    sound = inspect_audio(path)
    plain = (sound.length or 0) // frame_bytes(sound) if sound.plain else 0
    return max(sound.frames or 0, plain) / sound.rate


def _ends(row: Row, samples: int, rate: int, start_s: float | None, end_s: float | None) -> tuple[int, int]:
    """Returns the first sample of a section, and the one after its last."""
    lasts_s = samples / rate
    first, last = round((start_s or 0.0) * rate), samples if end_s is None else round(end_s * rate)
    shown: Mapping[str, str] = {"start": "0", "end": f"{np.floor(1000 * lasts_s) / 1000:g}"}
    if last > samples:
        raise row.error(f"end is {end_s:g} s, and {row.text('audio')!r} lasts {lasts_s:g} s", end=shown["end"])
    if last - first < MIN_SECONDS * rate:
        told = "the end of the file" if end_s is None else f"end {end_s:g}"
        right = {name: text for name, text in shown.items() if name in row.texts}
        raise row.error(
            f"start is {start_s or 0:g} s, and up to {told} ({lasts_s:g} s long) less than {MIN_SECONDS:g} s are left",
            **right,
        )
    return first, last


def _near(path: Path) -> str | None:
    try:
        names = [each.name for each in path.parent.iterdir() if each.is_file()]
    except OSError:
        return None
    return next(iter(difflib.get_close_matches(path.name, names, 1)), None)
