"""Defines one question about one recording as an object, and the classes and files that it names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from spatial_llm.audio.formats import BINAURAL, AudioFormat, parse_format
from spatial_llm.data.further import EarlierTurn, OtherRecording, Pair, given, other_to_dict
from spatial_llm.data.paths import FileFacts
from spatial_llm.data.scene_files import paths_of_scene
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.questions.about import About, check_place
from spatial_llm.questions.facts import HeardSource, heard_sources
from spatial_llm.questions.thinking import check_steps
from spatial_llm.scenes.scene import Scene, place_at
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.validation import STRICT


@dataclass(frozen=True)
class Known:
    """Holds what its author knows of a recording of their own; every field may be missing.

    labels, azimuth_deg, elevation_deg, distance_m: the sound that the recording is about, in the internal frame, as in
    `Pair`. recording: the longer recording that it is a section of; room: where it was made. What shares either must not be
    on both sides of a split. sounds: in place of the first four, all annotated sounds of a recording.
    """

    labels: tuple[str, ...] | None = None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None
    recording: str | None = None
    room: str | None = None
    sounds: tuple[HeardSource, ...] | None = None

    @property
    def place(self) -> tuple[float | None, float | None, float | None]:
        """Returns azimuth and elevation in degrees, and distance in metres."""
        return self.azimuth_deg, self.elevation_deg, self.distance_m

    @property
    def sources(self) -> list[HeardSource | None]:
        """Returns the sounds, None for one whose place is not known in full; [] if nothing is known of any."""
        if self.sounds is not None:
            return [sound if sound.is_placed else None for sound in self.sounds]
        if self.labels is None and self.place == (None, None, None):
            return []
        return [None if None in self.place else HeardSource("; ".join(self.labels or ()), *self.place)]

    @property
    def labels_of_sounds(self) -> list[tuple[str, ...]]:
        """Returns the classes of each of `sources`, in order; empty tuples where they are not known."""
        if self.sounds is not None:
            return [(sound.label,) for sound in self.sounds]
        return [self.labels or () for _ in self.sources]

    def to_dict(self) -> dict[str, Any]:
        """Returns what is known as JSON has it."""
        line = given(self)
        if self.sounds is not None:
            line["sounds"] = [_sound_to_dict(sound) for sound in self.sounds]
        return line


def _sound_to_dict(sound: HeardSource) -> dict[str, Any]:
    told = ((field.name, getattr(sound, field.name)) for field in fields(sound))  # vars() has what was computed of it, too
    return {name: value for name, value in told if value is not None and value is not False}


@dataclass(frozen=True)
class Record:
    """Holds one question about one recording, which is given in one of three forms: `audio`, a file; `scene`, from which it
    is rendered; or `pairs`, one or two dry sounds and responses to be convolved by `protocol`.

    recording_id is shared by all questions about one recording. truth: see `questions.types.parse_value`; {} only for pairs
    whose released answer our parsers cannot read (scoring counts and leaves out such records). about: the meaning of the
    question, as its family wrote it; None in data from elsewhere and in manifests of earlier versions. files: facts about
    the files of `audio` or `pairs` when the manifest was written; reading compares them. audio_format: format of the file of
    `audio`, as a short text (see `audio.formats.parse_format`); None = binaural. known: what is known of that file. earlier:
    turns of the same conversation before the question. others: recordings after the first; `files` has their facts too.
    """

    id: str
    recording_id: str
    type: str
    question_type: str
    question: str
    answer: str
    truth: dict[str, Any]
    split: Literal["train", "eval"]
    sampling_rate: int
    about: About | None = None
    audio: str | None = None
    scene: Scene | None = None
    pairs: tuple[Pair, ...] | None = None
    protocol: Literal["official_bat", "checkpoint_matched"] | None = None
    files: dict[str, FileFacts] | None = None
    audio_format: str | None = None
    known: Known | None = None
    earlier: tuple[EarlierTurn, ...] | None = None
    others: tuple[OtherRecording, ...] | None = None

    @property
    def format(self) -> AudioFormat:
        """Returns the format of its recording: that of the scene or of the file, binaural for pairs."""
        if self.scene is not None:
            return self.scene.format
        return BINAURAL if self.audio_format is None else parse_format(self.audio_format)

    def to_dict(self) -> dict[str, Any]:
        """Returns the record as its manifest line; `record_from_dict` is the inverse."""
        line = {name: value for name, value in vars(self).items() if value is not None}
        if self.about is not None:
            line["about"] = self.about.to_dict()
        if self.scene is not None:
            line["scene"] = scene_to_dict(self.scene)
        if self.pairs is not None:
            line["pairs"] = [given(pair) for pair in self.pairs]
        if self.known is not None:
            line["known"] = self.known.to_dict()
        if self.earlier is not None:
            line["earlier"] = [given(turn) for turn in self.earlier]
        if self.others is not None:
            line["others"] = [other_to_dict(other) for other in self.others]
        if self.files is not None:
            line["files"] = {name: given(facts) for name, facts in self.files.items()}
        return line

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Returns the questions of all turns with their answers, in order."""
        return [*((turn.question, turn.answer) for turn in self.earlier or ()), (self.question, self.answer)]

    @property
    def recordings(self) -> "list[Record]":
        """Returns this record, once for each of its recordings, as if it had that one alone."""
        if self.others is None:
            return [self]
        own = {"recording_id", "audio", "scene", "pairs", "protocol", "audio_format"}
        first = {"others": None, "earlier": None}
        first["files"] = self.files and {name: self.files.get(name) for _, name in _own_paths(self) if name in self.files}
        views = [{**vars(self), **first}]
        foreign = {"about": None, "known": None, "files": None}  # of the first recording
        for other in self.others:
            views.append({**views[0], **{name: getattr(other, name) for name in own}, **foreign})
        return [Record(**view) for view in views]


for _kind in (HeardSource, Known, FileFacts, Record):
    _kind.__pydantic_config__ = STRICT


def labels_of(record: Record) -> list[tuple[str, ...]]:
    """Returns the classes of each source of a recording, in order: empty tuples if they are not listed, no source for a
    file of which nothing is known."""
    if record.scene is not None:
        return [(source.label,) for source in record.scene.sources]
    if record.known is not None:
        return record.known.labels_of_sounds
    return [pair.labels or () for pair in record.pairs or ()]


def paths_of(record: Record) -> Iterator[tuple[str, str]]:
    """Yields (field, path relative to the manifest's folder) of every file or folder the record needs."""
    yield from _own_paths(record)
    for index, other in enumerate(record.others or ()):
        yield from ((f"others[{index}].{field}", name) for field, name in _own_paths(other))


def _own_paths(record: Record | OtherRecording) -> Iterator[tuple[str, str]]:
    if record.audio is not None:
        yield "audio", record.audio
    for index, pair in enumerate(record.pairs or ()):
        yield f"pairs[{index}].audio", pair.audio
        yield f"pairs[{index}].response", pair.response
    if record.scene is not None:
        yield from ((f"scene.{field}", name) for field, name in paths_of_scene(record.scene))


def sources_of(item: Record) -> list[HeardSource | None]:
    """Each source of a recording as far as the record says where it is; None where it does not."""
    scene = item.scene
    if scene is not None:
        return heard_sources(scene)
    if item.known is not None:
        return item.known.sources
    places = [(pair, (pair.azimuth_deg, pair.elevation_deg, pair.distance_m)) for pair in item.pairs or ()]
    return [None if None in place else HeardSource("; ".join(pair.labels or ()), *place) for pair, place in places]


def check_meaning(record: Record, value: dict[str, Any], sources: Sequence[HeardSource | None]) -> None:
    """Checks that a question which says that it is about one source has the place of that source in its true answer; of
    annotated sounds (`Known.sounds`), also what is known of a place in part; and that the steps of an answer that is thought
    out are true of the recording.

    Args:
        record: from a manifest that was read.
        value: of its true answer.
        sources: see `sources_of`.

    Raises:
        ManifestError: it has another place; the record is named.
    """
    about = record.about
    if record.known is not None and record.known.sounds is not None:
        sources = record.known.sounds
    source = None if about is None else source_meant(record, about, sources)
    try:
        if source is not None:
            check_place(about, value, source)
        if "steps" in value and sources:
            check_steps(value, sources, about)
    except SpatialLLMError as error:
        raise ManifestError(f"record {record.id!r}: about: {error}") from None


def source_meant(record: Record, about: About, sources: Sequence[HeardSource | None]) -> HeardSource | None:
    """Returns the one source that a question is about, where the question places it: after the turn that it names, and where
    something moves, at the time that it names or means. None if it is about none or several, or the source is not known.

    Args:
        record: of the question.
        about: meaning of the question.
        sources: see `sources_of`.
    """
    if len(about.sources) != 1:
        return None
    source, scene = sources[about.sources[0]], record.scene
    if scene is not None and scene.moves and about.time_s is not None:
        place = place_at(scene.listener, scene.sources[about.sources[0]], about.time_s)
        return HeardSource(scene.sources[about.sources[0]].label, *place)
    return None if source is None else source.after_turn(about.turn_deg)
