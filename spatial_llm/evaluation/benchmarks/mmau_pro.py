"""MMAU-Pro, spatial audio: reads 325 multiple-choice questions and matches the model's text to the nearest option by
embedding.

Layout (the dataset gamma-lab-umd/MMAU-Pro on Hugging Face, earlier sonalkum/MMAU-Pro): `test.parquet`, a row a question
(5,305), and `data.zip`, unpacked beside it to `data/`. Columns read: `id`, `category`, `question`, `choices` (list of
texts), `answer` (text), `audio_path` (list of names relative to the folder, such as "data/<uuid>.wav"). The others
(length_type, perceptual_skills, reasoning_skills, transcription, task_classification, task_identifier, kwargs, sub-cat) are
ignored. The spatial part is `category` "spatial_audio".

Rule of the benchmark's script: rows with fewer than two choices are left out. The text and every choice of the row are
embedded by NV-Embed-v2 (no instruction, unchanged text, unit length). The choice of the highest cosine is the chosen one,
the first among equals; it is right if its text is the answer's. So no answer is ever unparsed, and a row whose answer is not
among its choices is always wrong; the details count such rows. The embedding is part of the protocol: a score by another one
is not a score by NV-Embed-v2.

Sources: github.com/sonalkum/MMAUPro, evaluate_mmau_pro_comprehensive.py at commit 2269762 (rule, columns category, question,
choices, answer); arXiv 2508.13992; other readers of the parquet for the other columns and the name "spatial_audio"
(xiaomi-research/midashenglm-spatial, eval/mmaupro; NeMo-Skills, which also counts 325 rows). Not found: a prompt by the
authors. The one used here, the question and a line "(A) choice" for each, is that of MiDashengLM-Spatial's scripts, which
call it the official format; NeMo-Skills writes "A. choice" instead. Not found: how many of the 325 recordings have two
channels; `choices` documents what happens to the others. MiDashengLM-Spatial's published number has one step more: an answer
of one letter is replaced by that choice's text. That is the metric "accuracy_letters_as_choices", under its own protocol.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from spatial_llm.data.paths import DataRoot
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.benchmarks.benchmark import Benchmark, Embed
from spatial_llm.evaluation.benchmarks.choice_scores import (
    ChoiceScores,
    ParseChoice,
    check_texts,
    mean_metric,
    share_of_answer,
    string_match,
)
from spatial_llm.evaluation.benchmarks.choices import (
    BY_RULE,
    LETTERS,
    ChoiceItem,
    ChoiceSet,
    check_ids,
    check_names,
    lettered,
    read_row,
)
from spatial_llm.files import sha256_of

MMAU_PRO = "MMAU-Pro spatial"
QUESTIONS = "test.parquet"
SPATIAL = "spatial_audio"
RELEASED = 325
COLUMNS = ("id", "category", "question", "choices", "answer", "audio_path")
PROTOCOL, LETTERS_PROTOCOL = "mmau_pro", "mmau_pro, letters as choices"
PROTOCOLS = {
    PROTOCOL: "MMAU-Pro, category spatial_audio: the text is matched to the choice of the highest cosine by the embedding "
    "named; the benchmark's own is NV-Embed-v2.",
    LETTERS_PROTOCOL: "As mmau_pro, after an answer of one letter was replaced by the text of that choice, as "
    "MiDashengLM-Spatial's evaluation does.",
    "diagnostic": "Not the benchmark's rule.",
}
RULE = "Share of answers whose nearest choice by embedding is the right one."
LETTERS_RULE = "The same, where an answer of one letter stands for that choice."


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    choices: Annotated[list[str], Field(max_length=len(LETTERS))] | None
    answer: str
    audio_path: Annotated[list[str], Field(min_length=1)]


def read_mmau_pro(path: str | Path, leave_out_unusable: bool = False) -> ChoiceSet:
    """Returns the spatial questions of MMAU-Pro.

    Args:
        path: the released folder, or its parquet file, which has the sound files beside it in `data/`.
        leave_out_unusable: leave out, count and name questions whose recording our model cannot use; this reads the headers
            of all sound files. Otherwise no sound file is checked here; `ChoiceSet.check_files` does so.

    Raises:
        ManifestError: the file is missing or not of this layout; file, row and column are named.
    """
    path = Path(path)
    path = path / QUESTIONS if path.is_dir() else path
    root = DataRoot(path.parent)
    rows = []
    for number, value in _spatial_rows(path):
        row = read_row(_Row, value, f"{path}: row {number}")
        check_names(root, row.audio_path, f"{path}: question {row.id!r}: audio_path")
        rows.append(row)
    check_ids(path, [row.id for row in rows])
    left_out = {row.id: BY_RULE for row in rows if len(row.choices or []) < 2}
    items = [_item(row) for row in rows if row.id not in left_out]
    if not items:
        raise ManifestError(f"{path}: no row of category {SPATIAL!r} has two choices or more.")
    questions = ChoiceSet(items, sha256_of(path), MMAU_PRO, root, RELEASED, left_out)
    return questions.without_unusable() if leave_out_unusable else questions


def nearest_choices(texts: Sequence[str], choices: Sequence[Sequence[str]], embed: Embed) -> list[int]:
    """Returns for each text the index of the choice of the highest cosine, the first among equals.

    Args:
        texts: n answers.
        choices: n lists of choices.
        embed: maps texts to vectors (texts, width), of any length but zero.

    Raises:
        SpatialLLMError: the embedding gives another number of vectors, or one without a direction.
    """
    strings = list(dict.fromkeys([*texts, *(choice for row in choices for choice in row)]))
    vectors = np.asarray(embed(strings), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(strings):
        raise SpatialLLMError(f"the embedding gave shape {vectors.shape} for {len(strings)} texts; expected (texts, width).")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        bad = strings[int(np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[0])]
        raise SpatialLLMError(
            f"the embedding of {bad[:100]!r} is zero or not finite, so it is near to nothing; use another."
        )
    vectors /= lengths
    place = {text: index for index, text in enumerate(strings)}
    return [
        int(np.argmax(np.sum(vectors[[place[choice] for choice in row]] * vectors[place[text]], axis=1)))
        for text, row in zip(texts, choices, strict=True)
    ]


def letters_as_choices(text: str, choices: Sequence[str]) -> str:
    """Returns the choice's text if the answer is its letter and nothing else; any other answer unchanged."""
    index = LETTERS.find(text.upper()) if len(text) == 1 else -1
    return choices[index] if 0 <= index < len(choices) else text


def score_mmau_pro(
    questions: ChoiceSet, texts: Sequence[str], embed: Embed, embedding: str, parse_choice: ParseChoice | None = None
) -> ChoiceScores:
    """Computes the accuracy by the benchmark's own rule, by that rule with letters replaced by choices, and by matching
    strings.

    Args:
        questions: the result of `read_mmau_pro`.
        texts: the predicted answers, in the order of the items.
        embed: maps texts to vectors (texts, width).
        embedding: its name, part of the protocol ("mmau_pro, all-MiniLM-L6-v2").
        parse_choice: this library's parser of choices, for the diagnostic "string_match"; None leaves it out.

    Raises:
        SpatialLLMError: texts and items differ in number; or see `nearest_choices`.
    """
    check_texts(questions, texts)
    items = questions.items
    choices = [item.choices for item in items]
    spelled = [letters_as_choices(text, row) for text, row in zip(texts, choices, strict=True)]
    both = nearest_choices([*texts, *spelled], [*choices, *choices], embed)
    chosen, chosen_spelled = both[: len(items)], both[len(items) :]
    shared: dict[str, Any] = {
        "rows": np.arange(len(items)),
        "chance": [share_of_answer(item.answer, item.choices) for item in items],
        "unparsed": 0,  # some choice is always nearest
        "published_as": "accuracy",
    }
    unanswerable = sorted(item.id for item in items if item.answer not in item.choices)
    metrics = {}
    for name, picks, protocol, rule in (
        ("accuracy", chosen, PROTOCOL, RULE),
        ("accuracy_letters_as_choices", chosen_spelled, LETTERS_PROTOCOL, LETTERS_RULE),
    ):
        metrics[name] = mean_metric(
            questions,
            right=[item.choices[pick] == item.answer for item, pick in zip(items, picks, strict=True)],
            protocol=f"{protocol}, {embedding}",
            rule=rule,
            details={"answer_not_among_choices": unanswerable},
            **shared,
        )
    if parse_choice is not None:
        metrics["string_match"] = string_match(questions, texts, parse_choice)
    return ChoiceScores(metrics, tuple(chosen), metrics["accuracy"].right > 0, PROTOCOLS)


def _spatial_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Returns the rows of the spatial category as dicts of the columns read, with their numbers in the file."""
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise ManifestError(
            f"{path}: no such file; give the folder of the dataset gamma-lab-umd/MMAU-Pro, or its {QUESTIONS}."
        )
    try:
        names = pyarrow.parquet.read_schema(path).names
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise ManifestError(f"{path}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}, found {names}.")
        table = pyarrow.parquet.read_table(path, columns=list(COLUMNS))
    except pyarrow.ArrowException as error:
        raise ManifestError(f"{path}: not a readable parquet file ({error}); download it again.") from None
    categories = table["category"].to_pylist()
    rows = [number for number, category in enumerate(categories) if category == SPATIAL]
    if not rows:
        found = sorted({str(category) for category in categories})
        raise ManifestError(f"{path}: no row of category {SPATIAL!r}; its categories are {found}.")
    return list(zip(rows, table.take(rows).to_pylist(), strict=True))


def _item(row: _Row) -> ChoiceItem:
    lines = [f"({letter}) {choice}" for letter, choice in lettered(row.choices)]
    return ChoiceItem(
        id=row.id,
        source_id=row.id,
        question="\n".join([row.question, *lines]),
        answer=row.answer,
        choices=tuple(row.choices),
        audio=tuple(row.audio_path),
        task=SPATIAL,
    )


BENCHMARK = Benchmark(MMAU_PRO, PROTOCOL, read_mmau_pro, score_mmau_pro, lambda item, index: item.choices[index])
