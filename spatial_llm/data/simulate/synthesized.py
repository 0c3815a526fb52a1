"""Built-in dry sounds while scenes are sampled: each is synthesised once, by the first process that needs it.

A sound occurs in several scenes, and synthesising it takes about half the time of sampling a scene. The sounds lie in one
file, mapped into memory, that the processes share and that goes when they are done.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spatial_llm.files import new_array
from spatial_llm.scenes.events import SYNTH_PREFIX, parse_synth_reference, synthesize_event

MOST_BYTES = 4 * 2**30  # of the file; more sounds than that are synthesised each time
_SOUNDS, _DONE = "sounds.npy", "done.npy"


class SynthesizedOnce:
    """The built-in sounds by their references, float32 (samples,).

    Args:
        folder: where `make_room` made the files for these very sounds.
        recordings: of the sounds; those that are files are left out.
        duration_s, sampling_rate: of each sound.
    """

    def __init__(self, folder: Path, recordings: Iterable[str], duration_s: float, sampling_rate: int) -> None:
        self._sounds, self._done = (np.load(folder / name, mmap_mode="r+") for name in (_SOUNDS, _DONE))
        self._rows = {reference: row for row, reference in enumerate(_built_in(recordings))}
        self._of = duration_s, sampling_rate

    def __contains__(self, recording: str) -> bool:
        return recording in self._rows

    def __getitem__(self, recording: str) -> np.ndarray:
        row = self._rows[recording]
        if not self._done[row]:
            self._sounds[row] = synthesize_event(*parse_synth_reference(recording), *self._of)
            self._done[row] = True
        return self._sounds[row]


def make_room(folder: Path, recordings: Iterable[str], duration_s: float, sampling_rate: int) -> Path | None:
    """Makes the empty files in `folder` and returns it; None where no recording is a built-in one, they would take more
    than MOST_BYTES, or the disk has no room."""
    sounds, samples = len(_built_in(recordings)), round(duration_s * sampling_rate)
    if not sounds or 4 * samples * sounds > MOST_BYTES:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Made anew in each run: after a crash of the machine a row might be marked done without its samples.
        new_array(folder / _SOUNDS, np.float32, (sounds, samples))
        new_array(folder / _DONE, np.bool_, (sounds,))
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder


def _built_in(recordings: Iterable[str]) -> list[str]:
    return sorted({name for name in recordings if name.startswith(SYNTH_PREFIX)})
