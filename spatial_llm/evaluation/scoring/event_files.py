"""Reads the events of recordings from files: frame labels as DCASE has them, timelines, manifests, scenes, and lines of
events or of captions with times.

A recording is known by its name: the name of a CSV without its suffix, the recording_id of a manifest, the id of a scene,
the name of the file that a timeline is about, or `recording` of a line.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.answers import Reading, parse_timed_caption
from spatial_llm.data.importing.dcase_labels import read_labels
from spatial_llm.data.importing.dcase_sets import FRAME_S, DataSet, data_set, labels_of_classes
from spatial_llm.data.importing.heard import JOINING_GAP_S, Span, Track
from spatial_llm.data.record import Record
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import ManifestError, SceneError
from spatial_llm.evaluation.metrics.events.event import TINY_S, Event, TrackPoint, checked_events
from spatial_llm.evaluation.metrics.events.tracks import frames_of, middles_s
from spatial_llm.evaluation.scoring.event_lines import event_of_caption, event_of_line
from spatial_llm.files import sha256_of
from spatial_llm.jsonl import parse_object, read_jsonl
from spatial_llm.questions.types import VALUE_KINDS
from spatial_llm.ranges import Checked, NonNegative, Share
from spatial_llm.scenes.csv_rows import read_utf8
from spatial_llm.scenes.motion.track import places_of
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_json import scene_from_dict


@dataclass
class EventFileSettings(Checked):
    """Sets how files are read.

    Attributes:
        data_set: whose columns and classes frame labels (CSV) have, as of `spatial-llm import-dcase`, such as starss23-foa.
        classes: in place of it, the names of one's own classes in the order of their numbers; the CSV then has no header and
            the columns frame, class, source, azimuth, elevation, and distance where there are six.
        joining_gap_s: a pause of this length or less within a source of frame labels does not end an event.
        least_probability: from which an event of a timeline counts as heard.
        reading: how captions are read.
    """

    data_set: str | None = None
    classes: list[str] = field(default_factory=list)
    joining_gap_s: NonNegative = JOINING_GAP_S
    least_probability: Share = 0.5
    reading: Reading = "strict"


@dataclass
class EventFiles:
    """Holds what was read: the events of each recording by its name, the hash of each file by its name, and the recordings
    whose caption could not be parsed, which have no events.

    Attributes:
        answers: whether these are answers of a model to questions, which were asked about some of the recordings.
    """

    recordings: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    unparsed: list[str] = field(default_factory=list)
    answers: bool = False

    def add(self, name: str, events: Iterable[Event], where: str) -> None:
        """Adds a recording. Raises ManifestError if there is one of this name, or an event is none."""
        if name in self.recordings:
            raise ManifestError(f"{where}: recording {name!r} stands twice; give its events in one place.")
        self.recordings[name] = checked_events(events, f"{where}: recording {name!r}")

    def keep(self, names: Collection[str]) -> None:
        """Leaves out the recordings that are not among `names`."""
        self.recordings = {name: events for name, events in self.recordings.items() if name in names}

    def one_sha256(self) -> str | None:
        """Returns the hash of the file, None if there are several."""
        return next(iter(self.sha256.values())) if len(self.sha256) == 1 else None


def read_events(
    path: str | Path, settings: EventFileSettings, known: Collection[str] | None = None, must_parse: bool = False
) -> EventFiles:
    """Returns the events in a file, or in all files of a folder and of the folders in it.

    Args:
        path: CSV of frame labels; JSONL of a manifest, of scenes, a timeline, or lines {"recording": name, "events": [...]}
            or {"recording": name, "caption": text}; predictions of eval/predict.py, of which the captions with times are
            read; JSON of a timeline; or a folder of CSV or of JSONL. An event of a line
            has label, onset_s and offset_s, and may have source and track: [[time_s, azimuth_deg, elevation_deg,
            distance_m], ...], the last two null or left out where they are not known.
        settings: how files are read.
        known: names of sounds, for captions in the lenient reading.
        must_parse: whether a caption that cannot be parsed is an error.

    Raises:
        ManifestError: a file is missing, is none of these, or holds an event that is none; file and line, or the recording,
            are named.
    """
    path, found = Path(path), EventFiles()
    for file in _files(path):
        if file.suffix == ".csv":
            found.add(file.stem, _of_labels(file, settings), str(file))
        elif file.suffix == ".jsonl":
            _add_lines(found, file, settings, known, must_parse)
        elif file.suffix == ".json":
            _add_timeline(found, file, [(1, parse_object(read_utf8(file, ManifestError), str(file)))], settings)
        else:
            raise ManifestError(f"{file}: expected CSV of frame labels, JSONL or JSON of events, or a folder of these.")
        found.sha256[str(file.relative_to(path)) if path.is_dir() else file.name] = sha256_of(file)
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ManifestError(f"{path}: no such file or folder; give events in CSV, JSONL or JSON.")
    kinds = [sorted(path.rglob(f"*{suffix}")) for suffix in (".csv", ".jsonl")]
    if all(kinds) or not any(kinds):
        there = "both CSV and JSONL" if all(kinds) else "neither CSV nor JSONL"
        raise ManifestError(f"{path}: holds {there}; expected one of the two, for each recording its events.")
    return kinds[0] or kinds[1]


def _of_labels(file: Path, settings: EventFileSettings) -> list[Event]:
    tracks = read_labels(file, _columns(file, settings), math.inf)
    return [event for track in tracks for event in events_of_track(track, settings.joining_gap_s)]


def _columns(file: Path, settings: EventFileSettings) -> DataSet:
    if (settings.data_set is None) == (not settings.classes):
        raise ManifestError(
            f"{file}: the numbers of classes are names of either a data_set or of classes of one's own; give one of both: "
            "--files.data_set starss23-foa, or --files.classes '[bell, dog]'."
        )
    if settings.data_set is not None:
        return data_set(settings.data_set)
    first = next((line for line in read_utf8(file, ManifestError).splitlines() if line.strip()), "")
    return labels_of_classes(settings.classes, with_distance=first.count(",") == 5)


def events_of_track(track: Track, joining_gap_s: float = JOINING_GAP_S) -> list[Event]:
    """Returns the events of a track of frame labels; the place of a frame is that of its middle.

    Labels that stand for several sounds at once under one class and number (number 0, "no actor", in STARSS) are told apart
    by their azimuths within each frame.
    """
    layers: list[list[Span]] = []
    count = Counter[float]()
    for span in track.spans:
        if count[span.start_s] == len(layers):
            layers.append([])
        layers[count[span.start_s]].append(span)
        count[span.start_s] += 1
    found = []
    for number, spans in enumerate(layers):
        source = f"{track.key}" if number == 0 else f"{track.key}, {number + 1}"
        for event in Track(track.label, source, tuple(spans)).events(joining_gap_s):
            places = tuple(TrackPoint(span.start_s + FRAME_S / 2, *span[2:]) for span in event)
            found.append(Event(track.label, event[0].start_s, event[-1].end_s, places, source))
    return found


def _add_lines(
    found: EventFiles, file: Path, settings: EventFileSettings, known: Collection[str] | None, must_parse: bool
) -> None:
    lines = read_jsonl(file)
    first = lines[0][1] if lines else {}
    if "prediction" in first:
        _add_answers(found, lines, file, settings, known)
    elif "question" in first:
        _add_manifest(found, file)
    elif "sources" in first:
        for number, line in lines:
            scene = _scene(line, f"{file}:{number}")
            found.add(scene.id, _of_scene(scene), f"{file}:{number}")
    elif "window_s" in first:
        _add_timeline(found, file, lines, settings)
    elif "recording" in first:
        for number, line in lines:
            _add_line(found, line, f"{file}:{number}", settings, known, must_parse)
    else:
        raise ManifestError(
            f"{file}: begins with the keys {', '.join(first) or '(none)'}; expected a manifest, predictions, a timeline, "
            "scenes, or lines with recording and events, or recording and caption."
        )


def _add_answers(
    found: EventFiles, lines: list[tuple[int, dict[str, Any]]], file: Path, settings: EventFileSettings, known: Any
) -> None:
    found.answers = True
    for number, line in lines:
        if VALUE_KINDS.get(line.get("question_type")) == "timed_caption":
            caption = {"recording": line.get("recording_id"), "caption": line.get("prediction")}
            _add_line(found, caption, f"{file}:{number}", settings, known, must_parse=False)
    if not found.recordings:
        raise ManifestError(f"{file}: no answer in it is a caption with times; ask questions of the family caption.")


def _add_line(
    found: EventFiles, line: dict[str, Any], where: str, settings: EventFileSettings, known: Any, must_parse: bool
) -> None:
    name = line.get("recording")
    if set(line) not in ({"recording", "events"}, {"recording", "caption"}) or not isinstance(name, str) or not name:
        raise ManifestError(f"{where}: has {', '.join(line)}; expected recording, a name, and either events or caption.")
    if "events" in line:
        if not isinstance(line["events"], list):
            raise ManifestError(f"{where}: events is {line['events']!r}; expected a list of events, empty for none.")
        found.add(
            name, [event_of_line(event, f"{where}: events[{index}]") for index, event in enumerate(line["events"])], where
        )
        return
    said = parse_timed_caption(str(line["caption"]), settings.reading, known)
    if said is None and must_parse:
        raise ManifestError(f"{where}: caption {str(line['caption'])[:100]!r} of {name!r} is none with times; correct it.")
    if said is None:
        found.unparsed.append(name)
    found.add(name, [event_of_caption(event) for event in said or []], where)


def _add_manifest(found: EventFiles, file: Path) -> None:
    for record in read_manifest(file, look_for_files=False):
        if record.recording_id not in found.recordings:
            found.add(record.recording_id, _of_record(record, str(file)), str(file))


def _of_record(record: Record, where: str) -> list[Event]:
    """Returns the events of a record's recording: of a scene the sources that are heard, of a file its annotated sounds."""
    if record.scene is not None and record.scene.truth is not None:
        return _of_scene(record.scene)
    sounds = None if record.known is None else record.known.sounds
    if sounds is None or any(None in (sound.onset_s, sound.offset_s) for sound in sounds):
        raise ManifestError(
            f"{where}: record {record.id!r} does not say from when to when each of its sounds is heard; give the labels of "
            "its recordings (CSV), or a manifest whose scenes have their truth."
        )
    return [
        Event(sound.label, sound.onset_s, sound.offset_s, () if sound.azimuth_deg is None
              else (TrackPoint(sound.onset_s, sound.azimuth_deg, sound.elevation_deg, sound.distance_m),), number)
        for number, sound in enumerate(sounds)
    ]  # fmt: skip


def _scene(line: dict[str, Any], where: str) -> Scene:
    try:
        scene = scene_from_dict(line, where)
    except SceneError as error:
        raise ManifestError(str(error)) from None
    if scene.truth is None:
        raise ManifestError(f"{where}: scene {scene.id!r} has no truth; simulate scenes, or derive it (scenes.truth).")
    return scene


def _of_scene(scene: Scene) -> list[Event]:
    """Returns the events of a scene with its truth: its sources that are heard."""
    return [
        Event(source.label, true.onset_s, true.offset_s, _places_of_source(scene, number), number)
        for number, (source, true) in enumerate(zip(scene.sources, scene.truth.sources, strict=True))
        if true.offset_s > true.onset_s
    ]


def _places_of_source(scene: Scene, number: int) -> tuple[TrackPoint, ...]:
    """Returns the track of a source: one point where all stands still, else one in the middle of each frame, and at both
    ends."""
    true = scene.truth.sources[number]
    if not scene.moves:
        return (TrackPoint(true.onset_s, true.azimuth_deg, true.elevation_deg, true.distance_m),)
    times_s = np.unique([true.onset_s, *middles_s(frames_of(true.onset_s, true.offset_s)), true.offset_s])
    columns = (times_s, *places_of(scene.listener, scene.sources[number], times_s))
    return tuple(TrackPoint(*point) for point in zip(*(column.tolist() for column in columns), strict=True))


def _add_timeline(
    found: EventFiles, file: Path, lines: Sequence[tuple[int, dict[str, Any]]], settings: EventFileSettings
) -> None:
    header = lines[0][1]
    rows = header["rows"] if "rows" in header else [line for _, line in lines[1:]]
    try:
        name = Path(header["recording"]).stem
        events = events_of_windows(rows, settings.least_probability)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ManifestError(
            f"{file}: is no timeline of a file with what the encoder's heads heard; make it with a model that has heads."
        ) from None
    found.add(name, events, str(file))


def events_of_windows(rows: Sequence[dict[str, Any]], least_probability: float) -> list[Event]:
    """Returns the events of a timeline: each class from the first to the last of neighbouring windows in which it is at
    least so probable. The place in a window is that of its most probable class.

    Args:
        rows: of the timeline, in order, see `model.timeline.TimelineRow`.
        least_probability: 0 to 1.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: the rows are not those of a timeline with events.
    """
    open_now: dict[str, tuple[float, float, list[TrackPoint]]] = {}
    events = []
    for row in rows:
        told, start_s, end_s = {} if row["quiet"] else row["events"], float(row["start_s"]), float(row["end_s"])
        heard = [label for label, share in told.items() if share >= least_probability]
        for label, (onset_s, last_s, points) in list(open_now.items()):
            if label not in heard or start_s > last_s + TINY_S:
                events.append(Event(label, onset_s, last_s, tuple(points)))
                del open_now[label]
        for label in heard:
            onset_s, _, points = open_now.get(label, (start_s, end_s, []))
            if label == next(iter(told)) and row["azimuth_deg"] is not None:
                points.append(TrackPoint((start_s + end_s) / 2, row["azimuth_deg"], row["elevation_deg"], row["distance_m"]))
            open_now[label] = onset_s, end_s, points
    return events + [Event(label, onset_s, end_s, tuple(points)) for label, (onset_s, end_s, points) in open_now.items()]
