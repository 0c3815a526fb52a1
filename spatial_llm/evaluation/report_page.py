"""The report as one HTML page: what was asked, the numbers with their controls, plots, the worst items.

Peculiar: no script, no network, no file but those beside it, so that it opens from a disk as from a server. Every text of
questions and answers is foreign and is escaped where it enters the page.
"""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from spatial_llm.evaluation.plots import Plot
from spatial_llm.evaluation.published import SPATIALSOUNDQA
from spatial_llm.evaluation.report_items import WORST_RULE, ShownItem, context_line, errors_line, reading_line
from spatial_llm.evaluation.report_style import STYLE
from spatial_llm.evaluation.table import (
    APART,
    CONTROLS,
    RANDOM_RULE,
    READING_RULE,
    SAME,
    beside,
    comparability,
    decoding,
    interval,
    intervals_rule,
    notes,
    number,
    ordered_controls,
    verdict,
    without_audio,
)

# what stands on top, where it was measured, in words
HEADLINES = {
    "B_left_right_acc": "Left or right: one sound",
    "B_direction_acc": "Direction of one sound: all three words",
    "B_DER": "Distance of one sound: more than 0.5 m off",
    "A_mAP": "What sounds: average precision",
    "E_acc": "Two sounds compared: yes or no",
    "D_direction_acc": "Direction of one of two sounds: all three words",
}
CARDS = 4
FALLS = ("no_audio", "other_audio", "question_only")  # a model that listens is better than these on every metric


def format_page(scores: dict[str, Any], plots: Sequence[Plot], worst: Sequence[ShownItem], gain_db: float | None) -> str:
    """The page.

    Args:
        scores: content of scores.json.
        plots: with names of files beside the page.
        worst: with names of files beside the page.
        gain_db: that all players share; None where there is none.
    """
    title = f"Evaluation: {escape(_title(scores))}"
    links = (("scores", "Scores"), ("controls", "Controls"), ("plots", "Plots"), ("worst", "Worst items"),
             ("published", "Published"), ("made", "Protocols"))  # fmt: skip
    navigation = "".join(f'<a href="#{anchor}">{name}</a>' for anchor, name in links)
    sections = [
        f'<header><h1>{title}</h1>{_facts(scores)}<nav aria-label="Sections">{navigation}</nav></header>',
        f"<main>{_summary(scores)}",
        _scores(scores),
        _controls(scores),
        _plots(plots),
        _worst(worst, gain_db),
        _published(scores),
        _made(scores) + "</main>",
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{STYLE}</style>'
    )
    body = "\n".join(sections)
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def _title(scores: dict[str, Any]) -> str:
    if scores["task"] is not None:
        return f"{scores['task']['name']}, version {scores['task']['version']}"
    return scores["benchmark"] or "a manifest of ours"


def _facts(scores: dict[str, Any]) -> str:
    run = scores["run"] or {}
    facts = {
        "Questions": f"{scores['items']:,} about {scores['recordings']:,} recordings, {scores['benchmark'] or 'a manifest of ours'}",
        "sha256": f"<code>{escape(scores['provenance']['manifest_sha256'][:16])}</code>",
        "Decoding": escape(decoding(scores)),
    }
    if isinstance(run.get("model_sha256"), str):
        facts["Model"] = f"<code>{escape(run['model_sha256'][:16])}</code>"
    rows = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts.items())
    return f'<dl class="facts">{rows}</dl>'


def _summary(scores: dict[str, Any]) -> str:
    names = [name for name in HEADLINES if name in scores["metrics"]] or list(scores["metrics"])
    cards = "".join(_card(name, scores) for name in names[:CARDS])
    control = scores["controls"].get("no_audio", {"metrics": {}})["metrics"]
    doubt = not control or any(verdict(entry, scores["metrics"][name]) != APART for name, entry in control.items())
    return (
        f'<section aria-label="Summary"><div class="cards">{cards}</div>'
        '<p class="soft"><small>Bars from 0 to 100 %: dot and band = the model and its interval; line = random; '
        "circle = the same model without audio.</small></p>"
        f'<p class="verdict{" doubt" if doubt else ""}"><strong>Does it listen?</strong> {escape(without_audio(scores))}</p>'
        "</section>"
    )


def _card(name: str, scores: dict[str, Any]) -> str:
    entry = scores["metrics"][name]
    rows = [("random", number(entry["random"], entry["unit"]))]
    for control in ("question_only", "no_audio"):
        found = scores["controls"].get(control, {"metrics": {}})["metrics"].get(name)
        if found is not None:
            rows.append((CONTROLS[control][0], number(found["value"], entry["unit"])))
    unit = ("%" if entry["unit"] == "%" else "") + ("" if entry["higher_is_better"] else " (lower is better)")
    beside_it = "".join(f'<tr><th scope="row">{label}</th><td>{value}</td></tr>' for label, value in rows)
    return (
        f'<article class="card"><h3>{escape(HEADLINES.get(name, name))}</h3>'
        f'<p class="value">{number(entry["value"], entry["unit"])} <small>{unit}</small></p>'
        f"<small>{interval(entry, entry['unit'])}; n = {entry['n']}</small>"
        f"{_bar(name, scores)}<table>{beside_it}</table></article>"
    )


def _bar(name: str, scores: dict[str, Any]) -> str:
    """The value with its interval on a line from 0 to 100 %, random and the control without audio beside; else nothing."""
    entry = scores["metrics"][name]
    if entry["unit"] != "%" or entry["value"] is None:
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


def _scores(scores: dict[str, Any]) -> str:
    rows = []
    for name, entry in scores["metrics"].items():
        unit, loose = entry["unit"], entry["lenient"]
        unparsed = f"{entry['unparsed']}" + ("" if loose is None else f" / {loose['unparsed']}")
        better = "" if entry["higher_is_better"] else " <small>lower is better</small>"
        cells = [
            f'<th scope="row"><code>{escape(name)}</code>{better}</th>',
            f"<td><strong>{number(entry['value'], unit)}</strong></td><td>{interval(entry, unit)}</td><td>{_bar(name, scores)}</td>",
            f"<td>{'-' if loose is None else number(loose['value'], unit)}</td><td>{number(entry['random'], unit)}</td>",
            f"<td>{entry['n']}</td><td>{unparsed}</td><td>{entry['refused']}</td>",
            f'<td class="text">{escape(entry["protocol"])}</td>',
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = ["metric", "ours", "interval", "0 to 100 %", "lenient", "random", "n", "unparsed strict / lenient", "refused"]
    said = "".join(f"<p>{escape(note)}</p>" for note in notes(scores))
    return (
        f'<section id="scores"><h2>Scores</h2><p>{escape(intervals_rule(scores))}</p>'
        f"{_table([*heads, 'protocol'], rows, text={'protocol'})}"
        f'<p class="soft"><small>{escape(READING_RULE)} {escape(RANDOM_RULE)}</small></p>{said}</section>'
    )


def _controls(scores: dict[str, Any]) -> str:
    controls = ordered_controls(scores)
    if not controls:
        return '<section id="controls"><h2>Controls</h2><p>None were made: whether the model listens is not shown.</p></section>'
    names = [name for name in scores["metrics"] if any(name in found["metrics"] for _, found in controls)]
    rows = []
    for name in names:
        metric, entries = scores["metrics"][name], [found["metrics"].get(name) for _, found in controls]
        real = next(entry["same_items"] for entry in entries if entry is not None)
        cells = [_value_cell(real, metric["unit"])]
        cells += [_control_cell(control, entry, metric, real) for (control, _), entry in zip(controls, entries, strict=True)]
        rows.append(f'<tr><th scope="row"><code>{escape(name)}</code></th>{"".join(cells)}</tr>')
    explained = ""
    for name, found in controls:
        label, expected = CONTROLS.get(name, (name, ""))
        note = f" {escape(found['note'])}" if found["note"] else ""
        who = "the same model" if found["from"] == "model" else "no model"
        about = f"{who}, {found['recordings']} recordings. {expected[:1].upper() + expected[1:]}."
        explained += f"<li><strong>{escape(label)}</strong>: {escape(about)}{note}</li>"
    heads = ["metric", "real run", *(CONTROLS.get(name, (name, ""))[0] for name, _ in controls)]
    return (
        '<section id="controls"><h2>Controls, beside the real run on the same items</h2>'
        f"<ul>{explained}</ul>{_table(heads, rows)}"
        '<p class="soft"><small>The real run stands first, on the items of the controls; in the cell of a control that has '
        "other items, on those. Two runs are told apart where their intervals do not overlap.</small></p></section>"
    )


def _value_cell(entry: dict[str, Any], unit: str) -> str:
    return f"<td><strong>{number(entry['value'], unit)}</strong><small>{interval(entry, unit)}</small></td>"


def _control_cell(control: str, entry: dict[str, Any] | None, metric: dict[str, Any], real: dict[str, Any]) -> str:
    """A control, the real run where its items are others than those of the row's `real`, and the verdict."""
    if entry is None:
        return "<td>-</td>"
    unit, found = metric["unit"], verdict(entry, metric)
    other = ""
    if entry["same_items"] != real:
        other = f"<small>real {number(entry['same_items']['value'], unit)}</small><small>{interval(entry['same_items'], unit)}</small>"
    expected = {"ears_swapped_mirrored": SAME}.get(control, APART if control in FALLS else found)
    kind, mark = ("good", "✓ ") if found == expected else ("doubt", "! ")
    if control not in (*FALLS, "ears_swapped_mirrored"):
        kind, mark = "open", ""
    return _value_cell(entry, unit).replace("</td>", f'{other}<small class="{kind}">{mark}{found}</small></td>')


def _plots(plots: Sequence[Plot]) -> str:
    drawn, left_out = "", ""
    for plot in plots:
        if plot.file is None:
            left_out += f"<li>{escape(plot.title)}: {escape(plot.caption)}.</li>"
        else:
            image = f'<img src="{escape(plot.file)}" alt="{escape(plot.alt)}" loading="lazy">'
            drawn += f"<figure><h3>{escape(plot.title)}</h3>{image}<figcaption>{escape(plot.caption)}</figcaption></figure>"
    missing = f"<p>Left out, for want of data:</p><ul>{left_out}</ul>" if left_out else ""
    return f'<section id="plots"><h2>Plots</h2><div class="plots">{drawn}</div>{missing}</section>'


def _worst(worst: Sequence[ShownItem], gain_db: float | None) -> str:
    players = (
        f" All players share one gain ({gain_db:+.1f} dB): a louder recording is louder here, and none clips."
        if gain_db is not None
        else ""
    )
    items = "".join(_item(shown) for shown in worst) or "<p>No answer is wrong.</p>"
    return (
        f'<section id="worst"><h2>The {len(worst)} worst items</h2><p>{escape(WORST_RULE)}</p>'
        f'<p class="soft">Wear headphones. The pictures are seen from above, the listener looks upwards.{players}</p>{items}</section>'
    )


def _item(shown: ShownItem) -> str:
    item = shown.item
    read = reading_line(item)
    rows = (("Question", "", item.question), ("True answer", "true", item.answer), ("Given answer", "given", item.prediction),
            ("Read as", "", read), ("Errors", "", errors_line(item)))  # fmt: skip
    said = "".join(f'<dt>{name}</dt><dd class="{kind}">{escape(text)}</dd>' for name, kind, text in rows if text)
    player = '<p class="soft">The recording could not be made where this report was written.</p>'
    if shown.audio is not None:
        label = escape(f"Recording {item.recording_id}")
        player = f'<audio controls preload="metadata" src="{escape(shown.audio)}" aria-label="{label}"></audio>'
    plan = '<p class="soft">The record does not say where its sounds are.</p>'
    if shown.plan is not None:
        alt = escape(f"From above: {shown.plan_alt}")
        plan = f'<figure><img src="{escape(shown.plan)}" alt="{alt}" loading="lazy"></figure>'
    sources = "".join(f"<li>{escape(line)}</li>" for line in shown.sources)
    return (
        f'<article class="item"><div><h3>{shown.number}. {escape(shown.reason.capitalize())}</h3>'
        f'<p class="meta"><code>{escape(item.id)}</code>, {escape(item.question_type)}. {escape(context_line(item))}</p>'
        f"<dl>{said}</dl>{player}{f'<ol>{sources}</ol>' if sources else ''}</div>{plan}</article>"
    )


def _published(scores: dict[str, Any]) -> str:
    header, rows = beside(scores["metrics"])
    cells = []
    for metric, protocol, *values in rows:
        first = f'<th scope="row"><code>{escape(metric)}</code></th><td class="text">{escape(protocol)}</td>'
        cells.append(f"<tr>{first}{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>")
    return (
        f'<section id="published"><h2>Beside published scores on {SPATIALSOUNDQA}</h2><p>{escape(comparability(scores))}</p>'
        f"{_table(header, cells, text={'protocol'})}</section>"
    )


def _made(scores: dict[str, Any]) -> str:
    protocols = "".join(
        f"<li><code>{escape(name)}</code>: {escape(text)}</li>" for name, text in scores["protocols"].items()
    )
    rules = "".join(
        f"<li><code>{escape(name)}</code>: {escape(entry['rule'])}</li>" for name, entry in scores["metrics"].items()
    )
    made = {key: scores[key] for key in ("task", "provenance", "run")}
    return (
        f'<section id="made"><h2>Protocols, rules and origin</h2><ul>{protocols}</ul>'
        f"<details><summary>The rule of each metric</summary><ul>{rules}</ul></details>"
        f"<details><summary>What it was made with</summary><pre><code>{escape(json.dumps(made, indent=2, sort_keys=True))}"
        "</code></pre></details></section>"
    )


def _table(header: Sequence[str], rows: Sequence[str], text: set[str] | frozenset[str] = frozenset()) -> str:
    kinds = {True: " class='text'", False: ""}
    heads = "".join(f"<th scope='col'{kinds[head in text]}>{escape(head)}</th>" for head in header)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
