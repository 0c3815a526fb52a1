"""scores.json as Markdown: our numbers with intervals, beside random, beside their controls, and beside published numbers.

A row is one metric by one protocol, so numbers of different protocols (another embedding model, for example) share no row,
and a row without a number of ours says so. On questions other than the benchmark's own, no published number is comparable. A
control is shown beside the real run on the same items, so that a model that answers as well without audio is exposed.
"""

from typing import Any

from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.published import SPATIALSOUNDQA, decoding_name
from spatial_llm.evaluation.report.hallucination_table import HEADER, RULE, hallucination_rows
from spatial_llm.evaluation.text_tables import format_grid, interval, number
from spatial_llm.evaluation.verdicts import APART, hearing_verdict, main_metrics, verdict

CONTROLS = {
    "no_audio": ("no audio", "a model that listens falls to what the question alone gives away"),
    "other_audio": ("another recording", "a model that listens to this recording falls as without audio"),
    "question_only": ("question alone", "the commonest answer to such a question, no model; more than this must be heard"),
    "ears_equal": ("both ears equal", "no difference between the ears is left, so left and right become a guess"),
    "ears_swapped": ("ears swapped", "left and right must be answered mirrored, and so count as wrong"),
    "ears_swapped_mirrored": (
        "ears swapped, truth mirrored",
        "the same answers against mirrored truths: a model that hears sides is as good as in the real run",
    ),
    "time_reversed": ("backwards", "motion must be answered the other way round, and so counts as wrong"),
    "time_reversed_answers": (
        "backwards, truth reversed",
        "the same answers against reversed truths: a model that hears motion is as good as in the real run",
    ),
}
FINER = "Finer diagnostics"
NO_CONTROLS = "None were made: whether the model listens is not shown."
READING_RULE = (
    "ours: the strict reading, one unambiguous form; lenient: synonyms and free wording are read too, nothing is guessed. "
    "unparsed: answers that cannot be read, counted as wrong; refused: answers that say they do not know."
)


NAMED, FEW = 10, 30  # most metrics named in a sentence; below this many questions differences hardly show


def format_table(scores: dict[str, Any]) -> str:
    """Formats the content of scores.json (see `score.score`) as Markdown text, ending in a line break."""
    metrics = scores["metrics"]
    main, *finer = _ours(metrics)
    sections = ["# Scores", origin(scores), intervals_rule(scores), main, column_rules(scores), *notes(scores)]
    sections += [*not_heard(scores), *missing_controls(scores), hearing_verdict(scores), *finer]
    denials = hallucination_rows(scores)
    sections += ["## Hallucination", RULE, format_grid(HEADER, denials)] if denials else []
    sections += ["## Controls", *_controls(scores)]
    header, rows = beside(scores)
    sections += [
        f"## Beside published scores on {published_benchmark(scores)}",
        comparability(scores),
        format_grid(header, [[titled(name), *cells] for name, *cells in rows]),
    ]
    sections.append("\n".join(f"- `{name}`: {text}" for name, text in scores["protocols"].items()))
    return "\n\n".join(sections) + "\n"


def missing_controls(scores: dict[str, Any]) -> list[str]:
    """Returns a sentence on the controls that the task lists and that were not run, or an empty text."""
    names = scores["controls_missing"]
    return [f"Controls of the task that were not run: {', '.join(names)}; run predict again (--resume)."] if names else []


def first_part(table: str) -> str:
    """Returns the part of a scores.md that a terminal shows: everything before its second heading, ending in a line
    break."""
    return table.split("\n## ")[0].rstrip() + "\n"


def origin(scores: dict[str, Any]) -> str:
    """States in one or two sentences which questions were answered and how."""
    task = scores["task"]
    named = "" if task is None else f"Task: {task['name']}, version {task['version']}, sha256 {task['sha256'][:12]}. "
    return (
        f"{named}Questions: {scores['benchmark'] or 'a manifest of ours'}, sha256 "
        f"{scores['provenance']['manifest_sha256'][:12]}; {scores['items']} questions about {scores['recordings']} "
        f"recordings; {responses(scores)}decoding: {decoding(scores)}."
    )


def responses(scores: dict[str, Any]) -> str:
    """Names the room responses of the recordings, "responses: simulated (...); ", or returns an empty text if they are
    unknown."""
    policies = "; ".join(f"{name} ({text})" for name, text in scores["responses"].items())
    return f"room responses: {policies}; " if policies else ""


def decoding(scores: dict[str, Any]) -> str:
    """Formats how the answers were generated: "max_new_tokens 200, num_beams 1"."""
    run = scores["run"] or {}
    return ", ".join(f"{key} {value}" for key, value in sorted(run.get("decoding", {}).items())) or "unknown"


def intervals_rule(scores: dict[str, Any]) -> str:
    """States how the intervals were made."""
    return (
        f"Intervals hold {100 * scores['confidence']:g} %: bootstrap over whole recordings, {scores['resamples']} "
        f"resamples, seed {scores['seed']}. Questions about one recording are not independent, so recordings are drawn, "
        "not questions."
    )


def column_rules(scores: dict[str, Any]) -> str:
    """States what the columns of the table of scores mean."""
    reported = " Here the task reports the lenient reading as ours." if scores["reading"] == "lenient" else ""
    random = scores["random"]
    return f"{READING_RULE}{reported} random: {random[:1].lower()}{random[1:]}"


def notes(scores: dict[str, Any]) -> list[str]:
    """States what a reader must know to interpret the numbers: ceilings below 100, records left out."""
    reach = [
        f"{name} {number(entry['details']['of_true_answers'], entry['unit'])}"
        for name, entry in scores["metrics"].items()
        if "of_true_answers" in entry["details"]
    ]
    why = "a list of sounds is embedded as one text"
    found = [f"Of the true answers themselves ({why}): {', '.join(reach)}."] if reach else []
    for question_type, count in scores["unreadable_truths"].items():
        found.append(f"Left out: {count} records of {question_type} whose own answer does not parse.")
    return found


def parted(metrics: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Splits the names of the metrics in two: those of published protocols, of our families and of single axes; and finer
    diagnostics (protocols "diagnostic, ..."), which explain them."""
    main = main_metrics(metrics)
    finer = [name for name in metrics if name not in main]
    return [("", main), *([(FINER, finer)] if finer else [])]


def _ours(metrics: dict[str, Any]) -> list[str]:
    sections = []
    header = ["metric", "ours", "interval", "lenient", "random", "better", "n", "recordings", "unparsed", "refused"]
    for title, names in parted(metrics):
        rows = []
        for name in names:
            entry = metrics[name]
            value, random = (number(entry[key], entry["unit"]) for key in ("value", "random"))
            shown = [titled(name), value, interval(entry, entry["unit"]), lenient(entry), random]
            counts = [entry[key] for key in ("n", "recordings", "unparsed", "refused")]
            rows.append([*shown, "higher" if entry["higher_is_better"] else "lower", *counts, entry["protocol"]])
        sections += [f"## {title}"] if title else []
        sections.append(format_grid([*header, "protocol"], rows))
    return sections


def _controls(scores: dict[str, Any]) -> list[str]:
    if not scores["controls"]:
        return [NO_CONTROLS]
    sections = []
    for control, found in ordered_controls(scores):
        name, expected = CONTROLS.get(control, (control, ""))
        about = [f"{name}, {found['recordings']} recordings" + (f" ({found['note']})" if found["note"] else "")]
        rows = []
        for metric in parted(scores["metrics"])[0][1]:  # finer diagnostics are only in scores.json
            if metric not in found["metrics"]:
                continue
            entry = found["metrics"][metric]
            unit, real = scores["metrics"][metric]["unit"], entry["same_items"]
            cells = [number(entry["value"], unit), interval(entry, unit), number(real["value"], unit), interval(real, unit)]
            rows.append([titled(metric), *cells, entry["n"], entry["unparsed"], verdict(entry, scores["metrics"][metric])])
        header = ["metric", "control", "interval", "real run, same items", "interval", "n", "unparsed", "verdict"]
        sections += [f"### {'; '.join([*about, expected]) if expected else about[0]}", format_grid(header, rows)]
    return [section for section in sections if section]


def ordered_controls(scores: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Returns the controls of a scores.json: first those in the order of `CONTROLS`, then others."""
    known = [name for name in CONTROLS if name in scores["controls"]]
    return [(name, scores["controls"][name]) for name in [*known, *sorted(set(scores["controls"]) - set(known))]]


def unheard(scores: dict[str, Any]) -> list[str] | None:
    """Returns the metrics (without finer diagnostics) on which the real run is not better than without audio; None
    without that control."""
    if "no_audio" not in scores["controls"]:
        return None
    silent, metrics = scores["controls"]["no_audio"]["metrics"], scores["metrics"]
    named = [name for name in parted(metrics)[0][1] if name in silent]
    return [name for name in named if verdict(silent[name], metrics[name]) != APART]


def not_heard(scores: dict[str, Any]) -> list[str]:
    """Returns a sentence that names the metrics on which the model is not shown to listen, or an empty list."""
    failed = unheard(scores)
    if not failed:
        return []
    named = ", ".join(failed[:NAMED]) + (f" and {len(failed) - NAMED} more" if len(failed) > NAMED else "")
    few = sum(scores["metrics"][name]["n"] < FEW for name in failed)
    why = f" ({few} of these on fewer than {FEW} questions)" if few else ""
    return [f"Not shown to be better with audio than without, intervals apart: {named}{why}."]


def published_benchmark(scores: dict[str, Any]) -> str:
    """Returns the benchmark whose published scores are shown beside ours: that of the task, or the nearest for our own
    questions."""
    return scores["benchmark"] or SPATIALSOUNDQA


def comparability(scores: dict[str, Any]) -> str:
    """States whether published numbers may be compared with ours."""
    if any(row["comparable"] for entry in scores["metrics"].values() for row in entry["published"]):
        return "A dash in the column of ours: that row is of another protocol and cannot be compared with ours."
    why = (
        f"they were measured on {SPATIALSOUNDQA}, ours on other questions"
        if scores["benchmark"] is None
        else "ours is of another protocol, decoding or room responses, or of a part of the questions"
    )
    return (
        f"None of these is comparable with ours: {why}. They stand here for orientation. A dash in the column of ours: "
        "another protocol or decoding on top."
    )


def beside(scores: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows of the table of published scores: a row is one metric by one protocol and decoding, a
    column one system; the first cell is the code of the metric."""
    rows, ours = {}, decoding_name(scores["run"])
    for name, entry in scores["metrics"].items():
        if entry["published"]:
            rows[name, entry["protocol"], ours] = {"ours": entry["value"]}
        for other in entry["published"]:
            rows.setdefault((name, other["protocol"], other["decoding"]), {})[other["system"]] = other["value"]
    systems = list(dict.fromkeys(system for row in rows.values() for system in row if system != "ours"))
    cells = [
        [*key, *(number(row[system], "%") if system in row else "-" for system in ["ours", *systems])]
        for key, row in rows.items()
    ]
    return ["metric", "protocol", "decoding", "ours", *systems], cells


def lenient(entry: dict[str, Any]) -> str:
    """Formats the value of the lenient reading, with the share that even it cannot read; a dash where no parser takes
    part."""
    if entry["lenient"] is None:
        return "-"
    return f"{number(entry['lenient']['value'], entry['unit'])}, {entry['lenient']['unparsed']} unparsed"
