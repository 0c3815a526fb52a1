"""Formats values, intervals and Markdown tables as text, the same in every report."""

from collections.abc import Sequence
from typing import Any


def number(value: float | None, unit: str) -> str:
    """Formats a value: percentages bare, others with their unit, a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.2f}" if unit == "%" else f"{value:.3f} ({unit})" if unit else f"{value:.3f}"


def interval(entry: dict[str, Any], unit: str) -> str:
    """Formats "79.1 to 83.0", or a dash where there is none."""
    if entry["low"] is None or entry["high"] is None:
        return "-"
    digits = 2 if unit == "%" else 3
    return f"{entry['low']:.{digits}f} to {entry['high']:.{digits}f}"


def format_grid(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Formats a Markdown table whose columns also line up as plain text."""
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
