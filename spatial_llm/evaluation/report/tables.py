"""The tables of the HTML report: scores, controls beside the real run, published rows; and the bars beside the scores."""

from collections.abc import Sequence
from html import escape
from typing import Any

from spatial_llm.evaluation.names import plain_name
from spatial_llm.evaluation.report.hallucination_table import HEADER, RULE, hallucination_rows
from spatial_llm.evaluation.report.scores_table import (
    CONTROLS,
    NO_CONTROLS,
    beside,
    column_rules,
    comparability,
    intervals_rule,
    notes,
    ordered_controls,
    parted,
    published_benchmark,
)
from spatial_llm.evaluation.text_tables import interval, number
from spatial_llm.evaluation.verdicts import APART, SAME, verdict

FALLS = ("no_audio", "other_audio", "question_only")  # a model that uses the audio beats these on every metric
MIRRORED = "ears_swapped_mirrored"  # a model that tells left from right is as good here as in the real run


def bar(name: str, scores: dict[str, Any]) -> str:
    """Draws the value with its interval on a line from 0 to 100 %, with random and the control without audio; else
    returns nothing."""
    entry = scores["metrics"][name]
    ends = [entry[key] for key in ("value", "low", "high", "random") if entry[key] is not None]
    if entry["unit"] != "%" or entry["value"] is None or not 0 <= min(ends) <= max(ends) <= 100:
        return ""
    parts = ['<rect class="track" x="0" y="45%" width="100%" height="10%"/>']
    if entry["low"] is not None and entry["high"] is not None:
        width = max(entry["high"] - entry["low"], 0.5)
        parts.append(f'<rect class="band" x="{entry["low"]:.2f}%" y="20%" width="{width:.2f}%" height="60%" rx="2"/>')
    if entry["random"] is not None:
        at = f"{entry['random']:.2f}%"
        parts.append(f'<line class="random" x1="{at}" x2="{at}" y1="10%" y2="90%"/>')
    silent = scores["controls"].get("no_audio", {"metrics": {}})["metrics"].get(name)
    if silent is not None and silent["value"] is not None:
        parts.append(f'<circle class="silent" cx="{silent["value"]:.2f}%" cy="50%" r="4"/>')
    parts.append(f'<circle class="dot" cx="{entry["value"]:.2f}%" cy="50%" r="4"/>')
    return f'<svg class="bar" aria-hidden="true">{"".join(parts)}</svg>'


def scores_section(scores: dict[str, Any]) -> str:
    """Lists every metric with its interval, both readings, random, and counts."""
    heads = ["metric", "ours", "interval", "0 to 100 %", "lenient", "random", "n", "unparsed strict / lenient", "refused"]
    tables = ""
    for title, names in parted(scores["metrics"]):
        rows = [_score_row(name, scores) for name in names]
        tables += _folded(title, len(names), _table([*heads, "protocol"], rows, text={"protocol"}))
    said = "".join(f"<p><small>{escape(note)}</small></p>" for note in notes(scores))
    return (
        f'<section id="scores"><h2>Scores</h2><p>{escape(intervals_rule(scores))}</p>{tables}'
        f'<p class="soft"><small>{escape(column_rules(scores))}</small></p>{said}</section>'
    )


def _score_row(name: str, scores: dict[str, Any]) -> str:
    entry = scores["metrics"][name]
    unit, loose = entry["unit"], entry["lenient"]
    unparsed = f"{entry['unparsed']}" + ("" if loose is None else f" / {loose['unparsed']}")
    cells = [
        _metric_cell(name, entry),
        f"<td><strong>{_bare(entry, unit)}</strong></td><td>{interval(entry, unit)}</td><td>{bar(name, scores)}</td>",
        f"<td>{'-' if loose is None else _bare(loose, unit)}</td><td>{_bare({'value': entry['random']}, unit)}</td>",
        f"<td>{entry['n']}</td><td>{unparsed}</td><td>{entry['refused']}</td>",
        f'<td class="text">{escape(entry["protocol"])}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _folded(title: str, count: int, table: str) -> str:
    return f"<details><summary>{title} ({count})</summary>{table}</details>" if title else table


def hallucination_section(scores: dict[str, Any]) -> str:
    """Lists each kind of question that a model which always agrees gets wrong; nothing where there are none."""
    found = hallucination_rows(scores)
    if not found:
        return ""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in cells)}</tr>'
        for name, *cells in found
    ]
    return f'<section id="hallucination"><h2>Hallucination</h2><p>{escape(RULE)}</p>{_table(HEADER, rows)}</section>'


def controls_section(scores: dict[str, Any]) -> str:
    """Lists every metric in the real run and in each control, with the verdict whether they differ."""
    controls = ordered_controls(scores)
    if not controls:
        return f'<section id="controls"><h2>Controls</h2><p>{NO_CONTROLS}</p></section>'
    heads = ["metric", "real run", *(CONTROLS.get(name, (name, ""))[0] for name, _ in controls)]
    tables = ""
    for title, names in parted(scores["metrics"]):
        rows = [_control_row(name, scores["metrics"][name], controls) for name in names]
        rows = [row for row in rows if row]
        tables += _folded(title, len(rows), _table(heads, rows)) if rows else ""
    explained = ""
    for name, found in controls:
        label, expected = CONTROLS.get(name, (name, ""))
        about = found["note"] or {"model": "the same model"}.get(found["from"], "no model")
        about = f"{about}; {found['recordings']} recordings. {expected[:1].upper() + expected[1:]}."
        explained += f"<li><strong>{escape(label)}</strong>: {escape(about)}</li>"
    return (
        '<section id="controls"><h2>Controls, beside the real run on the same items</h2>'
        f"<ul>{explained}</ul>{tables}"
        '<p class="soft"><small>The real run stands first, on the items of the first control; in the cell of a control that '
        "has other items, on those. Two runs are told apart where their intervals do not overlap; "
        "a control says nothing where the real run itself is not above chance.</small></p></section>"
    )


def _control_row(name: str, metric: dict[str, Any], controls: Sequence[tuple[str, dict[str, Any]]]) -> str:
    entries = [(control, found["metrics"].get(name)) for control, found in controls]
    real = next((entry["same_items"] for _, entry in entries if entry is not None), None)
    if real is None:
        return ""
    cells = [_value_cell(real, metric["unit"]), *(_control_cell(*each, metric, real) for each in entries)]
    return f"<tr>{_metric_cell(name, metric)}{''.join(cells)}</tr>"


def _value_cell(entry: dict[str, Any], unit: str) -> str:
    return f"<td><strong>{_bare(entry, unit)}</strong><small>{interval(entry, unit)}</small></td>"


def _bare(entry: dict[str, Any], unit: str) -> str:
    """Formats the value without its unit, which is given beside the metric's name."""
    return number(entry["value"], unit).partition(" ")[0]


def _metric_cell(name: str, entry: dict[str, Any]) -> str:
    about = [
        *([] if entry["unit"] in ("%", "") else [entry["unit"]]),
        *([] if entry["higher_is_better"] else ["lower is better"]),
    ]
    said = f" <small>{escape(', '.join(about))}</small>" if about else ""
    return f'<th scope="row">{_both_names(name)}{said}</th>'


def _both_names(name: str) -> str:
    """Formats the plain name of a metric with its code below it; the code alone where there is no plain name."""
    plain = plain_name(name)
    return f"{'' if plain is None else f'{escape(plain)}<br>'}<code>{escape(name)}</code>"


def _control_cell(control: str, entry: dict[str, Any] | None, metric: dict[str, Any], real: dict[str, Any]) -> str:
    """Formats a control with its verdict, and the real run too where its items differ from those of the row's `real`."""
    if entry is None:
        return "<td>-</td>"
    unit, found = metric["unit"], verdict(entry, metric)
    other = ""
    if entry["same_items"] != real:
        its = entry["same_items"]
        other = f"<small>real {_bare(its, unit)}</small><small>{interval(its, unit)}</small>"
    kind, mark = "open", ""  # the expected result depends on the metric
    if control in (*FALLS, MIRRORED) and not shows_something(entry, metric):
        found = "says nothing here"
    elif control in (*FALLS, MIRRORED):
        good = found == (SAME if control == MIRRORED else APART)
        kind, mark = ("good", "✓ ") if good else ("doubt", "! ")
    return _value_cell(entry, unit).replace("</td>", f'{other}<small class="{kind}">{mark}{found}</small></td>')


def shows_something(entry: dict[str, Any], metric: dict[str, Any]) -> bool:
    """Returns whether a control is informative here: the real run is better than random on the same items, with its whole
    interval."""
    real, random = entry["same_items"], metric["random"]
    if None in (real["low"], real["high"]) or random is None:
        return False
    return real["low"] > random if metric["higher_is_better"] else real["high"] < random


def published_section(scores: dict[str, Any]) -> str:
    """Lists what others published, by protocol, beside our numbers."""
    header, rows = beside(scores)
    cells = []
    for metric, protocol, decoded, *values in rows:
        first = f'<th scope="row">{_both_names(metric)}</th>'
        how = "".join(f'<td class="text">{escape(text)}</td>' for text in (protocol, decoded))
        cells.append(f"<tr>{first}{how}{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>")
    return (
        f'<section id="published"><h2>Beside published scores on {escape(published_benchmark(scores))}</h2>'
        f"<p>{escape(comparability(scores))}</p>"
        f"{_table(header, cells, text={'protocol', 'decoding'})}</section>"
    )


def _table(header: Sequence[str], rows: Sequence[str], text: set[str] | frozenset[str] = frozenset()) -> str:
    kinds = {True: " class='text'", False: ""}
    heads = "".join(f"<th scope='col'{kinds[head in text]}>{escape(head)}</th>" for head in header)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
