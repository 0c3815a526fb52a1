"""The questions of an evaluation, from a manifest of ours or from the released SpatialSoundQA, with one interface."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from numpy import float32
from numpy.typing import NDArray

from spatial_llm.audio.formats import BINAURAL, AudioFormat, needs_ears
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.data.further import refuse_further
from spatial_llm.data.paths import DataRoot, FileCheck
from spatial_llm.data.records import Record, paths_of, read_manifest
from spatial_llm.data.rendering import heard_format, load_waveform, render_record
from spatial_llm.data.spatialsoundqa import release as spatialsoundqa
from spatial_llm.data.spatialsoundqa.prepare import EXPORTED
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.benchmarks import BENCHMARKS, ChoiceSet
from spatial_llm.evaluation.predicting.tasks import Questions, Task
from spatial_llm.evaluation.published import SPATIALSOUNDQA
from spatial_llm.files import sha256_of
from spatial_llm.jsonl import iter_jsonl
from spatial_llm.scenes.heads.binaural_rendering import ear_rendering
from spatial_llm.scenes.scene import Scene

_RECORDING = ("audio", "audio_format", "scene", "pairs", "sampling_rate", "protocol")


class Item(Protocol):
    """What predicting and the report need of a question: a `Record`, or a `ChoiceItem` of a benchmark of others, whose
    recordings are files (`scene` is None). The metrics work on records alone."""

    id: str
    recording_id: str
    type: str
    question_type: str
    question: str
    answer: str
    scene: Scene | None

    @property
    def format(self) -> AudioFormat:
        """Returns the format of its recording."""


@dataclass(frozen=True)
class EvaluationSet:
    """Questions with their recordings.

    Fields:
        items: the records, in the order of the file.
        sha256: of the question file (or files): what a prediction was made for.
        benchmark: name of the released benchmark these questions are, or None for a manifest of ours.
        label_csv: the release's label names; None where there are none: then the labels are those of the answers.
        root: where the records' names start.
        head: SOFA file of the head to whose ears ambisonics and arrays are rendered for a model of two ears; None = MIT
            KEMAR.
    """

    items: Sequence[Record]
    sha256: str
    benchmark: str | None
    label_csv: Path | None
    root: DataRoot
    head: str | None = None

    def load(
        self, item: Record, sampling_rate: int, window_samples: int, format: AudioFormat = BINAURAL
    ) -> NDArray[float32]:
        """Returns the recording of an item, (channels, window_samples). Raises ManifestError, naming the record, if it
        cannot be made, or has a format that the model neither takes nor hears through a head."""
        render = None
        if needs_ears(item.format, format):
            try:
                render = ear_rendering(heard_format(item, self.root), self.head)
            except SpatialLLMError as error:
                raise ManifestError(f"record {item.id!r}: {error}") from error
        return load_waveform(item, self.root, sampling_rate, window_samples, format, render)

    def listen(self, item: Record) -> tuple[NDArray[float32], int]:
        """Returns the whole recording of an item, (channels, samples), and its rate in Hz. Raises ManifestError as
        `load`."""
        return render_record(item, self.root), item.sampling_rate

    def with_responses(self, policy: str) -> "EvaluationSet":
        """Returns the same questions with all recordings rendered by one room-response policy, "official_bat" or
        "checkpoint_matched".

        Raises:
            ManifestError: a recording is a file, whose response cannot be chosen any more.
        """
        changed = []
        for item in self.items:
            if item.audio is not None:
                raise ManifestError(
                    f"record {item.id!r}: its recording is the file {item.audio!r}, which holds its room response already, "
                    f"and the task asks for responses {policy!r}; give a task with responses: as_recorded."
                )
            if item.pairs is not None:
                changed.append(dataclasses.replace(item, protocol=policy))
            else:
                changed.append(dataclasses.replace(item, scene=dataclasses.replace(item.scene, protocol=policy)))
        return dataclasses.replace(self, items=changed)

    def check_files(self) -> None:
        """Raises ManifestError with the number and the first names of all missing files that any item needs."""
        files = FileCheck(self.root)
        for item in self.items:
            for field, name in paths_of(item):
                files.add(f"record {item.id!r}", field, name, (item.files or {}).get(name))
        files.finish()


def with_limits(evaluation_set: EvaluationSet | ChoiceSet, limits: AudioLimits) -> EvaluationSet | ChoiceSet:
    """Returns the same questions, whose recordings may be as long and large as `limits` allow."""
    return dataclasses.replace(evaluation_set, root=dataclasses.replace(evaluation_set.root, limits=limits))


def with_head(evaluation_set: EvaluationSet | ChoiceSet, head: str) -> EvaluationSet:
    """Returns the same questions, whose recordings are rendered to the ears of a head where a model needs it.

    Raises:
        ManifestError: there is no such file, or the questions are those of a benchmark, whose recordings are as they are.
    """
    if not Path(head).is_file() or not isinstance(evaluation_set, EvaluationSet):
        raise ManifestError(
            f"head is {head}; give a SOFA file that is there, for a manifest with recordings in ambisonics or of arrays."
        )
    return dataclasses.replace(evaluation_set, head=head)


def read_evaluation_set(
    data: str | Path, audio_root: str | Path | None = None, reverb_root: str | Path | None = None
) -> EvaluationSet:
    """Reads a manifest (JSONL of records), or SpatialSoundQA as released: its folder, a stage of it, or one file.

    Args:
        data: path of the manifest, folder or file.
        audio_root, reverb_root: folders that stand for AudioSet and mp3d_reverb of the released data; see
            `spatialsoundqa.roots_elsewhere`. Names of a manifest that begin so are looked for there too.

    Sound files are not looked for: scoring needs none. `EvaluationSet.check_files` does.

    Raises:
        ManifestError: the file is neither, or not well formed; ids that occur twice are named.
    """
    data = Path(data)
    if not data.exists():
        raise ManifestError(f"{data}: no such file or folder; give a manifest (.jsonl) or the SpatialSoundQA folder.")
    evaluation_set = (
        _official(data, audio_root, reverb_root) if _is_official(data) else _manifest(data, audio_root, reverb_root)
    )
    if not evaluation_set.items:
        raise ManifestError(f"{data}: holds no record; expected at least one question.")
    return evaluation_set


def asked_questions(
    task: Task | None,
    data: str | Path | None,
    audio_root: str | Path | None = None,
    reverb_root: str | Path | None = None,
) -> EvaluationSet | ChoiceSet:
    """Returns the questions that a script was given: those of a task, or without one those at `data`.

    Raises:
        ManifestError: neither is given; see also `read_questions` and `read_evaluation_set`.
    """
    if task is not None:
        return read_questions(task.questions, data, audio_root, reverb_root)
    if data is None:
        raise ManifestError("no questions: give --data, or a --task that names them.")
    return read_evaluation_set(data, audio_root, reverb_root)


def read_questions(
    questions: Questions,
    data: str | Path | None = None,
    audio_root: str | Path | None = None,
    reverb_root: str | Path | None = None,
) -> EvaluationSet | ChoiceSet:
    """Returns the questions of a task.

    Args:
        questions: their format, path and hash, as in the task. "manifest": a JSONL manifest of records.
            "spatialsoundqa": the release (folder, stage or file), or a manifest of its question types and no others.
            A key of `BENCHMARKS`: the released folder of that benchmark.
        data: path in place of the task's.
        audio_root, reverb_root: see `read_evaluation_set`.

    Raises:
        ManifestError: no path in task or command line, another format than in the task, or another hash.
    """
    data = data if data is not None else questions.path
    if data is None:
        raise ManifestError("the task names no questions; give their path: --data.")
    evaluation_set: EvaluationSet | ChoiceSet
    if questions.format in BENCHMARKS:
        if audio_root or reverb_root:
            raise ManifestError(
                "--audio_root and --reverb_root are for SpatialSoundQA; this benchmark has one folder: --data."
            )
        evaluation_set = BENCHMARKS[questions.format].read(data, questions.unusable == "leave_out")
    else:
        evaluation_set = read_evaluation_set(data, audio_root, reverb_root)
        _check_format(questions.format, evaluation_set, Path(data))
    if questions.sha256 not in (None, evaluation_set.sha256):
        raise ManifestError(
            f"{data}: sha256 is {evaluation_set.sha256}, the task is pinned to {questions.sha256}; give the questions it "
            "was written for, or a new version of the task."
        )
    return evaluation_set


def _check_format(wanted: str, evaluation_set: EvaluationSet, data: Path) -> None:
    if wanted == "manifest" and _is_official(data):
        raise ManifestError(
            f"{data}: SpatialSoundQA as released, and the task asks for a manifest; take spatialsoundqa.yaml."
        )
    if wanted == "spatialsoundqa":
        for item in evaluation_set.items:
            if item.question_type not in spatialsoundqa.OFFICIAL_TYPES:
                raise ManifestError(
                    f"{data}: record {item.id!r} is a {item.question_type}, which SpatialSoundQA does not ask; take a task "
                    "of format manifest, such as ours.yaml."
                )


def _is_official(data: Path) -> bool:
    if data.is_dir() or data.suffix == ".json":
        return True
    return "audio_id" in next(iter_jsonl(data), (0, {}))[1]


def _manifest(data: Path, audio_root: str | Path | None, reverb_root: str | Path | None) -> EvaluationSet:
    root = DataRoot(data.parent, spatialsoundqa.roots_elsewhere(audio_root, reverb_root))
    records = read_manifest(data, root, look_for_files=False)
    first: dict[str, Record] = {}
    for record in records:
        refuse_further(record, "predicted or scored")
        # one encoding serves all questions of a recording_id, so each must name one recording
        other = first.setdefault(record.recording_id, record)
        if any(getattr(record, name) != getattr(other, name) for name in _RECORDING):
            raise ManifestError(
                f"{data}: records {other.id!r} and {record.id!r} share recording_id {record.recording_id!r} but not the "
                "recording; give each recording its own."
            )
    return EvaluationSet(items=records, sha256=sha256_of(data), benchmark=None, label_csv=None, root=root)


def _official(data: Path, audio_root: str | Path | None, reverb_root: str | Path | None) -> EvaluationSet:
    root = spatialsoundqa.release_root(data, audio_root, reverb_root)
    label_csv = root.path(f"{spatialsoundqa.AUDIO}/{spatialsoundqa.LABELS_CSV}")
    records = spatialsoundqa.read_official(data)
    # A set of ours that was exported in this layout is not the benchmark, whatever its files are called; nor is what was
    # released for training. Whether a file is whole cannot be known: how many questions each has is not published.
    other = (root.folder / EXPORTED).is_file() or any(record.split == "train" for record in records)
    return EvaluationSet(
        items=records,
        sha256=spatialsoundqa.official_sha256(data),
        benchmark=None if other else SPATIALSOUNDQA,
        label_csv=label_csv if label_csv.is_file() else None,
        root=root,
    )
