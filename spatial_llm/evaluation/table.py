"""scores.json as Markdown: ours beside random, and beside what others published.

A row is one metric by one protocol, so numbers of different protocols (another embedding model, say) share no row, and
a row that holds none of ours says so. On questions other than the benchmark's own, no published number is comparable.
"""

from collections.abc import Sequence
from typing import Any

from spatial_llm.evaluation.published import SPATIALSOUNDQA


def format_table(report: dict[str, Any]) -> str:
    """The content of `score.score` as Markdown text, ending in a line break."""
    metrics = report["metrics"]
    sections = ["# Scores", _origin(report), _ours(metrics), report["random"]]
    for name, entry in metrics.items():
        if "of_true_answers" in entry["details"]:
            reach = _number(entry["details"]["of_true_answers"], entry["unit"])
            sections.append(f"{name} of the true answers themselves: {reach} (a list of sounds is embedded as one text).")
    for question_type, count in report["unreadable_truths"].items():
        sections.append(f"Left out: {count} records of {question_type} whose own answer does not parse.")
    sections += [f"## Beside published scores on {SPATIALSOUNDQA}", _comparability(report), _beside(metrics)]
    sections.append("\n".join(f"- `{name}`: {text}" for name, text in report["protocols"].items()))
    return "\n\n".join(sections) + "\n"


def _origin(report: dict[str, Any]) -> str:
    run = report["run"] or {}
    decoding = ", ".join(f"{key} {value}" for key, value in sorted(run.get("decoding", {}).items())) or "unknown"
    return (
        f"Questions: {report['benchmark'] or 'a manifest of ours'}, sha256 {report['provenance']['manifest_sha256'][:12]}; "
        f"decoding: {decoding}."
    )


def _ours(metrics: dict[str, Any]) -> str:
    rows = []
    for name, entry in metrics.items():
        better = "higher" if entry["higher_is_better"] else "lower"
        value, random = (_number(entry[key], entry["unit"]) for key in ("value", "random"))
        rows.append([name, value, random, better, entry["n"], entry["unparsed"], entry["protocol"]])
    return format_grid(["metric", "ours", "random", "better", "n", "unparsed", "protocol"], rows)


def _comparability(report: dict[str, Any]) -> str:
    if report["benchmark"] == SPATIALSOUNDQA:
        return "A dash in the column of ours: that row is of another protocol and cannot be compared with ours."
    return (
        f"None of these is comparable with ours: they were measured on {SPATIALSOUNDQA}, ours on other questions. They "
        "stand here for orientation. A dash in the column of ours: another protocol on top."
    )


def _beside(metrics: dict[str, Any]) -> str:
    rows = {}
    for name, entry in metrics.items():
        if entry["published"]:
            rows[name, entry["protocol"]] = {"ours": entry["value"]}
        for other in entry["published"]:
            rows.setdefault((name, other["protocol"]), {})[other["system"]] = other["value"]
    systems = list(dict.fromkeys(system for row in rows.values() for system in row if system != "ours"))
    cells = [
        [name, protocol, *(_number(row[system], "%") if system in row else "-" for system in ["ours", *systems])]
        for (name, protocol), row in rows.items()
    ]
    return format_grid(["metric", "protocol", "ours", *systems], cells)


def _number(value: float, unit: str) -> str:
    return f"{value:.2f}" if unit == "%" else f"{value:.3f} ({unit})"


def format_grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    cells = [list(map(str, row)) for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
