"""Writes, reads and checks the file predictions.jsonl and the settings it was made with, run.json beside it.

A line holds id, recording_id, type, question_type, question, answer, prediction (the raw text), and `derived: true` if the
recording was rendered to two ears for the model. Lines are in the order of
the questions. run.json records which model answered which questions how, and the hash of predictions.jsonl, so that the two
cannot be mixed up. During a run the lines are collected in .predictions.part.jsonl, after a first line with the settings;
only a finished run is renamed. `--resume` continues from that file. Controls (see `controls`) are runs of their own below
it, in controls/<name>/, on the same questions or on those about some of the recordings.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from spatial_llm.errors import ManifestError, write_errors_named
from spatial_llm.evaluation.predicting.evaluation_set import Item
from spatial_llm.files import atomic_files, sha256_of, write_json
from spatial_llm.jsonl import read_jsonl, write_jsonl

PREDICTIONS, RUN, PART = "predictions.jsonl", "run.json", ".predictions.part.jsonl"
CONTROL_FOLDER = "controls"
FIELDS = ("id", "recording_id", "type", "question_type", "question", "answer")


def prediction_line(item: Item, prediction: str, derived: bool = False) -> dict[str, Any]:
    """Returns one line of predictions.jsonl."""
    line = {name: getattr(item, name) for name in FIELDS} | {"prediction": prediction}
    return line | ({"derived": True} if derived else {})


class PredictionWriter:
    """Collects the predictions of one run in `folder`.

    Args:
        settings: settings of the run; a resumed run must have the same.
        resume: continue what an interrupted (or finished) run with the same settings left; otherwise start anew.

    Raises:
        ManifestError: the predictions to resume have other settings, or are not readable.
    """

    def __init__(self, folder: str | Path, settings: dict[str, Any], resume: bool = False) -> None:
        self.folder, self.settings = Path(folder), settings
        self.part = self.folder / PART
        self.done: dict[str, str] = self._left_over() if resume else {}
        # the part file is written anew, without a line cut by a kill and without lines that are not resumed
        lines = [{"settings": settings}, *({"id": id, "prediction": text} for id, text in self.done.items())]
        write_jsonl(self.part, lines)

    def _left_over(self) -> dict[str, str]:
        if self.part.is_file():
            text = self.part.read_bytes()
            # text after the last line break was cut while it was written
            try:
                lines = [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
                found, done = lines[0]["settings"], {line["id"]: line["prediction"] for line in lines[1:]}
            except (ValueError, LookupError, TypeError) as error:
                raise ManifestError(f"{self.part}: damaged ({error}), cannot resume; run without --resume.") from None
        elif (self.folder / PREDICTIONS).is_file():
            found = read_run(self.folder / PREDICTIONS)
            done = {row["id"]: row["prediction"] for _, row in read_jsonl(self.folder / PREDICTIONS)}
        else:
            return {}
        if found != self.settings:
            found = found or {}
            keys = sorted(key for key in {*found, *self.settings} if found.get(key) != self.settings.get(key))
            changed = "; ".join(f"{key} was {found.get(key)!r}, is {self.settings.get(key)!r}" for key in keys)
            raise ManifestError(f"{self.folder}: cannot resume a run with other settings ({changed}); run without --resume.")
        return done

    def add(self, predictions: dict[str, str]) -> None:
        """Appends the texts of some ids and flushes them to the disk's cache."""
        with write_errors_named(self.part), self.part.open("a", encoding="utf-8") as out:
            for id, text in predictions.items():
                out.write(json.dumps({"id": id, "prediction": text}, ensure_ascii=True) + "\n")
        self.done.update(predictions)

    def finish(self, items: Sequence[Item], derived: Collection[str] = ()) -> Path:
        """Writes predictions.jsonl, in the order of `items`, and run.json, both or neither; removes the part file.

        Args:
            items: the questions.
            derived: ids of those about recordings that were rendered to two ears.
        """
        with atomic_files(self.folder) as temporary:
            path = temporary / PREDICTIONS
            write_jsonl(path, (prediction_line(item, _printable(self.done[item.id]), item.id in derived) for item in items))
            write_json(temporary / RUN, self.settings | {"predictions_sha256": sha256_of(path)})
        self.part.unlink()
        return self.folder / PREDICTIONS


def read_run(predictions: str | Path) -> dict[str, Any] | None:
    """Returns the settings in run.json beside a predictions.jsonl, or None if there is none (predictions of another
    program).

    Raises ManifestError if run.json belongs to another predictions.jsonl, or is damaged.
    """
    predictions = Path(predictions)
    run = predictions.with_name(RUN)
    if not run.is_file():
        return None
    try:
        settings = json.loads(run.read_bytes())
    except ValueError as error:
        raise ManifestError(f"{run}: not JSON ({error}); run predict again, or remove it.") from None
    if not isinstance(settings, dict):
        raise ManifestError(f"{run}: a {type(settings).__name__}, expected the settings of a run; run predict again.")
    if settings.pop("predictions_sha256", None) != sha256_of(predictions):
        raise ManifestError(
            f"{predictions} has changed since {RUN} beside it was written, or belongs to another run; run predict again, "
            f"or remove {RUN} to score the file as one of unknown origin."
        )
    return settings


def read_predictions(path: str | Path, items: Sequence[Item], manifest_sha256: str) -> list[str]:
    """Returns the predicted texts in the order of `items`.

    Raises:
        ManifestError: a line is cut, not UTF-8 or lacks a field; an id occurs twice, is missing, or is not among the
            questions; a question or answer differs from the manifest's; or run.json names another manifest.
    """
    found = _read_lines(Path(path), items, manifest_sha256)
    _refuse(Path(path), [item.id for item in items if item.id not in found], "questions have no prediction")
    return [found[item.id] for item in items]


def control_names(path: str | Path) -> list[str]:
    """Returns the names of the controls that were run beside a predictions.jsonl, sorted."""
    folder = Path(path).parent / CONTROL_FOLDER
    return sorted(run.parent.name for run in folder.glob(f"*/{RUN}"))


def read_control(path: str | Path, name: str, items: Sequence[Item], manifest_sha256: str) -> tuple[list[int], list[str]]:
    """Returns the answers of a control: the rows of `items` that it covers, in order, and the texts.

    Args:
        path: the predictions.jsonl beside which the control was run.
        name: of the control, see `control_names`.
        items, manifest_sha256: all questions of the run.

    Raises:
        ManifestError: as `read_predictions`, but questions may be missing, since a control may be run on some of the
            recordings; or the control belongs to another run: any setting differs.
    """
    run, path = read_run(path), Path(path).parent / CONTROL_FOLDER / name / PREDICTIONS
    found, of_control = _read_lines(path, items, manifest_sha256), read_run(path) or {}
    differ = sorted(key for key in {*(run or {}), *of_control} - {"control"} if (run or {}).get(key) != of_control.get(key))
    if differ or (of_control.get("control") or {}).get("name") != name:
        raise ManifestError(f"{path}: made with another {', '.join(differ) or 'control'} than the run; run predict again.")
    rows = [row for row, item in enumerate(items) if item.id in found]
    return rows, [found[items[row].id] for row in rows]


def _read_lines(path: Path, items: Sequence[Item], manifest_sha256: str) -> dict[str, str]:
    """Returns texts by id; every line must be whole and belong to one of the questions."""
    if path.is_dir():
        raise ManifestError(f"{path}: a folder; give the file, {path / PREDICTIONS}.")
    rows = read_jsonl(path)
    run = read_run(path)
    if run is not None and run.get("manifest_sha256") != manifest_sha256:
        raise ManifestError(
            f"{path} was made for questions of sha256 {run.get('manifest_sha256')}, these have {manifest_sha256}; "
            "give the manifest it was made for, or run predict on this one."
        )
    found: dict[str, dict[str, Any]] = {}
    for number, row in rows:
        wrong = [name for name in (*FIELDS, "prediction") if not isinstance(row.get(name), str)]
        if wrong:
            raise ManifestError(f"{path}:{number}: {', '.join(wrong)} missing or not text; expected a line of predict.")
        if row["id"] in found:
            raise ManifestError(f"{path}:{number}: id {row['id']!r} occurs twice; keep one line for each question.")
        found[row["id"]] = row
    known = {item.id: item for item in items}
    _refuse(path, [id for id in found if id not in known], "ids are not in the manifest")
    for id, row in found.items():
        other = [name for name in FIELDS if row[name] != getattr(known[id], name)]
        if other:
            raise ManifestError(f"{path}: id {id!r} has another {', '.join(other)} than the manifest's record.")
    return {id: row["prediction"] for id, row in found.items()}


def _refuse(path: Path, ids: Iterable[str], what: str) -> None:
    ids = list(ids)
    if ids:
        shown = ", ".join(map(repr, ids[:5])) + (", ..." if len(ids) > 5 else "")
        raise ManifestError(f"{path}: {len(ids)} {what}: {shown}; predict and score must be given the same questions.")


def _printable(text: str) -> str:
    """Replaces lone surrogates, which no UTF-8 file can hold, by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
