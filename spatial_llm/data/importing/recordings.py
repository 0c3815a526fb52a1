"""The recordings of a table: checked, and copied or cut into the folder of the manifest.

A whole file is copied byte by byte. A section (columns start, end) is written as WAV with 32-bit floats: the very samples
that reading the file gives.
"""

import difflib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from spatial_llm.audio.io import check_waveform, read_audio
from spatial_llm.audio.limits import MIN_SECONDS, AudioLimits
from spatial_llm.data.importing.table import EXAMPLE, Row
from spatial_llm.data.paths import FileFacts
from spatial_llm.errors import AudioError
from spatial_llm.files import sha256_of

FOLDER = "recordings"
_LONGEST_NAME = 80
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
        path = self._path(row)
        key = (path, start_s, end_s)
        if key not in self._placed:
            waveform, rate = self._waveform(row, path)
            first, last = _section(row, waveform.shape[1], rate, start_s, end_s)
            self._placed[key] = self._write(path, waveform, rate, first, last)
        return self._placed[key]

    def _path(self, row: Row) -> Path:
        name = row.text("audio")
        if not name:
            raise row.error("audio is empty; expected the path of a sound file, relative to the CSV", audio=EXAMPLE["audio"])
        path = self.beside / name
        if not path.is_file():
            near = _near(path)
            right = str(Path(name).with_name(near)) if near else EXAMPLE["audio"]
            hint = "a file of a similar name is there" if near else "paths start at the folder of the CSV"
            raise row.error(f"audio {name!r}: no such file; {hint}", audio=right)
        if path.resolve().is_relative_to(self.out.resolve()):
            raise row.error(
                f"audio {name!r} lies in {self.out}, which is replaced as a whole; move it, or give another --out",
                audio=EXAMPLE["audio"],
            )
        return path.resolve()

    def _waveform(self, row: Row, path: Path) -> tuple[NDArray[np.float32], int]:
        if self._read is None or self._read[0] != path:
            name = row.text("audio")
            try:
                waveform, rate = read_audio(path, self.limits)
                self._read = path, check_waveform(waveform, name=name), rate
            except AudioError as error:
                told = str(error).replace(str(path), name).removesuffix(".")
                raise row.error(f"audio: {told}", audio=EXAMPLE["audio"]) from None
        return self._read[1:]

    def _write(self, path: Path, waveform: NDArray[np.float32], rate: int, first: int, last: int) -> Placed:
        whole = (first, last) == (0, waveform.shape[1])
        stem = re.sub(r"[^\w.-]+", "_", path.stem)[:_LONGEST_NAME].strip(".") or "recording"
        suffix = path.suffix.lower() if whole else ".wav"
        name = f"{FOLDER}/{len(self._placed) + 1:04d}_{stem}{suffix}"
        target = self.folder / name
        target.parent.mkdir(exist_ok=True)
        if whole:
            shutil.copyfile(path, target)
        else:
            soundfile.write(target, waveform[:, first:last].T, rate, subtype="FLOAT")
        return Placed(name, rate, FileFacts(target.stat().st_size, sha256_of(target)), sha256_of(path), not whole)


def _section(row: Row, samples: int, rate: int, start_s: float | None, end_s: float | None) -> tuple[int, int]:
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
