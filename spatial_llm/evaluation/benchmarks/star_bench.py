"""STAR-Bench, spatial reasoning: reads 502 questions, each in three runs with rotated options, and scores the answers.

Layout (v1.0, the dataset internlm/STAR-Bench on Hugging Face, fetched with a local folder): the folder contains
`meta_info/holistic_reasoning_spatial.json`, one array of objects, and the WAV files that they name, under
`starbench_audios/`. An object has `id`, `question`, `options` (texts), `answer` (one of them), `audio_paths` (names relative
to the folder), `task`, and perhaps `category`; further fields are ignored. Categories: Single-Source Static Localization
283, Multi-Source Spatial Relation 113, Dynamic Trajectory Tracking 106.

Rule of the benchmark's script: in run r = 0, 1, 2 the last r options come first; the prompt is the question, a line end, and
a line "<A>: option" for each. The letter is extracted from the text (see `extract`). AA is the mean over all runs, ACR the
share of questions right in all three. A question of two options thus has the same words twice (r = 0 and 2); this is kept.

Sources: github.com/InternLM/StarBench, ALMEval_code/datasets/starbench.py and run.py at commit 2ad4b96 (prompt, rotation,
extraction, AA, ACR) and its README; arXiv 2510.24693; the dataset card (file names). The numbers of items and the absence of
a sub-category in this file are taken from other readers of the data (xiaomi-research/midashenglm-spatial, eval/starbench; a
loader's tests). Not found: the sampling rate and the lengths of the recordings. The part "foundational perception" has
spatial questions too, in another file and with another number of runs, which are not part of the published column "spatial";
it is not read. Option texts that contain one another tie in the extraction, see `extract`.
"""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from spatial_llm.data.paths import DataRoot
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks.benchmark import Benchmark
from spatial_llm.evaluation.benchmarks.choice_scores import (
    ChoiceMetric,
    ChoiceScores,
    ParseChoice,
    check_texts,
    mean_metric,
    string_match,
)
from spatial_llm.evaluation.benchmarks.choices import (
    LETTERS,
    ChoiceItem,
    ChoiceSet,
    check_ids,
    check_names,
    lettered,
    read_row,
)
from spatial_llm.files import sha256_of

STAR_BENCH = "STAR-Bench spatial"
QUESTIONS = "meta_info/holistic_reasoning_spatial.json"
RELEASED = 502
RUNS = 3
PROTOCOL = "star_bench"
PROTOCOLS = {
    PROTOCOL: "STAR-Bench v1.0, spatial reasoning, three runs with rotated options, letter extracted as its released "
    "script does; AA = mean over runs, ACR = all three runs right.",
    "diagnostic": "Not the benchmark's rule.",
}
AA_RULE = "Share of runs (three for each question) whose extracted letter is that of the right option."
ACR_RULE = "Share of questions whose extracted letter is right in all three runs."

_Text = Annotated[str, Field(min_length=1)]
_OPEN, _CLOSE = r"[(<\[{]\s*", r"\s*[)\]>}]"
_KEYWORD = r"(?:<answer>|(?:correct option|answer) is|answer|solution|choice|option|答案是|选项是)"


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    id: _Text
    task: str
    question: _Text
    options: Annotated[list[_Text], Field(min_length=2, max_length=len(LETTERS))]
    answer: str
    audio_paths: Annotated[list[str], Field(min_length=1)]
    category: str | None = None


def read_star_bench(folder: str | Path, leave_out_unusable: bool = False) -> ChoiceSet:
    """Returns the spatial questions of STAR-Bench, three items for each: ids "<id>@0", "<id>@1", "<id>@2".

    Args:
        folder: the released dataset; see the module.
        leave_out_unusable: leave out, count and name questions whose recording our model cannot use; this reads the headers
            of all sound files. Otherwise no sound file is checked here; `ChoiceSet.check_files` does so.

    Raises:
        ManifestError: a file is missing or not of this layout; file, question and field are named.
    """
    path = Path(folder) / QUESTIONS
    root = DataRoot(Path(folder))
    rows = []
    for number, value in enumerate(_read_array(path)):
        row = read_row(_Row, value, f"{path}: entry {number}")
        if row.answer not in row.options:
            raise ManifestError(f"{path}: question {row.id!r}: answer {row.answer!r} is not among options {row.options}.")
        check_names(root, row.audio_paths, f"{path}: question {row.id!r}: audio_paths")
        rows.append(row)
    check_ids(path, [row.id for row in rows])
    items = [_item(row, run) for row in rows for run in range(RUNS)]
    questions = ChoiceSet(items, sha256_of(path), STAR_BENCH, root, RELEASED)
    return questions.without_unusable() if leave_out_unusable else questions


def rotated(options: Sequence[str], run: int) -> tuple[str, ...]:
    """Returns the options with the last `run` of them first."""
    cut = -run % len(options)
    return (*options[cut:], *options[:cut])


def extract(text: str, choices: Sequence[str]) -> int | None:
    """Returns the option that the benchmark's script takes as chosen, or None if it finds none.

    The rule: first, letters after a word such as "answer", "option" or "answer is": among those, a letter in brackets
    precedes a bare one, and a later one precedes an earlier. Otherwise, anywhere: a capital letter in brackets precedes the
    wording of an option (only in texts of three words or more), which precedes a bare capital letter; then a later one
    precedes an earlier.

    Two bugs of the script are kept. After such a word a small letter counts and can never be right, so "the answer is a
    bell" is no answer. And if the wordings of two options begin at the same place ("left" in "left front"), the later option
    wins.
    """
    keyword, anywhere = _patterns(len(choices))
    found = [(bool(match[1]), match.start(), match[1] or match[2]) for match in keyword.finditer(text)]
    if found:
        letter = max(found)[2]
        return LETTERS.index(letter) if letter in LETTERS else None
    options = []  # (rank, place, option)
    for match in anywhere.finditer(text):
        options.append((2 if match[1] else 0, match.start(), LETTERS.index(match[1] or match[2])))
    if len(text.split()) > 2:
        for index, choice in enumerate(choices):
            wording = re.compile(rf"(?<![A-Za-z]){re.escape(choice)}(?![A-Za-z])", re.IGNORECASE)
            options += [(1, match.start(), index) for match in wording.finditer(text)]
    return max(options)[2] if options else None


def score_star_bench(questions: ChoiceSet, texts: Sequence[str], parse_choice: ParseChoice | None = None) -> ChoiceScores:
    """Computes AA and ACR, over all questions and for each category, by the benchmark's own rule.

    Args:
        questions: the result of `read_star_bench`.
        texts: the predicted answers, in the order of the items.
        parse_choice: this library's parser of choices, for the diagnostic "string_match"; None leaves it out.

    Raises:
        ManifestError: texts and items differ in number, or a question lacks one of its three runs.
    """
    check_texts(questions, texts)
    items = questions.items
    chosen = tuple(extract(text, item.choices) for item, text in zip(items, texts, strict=True))
    right = np.array([k == item.choices.index(item.answer) for item, k in zip(items, chosen, strict=True)])
    runs: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        runs.setdefault(item.source_id, []).append(row)
    for source, rows in runs.items():
        if len(rows) != RUNS:
            raise ManifestError(f"{STAR_BENCH}: question {source!r} has {len(rows)} runs; expected {RUNS}.")
    groups: dict[str | None, list[list[int]]] = {None: list(runs.values())}
    for rows in runs.values():
        if (task := items[rows[0]].task) is not None:
            groups.setdefault(task, []).append(rows)
    metrics: dict[str, ChoiceMetric] = {}
    for task, group in groups.items():
        name = "" if task is None else f" ({task})"
        metrics[f"AA{name}"], metrics[f"ACR{name}"] = _both(questions, group, chosen, right, total=task is None)
    if parse_choice is not None:
        metrics["string_match"] = string_match(questions, texts, parse_choice)
    return ChoiceScores(metrics, chosen, right, PROTOCOLS)


def _both(
    questions: ChoiceSet, group: list[list[int]], chosen: Sequence[int | None], right: np.ndarray, total: bool
) -> tuple[ChoiceMetric, ChoiceMetric]:
    """Returns AA and ACR of some questions, each given as the rows of its runs."""
    rows = [row for question in group for row in question]
    chance = {row: 1 / len(questions.items[row].choices) for row in rows}
    aa = mean_metric(
        questions,
        rows,
        right[rows],
        [chance[row] for row in rows],
        unparsed=sum(chosen[row] is None for row in rows),
        protocol=PROTOCOL,
        rule=AA_RULE,
        published_as="accuracy" if total else None,
    )
    acr = mean_metric(
        questions,
        [question[0] for question in group],
        [right[question].all() for question in group],
        [float(np.prod([chance[row] for row in question])) for question in group],
        unparsed=sum(any(chosen[row] is None for row in question) for question in group),
        protocol=PROTOCOL,
        rule=ACR_RULE,
        published_as="ACR" if total else None,
    )
    return aa, acr


def _item(row: _Row, run: int) -> ChoiceItem:
    choices = rotated(row.options, run)
    return ChoiceItem(
        id=f"{row.id}@{run}",
        source_id=row.id,
        question=f"{row.question}\n" + "".join(f"<{letter}>: {choice}\n" for letter, choice in lettered(choices)),
        answer=row.answer,
        choices=choices,
        audio=tuple(row.audio_paths),
        task=row.category,
    )


@functools.lru_cache(maxsize=len(LETTERS))
def _patterns(options: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Returns the patterns of a letter after a keyword, and of a letter anywhere: group 1 in brackets, group 2 bare."""
    letters = f"[{LETTERS[:options]}]"
    letter = rf"(?:{_OPEN}({letters}){_CLOSE}|\b({letters})\b)"
    return re.compile(rf"{_KEYWORD}\s*(?:[:：]+\s*)?{letter}", re.IGNORECASE), re.compile(letter)


def _read_array(path: Path) -> list[Any]:
    if not path.is_file():
        raise ManifestError(
            f"{path}: no such file; give the folder of the dataset internlm/STAR-Bench, downloaded with a local folder."
        )
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: not UTF-8 (byte {error.start}); download it again.") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ManifestError(f"{path}: not JSON ({error}); is the file cut? Download it again.") from None
    if not isinstance(rows, list) or not rows:
        raise ManifestError(f"{path}: a {type(rows).__name__}, expected an array of questions, at least one.")
    return rows


BENCHMARK = Benchmark(
    STAR_BENCH,
    PROTOCOL,
    read_star_bench,
    lambda questions, texts, embed, embedding, parse_choice: score_star_bench(questions, texts, parse_choice),
    lambda item, index: LETTERS[index],
)
