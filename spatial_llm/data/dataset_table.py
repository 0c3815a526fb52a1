"""A `datasets.Dataset` as a folder of recordings and a table of questions, which is what training starts from."""

import csv
import hashlib
from pathlib import Path
from typing import Any

from spatial_llm.audio.arrays import to_full_scale, to_numpy
from spatial_llm.audio.dataset_column import undecoded
from spatial_llm.audio.given import is_file, opened, shown_path, unpacked
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits, check_rate
from spatial_llm.audio.writing import write_sound
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.files import atomic_path, check_place

TABLE = "table.csv"


def write_dataset(dataset: Any, folder: str | Path, audio: str = "audio", limits: AudioLimits = DEFAULT_LIMITS) -> Path:
    """Writes a data set as `table.csv` and the recordings that it names, all or nothing.

    Files are copied as they are, byte by byte; arrays become WAV of floating point numbers, with all their channels. A
    recording that occurs in several rows is written once.

    Args:
        dataset: a `datasets.Dataset`; all columns but `audio` must hold texts or numbers.
        folder: to write, which must not be there.
        audio: name of the column of recordings, which is called audio in the table.
        limits: how large a recording may be.

    Returns:
        The path of the table.

    Raises:
        SpatialLLMError: there is no such column, or another one holds something else.
        AudioError: a row has no recording.
        OutputError: the folder is there, or cannot be written.
    """
    stored = undecoded(dataset, audio)
    others = [name for name in stored.column_names if name != audio]
    check_place(folder, folder=True, replaces="")
    with atomic_path(folder) as temporary:
        (temporary / "recordings").mkdir(parents=True)
        with (temporary / TABLE).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["audio", *others])
            for number, row in enumerate(stored):
                try:
                    name = _write_recording(row[audio], temporary / "recordings", limits)
                except AudioError as error:
                    raise AudioError(f"row {number} of the data set: {error}") from error
                for other in others:
                    if not isinstance(row[other], str | int | float | None):
                        raise SpatialLLMError(
                            f"row {number} of the data set: {other} is a {type(row[other]).__name__}; expected texts or "
                            "numbers: leave the column out (dataset.remove_columns)."
                        )
                table.writerow([f"recordings/{name}", *(row[other] for other in others)])
    return Path(folder) / TABLE


def _write_recording(recording: Any, folder: Path, limits: AudioLimits) -> str:
    """Writes a recording under a name made from its content, and returns the name."""
    found, rate = unpacked(recording, None)
    if found is None:
        raise AudioError("the recording is None; leave the row out.")
    if is_file(found):
        named = recording.get("path") if isinstance(recording, dict) else found
        suffix = Path(named).suffix if isinstance(named, str | Path) else ""
        with opened(found, shown_path(found), limits) as file:
            content = file.read()
        name = f"{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
        (folder / name).write_bytes(content)
        return name
    samples = to_full_scale(to_numpy(found))
    name = f"{hashlib.sha256(samples.tobytes()).hexdigest()[:16]}.wav"
    write_sound(folder / name, samples, int(check_rate(rate)), "WAV", "FLOAT")
    return name
