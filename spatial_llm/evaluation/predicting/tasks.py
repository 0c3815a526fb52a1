"""A task: its questions, its prompt, and the protocols that score the answers; one YAML file, strict keys.

A task file may include others, see `spatial_llm.settings`. Nothing has a default: everything that a task does is written in
its file or in one that it includes. The version is the number of lines of `changes`, so that a task cannot change its
version without a reason.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.benchmarks import BENCHMARKS
from spatial_llm.named_yamls import find_yaml
from spatial_llm.settings import read_yaml
from spatial_llm.validation import STRICT, describe_validation

Format = Literal[("manifest", "spatialsoundqa", *BENCHMARKS)]
Reading = Literal["strict", "lenient"]
HEARING = ("hearing_classes", "hearing_labels", "hearing_captions")
ScoringProtocol = Literal[
    ("bat", "dspast", "exact", "text", "diagnostic", *HEARING, *(each.protocol for each in BENCHMARKS.values()))
]
Responses = Literal["as_recorded", "official_bat", "checkpoint_matched"]
Unusable = Literal["refuse", "leave_out"]
Control = Literal["no_audio", "other_audio", "ears_swapped", "ears_equal", "time_reversed"]
CONTROLS: tuple[str, ...] = get_args(Control)
SLOT = "{question}"


@dataclass(frozen=True)
class Questions:
    """Selects the questions of a task.

    Attributes:
        format: layout of the questions, see `evaluation_set.read_questions`.
        path: of the file or folder, relative to the current folder; None: given on the command line.
        sha256: hash that the questions must have; None: any.
        unusable: for a benchmark of others, what happens to questions whose recording does not have two channels: refuse the
            set, or leave them out, counted and named; then no published number is comparable.
    """

    format: Format
    path: str | None = None
    sha256: str | None = None
    unusable: Unusable = "refuse"


@dataclass(frozen=True)
class Decoding:
    """Settings of generation: `num_beams` 1 is greedy; nothing is sampled. `max_new_tokens` is the longest answer."""

    num_beams: int = 1
    max_new_tokens: int = 200


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: name of the file.
        version: counts the changes that change scores.
        changes: what each version changed, newest last.
        questions: see `Questions`.
        prompt: text in the question's place of the model's own prompt format; "{question}" stands for the question.
        decoding: see `Decoding`.
        reading: the reading whose scores are reported first.
        protocols: protocols to score by; metrics of other protocols are left out.
        embedding: the text embedding of average precision, see `embedding.TextEmbedder`.
        responses: room-response policy: "as_recorded" follows each record; for all the same: "official_bat" takes the whole
            response (BAT's released data loader), "checkpoint_matched" its first 2 s (as the released encoders were
            trained). Files already contain their room.
        controls: see `controls`; they run after the questions, in this order.
        control_recordings: number of recordings for the controls, drawn with the seed; None: all.
        resamples: number of bootstrap resamples.
        seed: of the draw of recordings, of the derangement of `other_audio`, and of the bootstrap.
    """

    name: str
    version: int
    changes: tuple[str, ...]
    questions: Questions
    prompt: str
    decoding: Decoding
    reading: Reading
    protocols: tuple[ScoringProtocol, ...]
    embedding: str
    responses: Responses
    controls: tuple[Control, ...]
    control_recordings: int | None
    resamples: int
    seed: int

    @property
    def sha256(self) -> str:
        """Returns the hash of the resolved task: of its canonical JSON, independent of the files that it is spread over."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Returns the task as plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def identity(self) -> dict[str, Any]:
        """Returns name, version and hash, which every result records."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}

    def ask(self, question: str) -> str:
        """Returns the question as the model gets it."""
        return self.prompt.replace(SLOT, question)

    def override(self, changes: Mapping[str, Any]) -> "Task":
        """Returns the task with other values, by dotted key ("decoding.num_beams").

        Raises:
            SpatialLLMError: a key is unknown, or the task file could not have the value.
        """
        content = self.to_dict()
        for key, value in changes.items():
            *parents, last = key.split(".")
            place = content
            for parent in parents:
                place = place.get(parent, {}) if isinstance(place, dict) else {}
            if last not in place:
                raise SpatialLLMError(f"task {self.name!r} has no key {key!r}; known are {', '.join(self.to_dict())}.")
            place[last] = value
        return _checked(content, f"task {self.name!r} as overridden", {})


for _kind in (Questions, Decoding, Task):
    _kind.__pydantic_config__ = STRICT
_ADAPTER = TypeAdapter(Task)


def read_task(path: str | Path) -> Task:
    """Reads the task of a YAML file, which is given by its path, or by its name in the package ("ours").

    Raises:
        SpatialLLMError: there is no task of this name; the file or one it includes is missing or no YAML mapping, files
            include each other, or a key is unknown, missing, given twice, of another type or has an impossible value; file
            and key are named.
    """
    names = {field.name for field in dataclasses.fields(Task)}
    path = find_yaml(path, lambda one: set(read_yaml(one).content) == names, "task")
    file = read_yaml(path)
    return _checked(file.content, str(path), file.origins)


# --- checks -----------------------------------------------------------------------------------------------------------


def _checked(content: dict[str, Any], where: str, origins: Mapping[str, Path]) -> Task:
    try:
        task = _ADAPTER.validate_json(json.dumps(content))
    except ValidationError as error:
        loc = [str(part) for part in error.errors(include_url=False)[0]["loc"]]
        keys = [".".join(loc[:end]) for end in range(len(loc), 0, -1)]
        at = next((str(origins[key]) for key in keys if key in origins), where)
        raise SpatialLLMError(f"{at}: {describe_validation(error)}") from None
    except TypeError as error:  # dates, and keys that are no text
        raise SpatialLLMError(f"{where}: {error}; write dates and numbers that are text in quotes.") from None
    for key, good, expected in _expectations(task):
        if not good:
            at = origins.get(key, origins.get(key.split(".")[0], where))
            value = content
            for part in key.split("."):
                value = value.get(part)
            raise SpatialLLMError(f"{at}: {key} is {value!r}; expected {expected}.")
    return task


def _expectations(task: Task) -> list[tuple[str, bool, str]]:
    """Returns (key, whether it holds, what was expected)."""
    sha256, lists = task.questions.sha256, (task.protocols, task.controls)
    distinct = [len(set(names)) == len(names) for names in lists]
    return [
        ("name", re.fullmatch(r"[\w.-]+", task.name) is not None, "letters, digits, '.', '-' and '_'"),
        ("version", task.version >= 1, "1 or more"),
        ("changes", len(task.changes) == task.version, f"one line a version, {task.version}, newest last"),
        ("changes", all(line.strip() and "\n" not in line for line in task.changes), "lines that are not empty"),
        ("questions.sha256", sha256 is None or re.fullmatch("[0-9a-f]{64}", sha256) is not None, "64 hexadecimal digits"),
        ("prompt", task.prompt.count(SLOT) == 1, f"a text that holds {SLOT} once"),
        ("decoding.num_beams", task.decoding.num_beams >= 1, "1 (greedy) or more"),
        ("decoding.max_new_tokens", task.decoding.max_new_tokens >= 1, "1 or more"),
        ("protocols", bool(task.protocols) and distinct[0], "one protocol or more, each once"),
        ("embedding", bool(task.embedding), "the name or folder of an embedding model"),
        ("controls", distinct[1], "each control once"),
        ("control_recordings", task.control_recordings is None or task.control_recordings >= 1, "1 or more, or null"),
        ("resamples", task.resamples >= 1, "1 or more"),
        ("seed", task.seed >= 0, "0 or more"),
    ]
