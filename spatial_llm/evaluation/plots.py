"""The plots of an evaluation report, from its scored items: where answers point, how errors grow, what is hard.

Every mean stands with its interval, bootstrapped over recordings as all scores are. A plot that has no data is left out and
says why. Files are equal byte for byte in two runs: PNG without dates or versions. Colours are those of Okabe and Ito, told
apart by colour-blind readers; marks differ in shape too.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spatial_llm.evaluation.report_directions import draw_compass
from spatial_llm.evaluation.report_items import ScoredItem
from spatial_llm.evaluation.statistics import Bootstrap, mean_of
from spatial_llm.files import atomic_path

STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "0.9",
         "axes.axisbelow": True, "legend.frameon": False, "savefig.facecolor": "white"}  # fmt: skip
DPI = 200  # twice what the page shows, for fine screens
WIDTH_IN = 6.6
TOLERANCE_M = 0.5
AZIMUTH_STEP_DEG = 30.0
BINS, CLASSES_SHOWN, LEAST_OF_CLASS = 5, 15, 10
# colour, mark, name, types of questions
SERIES = (
    ("#0072B2", "o", "what sounds (A, C)", ("A", "C")),
    ("#D55E00", "s", "where, in words (B, D)", ("B", "D")),
    ("#009E73", "^", "yes or no, and alike (E)", ("E",)),
    ("#CC79A7", "D", "other questions", None),
)
DIRECTIONS = (
    ("#D55E00", "s", "answered in words: great circle to the octant's centre", "great_circle_deg"),
    ("#0072B2", "o", "answered in degrees or on the clock: azimuth", "azimuth_error_deg"),
)


@dataclass(frozen=True)
class Plot:
    """One plot of the report. file: its name in the folder, None where it was left out; then `caption` says why."""

    file: str | None
    title: str
    caption: str
    alt: str = ""


class _NoData(Exception):
    """A plot has nothing to show; the message says why."""


@dataclass(frozen=True)
class _Data:
    items: Sequence[ScoredItem]
    bootstrap: Bootstrap
    confidence: float

    def means(self, rows: NDArray, values: NDArray, groups: NDArray, count: int) -> NDArray:
        """Mean of `values` (rows,) and its interval in each group: (count, 3: value, low, high), NaN in empty groups."""
        found = np.full((count, 3), np.nan)
        for group in range(count):
            of_group = groups == group
            if of_group.any():
                statistic = mean_of(values[of_group])
                found[group, 0] = self.bootstrap.value(statistic, rows[of_group])
                found[group, 1:] = self.bootstrap.interval(statistic, rows[of_group], self.confidence)
        return found

    def measured(self, name: str, *, of: Callable[[ScoredItem], float | None]) -> tuple[NDArray, NDArray, NDArray]:
        """Rows of the items that have both a measure and `of`, the measure (absolute) and `of` of each."""
        found = [(row, item.measure(name), of(item)) for row, item in enumerate(self.items)]
        kept = [(row, abs(value), other) for row, value, other in found if value is not None and other is not None]
        rows, values, others = zip(*kept, strict=True) if kept else ((), (), ())
        return np.array(rows, dtype=int), np.array(values, dtype=float), np.array(others, dtype=float)


def draw_plots(
    items: Sequence[ScoredItem], folder: str | Path, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> list[Plot]:
    """Writes the plots as PNG into `folder` and says what they show, in the order of the report.

    Args:
        items: of items.jsonl.
        resamples, seed, confidence: of the intervals; those of the scores beside them.
    """
    data = _Data(items, Bootstrap([item.recording_id for item in items], resamples, seed), confidence)
    plots = []
    for name, (title, draw) in _PLOTS.items():
        with rc_context(STYLE):
            figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
            try:
                caption, alt = draw(figure, data)
            except _NoData as none:
                plots.append(Plot(None, title, str(none)))
                continue
            with atomic_path(Path(folder) / f"{name}.png") as temporary:
                figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
        plots.append(Plot(f"{name}.png", title, caption, alt))
    return plots


def _words(figure: Figure, data: _Data) -> tuple[str, str]:
    pairs = [
        (item.azimuth_of(item.truth), item.azimuth_of(item.strict)) for item in data.items if "left_right" in item.truth
    ]
    pairs = [(true, answered) for true, answered in pairs if true is not None]
    if not pairs:
        raise _NoData("no question asks for a direction in words")
    shares = draw_compass(figure, pairs, sectors=4, petals=4, first_deg=45.0)
    return (
        "One flower for each true quadrant, seen from above with the front upwards; the dark arc is where the sound is. The "
        "area of a petal is the share of the answers that point there: blue right, orange wrong."
    ), f"Share of answers that name the true quadrant: {shares}."


def _degrees(figure: Figure, data: _Data) -> tuple[str, str]:
    pairs = [
        (item.azimuth_of(item.truth), item.azimuth_of(item.strict))
        for item in data.items
        if {"azimuth_deg", "clock_hour"} & item.truth.keys()
    ]
    pairs = [(true, answered) for true, answered in pairs if true is not None]
    if not pairs:
        raise _NoData("no question asks for an azimuth in degrees or on the clock")
    figure.set_size_inches(WIDTH_IN, 6.6)
    shares = draw_compass(figure, pairs, sectors=8, petals=12, first_deg=0.0)
    return (
        "As above for answers in degrees and on the clock: one flower for each eighth of the circle, petals of 30 degrees; "
        "blue petals lie within 45 degrees of the middle of the true eighth."
    ), f"Share of answers near the true eighth of the circle: {shares}."


def _error_by_azimuth(figure: Figure, data: _Data) -> tuple[str, str]:
    def azimuth(item: ScoredItem) -> float | None:
        return None if item.where is None or item.type == "rotated" else item.where.azimuth_deg

    edges = np.arange(-180.0, 180.1, AZIMUTH_STEP_DEG)
    axes = figure.add_subplot()
    _draw_errors(axes, data, azimuth, edges, centres=(edges[:-1] + edges[1:]) / 2)
    axes.set_xlim(180, -180)  # left stands on the left
    names = {180: "behind", 90: "left", 0: "front", -90: "right", -180: "behind"}
    axes.set_xticks(list(names), [f"{name}\n{angle}°" for angle, name in names.items()])
    axes.set_xlabel("true azimuth")
    return f"Mean over sectors of {AZIMUTH_STEP_DEG:g} degrees.", "Mean error of the direction by true azimuth."


def _error_by_distance(figure: Figure, data: _Data) -> tuple[str, str]:
    def distance(item: ScoredItem) -> float | None:
        return None if item.where is None or item.type == "rotated" else item.where.distance_m

    known = [distance(item) for item in data.items if any(item.measure(name) is not None for *_, name in DIRECTIONS)]
    edges = _quantile_edges([each for each in known if each is not None])
    axes = figure.add_subplot()
    _draw_errors(axes, data, distance, edges, centres=np.arange(len(edges) - 1))
    axes.set_xticks(range(len(edges) - 1), _ranges(edges, "{:.1f}"))
    axes.set_xlabel("true distance, m (ranges of about equally many questions)")
    return "Mean over ranges of distance.", "Mean error of the direction by true distance."


def _draw_errors(
    axes: Axes, data: _Data, of: Callable[[ScoredItem], float | None], edges: NDArray, centres: NDArray
) -> None:
    drawn = 0
    for color, mark, name, measure in DIRECTIONS:
        rows, errors, places = data.measured(measure, of=of)
        if measure == "azimuth_error_deg":  # of answers in words the great circle says it all
            kept = np.array([data.items[row].measure("great_circle_deg") is None for row in rows], dtype=bool)
            rows, errors, places = rows[kept], errors[kept], places[kept]
        if len(rows):
            means = data.means(rows, errors, _bin(places, edges), len(centres))
            _draw_means(axes, centres + (drawn - 0.5) * 0.06 * (centres[1:] - centres[:-1]).min(initial=1e9) * (len(centres) > 1),
                        means, color, mark, f"{name} (n = {len(rows)})")  # fmt: skip
            drawn += 1
    if not drawn:
        raise _NoData("no question about a direction has an answer that could be read and a place that is known")
    axes.set_ylabel("mean error, degrees")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _distances(figure: Figure, data: _Data) -> tuple[str, str]:
    pairs = Counter()
    for item in data.items:
        true, answered = (value.get("distance_m") for value in (item.truth, item.strict or {}))
        if true is not None and answered is not None:
            pairs[float(true), float(answered)] += 1
    if not pairs:
        raise _NoData("no question asks for a distance, or no answer says one")
    figure.set_size_inches(WIDTH_IN, 5.0)
    true, answered, count = np.array([(*pair, count) for pair, count in sorted(pairs.items())]).T
    axes = figure.add_subplot()
    end = 1.05 * true.max() + TOLERANCE_M
    beyond = answered > 1.5 * end
    axes.fill_between([0, end], [-TOLERANCE_M, end - TOLERANCE_M], [TOLERANCE_M, end + TOLERANCE_M], color="#009E73", alpha=0.25,
                      linewidth=0, label=f"within {TOLERANCE_M:g} m: right")  # fmt: skip
    axes.plot([0, end], [0, end], color="#009E73", linewidth=1)
    area = 4 + 90 * count / count.max()
    axes.scatter(true[~beyond], answered[~beyond], s=area[~beyond], color="#0072B2", alpha=0.6, linewidth=0,
                 label="answers; area by their number")  # fmt: skip
    axes.set_xlim(0, end)
    axes.set_ylim(0, max(end, 1.05 * answered[~beyond].max(initial=0)))
    axes.set_xlabel("true distance, m")
    axes.set_ylabel("answered distance, m")
    axes.legend(loc="upper left")
    share = 100 * count[np.abs(true - answered) <= TOLERANCE_M + 1e-9].sum() / count.sum()
    more = f" Not shown: {int(count[beyond].sum())} answers far beyond the axis." if beyond.any() else ""
    return (
        f"{int(count.sum())} answers whose distance could be read; {share:.1f} % of them lie in the green band.{more}"
    ), f"Answered against true distance; {share:.1f} % within {TOLERANCE_M:g} m."


def _by_sources(figure: Figure, data: _Data) -> tuple[str, str]:
    counts = sorted({item.context.sources for item in data.items if item.context.sources is not None})
    if len(counts) < 2:
        raise _NoData(f"all recordings hold {counts[0]} source(s)" if counts else "the records do not say how many sources")
    edges = np.array([*counts, counts[-1] + 1]) - 0.5
    _draw_accuracies(figure, data, lambda item: item.context.sources, edges, [str(count) for count in counts])
    return "Share of right answers.", "Accuracy by number of sources."


def _by_context(name: str, label: str, form: str) -> Callable[[Figure, _Data], tuple[str, str]]:
    def draw(figure: Figure, data: _Data) -> tuple[str, str]:
        known = [value for value in (getattr(item.context, name) for item in data.items) if value is not None]
        if not known:
            raise _NoData(f"the records do not say it ({label})")
        edges = _quantile_edges(known)
        if len(edges) < 3:
            raise _NoData(f"all recordings have nearly the same ({label}: {form.format(known[0])})")
        _draw_accuracies(figure, data, lambda item: getattr(item.context, name), edges, _ranges(edges, form))
        figure.axes[0].set_xlabel(f"{label} (ranges of about equally many questions)")
        return "Share of right answers.", f"Accuracy by {label}."

    return draw


def _draw_accuracies(
    figure: Figure, data: _Data, of: Callable[[ScoredItem], float | None], edges: NDArray, names: Sequence[str]
) -> None:
    axes = figure.add_subplot()
    rows, right, places = data.measured("right", of=of)
    types = np.array([data.items[row].type for row in rows])
    named = [each for _, _, _, some in SERIES for each in some or ()]
    for index, (color, mark, name, some) in enumerate(SERIES):
        mine = np.isin(types, named, invert=True) if some is None else np.isin(types, some)
        if mine.any():
            means = data.means(rows[mine], 100 * right[mine], _bin(places[mine], edges), len(names))
            _draw_means(axes, np.arange(len(names)) + 0.06 * (index - 1.5), means, color, mark, f"{name} (n = {mine.sum()})")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("sources")
    axes.set_ylim(0, 103)
    axes.set_ylabel("right, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _classes(figure: Figure, data: _Data) -> tuple[str, str]:
    rows_of: dict[str, list[int]] = {}
    for row, item in enumerate(data.items):
        for label in set(item.context.labels) if item.measure("right") is not None else ():
            rows_of.setdefault(label, []).append(row)
    rows_of = {label: rows for label, rows in rows_of.items() if len(rows) >= LEAST_OF_CLASS}
    if len(rows_of) < 2:
        raise _NoData(f"fewer than two classes have {LEAST_OF_CLASS} questions")
    means = {}
    for label, rows in rows_of.items():
        right = 100 * np.array([data.items[row].measure("right") for row in rows])
        means[label] = data.means(np.array(rows), right, np.zeros(len(rows)), 1)[0]
    hardest = sorted(means, key=lambda label: (means[label][0], label))[:CLASSES_SHOWN]
    figure.set_size_inches(WIDTH_IN, 1.0 + 0.24 * len(hardest))
    axes = figure.add_subplot()
    values = np.array([means[label] for label in hardest])
    at = np.arange(len(hardest))
    axes.barh(at, values[:, 0], 0.6, color="#56B4E9")
    axes.errorbar(values[:, 0], at, xerr=_arms(values), fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
    axes.set_yticks(at, [f"{_shortened(label)} ({len(rows_of[label])})" for label in hardest])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, 100)
    axes.set_xlabel("right, % of the questions about recordings in which the class sounds (their number)")
    listed = ", ".join(f"{label} {means[label][0]:.0f} %" for label in hardest[:3])
    return (
        f"The {len(hardest)} classes of {len(means)} with the lowest share of right answers; at least {LEAST_OF_CLASS} questions."
    ), f"Hardest classes: {listed}."


def _draw_means(axes: Axes, at: NDArray, means: NDArray, color: str, mark: str, name: str) -> None:
    axes.errorbar(at, means[:, 0], yerr=_arms(means), color=color, marker=mark, markersize=4.5, linewidth=1, elinewidth=1.2,
                  capsize=2.5, label=name)  # fmt: skip


def _arms(means: NDArray) -> NDArray:
    """(n, 3: value, low, high) -> the lengths (2, n) of its error bars; none where there is no interval."""
    return np.nan_to_num(np.maximum([means[:, 0] - means[:, 1], means[:, 2] - means[:, 0]], 0.0))


def _quantile_edges(values: Sequence[float]) -> NDArray:
    """Edges of `BINS` ranges that hold about equally many values; fewer where values are equal."""
    return np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1))) if len(values) else np.array([0.0, 1.0])


def _bin(values: NDArray, edges: NDArray) -> NDArray:
    """The range of each value; the last edge belongs to the last range."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _ranges(edges: NDArray, form: str) -> list[str]:
    return [f"{form.format(low)} to {form.format(high)}" for low, high in zip(edges[:-1], edges[1:], strict=True)]


def _shortened(label: str) -> str:
    return label if len(label) <= 32 else label[:31] + "…"


_PLOTS = {
    "azimuth_words": ("Azimuth: where answers in words point", _words),
    "azimuth_degrees": ("Azimuth: where answers in degrees point", _degrees),
    "error_by_azimuth": ("Direction error by true azimuth", _error_by_azimuth),
    "error_by_distance": ("Direction error by true distance", _error_by_distance),
    "distances": ("Distance: answered against true", _distances),
    "by_sources": ("Right answers by number of sources", _by_sources),
    "by_rt60": ("Right answers by reverberation time", _by_context("rt60_s", "RT60, s", "{:.2f}")),
    "by_drr": ("Right answers by direct-to-reverberant ratio", _by_context("drr_db", "DRR, dB", "{:.1f}")),
    "by_snr": ("Right answers by signal-to-noise ratio", _by_context("snr_db", "SNR, dB", "{:.1f}")),
    "classes": ("Hardest classes", _classes),
}
