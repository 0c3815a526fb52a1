"""Annotated recordings to records: cut into windows, each with what is heard in it and questions about that."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from spatial_llm.audio.formats import AudioFormat, parse_format
from spatial_llm.audio.io import check_waveform, read_audio
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.importing.heard import Track, hear
from spatial_llm.data.importing.place import SUMMARY, summary_of
from spatial_llm.data.importing.recordings import FOLDER
from spatial_llm.data.paths import FileFacts
from spatial_llm.data.record import Known, Record
from spatial_llm.data.records import record_from_dict, write_manifest
from spatial_llm.errors import AudioError, ManifestError
from spatial_llm.files import sha256_of, write_json
from spatial_llm.provenance import provenance
from spatial_llm.questions.asking import Question
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.writer import QuestionWriter
from spatial_llm.ranges import Within

WindowSeconds = Annotated[float, Within(1.0, 600.0)]
SHORTEST_S = 1.0  # a shorter rest at the end of a recording is left out
_FAMILIES = {
    "detection": 1, "location": 1, "detection_at_place": 1, "location_of_named": 1, "direction_yes_no": 1,
    "distance_yes_no": 1, "open_relation": 1, "azimuth": 2, "elevation": 1, "distance": 1, "count": 1, "nearest": 1,
    "relation": 1, "same_class": 1, "time": 1, "span": 1, "rotated": 1, "side": 2, "negative": 2, "overlap": 1,
}  # fmt: skip


def questions_about_annotations() -> QuestionConfig:
    """Returns what is asked by default: every family whose answer an annotated recording can give."""
    return QuestionConfig(ask=dict(_FAMILIES), limit=8)


@dataclass(frozen=True)
class Recording:
    """Holds one annotated recording.

    Attributes:
        where: file, or file:line, of its labels, for messages.
        audio: its file.
        name: unique, the beginning of the names of its windows.
        manifest: name of the manifest that it belongs to: "train", "eval" or "validation".
        recording, room: what no other split may share with it; None: not known.
    """

    where: str
    audio: Path
    name: str
    manifest: str
    recording: str
    room: str | None = None


@dataclass(frozen=True)
class Cutting:
    """Holds how recordings are cut, and what is asked about the windows.

    Attributes:
        format: of all recordings, as a text.
        window_s: length of a window.
        labels: classes that are annotated wherever they sound, so that one may be said to be absent.
        folded, complete: see `heard.hear`.
        questions: what is asked.
        seed: of the choice of questions.
        limits: of a recording.
    """

    format: str
    window_s: float
    labels: Sequence[str]
    folded: bool
    complete: bool
    questions: QuestionConfig
    seed: int
    limits: AudioLimits


@dataclass
class Manifests:
    """Collects the records of each manifest, with counts of what is in them and what was left out."""

    cutting: Cutting
    folder: Path
    records: dict[str, list[Record]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    _writers: dict[str, QuestionWriter] = field(default_factory=dict)

    def add(self, item: Recording, tracks: Sequence[Track], waveform: NDArray[np.float32], rate: int) -> None:
        """Cuts a recording and asks about its windows.

        Args:
            item: the recording.
            tracks: its sounds.
            waveform: its samples (channels, samples).
            rate: in Hz.
        """
        counts = self.counts.setdefault(item.manifest, Counter())
        counts["recordings"] += 1
        counts["events"] += sum(len(track.events()) for track in tracks)
        length, size = waveform.shape[1], round(self.cutting.window_s * rate)
        for number, first in enumerate(range(0, length, size)):
            last = min(first + size, length)
            if number and last - first < SHORTEST_S * rate:
                counts[f"rests of less than {SHORTEST_S:g} s at the end"] += 1
                continue
            counts["windows"] += 1
            heard = hear(tracks, first / rate, last / rate, self.cutting.folded, self.cutting.complete)
            counts.update(heard.counts)
            asked = [] if heard.scene is None else self._writer(item.manifest).write(heard.scene)
            if not asked:
                counts["windows of which nothing could be asked"] += heard.scene is not None
                continue
            name = f"{item.name}-{number:03d}"
            path = write_window(self.folder, name, waveform[:, first:last], rate)
            known = Known(recording=item.recording, room=item.room, sounds=heard.scene.sources)
            self.records.setdefault(item.manifest, []).extend(self._records(item, name, path, rate, known, asked))

    def _records(
        self, item: Recording, name: str, path: str, rate: int, known: Known, asked: Sequence[Question]
    ) -> Iterator[Record]:
        written = self.folder / path
        files = {path: FileFacts(written.stat().st_size, sha256_of(written))}
        for index, question in enumerate(asked):
            record = Record(
                id=f"{name}-{index}",
                recording_id=name,
                **vars(question),
                split=split_of(item.manifest),
                sampling_rate=rate,
                audio=path,
                audio_format=self.cutting.format,
                files=files,
                known=known,
            )
            yield record_from_dict(record.to_dict(), item.where)

    def _writer(self, manifest: str) -> QuestionWriter:
        if manifest not in self._writers:
            rng = np.random.default_rng([self.cutting.seed, *manifest.encode()])
            labels = self.cutting.labels
            self._writers[manifest] = QuestionWriter(self.cutting.questions, rng, labels, split_of(manifest))
        return self._writers[manifest]

    def write(self, about: dict[str, Any]) -> dict[str, Any]:
        """Writes the manifests and the summary, which it returns: for each manifest the questions and the counts.

        Raises:
            ManifestError: there is no question at all.
        """
        if not self.records:
            told = "; ".join(f"{name}: {count}" for each in self.counts.values() for name, count in sorted(each.items()))
            raise ManifestError(f"{about['source']}: nothing could be asked of any recording ({told or 'there is none'}).")
        splits = {}
        for name, counts in self.counts.items():
            records = self.records.get(name, [])
            splits[name] = summary_of(records) | {"counts": dict(sorted(counts.items()))}
            if records:
                write_manifest(self.folder / f"{name}.jsonl", records)
        write_json(self.folder / SUMMARY, {**about, "splits": splits, "provenance": provenance(seed=self.cutting.seed)})
        return splits


def split_of(manifest: str) -> str:
    """Returns the split of the records of a manifest: nothing but "train" is trained on."""
    return "train" if manifest == "train" else "eval"


def open_recording(path: Path, format: AudioFormat, limits: AudioLimits, where: str) -> tuple[NDArray[np.float32], int]:
    """Returns the samples (channels, samples) of a recording, and its rate.

    Raises:
        ManifestError: it is damaged or has another number of channels than its format; `where` begins the message.
    """
    try:
        waveform, rate = read_audio(path, limits)
        return check_waveform(waveform, format, str(path)), rate
    except AudioError as error:
        raise ManifestError(f"{where}: {error}") from None


def write_window(folder: Path, name: str, waveform: NDArray[np.float32], rate: int) -> str:
    """Writes a window (channels, samples) as WAV and returns its name in the folder. Samples of 16 bits are written as such,
    all others as floats of 32 bits: both are read again as the very same numbers."""
    path = f"{FOLDER}/{name}.wav"
    (folder / FOLDER).mkdir(exist_ok=True)
    scaled = waveform * np.float32(2**15)
    whole = np.array_equal(scaled, np.rint(scaled)) and scaled.min() >= -(2**15) and scaled.max() < 2**15
    samples = scaled.astype(np.int16) if whole else waveform
    soundfile.write(folder / path, samples.T, rate, subtype="PCM_16" if whole else "FLOAT")
    return path


def refuse_shared(items: Sequence[Recording]) -> None:
    """Raises ManifestError if a room or a recording is in two manifests: what was trained on measures nothing."""
    first: dict[tuple[str, str], Recording] = {}
    for item in items:
        for kind, name in (("room", item.room), ("recording", item.recording)):
            other = item if name is None else first.setdefault((kind, name), item)
            if other.manifest != item.manifest:
                raise ManifestError(
                    f"{item.where}: {kind} {name!r} is in {item.manifest!r}, and in {other.manifest!r} already "
                    f"({other.where}); what was trained on measures nothing."
                )


def format_summary(splits: dict[str, Any], out: Path) -> Iterator[str]:
    """Yields the summary of an import as lines for reading."""
    for split, told in splits.items():
        types = ", ".join(f"{count} {name}" for name, count in told["types"].items())
        yield f"{split}: {told['questions']} questions about {told['recordings']} windows" + (f" ({types})" if types else "")
        yield from (f"    {count} {name}" for name, count in told["counts"].items())
    yield from (f"written: {out / split}.jsonl" for split, told in splits.items() if told["questions"])


def format_of(text: str) -> AudioFormat:
    """Returns the format of a text. Raises ManifestError if there is none."""
    try:
        return parse_format(text)
    except AudioError as error:
        raise ManifestError(f"format: {error}") from None
