"""The report as Markdown, for terminals and code hosts: the tables of scores.md, the plots, the worst items.

Foreign texts are put into code spans, in which neither Markdown nor HTML is interpreted.
"""

import re
from collections.abc import Sequence
from typing import Any

from spatial_llm.evaluation.report.items import WORST_RULE, ShownItem, context_line, errors_line
from spatial_llm.evaluation.report.plots import Plot
from spatial_llm.evaluation.report.scores_table import format_table


def format_report(scores: dict[str, Any], plots: Sequence[Plot], worst: Sequence[ShownItem]) -> str:
    """Returns scores.md, then plots and worst items by the names of their files; ends in a line break."""
    sections = [format_table(scores).strip(), "## Plots"]
    for plot in plots:
        image = f"![{plot.alt}]({plot.file})\n\n" if plot.file else "Left out: "
        sections.append(f"### {plot.title}\n\n{image}{plot.caption}{'' if plot.file else '.'}")
    sections += [f"## The {len(worst)} worst items", WORST_RULE, *map(_item, worst)]
    return "\n\n".join(sections) + "\n"


def _item(shown: ShownItem) -> str:
    item = shown.item
    texts = {"question": item.question, "true answer": item.answer, "given answer": item.prediction,
             "record": item.id, "heard": context_line(item)}  # fmt: skip
    lines = [f"- {name}: {code(text)}" for name, text in texts.items()]
    errors = errors_line(item)
    lines += [f"- errors: {errors}"] if errors else []
    lines += [f"- source {number}: {code(text)}" for number, text in enumerate(shown.sources, start=1)]
    lines += [f"- recording: [{shown.audio}]({shown.audio})"] if shown.audio else []
    lines += [f"\n![From above: {shown.plan_alt}]({shown.plan})"] if shown.plan else []
    return f"### {shown.number}. {shown.reason}\n\n" + "\n".join(lines)


def code(text: str) -> str:
    """Formats foreign text as a code span on one line, fenced by more backticks than it contains."""
    text = " ".join(text.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else "(empty)"
