"""The report as one HTML page: the questions, the numbers with their controls, plots, the worst items.

Note: the page has no script and loads nothing but the files beside it or inside it, so that it opens from a disk as from a
server. Every text of questions and answers is foreign and is escaped where it enters the page.
"""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from spatial_llm.evaluation.names import plain_name
from spatial_llm.evaluation.report.items import WORST_RULE, ShownItem, context_line, errors_line, reading_line
from spatial_llm.evaluation.report.plots import Plot
from spatial_llm.evaluation.report.scores_table import (
    CONTROLS,
    decoding,
    missing_controls,
    not_heard,
    unheard,
)
from spatial_llm.evaluation.report.style import STYLE
from spatial_llm.evaluation.report.tables import (
    bar,
    controls_section,
    hallucination_section,
    published_section,
    scores_section,
)
from spatial_llm.evaluation.text_tables import interval, number
from spatial_llm.evaluation.verdicts import hearing_verdict

# the main numbers at the top of the page, where they were measured
HEADLINES = ("B_left_right_acc", "B_direction_acc", "B_DER", "A_mAP", "E_acc", "D_direction_acc")
CARDS = 4


def format_page(scores: dict[str, Any], plots: Sequence[Plot], worst: Sequence[ShownItem], gain_db: float | None) -> str:
    """Returns the page.

    Args:
        scores: content of scores.json.
        plots, worst: with names of files beside the page, or data URIs.
        gain_db: gain that all players share; None where there are none.
    """
    title = f"Evaluation: {escape(_title(scores))}"
    links = (("scores", "Scores"), ("controls", "Controls"), ("plots", "Plots"), ("worst", "Worst items"),
             ("published", "Published"), ("made", "Protocols"))  # fmt: skip
    navigation = "".join(f'<a href="#{anchor}">{name}</a>' for anchor, name in links)
    sections = [
        f'<header><h1>{title}</h1>{_facts(scores)}<nav aria-label="Sections">{navigation}</nav></header>',
        f"<main>{_summary(scores)}",
        scores_section(scores),
        hallucination_section(scores),
        controls_section(scores),
        _plots(plots),
        _worst(worst, gain_db),
        published_section(scores),
        _made(scores) + "</main>",
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,"><style>{STYLE}</style>'
    )
    body = "\n".join(filter(None, sections))
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def _title(scores: dict[str, Any]) -> str:
    if scores["task"] is not None:
        return f"{scores['task']['name']}, version {scores['task']['version']}"
    return scores["benchmark"] or "a manifest of ours"


def _facts(scores: dict[str, Any]) -> str:
    run = scores["run"] or {}
    facts = {
        "Questions": f"{scores['items']:,} about {scores['recordings']:,} recordings, "
        f"{escape(scores['benchmark'] or 'a manifest of ours')}",
        "sha256": f"<code>{escape(scores['provenance']['manifest_sha256'][:16])}</code>",
        "Decoding": escape(decoding(scores)),
        "Room responses": escape(", ".join(scores["responses"]) or "not said"),
    }
    if isinstance(run.get("model_sha256"), str):
        facts["Model"] = f"<code>{escape(run['model_sha256'][:16])}</code>"
    rows = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts.items())
    return f'<dl class="facts">{rows}</dl>'


def _summary(scores: dict[str, Any]) -> str:
    names = [name for name in HEADLINES if name in scores["metrics"]] or list(scores["metrics"])
    cards = "".join(_card(name, scores) for name in names[:CARDS])
    control = scores["controls"].get("no_audio", {"metrics": {}})["metrics"]
    circle = "; circle = the same model without audio" if control else ""
    listens = " ".join([*not_heard(scores), *missing_controls(scores)])
    kind = "verdict" if unheard(scores) == [] else "verdict doubt"
    return (
        f'<section aria-label="Summary"><div class="cards">{cards}</div>'
        f'<p class="soft"><small>Bars from 0 to 100 %: dot and band = the model and its interval; line = random{circle}.'
        f'</small></p><p class="{kind}"><strong>{escape(hearing_verdict(scores))}</strong> {escape(listens)}</p></section>'
    )


def _card(name: str, scores: dict[str, Any]) -> str:
    entry = scores["metrics"][name]
    rows = [("random", number(entry["random"], entry["unit"]))]
    for control in ("question_only", "no_audio"):
        found = scores["controls"].get(control, {"metrics": {}})["metrics"].get(name)
        if found is not None:
            rows.append((CONTROLS[control][0], number(found["value"], entry["unit"])))
    title = plain_name(name) or name
    unit = ("%" if entry["unit"] == "%" else "") + ("" if entry["higher_is_better"] else " (lower is better)")
    beside_it = "".join(f'<tr><th scope="row">{label}</th><td>{value}</td></tr>' for label, value in rows)
    return (
        f'<article class="card"><h3>{escape(title[:1].upper() + title[1:])}</h3>'
        f'<p class="value">{number(entry["value"], entry["unit"])} <small>{unit}</small></p>'
        f"<small>{interval(entry, entry['unit'])}; n = {entry['n']}</small>"
        f"{bar(name, scores)}<table>{beside_it}</table></article>"
    )


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
        f'<p class="soft">Wear headphones. The pictures are seen from above, the listener looks upwards.{players}</p>'
        f"{items}</section>"
    )


def _item(shown: ShownItem) -> str:
    item = shown.item
    rows = (
        ("Question", "", item.question),
        ("True answer", "true", item.answer),
        ("Given answer", "given", item.prediction),
        ("Read as", "", reading_line(item)),
        ("Errors", "", errors_line(item)),
    )
    said = "".join(f'<dt>{name}</dt><dd class="{kind}">{escape(text)}</dd>' for name, kind, text in rows if text)
    player = f'<p class="soft">{escape(shown.no_audio)}</p>'
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


def _made(scores: dict[str, Any]) -> str:
    protocols = _named(scores["protocols"])
    rules = _named({name: entry["rule"] for name, entry in scores["metrics"].items()})
    made = {key: scores[key] for key in ("task", "provenance", "run")}
    return (
        f'<section id="made"><h2>Protocols, rules and origin</h2>{protocols}'
        f"<details><summary>The rule of each metric</summary>{rules}</details>"
        f"<details><summary>What it was made with</summary><pre><code>{escape(json.dumps(made, indent=2, sort_keys=True))}"
        "</code></pre></details></section>"
    )


def _named(texts: dict[str, str]) -> str:
    return f"<ul>{''.join(f'<li><code>{escape(name)}</code>: {escape(text)}</li>' for name, text in texts.items())}</ul>"
