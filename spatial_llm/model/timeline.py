"""Lists what a model hears in a recording longer than its window: every window with its start, and answers about each."""

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from spatial_llm.audio.ambisonics import warn_of_convention
from spatial_llm.audio.formats import AudioFormat, as_format, check_same
from spatial_llm.audio.io import AudioPath, Render, shown_path
from spatial_llm.audio.level import rms_dbfs
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.audio.windows import Blocks, array_blocks, iter_windows, number_of_windows, open_blocks
from spatial_llm.errors import SpatialLLMError, warnings_named
from spatial_llm.files import sha256_of, write_text
from spatial_llm.jsonl import parse_object
from spatial_llm.locks import one_writer
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.presence import is_on_absence
from spatial_llm.model.timeline_events import EventSettings, HeardEvent, events_of, spans_of
from spatial_llm.model.understanding import at_taught_level
from spatial_llm.provenance import provenance

if TYPE_CHECKING:  # the pipeline makes the timeline
    from spatial_llm.model.heard import Heard
    from spatial_llm.model.pipeline import SpatialLLM

LIMITS = AudioLimits(max_seconds=24 * 3600.0)
EVENTS_KEPT = 3
DIGITS = 4  # of probabilities


@dataclass(frozen=True)
class TimelineRow:
    """Holds what is heard in one window.

    Attributes:
        start_s, end_s: of the window in the recording, in seconds; the end is that of the recording at the latest.
        level_dbfs: root mean square of the window, in dB relative to full scale; None for digital silence.
        quiet: whether the level is below the threshold: then nothing else is told, because it would be a guess.
        events: probability of the most probable event classes by the encoder's own heads; None without heads.
        azimuth_deg, elevation_deg, distance_m: the most probable place by the heads, which know one source.
        answers: the answer to each question.
        notes: question -> notes on sounds that it names and the model does not hear in this window (`model.presence`).
    """

    start_s: float
    end_s: float
    level_dbfs: float | None
    quiet: bool
    events: dict[str, float] | None = None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None
    answers: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Returns the row as JSON can hold it; without notes if there are none, as rows of earlier versions."""
        return {name: value for name, value in asdict(self).items() if value or name != "notes"}


@dataclass(frozen=True)
class Timeline:
    """Holds the rows of a recording, and what they were made with (as the first line of the file holds it)."""

    made_with: dict[str, Any]
    rows: list[TimelineRow]

    def to_dict(self) -> dict[str, Any]:
        """Returns the timeline as JSON can hold it."""
        return {**self.made_with, "rows": [row.to_dict() for row in self.rows]}

    def events(self, settings: EventSettings | None = None) -> list[HeardEvent]:
        """Returns what is heard from when to when, and where: windows merged by time, see `timeline_events.events_of`."""
        return events_of(self.rows, settings)

    def spans(self, question: str) -> list[tuple[float, float, str]]:
        """Returns a question's answers over time: (from, to, answer), see `timeline_events.spans_of`.

        Raises:
            SpatialLLMError: it was not asked.
        """
        if question not in self.made_with["questions"]:
            raise SpatialLLMError(f"{question!r} was not asked; asked were {self.made_with['questions']}.")
        return spans_of(self.rows, question)

    def table(self) -> str:
        """Returns a Markdown table, one window a line; "(?)" stands behind answers with notes, which follow it."""
        questions = list(self.made_with["questions"])
        heads = any(row.events is not None for row in self.rows)
        columns = ["from (s)", "to (s)", "level (dBFS)", *(["event", "azimuth (deg)", "distance (m)"] if heads else [])]
        lines = [[*columns, *questions], ["---"] * (len(columns) + len(questions))]
        for row in self.rows:
            level = "silence" if row.level_dbfs is None else f"{row.level_dbfs:.1f}"
            cells = [f"{row.start_s:.2f}", f"{row.end_s:.2f}", level]
            if heads:
                event = next(iter(row.events.items()), None) if row.events else None
                named = "" if event is None else f"{event[0]} ({event[1]:.2f})"
                place = (row.azimuth_deg, row.distance_m)
                cells += [named, *("" if value is None else f"{value:g}" for value in place)]
            lines.append(cells + [row.answers.get(each, "") + " (?)" * bool(row.notes.get(each)) for each in questions])
        table = "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
        notes = dict.fromkeys(note for row in self.rows for each in row.notes.values() for note in each)
        return table + "".join(f"\n(?) {note}. The answer may mean nothing.\n" for note in notes)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draws level, events and azimuth over time; returns the matplotlib `Figure` and writes it as PNG if a path is
        given."""
        from spatial_llm.model.timeline_picture import draw_timeline  # matplotlib takes half a second to import

        return draw_timeline(self.rows, path)


def make_timeline(
    model: "SpatialLLM",
    audio: AudioPath | ArrayLike,
    questions: Sequence[str] = (),
    sampling_rate: float | None = None,
    hop_s: float | None = None,
    out: str | os.PathLike | None = None,
    quiet_dbfs: float = -60.0,
    audio_limits: AudioLimits = LIMITS,
    progress: bool = True,
    level_dbfs_at_1m: float | None = None,
    format: str | AudioFormat | None = None,
    head: str | os.PathLike | None = None,
    heading_deg: float = 0.0,
    **options: Any,
) -> Timeline:
    """Listens to each window of a recording; see `SpatialLLM.timeline`. A window is rendered to ears by itself, so that its
    first milliseconds lack what came before."""
    questions = _checked(model, questions, options)
    config = model.model.config.encoder_config
    rate, window = config.sampling_rate, config.window_samples
    hop = window // 2 if hop_s is None else round(hop_s * rate)
    if not 1 <= hop <= window:
        raise SpatialLLMError(
            f"hop_s is {hop_s}; expected a time above 0 and at most the window of the model, {window / rate:g} s, so that "
            "every moment is heard."
        )
    of_file = isinstance(audio, AudioPath)
    if out is not None and not of_file:
        raise SpatialLLMError("out is for the timeline of a file, by which it is recognised; give the path, or no out.")
    made_with = {
        "recording": shown_path(audio) if of_file else None, "recording_sha256": sha256_of(audio) if of_file else None,
        "questions": questions, "window_s": window / rate, "hop_s": hop / rate, "quiet_dbfs": quiet_dbfs,
        "level_dbfs_at_1m": level_dbfs_at_1m, "options": options, "model": fingerprint(model.model),
    }  # fmt: skip
    given = model.processor.feature_extractor.default_format if format is None else as_format(format)
    render = model.rendering(given, head, heading_deg)
    if render is None:
        check_same(given.internal, model.processor.feature_extractor.format)
    if format is not None:  # not written where nothing is said, so that timelines of earlier versions go on
        made_with |= {"format": given.text, "derived": render is not None}
        made_with |= {"head": None if head is None else sha256_of(head), "heading_deg": heading_deg}
    listener = _Listener(model, questions, quiet_dbfs, level_dbfs_at_1m, options, given, render)
    name = shown_path(audio) if of_file else "the recording"

    def rows(blocks: Blocks, done: int) -> Iterator[TimelineRow]:
        total_s = blocks.frames / blocks.rate
        count = number_of_windows(blocks.frames, blocks.rate, rate, window, hop)
        shown = tqdm(total=count, initial=done, desc=name, unit="window", disable=not progress, mininterval=1.0)
        with shown:
            for each in iter_windows(blocks, rate, window, hop, given, name):
                if each.number >= done:
                    end_s = each.start_s + window / rate
                    waveform = given.to_internal(each.waveform)
                    yield listener.row(waveform, each.start_s, min(end_s, total_s), name)
                    shown.update()

    if not of_file:
        return Timeline(made_with, list(rows(array_blocks(audio, sampling_rate, given, name), 0)))
    with open_blocks(audio, audio_limits) as blocks:
        if out is None:
            return Timeline(made_with, list(rows(blocks, 0)))
        return _written(Path(out), made_with, lambda done: rows(blocks, done))


class _Listener:
    """Makes the row of a window."""

    def __init__(
        self,
        model: "SpatialLLM",
        questions: Sequence[str],
        quiet_dbfs: float,
        level_dbfs_at_1m: float | None,
        options: dict[str, Any],
        given: AudioFormat,
        render: Render | None,
    ) -> None:
        self.given, self.render, self.convention_checked = given, render, False
        self.said: set[str] = set()  # warnings, each of the first window that has it
        self.model, self.questions, self.quiet_dbfs, self.options = model, questions, quiet_dbfs, options
        self.level_dbfs_at_1m = level_dbfs_at_1m
        if level_dbfs_at_1m is not None:
            at_taught_level(
                np.zeros((1, 1), np.float32), level_dbfs_at_1m, model.processor.taught
            )  # refused before any work

    def row(self, waveform: Any, start_s: float, end_s: float, name: str) -> TimelineRow:
        level = rms_dbfs(waveform)
        shown = round(float(level), 2) if waveform.any() else None
        times = {"start_s": round(start_s, 6), "end_s": round(end_s, 6), "level_dbfs": shown}
        if shown is None or level < self.quiet_dbfs:
            return TimelineRow(**times, quiet=True)
        if not self.convention_checked:
            warn_of_convention(waveform, self.model.model.config.encoder_config.sampling_rate, self.given, name)
            self.convention_checked = True
        heard, told = self._listen(waveform), {}
        if self.model.heads is not None:
            events = list(heard.events.items())[:EVENTS_KEPT]
            told = {
                "events": {label: round(share, DIGITS) for label, share in events},
                "azimuth_deg": heard.azimuth.best, "elevation_deg": heard.elevation.best, "distance_m": heard.distance.best,
            }  # fmt: skip
        with warnings_named(f"{name}, from {start_s:g} s", self.said, tqdm.external_write_mode):
            answers = dict(zip(self.questions, heard.ask(self.questions, **self.options), strict=True))
        notes = {asked: [note for note in answer.notes if is_on_absence(note)] for asked, answer in answers.items()}
        notes = {asked: found for asked, found in notes.items() if found}
        texts = {asked: str(answer) for asked, answer in answers.items()}
        return TimelineRow(**times, quiet=False, **told, answers=texts, notes=notes)

    def _listen(self, waveform: NDArray[np.float32]) -> "Heard":
        if self.render is not None:
            waveform = self.render(waveform, self.model.model.config.encoder_config.sampling_rate)
        how = (self.given.internal, self.render is not None)
        if self.level_dbfs_at_1m is None:
            return self.model.listen_to_window(waveform, *how)
        scaled = at_taught_level(waveform, self.level_dbfs_at_1m, self.model.processor.taught)
        return replace(self.model.listen_to_window(scaled, *how), level_is_known=True)


def _checked(model: "SpatialLLM", questions: Sequence[str], options: dict[str, Any]) -> list[str]:
    questions = [questions] if isinstance(questions, str) else list(questions)
    if options and not questions:
        raise SpatialLLMError(
            f"{', '.join(options)}: options of questions, and none is asked; leave them out, give questions, or correct the "
            "name of an option."
        )
    if not questions and model.heads is None:
        raise SpatialLLMError("no questions, and the model was saved without heads that tell events: give questions.")
    if len(set(questions)) < len(questions):
        raise SpatialLLMError(f"a question occurs twice among {questions}; give each once.")
    return questions


def _written(path: Path, made_with: dict[str, Any], rows: Any) -> Timeline:
    """Writes rows to a file as they come, after those that it already has; one line a row, after a line of what they were
    made with. The same file comes out, however often the work was stopped."""
    partial = path.with_name(path.name + ".part")
    with one_writer(path, "a timeline is being written"):
        done, kept = _read(path if path.is_file() else partial, made_with)
        if path.is_file():
            return Timeline(done, kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        header = done or {**made_with, **provenance()}
        text = "".join(
            json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"
            for line in [header, *(row.to_dict() for row in kept)]
        )
        write_text(partial, text)  # without the line at which the work was stopped
        with partial.open("a", encoding="utf-8") as file:
            for row in rows(len(kept)):
                file.write(json.dumps(row.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")
                file.flush()
                kept.append(row)
        os.replace(partial, path)
    return Timeline(header, kept)


def _read(path: Path, made_with: dict[str, Any]) -> tuple[dict[str, Any] | None, list[TimelineRow]]:
    """Returns the first line and the whole rows of a timeline, if there is one.

    Raises:
        SpatialLLMError: it is one of another recording, model or questions.
    """
    if not path.is_file():
        return None, []
    whole = path.read_bytes().rpartition(b"\n")[0].decode("utf-8")
    lines = [parse_object(line, f"{path}:{number}") for number, line in enumerate(whole.splitlines(), 1)]
    if not lines:
        return None, []
    header = lines[0]
    if other := [name for name, value in json.loads(json.dumps(made_with)).items() if header.get(name) != value]:
        raise SpatialLLMError(
            f"{path} is a timeline with another {', '.join(other).replace('_', ' ')}; give another --out, or delete it."
        )
    now = provenance()
    if {name: header.get(name) for name in now} != now:
        warnings.warn(f"{path} was begun with other versions of the software; it goes on with those of today.", stacklevel=2)
    return header, [TimelineRow(**line) for line in lines[1:]]
