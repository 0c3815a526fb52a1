"""Imports the DCASE and STARSS family: audio and frame labels become windows, questions and manifests by the official split.

data/foa_dev/dev-train-tau/fold3_room4_mix001.wav         in, or mic_dev, stereo_dev
data/metadata_dev/dev-train-tau/fold3_room4_mix001.csv    in; folders between may be left out
out/train.jsonl, eval.jsonl, validation.jsonl             out, and the windows in out/recordings
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.importing.dcase_labels import read_labels
from spatial_llm.data.importing.dcase_sets import DATA_SETS, VALIDATION, DataSet, data_set
from spatial_llm.data.importing.place import check_out
from spatial_llm.data.importing.windows import (
    Cutting,
    Manifests,
    Recording,
    WindowSeconds,
    format_of,
    format_summary,
    open_recording,
    questions_about_annotations,
    refuse_shared,
)
from spatial_llm.errors import ManifestError
from spatial_llm.files import atomic_path
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.ranges import Checked, Seed

LABELS = "metadata_dev"
_EXAMPLE = "fold3_room4_mix001"
_PART_OF = {"train": "dev-train", "eval": "dev-test", VALIDATION: "dev-val"}
_NAME = re.compile(r"fold(\d+)_room(\d+)_mix\d+")
# Power of the channels after the first relative to the first. In first-order ambisonics (SN3D) the three figures of eight
# have together the power of the omnidirectional channel, in any sound field: cos^2 + sin^2 = 1 for each plane wave. Four
# microphones close to each other have the same power each: 3. The border is the geometric mean.
_MOST_FOA = 3**0.5
_BAND_HZ = (200.0, 800.0)  # below, encoded recordings have noise; above, a sphere shades its microphones from each other
_BLOCK = 2**16  # samples of a spectrum
_TESTED = 8  # recordings whose channels are compared


@dataclass
class DcaseArguments(Checked):
    """Sets what to import, and where to.

    Attributes:
        data: folder of the data set, which holds metadata_dev and the folder of its recordings.
        data_set: which it is, in which format: starss23-foa, starss23-mic, starss22-foa, starss22-mic, dcase2025-stereo,
            tau-nigens2020-foa, tau-nigens2020-mic, tau-nigens2021-foa, tau-nigens2021-mic.
        out: folder for the manifests and the windows; one that an import has written is replaced.
        window_s: length of a window in seconds; null: 10, and 5 for dcase2025-stereo.
        questions: what is asked.
        seed: of the choice of questions.
        audio_limits: how long and large a recording may be, and whether truncated files are read.
    """

    data: str
    data_set: str
    out: str
    window_s: WindowSeconds | None = None
    questions: QuestionConfig = field(default_factory=questions_about_annotations)
    seed: Seed = 0
    audio_limits: AudioLimits = field(default_factory=AudioLimits)


def import_dcase(arguments: DcaseArguments) -> dict[str, Any]:
    """Writes the manifests and windows of a data set to a folder, all or nothing, and returns the counts, which import.json
    holds too.

    Returns:
        for each manifest: `questions`, `recordings`, `types`, and `counts` of events, windows, static and moving sounds, and
        of what was left out and why.

    Raises:
        ManifestError: a folder, recording or line of labels is missing or wrong, or `out` holds something else.
        OutputError: the folder cannot be written.
    """
    of, folder, out = data_set(arguments.data_set), Path(arguments.data), Path(arguments.out)
    check_out(out, folder)
    format = format_of(of.format)
    items = _items(folder, of)
    refuse_shared(items)
    limits = arguments.audio_limits
    if of.channels > 2:
        _check_channels(items, arguments.data_set, format, limits)
    window_s = arguments.window_s or of.window_s
    cutting = Cutting(of.format, window_s, of.classes, of.folded, of.complete, arguments.questions, arguments.seed, limits)
    about = {"source": str(folder), "data_set": arguments.data_set, "licence": of.licence, "window_s": window_s}
    with atomic_path(out) as temporary:
        temporary.mkdir()
        manifests = Manifests(cutting, temporary)
        for item in items:
            waveform, rate = open_recording(item.audio, format, limits, item.where)
            manifests.add(item, read_labels(Path(item.where), of, waveform.shape[1] / rate), waveform, rate)
        return manifests.write(about)


def main(arguments: DcaseArguments) -> None:
    """Imports a data set and prints what came of it."""
    splits = import_dcase(arguments)
    print("\n".join(format_summary(splits, Path(arguments.out))))
    print(f"licence: {data_set(arguments.data_set).licence}")


def _items(folder: Path, of: DataSet) -> list[Recording]:
    """Returns the recordings that have labels, in order of their names."""
    for name in (LABELS, of.audio):
        if not (folder / name).is_dir():
            others = [name for name in sorted({each.audio for each in DATA_SETS.values()}) if (folder / name).is_dir()]
            there = f"; {', '.join(others)} is there, of another format" if others and name != LABELS else ""
            raise ManifestError(
                f"{folder}: no folder {name} inside{there}; give the folder that holds {LABELS} and {of.audio}, and the "
                "data_set whose files they are."
            )
    files = _by_stem(folder / of.audio, ".wav")
    labels = _by_stem(folder / LABELS, ".csv")
    if not labels:
        raise ManifestError(f"{folder / LABELS}: no CSV inside; expected one for each recording, such as {_EXAMPLE}.csv.")
    return [_item(path, files, folder / of.audio, of) for _, path in sorted(labels.items())]


def _item(labels: Path, files: dict[str, Path], folder: Path, of: DataSet) -> Recording:
    found = _NAME.match(labels.stem)
    if found is None or int(found[1]) not in of.splits:
        folds = ", ".join(f"fold{fold} {split}" for fold, split in of.splits.items())
        raise ManifestError(
            f"{labels}: the name does not begin with one of the folds of this data set ({folds}) and a room; expected "
            f"a name such as {_EXAMPLE}.csv, which says what it is for."
        )
    if labels.stem not in files:
        raise ManifestError(
            f"{labels}: no recording {labels.stem}.wav below {folder}; fetch it, or take its labels out of {LABELS}."
        )
    manifest = of.splits[int(found[1])]
    part = labels.parent.name
    if part.startswith("dev-") and not part.startswith(_PART_OF[manifest]):
        raise ManifestError(
            f"{labels}: fold{found[1]} is for {manifest}, and lies in {part}; expected it in {_PART_OF[manifest]}."
        )
    room = f"{of.family} fold{found[1]} room{found[2]}" if of.rooms_of_fold else f"{of.family} room{found[2]}"
    return Recording(str(labels), files[labels.stem], labels.stem, manifest, f"{of.family} {found[0]}", room)


def _by_stem(folder: Path, suffix: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{suffix}")):
        if found.setdefault(path.stem, path) != path:
            raise ManifestError(f"{path}: {found[path.stem]} has the same name; keep one.")
    return found


def _check_channels(items: Sequence[Recording], name: str, format: AudioFormat, limits: AudioLimits) -> None:
    """Raises ManifestError if most of a few recordings are those of the other format of this data set: FOA and MIC both have
    four channels, and files of one in the folder of the other would give wrong directions without a word."""
    powers, audio = np.zeros(format.channels), items[0].audio
    for item in items[:: max(1, len(items) // _TESTED)]:
        waveform, rate = open_recording(item.audio, format, limits, item.where)
        powers += _band_powers(waveform, rate)
    if powers[0] == 0:
        return
    ratio = powers[1:].sum() / powers[0]
    is_foa = name.endswith("-foa")
    if (ratio > _MOST_FOA) == is_foa:
        other = name.replace("-foa", "-mic") if is_foa else name.replace("-mic", "-foa")
        looks = "microphones of an array" if is_foa else "first-order ambisonics"
        raise ManifestError(
            f"{audio}: the channels after the first have together {ratio:.1f} times its power; about "
            f"{'1 is expected of ambisonics' if is_foa else '3 is expected of four microphones'}. These look like {looks}: "
            f"give --data_set {other}, with the recordings in {DATA_SETS[other].audio}."
        )


def _band_powers(waveform: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Returns the power (channels,) of a recording (channels, samples) in _BAND_HZ, in one unit for all recordings."""
    powers = np.zeros(len(waveform))
    for first in range(0, waveform.shape[1], _BLOCK):
        spectra = np.fft.rfft(waveform[:, first : first + _BLOCK], _BLOCK)
        low, high = (round(hz * _BLOCK / rate) for hz in _BAND_HZ)
        powers += np.sum(np.abs(spectra[:, low:high]) ** 2, axis=1)
    return powers
