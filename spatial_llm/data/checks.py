"""Checks manifests and scene files as a whole and returns their content: counts, balance, directions; and checks that
training and evaluation share nothing.

Besides what reading checks: scenes agree with the banks they name; the answer to a question about one source gives the place
of that source; records with the same recording_id have the same
recording; and between the splits of all files given together no id, no recording, no room and no sound file is shared, under
any name (files of equal size are compared by their SHA-256). A room and its mirror image count as one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from spatial_llm.data.paths import DataRoot
from spatial_llm.data.record import check_meaning, sources_of
from spatial_llm.data.records import Record, iter_records
from spatial_llm.data.scene_files import iter_scenes
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.jsonl import iter_jsonl
from spatial_llm.questions import Question
from spatial_llm.questions.balance import Balance, balance
from spatial_llm.scenes.events import SYNTH_PREFIX
from spatial_llm.scenes.render import scene_bank
from spatial_llm.scenes.scene import Scene, direction_of

SHOWN = 5  # examples of each kind of overlap
KINDS = ("id", "recording_id", "source recording", "room", "sound file (SHA-256)")


@dataclass(frozen=True)
class HeardAt:
    """One source of one recording: its classes and its place; None where the record does not tell."""

    labels: tuple[str, ...] | None
    azimuth_deg: float | None
    distance_m: float | None


@dataclass
class Contents:
    """The content of one split of the files."""

    questions: list[Question] = field(default_factory=list)
    recordings: int = 0
    rooms: set[str] = field(default_factory=set)
    by_number_of_sources: Counter = field(default_factory=Counter)
    sources: list[HeardAt] = field(default_factory=list)

    @property
    def labels(self) -> Counter:
        """Counts the sources of each class."""
        return Counter(label for source in self.sources for label in source.labels or ())

    def balance(self, by: str) -> dict[str, Balance]:
        """Returns the balance, see `questions.balance.balance`."""
        return balance(self.questions, by)


def check_files(paths: Sequence[str | Path], elsewhere: dict[str, Path] | None = None) -> dict[str, Contents]:
    """Checks manifests and scene files together, and returns the content of each split.

    Args:
        paths: JSONL files of records or of scenes; the first line shows which.
        elsewhere: folders allowed beside each file's own, see `data.paths`.

    Raises:
        ManifestError: a file is faulty, or training and evaluation overlap; file, line and field are named.
    """
    contents: dict[str, Contents] = {}
    overlap = _Overlap()
    for path in map(Path, paths):
        root = DataRoot(path.parent, elsewhere or {})
        recordings: dict[str, bytes] = {}
        for number, item in _items(path, root):
            where = f"{path}:{number}"
            held = contents.setdefault(item.split, Contents())
            overlap.add("id", item.split, item.id, where)
            if isinstance(item, Record):
                held.questions.append(Question(item.type, item.question_type, item.question, item.answer, item.truth))
                try:
                    check_meaning(item, item.truth, sources_of(item))
                except ManifestError as error:
                    raise ManifestError(f"{where}: {error}") from None
            for one in item.recordings if isinstance(item, Record) else [item]:
                if isinstance(one, Record):
                    if not _is_new(one, recordings, where):
                        continue
                    overlap.add("recording_id", one.split, one.recording_id, where)
                _add_recording(one, held, root, overlap, where)
    overlap.refuse()
    return contents


def _items(path: Path, root: DataRoot) -> Iterator[tuple[int, Record | Scene]]:
    first = next(iter_jsonl(path), (0, {}))[1]
    return iter_scenes(path) if "sources" in first and "question" not in first else iter_records(path, root)


def _is_new(record: Record, recordings: dict[str, bytes], where: str) -> bool:
    """Returns whether this is the first question about a recording."""
    described = repr((record.audio, record.scene, record.pairs, record.sampling_rate, record.protocol))
    digest = blake2b(described.encode(), digest_size=8).digest()
    known = recordings.setdefault(record.recording_id, digest)
    if known != digest:
        raise ManifestError(f"{where}: recording_id {record.recording_id!r} stands for another recording in a line before.")
    return known is digest


def _add_recording(item: Record | Scene, held: Contents, root: DataRoot, overlap: "_Overlap", where: str) -> None:
    scene = item if isinstance(item, Scene) else item.scene
    sounds: list[str] = []
    if scene is not None:
        try:
            if scene.bank is not None and (root.folder / scene.bank).is_dir():  # else it is reported with all missing files
                scene_bank(scene, root.folder)
        except SpatialLLMError as error:
            raise ManifestError(f"{where}: {error}") from None
        places = [direction_of(scene.listener, source.position_m) for source in scene.sources]
        sources = [HeardAt((s.label,), a, d) for s, (a, _, d) in zip(scene.sources, places, strict=True)]
        rooms = {scene.room.id.removesuffix("-mirrored")}
        for source in scene.sources:
            if source.recording.startswith(SYNTH_PREFIX):
                overlap.add("source recording", scene.split, source.recording, where)
            else:
                sounds.append(f"{scene.sounds}/{source.recording}")
    else:
        pairs = item.pairs or ()
        sources = [HeardAt(pair.labels, pair.azimuth_deg, pair.distance_m) for pair in pairs]
        rooms = {pair.response.rpartition("/")[0] for pair in pairs}
        sounds = [pair.audio for pair in pairs] or [item.audio]
        if item.known is not None:
            known = item.known
            sources = [HeardAt(known.labels, known.azimuth_deg, known.distance_m) for _ in known.sources]
            if known.sounds is not None:
                sources = [HeardAt((sound.label,), sound.azimuth_deg, sound.distance_m) for sound in known.sounds]
            rooms = {known.room} - {None}
            if known.recording is not None:
                overlap.add("source recording", item.split, known.recording, where)
    held.recordings += 1
    held.rooms |= rooms
    held.by_number_of_sources[len(sources)] += 1
    held.sources += sources
    for room in rooms:
        overlap.add("room", item.split, room, where)
    for name in sounds:
        overlap.add_file(item.split, (root if scene is None else DataRoot(root.folder)).path(name), where)


class _Overlap:
    """Collects what each split uses, and names what several use."""

    def __init__(self) -> None:
        self.used: dict[str, dict[str, dict[str, str]]] = {kind: {} for kind in KINDS}  # kind -> split -> key -> where
        self.files: dict[str, dict[Path, str]] = {}  # split -> file -> where

    def add(self, kind: str, split: str, key: str, where: str) -> None:
        self.used[kind].setdefault(split, {}).setdefault(key, where)

    def add_file(self, split: str, path: Path, where: str) -> None:
        self.files.setdefault(split, {}).setdefault(path.resolve(), where)

    def refuse(self) -> None:
        """Raises ManifestError if two splits share anything, naming the first of each kind."""
        self._compare_files()
        found = []
        for kind, splits in self.used.items():
            train, unseen = splits.get("train", {}), splits.get("eval", {})
            both = [key for key in train if key in unseen]
            if both:
                shown = "".join(f"\n  {key!r}: {train[key]} and {unseen[key]}" for key in both[:SHOWN])
                found.append(f"{kind}: {len(both)} in both splits{shown}")
        if found:
            raise ManifestError(
                "training and evaluation overlap; what was trained on measures nothing:\n" + "\n".join(found)
            )

    def _compare_files(self) -> None:
        sizes = {split: {path.stat().st_size for path in files} for split, files in self.files.items()}
        shared = sizes.get("train", set()) & sizes.get("eval", set())
        for split, files in self.files.items():
            for path, where in files.items():
                if path.stat().st_size in shared:
                    self.add("sound file (SHA-256)", split, sha256_of(path), f"{where} ({path.name})")


def format_contents(contents: dict[str, Contents]) -> Iterator[str]:
    """Formats the counts as lines for reading."""
    for split, held in sorted(contents.items(), reverse=True):
        sizes = ", ".join(f"{count} with {number}" for number, count in sorted(held.by_number_of_sources.items()) if number)
        yield f"{split}: {len(held.questions)} questions, {held.recordings} recordings, {len(held.rooms)} rooms" + (
            f"; sources: {sizes}" if sizes else ""
        )
        labels = held.labels.most_common()
        if labels:
            (most, highest), (least, lowest) = labels[0], labels[-1]
            yield f"    {len(labels)} classes, from {lowest} sources ({least}) to {highest} ({most})"
        placed = [source for source in held.sources if None not in (source.azimuth_deg, source.distance_m)]
        if placed:
            left = sum(source.azimuth_deg > 0 for source in placed) / len(placed)
            front = sum(abs(source.azimuth_deg) < 90 for source in placed) / len(placed)
            nearest, farthest = (pick(source.distance_m for source in placed) for pick in (min, max))
            yield f"    {100 * left:.1f} % left, {100 * front:.1f} % front, {nearest:.2f} to {farthest:.2f} m away"
