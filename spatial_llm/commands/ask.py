"""Ask a model about recordings: one or many, one question or many.

    spatial-llm ask recording.wav "What sound events can you hear in the audio clip?"
    spatial-llm ask a.wav b.wav "What sound events can you hear in the audio clip?" "Where is the sound coming from?" --json
    spatial-llm ask recordings/ "Where is the sound coming from?" --out answers.csv
    spatial-llm ask questions.csv --out answers.csv
    spatial-llm ask recording.wav --interactive
    spatial-llm ask foa.wav "Where is the sound coming from?" --microphone foa
    spatial-llm ask --list

A recording has two channels, left ear first; ambisonics and arrays, which --microphone declares, are rendered to two ears
for a model that hears with these, and the answers say so (derived). Recordings come first, then questions in quotation
marks. The model is loaded once, each recording is encoded once, and files are checked before the model is loaded. A folder
stands for the sound files in it; a CSV has the columns file (relative to the CSV) and question. With --out, and for folders
and tables, a recording that cannot be used has its error sentence in the column error, the others are answered, and the exit
status is 1.

A question that has the meaning of one that the model was taught is put in the taught wording, and a note says so; a warning
names those that are near none. --list prints what the model was taught.
"""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_llm.commands.arguments import Parser, add_microphone, microphone_of
from spatial_llm.commands.asked import Given, Row, sort_arguments
from spatial_llm.door import sentence
from spatial_llm.errors import SpatialLLMError

if TYPE_CHECKING:  # imported once the files are known to be good
    from spatial_llm.audio.formats import AudioFormat
    from spatial_llm.audio.limits import AudioLimits
    from spatial_llm.commands.answering import Answerer
    from spatial_llm.model.answer import Answer

MODEL = "tiny"


def main(argv: Sequence[str] | None = None, script: str | None = None) -> int:
    """Runs the command, see `spatial_llm.commands`; returns the exit status."""
    arguments = _parser(script or __doc__).parse_args(argv)
    if arguments.list:
        return _list(arguments)
    given = sort_arguments(arguments.arguments)
    _check_together(arguments, given)
    limits, microphone = _limits(arguments), microphone_of(arguments)
    model = given.model or arguments.model or MODEL
    rows = [Row(given.files[0], Path(given.files[0]), "")] if arguments.interactive else given.rows()
    if arguments.out is None and not given.has_many:
        _check_files(rows, microphone.get("format") or _format_of(model), limits)
    from spatial_llm.commands.answering import Answerer

    asking = {name: getattr(arguments, name) for name in ("max_question_characters", "strict", "as_asked")}
    how = {"audio_limits": limits, "level_dbfs_at_1m": arguments.level_dbfs_at_1m} | microphone
    answerer = Answerer(model, how, **asking)
    if arguments.interactive:
        return _converse(answerer, given, arguments.json)
    if arguments.out is not None:
        return _write_table(answerer, rows, arguments.out)
    if given.has_many or arguments.json:
        return _count_failed([_print_json(result) for result in answerer.results(rows)], "error")
    _print_text(answerer, rows)
    return 0


def _parser(doc: str) -> Parser:
    parser = Parser("ask", doc, intermixed=True)
    parser.add_argument("arguments", nargs="*", metavar="FILE... QUESTION...", help="recordings, then questions")
    parser.add_argument("--model", metavar="FOLDER", help=f"saved SpatialLLM; default {MODEL}, which comes with the package")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with all that is known of the answer")
    parser.add_argument("--out", metavar="CSV", help="write the answers to this table, which appears whole or not at all")
    parser.add_argument("--interactive", action="store_true", help="read questions about one recording, a line each")
    parser.add_argument("--list", action="store_true", help="print what the model was taught: questions and sounds")
    parser.add_argument("--strict", action="store_true", help="refuse a question that is near none that was taught")
    parser.add_argument("--as_asked", action="store_true", help="put questions as they are, without a warning")
    parser.add_argument(
        "--level_dbfs_at_1m",
        type=float,
        metavar="DBFS",
        help="RMS level that your recordings have of a sound as loud as yours from 1 m in front; distances rest on it",
    )
    add_microphone(parser)
    limits = parser.add_argument_group("limits of the recording")
    limits.add_argument("--audio_limits.max_seconds", dest="max_seconds", type=float, help="longest recording (default 600)")
    limits.add_argument(
        "--audio_limits.max_bytes",
        dest="max_bytes",
        type=int,
        help="largest one, decoded to 4 bytes a sample (default 2**28)",
    )
    limits.add_argument(
        "--audio_limits.allow_truncated",
        dest="allow_truncated",
        choices=["true", "false"],
        help="read a cut file, with a warning",
    )
    parser.add_argument(
        "--max_question_characters", type=int, help="longest question; default: that of the model's processor, 8000"
    )
    return parser


def _list(arguments: argparse.Namespace) -> int:
    if len(arguments.arguments) > (arguments.model is None):
        raise SpatialLLMError(f"--list is about a model; leave out {', '.join(arguments.arguments)}, or name it: --model.")
    from spatial_llm.model.taught_file import read_taught
    from spatial_llm.model.understanding import list_taught
    from spatial_llm.shipped import find_model

    model = arguments.model or next(iter(arguments.arguments), MODEL)
    taught = read_taught(find_model(model))
    if taught is None:
        raise SpatialLLMError(f"{model}: it was saved without what it was taught; write it with recipes/write_taught.py.")
    print(list_taught(taught))
    return 0


def _check_together(arguments: argparse.Namespace, given: Given) -> None:
    """Raises SpatialLLMError where two options, or an option and the recordings, do not go together."""
    if given.model is not None and arguments.model is not None:
        raise SpatialLLMError(f"two models, {given.model} and {arguments.model}; give one of them.")
    if arguments.interactive and (len(given.files) > 1 or given.has_many or arguments.out is not None):
        raise SpatialLLMError("--interactive is a conversation about one recording; give one file, and no --out.")
    if arguments.json and arguments.out is not None:
        raise SpatialLLMError("--json prints and --out writes a table; give one of them.")
    if given.has_many and arguments.out is None and not arguments.json:
        raise SpatialLLMError("a folder or a table has many answers; give --out answers.csv, or --json to print them.")
    if arguments.out is not None:
        from spatial_llm.files import check_place

        if any(os.path.exists(file) and Path(file).resolve() == Path(arguments.out).resolve() for file in given.files):
            raise SpatialLLMError(f"--out {arguments.out} would replace the questions; give another place.")
        check_place(arguments.out)
    if not given.questions and not arguments.interactive and not all(file.lower().endswith(".csv") for file in given.files):
        raise SpatialLLMError(
            f"no question about {given.files[0]}; add one in quotation marks, such as "
            '"What sound events can you hear in the audio clip?", or --interactive.'
        )


def _limits(arguments: argparse.Namespace) -> "AudioLimits":
    from spatial_llm.audio.limits import AudioLimits

    given = {"max_seconds": arguments.max_seconds, "max_bytes": arguments.max_bytes}
    if arguments.allow_truncated is not None:
        given["allow_truncated"] = arguments.allow_truncated == "true"
    return AudioLimits(**{name: value for name, value in given.items() if value is not None})


def _check_files(rows: Sequence[Row], format: "AudioFormat | None", limits: "AudioLimits") -> None:
    from spatial_llm.audio.io import check_file

    for path in dict.fromkeys(row.path for row in rows):
        check_file(path, format, limits)


def _format_of(model: str) -> "AudioFormat | None":
    """Returns what the encoder of a model in a folder takes; None where only loading the model can tell."""
    from spatial_llm.audio.formats import BINAURAL, parse_format
    from spatial_llm.shipped import find_model

    try:
        config = json.loads(Path(find_model(model), "config.json").read_bytes())
        return parse_format(config["encoder_config"].get("audio_format", BINAURAL.name))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # loading says what is wrong with it
        return None


# --- output -----------------------------------------------------------------------------------------------------------


def _print_text(answerer: "Answerer", rows: Sequence[Row]) -> None:
    """Prints a single answer bare; of several, each below its question, and these below the recording."""
    several, file = len(rows) > 1, None
    files = len({row.file for row in rows})
    margin = "  " if files > 1 else ""
    for row in rows:
        answer = answerer.answer(row)
        if files > 1 and row.file != file:
            print(file := row.file)
        print(f"{margin}{row.question}\n{margin}  {answer}" if several else answer, flush=True)
        _print_notes(answer)


def _print_notes(answer: "Answer") -> None:
    from spatial_llm.model.understanding import notes_not_warned_of

    for note in notes_not_warned_of(answer):
        print(f"note: {note}", file=sys.stderr, flush=True)


def _print_json(result: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(result, ensure_ascii=False), flush=True)
    return result


def _count_failed(results: Sequence[dict[str, Any]], where: str) -> int:
    failed = sum("error" in result for result in results)
    if failed:
        print(f"spatial-llm: {failed} of {len(results)} questions have no answer; {where} says why.", file=sys.stderr)
    return 1 if failed else 0


def _write_table(answerer: "Answerer", rows: Sequence[Row], out: str) -> int:
    import csv

    from tqdm import tqdm

    from spatial_llm.files import atomic_path

    results = list(tqdm(answerer.results(rows), total=len(rows), unit="answer", disable=None))  # None: only on a terminal
    known = dict.fromkeys(key for result in results for key in result)
    columns = [key for key in known if key not in ("warnings", "error")] + ["warnings", "error"]
    with atomic_path(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([_cell(result.get(key)) for key in columns] for result in results)
    print(f"{len(results)} rows in {out}")
    return _count_failed(results, f"the column error of {out}")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _converse(answerer: "Answerer", given: Given, as_json: bool) -> int:
    """Answers questions from standard input, a line each, until it ends."""
    file, failed = given.files[0], 0
    answerer.listen(Path(file))
    for question in itertools.chain(given.questions, _lines()):
        row = Row(file, Path(file), question)
        try:
            if as_json:
                _print_json(answerer.result(row))
            else:
                print(answer := answerer.answer(row), flush=True)
                _print_notes(answer)
        except SpatialLLMError as error:
            failed += 1
            print(f"spatial-llm: {sentence(error)}", file=sys.stderr, flush=True)
    return 1 if failed else 0


def _lines() -> Iterator[str]:
    prompt = "? " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        if line.strip():
            yield line
