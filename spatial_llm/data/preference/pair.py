"""Reads and writes pairs: a question about a recording with a chosen and a rejected answer, one JSON object a line.

The columns are those of TRL, `prompt`, `chosen` and `rejected`, each a text or a list of one message; beside them stands the
recording, with the fields of a manifest's record (`audio`, `scene` or `pairs`, `sampling_rate`, ...). A file of one's own
needs no more than

    {"audio": "kitchen.wav", "prompt": "Where is the bell?", "chosen": "left", "rejected": "right"}

`question_type` says what kind of value answers the question ("OPEN", any text, by default); `truth` is the value of the
chosen answer; `recording_sha256` the hash of the recording for which the pair was made. What is said is checked. An answer
that declines ("I cannot tell") may be chosen for every kind.
"""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from spatial_llm.answers import is_refusal
from spatial_llm.answers.kinds.text import plain_text
from spatial_llm.data.paths import DataRoot, FileCheck
from spatial_llm.data.record import Record, paths_of
from spatial_llm.data.records import RecordReader
from spatial_llm.data.repeated_ids import RepeatedIds
from spatial_llm.errors import ManifestError
from spatial_llm.files import sha256_of
from spatial_llm.jsonl import iter_lines, parse_object
from spatial_llm.questions.families.own import OPEN
from spatial_llm.questions.types import QUESTION_TYPES, parse_value

OWN = "own"  # kind of a pair that does not say its kind
COLUMNS = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}  # and who says them in messages
_FURTHER = ("kind", "question_type", "truth", "recording_sha256")
_NOT_OF_PAIRS = ("question", "answer", "type", "about", "earlier", "others")


@dataclass(frozen=True)
class PreferencePair:
    """Holds one pair.

    Attributes:
        record: the question and the chosen answer, as a record of a question of one's own.
        rejected: the other answer.
        kind: what is wrong with it, a name of `kinds.KINDS`, or "own".
        question_type: of the question.
        truth: the value of the chosen answer; None if it declines to answer.
        sha256: see `recording_sha256`.
    """

    record: Record
    rejected: str
    kind: str
    question_type: str
    truth: dict[str, Any] | None
    sha256: str

    @property
    def content_sha256(self) -> str:
        """Returns the hash of what the model is given: recording, question and both answers."""
        content = [self.sha256, self.record.question, self.record.answer, self.rejected]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def pair_line(record: Record, chosen: str, rejected: str, kind: str, truth: Mapping[str, Any] | None, sha256: str) -> dict:
    """Returns a pair about the recording and question of a record as one line.

    Args:
        record: of a manifest.
        chosen, rejected: the answers.
        kind: name of the kind.
        truth: value of the chosen answer; None if it declines.
        sha256: of the recording.
    """
    line = {name: value for name, value in record.to_dict().items() if name not in _NOT_OF_PAIRS}
    pair = {"prompt": record.question, "chosen": chosen, "rejected": rejected, "kind": kind}
    line |= {"id": f"{record.id}-{kind}", **pair, "question_type": record.question_type, "recording_sha256": sha256}
    return {name: value for name, value in {**line, "truth": truth}.items() if value is not None}


def recording_sha256(record: Record, root: DataRoot | str | Path, known: dict[str, str] | None = None) -> str:
    """Returns a hash of the recording of a record: of the bytes of its sound files, or of its scene.

    Args:
        record: of the recording.
        root: where its names start.
        known: hashes of files by path, looked up and filled.
    """
    known, root, line = {} if known is None else known, DataRoot.of(root), record.to_dict()
    made_from = {name: line.get(name) for name in ("scene", "pairs", "protocol", "sampling_rate", "audio_format")}
    if made_from["scene"] is not None:
        # Its name, and what follows from it, do not make its sound.
        made_from["scene"] = {k: v for k, v in made_from["scene"].items() if k not in ("id", "split", "truth")}
    else:
        for name in sorted({name for _, name in paths_of(record)}):
            path = str(root.path(name))
            known[path] = known.get(path) or sha256_of(path)
            made_from[f"bytes of {name}" if record.audio is None else "bytes"] = known[path]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


class PairFile(Sequence[PreferencePair]):
    """Holds the pairs of a file, which is checked as a whole and then read line by line from the disk.

    Args:
        path: the file.
        root: where the names of recordings start and which folders elsewhere are allowed; default: its own folder, none.

    Attributes:
        path, root: as given.
        hashes: `PreferencePair.content_sha256` of each pair.
        kinds: the kind of each pair.
        places: (row, 0) of the first pair about each recording, by `recording_id`.

    Raises:
        ManifestError: a line is no pair (see the module); its answers say the same; the chosen one cannot be read as a value
            of its kind, or is not its `truth`; it was made for another recording; two recordings have one id; two pairs
            have one id; or files are missing. The record is named.
    """

    def __init__(self, path: str | Path, root: DataRoot | str | Path | None = None) -> None:
        self.path = Path(path)
        self.root = DataRoot.of(self.path.parent if root is None else root)
        self._lines: list[tuple[int, bytes]] = []
        self._reader, self._last, self._files = RecordReader(), (None, ""), dict[str, str]()
        self.hashes: list[str] = []
        self.kinds: list[str] = []
        self.places: dict[str, tuple[int, int]] = {}
        recordings: dict[str, str] = {}
        files, ids = FileCheck(self.root), RepeatedIds(self.path)
        for number, text in iter_lines(self.path):
            where = f"{self.path}:{number}"
            record, line = self._record(text, number)
            there = [files.add(where, field, name, (record.files or {}).get(name)) for field, name in paths_of(record)]
            if not all(there):
                continue
            pair = self._pair(record, line, where)
            ids.add(number, record.id)
            if recordings.setdefault(record.recording_id, pair.sha256) != pair.sha256:
                raise ManifestError(
                    f"{where}: record {record.id!r}: its recording_id {record.recording_id!r} is that of another recording "
                    "in this file; give each recording its own."
                )
            self.places.setdefault(record.recording_id, (len(self._lines), 0))
            self._lines.append((number, text.encode()))
            self.hashes.append(pair.content_sha256)
            self.kinds.append(pair.kind)
        files.finish()
        ids.finish()
        if not self._lines:
            raise ManifestError(f"{self.path}: no pair; expected one JSON object with prompt, chosen and rejected a line.")

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number, text = self._lines[int(index)]
        return self._pair(*self._record(text.decode(), number), f"{self.path}:{number}")

    def _record(self, text: str, number: int) -> tuple[Record, dict[str, Any]]:
        where = f"{self.path}:{number}"
        line = parse_object(text, where)
        missing = [name for name in COLUMNS if name not in line]
        foreign = [name for name in _NOT_OF_PAIRS if name in line]
        if missing or foreign:
            raise ManifestError(
                f"{where}: {'has no ' + ', '.join(missing) if missing else 'has ' + ', '.join(foreign)}; expected a pair: "
                "prompt, chosen and rejected, with one recording, and one question about it."
            )
        said = {name: _text(line.pop(name), role, f"{where}: {name}") for name, role in COLUMNS.items()}
        line |= {"question": said["prompt"], "answer": said["chosen"], "rejected": said["rejected"]}
        own = {name: line[name] for name in ("rejected", *_FURTHER) if name in line}
        fields = {name: value for name, value in line.items() if name not in own}
        fields = {"id": f"{self.path.name}:{number}", "split": "train", **fields, "type": "open", "question_type": OPEN}
        fields["truth"] = parse_value(OPEN, said["chosen"])
        if isinstance(audio := fields.get("audio"), str):
            fields.setdefault("recording_id", audio)
            if "sampling_rate" not in fields:
                fields["sampling_rate"] = _rate_of(str(self.root.path(audio)), where)
        return self._reader.read(json.dumps(fields), where), own

    def _pair(self, record: Record, own: dict[str, Any], where: str) -> PreferencePair:
        where = f"{where}: record {record.id!r}"
        question_type, chosen, rejected = own.get("question_type", OPEN), record.answer, own["rejected"]
        if question_type not in QUESTION_TYPES:
            raise ManifestError(f"{where}: question_type is {question_type!r}; known are {', '.join(QUESTION_TYPES)}.")
        value = None if is_refusal(chosen) else parse_value(question_type, chosen)
        if value is None and not is_refusal(chosen):
            raise ManifestError(
                f"{where}: chosen {chosen!r} cannot be read as an answer of type {question_type}; correct it, or leave out "
                "question_type, which then is that of a question of one's own."
            )
        same = plain_text(chosen) == plain_text(rejected)
        if same or (value is not None and not is_refusal(rejected) and value == parse_value(question_type, rejected)):
            raise ManifestError(f"{where}: chosen {chosen!r} and rejected {rejected!r} say the same; expected two answers.")
        if "truth" in own and own["truth"] != value:
            raise ManifestError(f"{where}: chosen {chosen!r} does not read as truth {own['truth']}; correct either.")
        sha256 = self._recording_sha256(record)
        if own.get("recording_sha256", sha256) != sha256:
            raise ManifestError(
                f"{where}: was made for another recording: recording_sha256 is {str(own['recording_sha256'])[:12]}, that of "
                f"this one {sha256[:12]}; make the pairs again, or put the recording back."
            )
        return PreferencePair(record, rejected, str(own.get("kind", OWN)), question_type, value, sha256)

    def _recording_sha256(self, record: Record) -> str:
        # Pairs about one recording stand together, and the reader gives them one scene.
        scene, sha256 = self._last
        if record.scene is None or record.scene is not scene:
            sha256 = recording_sha256(record, self.root, self._files)
            self._last = record.scene, sha256
        return sha256


@dataclass(frozen=True)
class PairRecords(Sequence[Record]):
    """The records of a file of pairs, with its path and root, as data sets take them."""

    pairs: PairFile

    @property
    def path(self) -> Path:
        """Returns the path of the file."""
        return self.pairs.path

    @property
    def root(self) -> DataRoot:
        """Returns where the names of recordings start."""
        return self.pairs.root

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: Any) -> Any:
        found = self.pairs[index]
        return [pair.record for pair in found] if isinstance(index, slice) else found.record


def _text(said: Any, role: str, where: str) -> str:
    """Returns what a column says: a text, or the content of its one message."""
    if isinstance(said, list) and len(said) == 1 and isinstance(said[0], dict) and said[0].get("role") == role:
        said = said[0].get("content")
    if not isinstance(said, str) or not said.strip():
        raise ManifestError(f"{where} is {said!r}; expected a text, or a list of one message of the {role} with a text.")
    return said


@functools.lru_cache(maxsize=10_000)
def _rate_of(path: str, where: str) -> int:
    try:
        return int(soundfile.info(path).samplerate)
    except (OSError, RuntimeError) as error:
        raise ManifestError(f"{where}: audio {path} cannot be read ({error}); give the path of a sound file.") from None
