"""Answers to the questions of a `datasets.Dataset`, as a column beside them."""

from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from spatial_llm.audio.dataset_column import undecoded
from spatial_llm.errors import AudioError, SpatialLLMError, warnings_named
from spatial_llm.model.answer import Answer

if TYPE_CHECKING:
    from spatial_llm.model.pipeline import SpatialLLM

LISTENING = (
    "sampling_rate",
    "audio_limits",
    "format",
    "level_dbfs_at_1m",
    "head",
    "heading_deg",
)  # options of `listen`; the others are those of `Heard.ask`


def answer_dataset(
    model: "SpatialLLM",
    dataset: Any,
    audio: str,
    question: str,
    column: str,
    progress: bool,
    notes: str | None,
    **options: Any,
) -> Any:
    """Answers row by row; see `SpatialLLM.answer_dataset`."""
    for name, what in ((column, "answers"), (notes, "notes")):
        if name is not None and name in (*getattr(dataset, "column_names", ()), column if what == "notes" else None):
            raise SpatialLLMError(f"the data set has a column {name!r} already; give another name for the {what}.")
    stored = undecoded(dataset, audio, question)
    how = {name: options.pop(name) for name in LISTENING if name in options}
    answers: list[Answer] = []
    before, heard = None, None
    for number, row in enumerate(tqdm(stored, desc="answers", unit="question", disable=not progress)):
        try:
            with warnings_named(f"row {number} of the data set", beside=tqdm.external_write_mode):
                # Rows that follow one another are often about one recording, which is then encoded once.
                if heard is None or not _same(row[audio], before):
                    heard, before = model.listen(row[audio], **how), row[audio]
                answers.append(heard.ask(row[question], **options))
        except SpatialLLMError as error:
            kind = AudioError if isinstance(error, AudioError) else SpatialLLMError
            raise kind(f"row {number} of the data set: {error}") from error
    answered = dataset.add_column(column, [str(answer) for answer in answers])
    return answered if notes is None else answered.add_column(notes, ["; ".join(answer.notes) for answer in answers])


def _same(one: Any, other: Any) -> bool:
    """Returns whether two recordings are the same file; arrays are not compared."""
    if isinstance(one, dict) and isinstance(other, dict) and "array" not in one:
        return (one.get("path"), one.get("bytes")) == (other.get("path"), other.get("bytes"))
    return isinstance(one, str) and one == other
