"""Multiple-choice questions of a benchmark of others, with their recordings: what predicting needs of them.

Note: these recordings were not made for this library. Some are mono or have more than two channels, some questions name
several files, and our model takes one recording of two channels. Others repeat the one channel or drop the rest; here such
an item is an error that names it. On request it is left out, counted and listed instead, and the score is then no longer
comparable with published ones.
"""

import hashlib
import string
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from spatial_llm.audio.formats import BINAURAL, AudioFormat
from spatial_llm.audio.io import inspect_audio, prepare_waveform, read_audio
from spatial_llm.data.paths import SHOWN, DataRoot
from spatial_llm.errors import AudioError, ManifestError, SpatialLLMError
from spatial_llm.validation import describe_validation

TYPE, QUESTION_TYPE = "choice", "CHOICE"
LETTERS = string.ascii_uppercase  # so at most 26 options
BY_RULE = "has fewer than two options: the benchmark's own script leaves it out"

_Row = TypeVar("_Row", bound=BaseModel)


@dataclass(frozen=True)
class ChoiceItem:
    """One question as the model gets it.

    Fields:
        id: unique in its set.
        source_id: id in the release; several items may ask one question with its options in another order.
        question: the whole prompt in the benchmark's wording, options included.
        answer: text of the right option.
        choices: texts of the options, in the order of the prompt.
        audio: names of its sound files, relative to the root of the set.
        task: the part of the benchmark it is counted under, or None.
        scene: always None; these recordings are files.
    """

    id: str
    source_id: str
    question: str
    answer: str
    choices: tuple[str, ...]
    audio: tuple[str, ...]
    task: str | None = None
    type: str = TYPE
    question_type: str = QUESTION_TYPE
    scene: None = None
    format: ClassVar[AudioFormat] = BINAURAL  # the releases do not say; two channels are taken for left and right ear

    @property
    def recording_id(self) -> str:
        """Names its recording: questions about the same file share one encoding, and one draw of the bootstrap."""
        return " + ".join(self.audio)


@dataclass(frozen=True)
class ChoiceSet:
    """The questions of a benchmark with their recordings; stands where `items.EvaluationSet` does.

    Fields:
        items: in the order of the release.
        sha256: of the question file, and of what was left out of it.
        benchmark: as in published_scores.csv.
        root: where the names of sound files start.
        released: how many questions the release is known to hold.
        left_out: why a question of the file is left out, by its id in the release.
        label_csv: always None; these benchmarks have no label set.
    """

    items: Sequence[ChoiceItem]
    sha256: str
    benchmark: str
    root: DataRoot
    released: int
    left_out: Mapping[str, str] = field(default_factory=dict)
    label_csv: Path | None = None

    @property
    def complete(self) -> bool:
        """Returns True if the set has every question of the release that the benchmark's own script uses."""
        asked = {item.source_id for item in self.items}
        by_rule = all(reason == BY_RULE for reason in self.left_out.values())
        return by_rule and len(asked) + len(self.left_out) == self.released

    def load(
        self, item: ChoiceItem, sampling_rate: int, window_samples: int, format: AudioFormat = BINAURAL
    ) -> NDArray[np.float32]:
        """Returns the recording of an item, (channels, window_samples) at `sampling_rate`: padded, or its loudest window.

        Raises:
            ManifestError: it cannot be used (missing, another format, several files, ...); names the item and the file.
        """
        try:
            path = self.root.path(_only(item.audio))
            return prepare_waveform(
                path, None, sampling_rate, window_samples, self.root.limits, format=format, given=item.format
            )
        except SpatialLLMError as error:
            raise ManifestError(f"{self.benchmark}: item {item.id!r}: {error}") from error

    def listen(self, item: ChoiceItem) -> tuple[NDArray[np.float32], int]:
        """Returns the whole recording of an item, (channels, samples), and its rate in Hz. Raises ManifestError as
        `load`."""
        try:
            return read_audio(self.root.path(_only(item.audio)), self.root.limits)
        except SpatialLLMError as error:
            raise ManifestError(f"{self.benchmark}: item {item.id!r}: {error}") from error

    def with_responses(self, policy: str) -> "ChoiceSet":
        """Returns the set itself for "as_recorded". Raises ManifestError for another policy, because these recordings
        contain their room."""
        if policy != "as_recorded":
            raise ManifestError(
                f"{self.benchmark} comes as recordings, which hold their room response already, and the task asks for "
                f"responses {policy!r}; give a task with responses: as_recorded."
            )
        return self

    def check_files(self) -> None:
        """Raises ManifestError with the number and the first names of all questions whose recording cannot be used."""
        problems = self.unusable()
        if problems:
            raise ManifestError(
                f"{self.root.folder}: {len(problems)} questions of {self.benchmark} have a recording that cannot be used "
                f"(two channels are needed, left ear first); read the set with leave_out_unusable to score the others:"
                f"{_listed(problems)}"
            )

    def unusable(self) -> dict[str, str]:
        """Returns why a recording cannot be used, by id of the question in the release; only headers of files are read."""
        seen: dict[tuple[str, ...], str | None] = {}
        problems = {}
        for item in self.items:
            if item.audio not in seen:
                seen[item.audio] = _problem(item.audio, self.root)
            if (problem := seen[item.audio]) is not None:
                problems[item.source_id] = problem
        return problems

    def without_unusable(self) -> "ChoiceSet":
        """Returns the set without the questions whose recording cannot be used. They are counted and named in a warning, in
        `left_out` and through it in the scores. The sha256 changes, because the set of questions does."""
        problems = self.unusable()
        if not problems:
            return self
        kept = [item for item in self.items if item.source_id not in problems]
        if not kept:
            raise ManifestError(f"{self.root.folder}: no recording of {self.benchmark} can be used:{_listed(problems)}")
        warnings.warn(f"{self.benchmark}: {len(problems)} questions are left out:{_listed(problems)}", stacklevel=2)
        digest = hashlib.sha256("\n".join([self.sha256, *sorted(problems)]).encode()).hexdigest()
        return replace(self, items=kept, sha256=digest, left_out={**self.left_out, **problems})


def lettered(choices: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Yields each option with its letter, A first."""
    return zip(LETTERS[: len(choices)], choices, strict=True)


def read_row(row_type: type[_Row], row: Any, where: str) -> _Row:
    """Returns one row of a release, checked. Raises ManifestError that starts with `where` and names the field."""
    try:
        return row_type.model_validate(row)
    except ValidationError as error:
        raise ManifestError(f"{where}: {describe_validation(error)}") from None


def check_ids(path: Path, ids: Sequence[str]) -> None:
    """Raises ManifestError, naming them, if ids occur twice."""
    double = sorted(id for id, count in Counter(ids).items() if count > 1)
    if double:
        shown = ", ".join(map(repr, double[:SHOWN])) + (", ..." if len(double) > SHOWN else "")
        raise ManifestError(f"{path}: {len(double)} ids occur more than once: {shown}; expected one row a question.")


def check_names(root: DataRoot, names: Sequence[str], where: str) -> None:
    """Raises ManifestError, starting with `where`, if a file name leads out of the release's folder."""
    for name in names:
        try:
            root.path(name)
        except ManifestError as error:
            raise ManifestError(f"{where}: {error}") from None


def _only(audio: tuple[str, ...]) -> str:
    if len(audio) != 1:
        raise ManifestError(f"names {len(audio)} sound files ({', '.join(audio)}); the model hears one recording.")
    return audio[0]


def _problem(audio: tuple[str, ...], root: DataRoot) -> str | None:
    try:
        name = _only(audio)
        path = root.path(name)
        if not path.is_file():  # neither is a pipe, which would block whoever opens it
            return f"{name}: no such file"
        # the absolute path does not belong into a result file
        sound = inspect_audio(path, shown=name)
    except (ManifestError, AudioError) as error:
        return str(error)
    if sound.missing is not None and not root.limits.allow_truncated:
        return f"{name}: cut or damaged {sound.container}: {sound.missing}"
    # 0: a container that only the decoder knows
    needed = ChoiceItem.format.channels
    return None if sound.channels in (0, needed) else f"{name}: {needed} channels needed, got {sound.channels}"


def _listed(problems: Mapping[str, str]) -> str:
    shown = "".join(f"\n  {id!r}: {problem}" for id, problem in list(problems.items())[:SHOWN])
    return shown + (f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else "")
