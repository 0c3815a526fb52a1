"""Plots the share of right answers: by number of sources, by room and noise, and the hardest classes."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spatial_llm.evaluation.report.means import (
    Data,
    NoData,
    Of,
    arms,
    draw_means,
    group_of,
    plain,
    quantile_edges,
    range_names,
)

CLASSES_SHOWN, LEAST_OF_CLASS = 15, 10
# colour, mark, name, types of questions; None = all other types
SERIES = (
    ("#0072B2", "o", "what sounds (A, C)", ("A", "C")),
    ("#D55E00", "s", "where, in words (B, D)", ("B", "D")),
    ("#009E73", "^", "two sounds compared (E)", ("E",)),
    ("#CC79A7", "D", "other questions", None),
)


def draw_by_sources(figure: Figure, data: Data) -> tuple[str, str]:
    """Plots the share by number of sources; returns caption and alternative text, as all of these do. Raises NoData."""
    counts = sorted({item.context.sources for item in data.items if item.context.sources is not None})
    if len(counts) < 2:
        raise NoData(f"all recordings hold {counts[0]} source(s)" if counts else "the records do not say how many sources")
    edges = np.array([*counts, counts[-1] + 1]) - 0.5
    said = _draw(figure, data, lambda item: item.context.sources, edges, [str(count) for count in counts], "sources")
    return "Share of right answers, by the main metric of each question.", f"Accuracy by number of sources. {said}"


def draw_by(name: str, label: str, form: str) -> Callable[[Figure, Data], tuple[str, str]]:
    """Plots the share by one number of `Context`, in ranges of about equally many questions.

    Args:
        name: name of the field.
        label: axis label with its unit.
        form: format of the number, such as ".2f".
    """

    def draw(figure: Figure, data: Data) -> tuple[str, str]:
        known = [value for value in (getattr(item.context, name) for item in data.items) if value is not None]
        edges = quantile_edges(known) if known else np.zeros(0)
        if len(edges) < 3:
            raise NoData("nearly the same in all recordings" if known else "the records do not say it")
        names = range_names(edges, form)
        said = _draw(figure, data, lambda item: getattr(item.context, name), edges, names, label)
        return "Share of right answers, in ranges of about equally many questions.", f"Accuracy by {label}. {said}"

    return draw


def _draw(figure: Figure, data: Data, of: Of, edges: NDArray, names: Sequence[str], label: str) -> str:
    axes, said = figure.add_subplot(), []
    rows, right, places = data.measured("right", of)
    types = np.array([data.items[row].type for row in rows])
    named = [each for *_, some in SERIES for each in some or ()]
    for index, (color, mark, name, some) in enumerate(SERIES):
        mine = np.isin(types, named, invert=True) if some is None else np.isin(types, some)
        if mine.any():
            means = data.means(rows[mine], 100 * right[mine], group_of(places[mine], edges), len(names))
            at = np.arange(len(names)) + 0.06 * (index - 1.5)
            draw_means(axes, at, means, color, mark, f"{name}, n = {mine.sum()}")
            said.append(f"{name}: {', '.join(f'{value:.0f}' for value in means[:, 0] if not np.isnan(value))} %")
    if not said:
        raise NoData("no item is right or wrong")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel(label)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(0, 103)
    axes.set_ylabel("right, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return "; ".join(said) + "."


def draw_classes(figure: Figure, data: Data) -> tuple[str, str]:
    """Plots the classes with the lowest share of right answers. Raises NoData."""
    rows_of: dict[str, list[int]] = {}
    for row, item in enumerate(data.items):
        for label in set(item.context.labels) if item.measure("right") is not None else ():
            rows_of.setdefault(label, []).append(row)
    rows_of = {label: rows for label, rows in rows_of.items() if len(rows) >= LEAST_OF_CLASS}
    if len(rows_of) < 2:
        raise NoData(f"fewer than two classes have {LEAST_OF_CLASS} questions")
    means = {}
    for label, rows in rows_of.items():
        right = 100 * np.array([data.items[row].measure("right") for row in rows])
        means[label] = data.means(np.array(rows), right, np.zeros(len(rows)), 1)[0]
    hardest = sorted(means, key=lambda label: (means[label][0], label))[:CLASSES_SHOWN]
    figure.set_size_inches(figure.get_figwidth(), 1.0 + 0.26 * len(hardest))
    axes, values, at = figure.add_subplot(), np.array([means[label] for label in hardest]), np.arange(len(hardest))
    axes.barh(at, values[:, 0], 0.62, color="#56B4E9")
    axes.errorbar(values[:, 0], at, xerr=arms(values), fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
    axes.set_yticks(at, [f"{plain(label)} ({len(rows_of[label])})" for label in hardest])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 100)
    axes.set_xlabel("right, %")
    listed = ", ".join(f"{label} {means[label][0]:.0f} %" for label in hardest[:3])
    return (
        f"Share of right answers to all questions about recordings in which the class sounds, and their number: the "
        f"{len(hardest)} lowest of {len(means)} classes with at least {LEAST_OF_CLASS} questions."
    ), f"Hardest classes: {listed}."
