"""The plots of an evaluation report, from its scored items: predicted directions, errors against distance and angle, what is
hard.

Every mean has its interval, bootstrapped over recordings as all scores are. A plot without data is left out and its caption
gives the reason. Files are equal byte for byte in two runs: PNG without dates or versions. The colours are those of Okabe
and Ito, which colour-blind readers can tell apart; marks differ in shape too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spatial_llm.evaluation.report.accuracy import draw_by, draw_by_sources, draw_classes
from spatial_llm.evaluation.report.directions import draw_compass
from spatial_llm.evaluation.report.items import ScoredItem
from spatial_llm.evaluation.report.means import Data, NoData, Of, draw_means, group_of, quantile_edges, range_names
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap
from spatial_llm.files import atomic_path

STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "0.9",
         "axes.axisbelow": True, "legend.frameon": False, "savefig.facecolor": "white"}  # fmt: skip
DPI = 200  # twice the size on the page, for high-resolution screens
WIDTH_IN = 6.6
TOLERANCE_M = 0.5
AZIMUTH_STEP_DEG = 30.0
# colour, mark, name, measure
ERRORS = (
    ("#D55E00", "s", "in words: to the nearest point of the octant named", "region_distance_deg"),
    ("#0072B2", "o", "in degrees or on the clock: azimuth", "azimuth_error_deg"),
    ("#009E73", "^", "in degrees, asked for words: great circle", "great_circle_deg"),
)


@dataclass(frozen=True)
class Plot:
    """One plot of the report. `file` is its name; None if it was left out, in which case `caption` gives the reason."""

    file: str | None
    title: str
    caption: str
    alt: str = ""


def draw_plots(
    items: Sequence[ScoredItem], folder: str | Path, resamples: int = 1000, seed: int = 0, confidence: float = 0.95
) -> list[Plot]:
    """Writes the plots as PNG into `folder` and returns their captions, in the order of the report.

    Args:
        items: of items.jsonl.
        resamples, seed, confidence: of the intervals; those of the scores beside them.
    """
    data = Data(items, Bootstrap([item.recording_id for item in items], resamples, seed), confidence)
    plots = []
    for name, (title, draw) in _PLOTS.items():
        with rc_context(STYLE):
            figure = Figure(figsize=(WIDTH_IN, 3.8), layout="constrained")
            try:
                caption, alt = draw(figure, data)
            except NoData as none:
                plots.append(Plot(None, title, str(none)))
                continue
            with atomic_path(Path(folder) / f"{name}.png") as temporary:
                figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})
        plots.append(Plot(f"{name}.png", title, caption, alt))
    return plots


def _words(figure: Figure, data: Data) -> tuple[str, str]:
    pairs = _pairs(data, {"left_right"})
    if not pairs:
        raise NoData("no question asks for a direction in words")
    figure.set_size_inches(WIDTH_IN, 5.0)
    shares = draw_compass(figure, pairs, sectors=4, petals=4, first_deg=45.0)
    return (
        "One flower for each true quadrant, seen from above with the front upwards; the dark arc is where the sound is. The "
        "area of a petal is the share of the answers that point there: blue right, orange wrong."
    ), f"Share of answers that name the true quadrant: {shares}."


def _degrees(figure: Figure, data: Data) -> tuple[str, str]:
    pairs = _pairs(data, {"azimuth_deg", "clock_hour"})
    if not pairs:
        raise NoData("no question asks for an azimuth in degrees or on the clock")
    figure.set_size_inches(WIDTH_IN, 6.6)
    shares = draw_compass(figure, pairs, sectors=8, petals=12, first_deg=0.0)
    return (
        "One flower for each true eighth of the circle, petals of 30 degrees; those within 30 degrees of the middle of the "
        "true eighth are blue. The area of a petal is its share."
    ), f"Share of answers near the true eighth of the circle: {shares}."


def _pairs(data: Data, keys: set[str]) -> list[tuple[float, float | None]]:
    """Returns true and answered azimuth of the items whose true answer has one under any of these keys."""
    pairs = [(item.azimuth_of(item.truth), item.azimuth_of(item.said)) for item in data.items if keys & item.truth.keys()]
    return [(true, answered) for true, answered in pairs if true is not None]


def _error_by_azimuth(figure: Figure, data: Data) -> tuple[str, str]:
    edges = np.arange(-180.0, 180.1, AZIMUTH_STEP_DEG)
    middles = (edges[:-1] + edges[1:]) / 2
    said = _draw_errors(figure, data, lambda item: _asked(item, "azimuth_deg"), edges, middles, apart=2.0)
    axes = figure.axes[0]
    axes.set_xlim(180, -180)  # positive azimuth, the left, is on the left
    names = {180: "behind", 90: "left", 0: "front", -90: "right", -180: "behind"}
    axes.set_xticks(list(names), [f"{name}\n{angle}°" for angle, name in names.items()])
    axes.set_xlabel("true azimuth")
    return f"Mean in sectors of {AZIMUTH_STEP_DEG:g} degrees.", f"Mean error of the direction by true azimuth. {said}"


def _error_by_distance(figure: Figure, data: Data) -> tuple[str, str]:
    erring = [item for item in data.items if any(item.measure(name) is not None for *_, name in ERRORS)]
    known = [each for each in (_asked(item, "distance_m") for item in erring) if each is not None]
    edges = quantile_edges(known) if known else np.zeros(0)
    if len(edges) < 3:
        raise NoData("no question about a direction has a place that is known" if not known else "nearly the same distances")
    at = np.arange(len(edges) - 1.0)
    said = _draw_errors(figure, data, lambda item: _asked(item, "distance_m"), edges, at, apart=0.06)
    figure.axes[0].set_xticks(range(len(edges) - 1), range_names(edges, ".1f"))
    figure.axes[0].set_xlabel("true distance, m")
    return "Mean in ranges of about equally many questions.", f"Mean error of the direction by true distance. {said}"


def _asked(item: ScoredItem, name: str) -> float | None:
    """Returns the true azimuth or distance of the source in question, in the listener's own frame."""
    return None if item.where is None or item.type == "rotated" else getattr(item.where, name)


def _draw_errors(figure: Figure, data: Data, of: Of, edges: NDArray, at: NDArray, apart: float) -> str:
    axes, said = figure.add_subplot(), []
    for index, (color, mark, name, measure) in enumerate(ERRORS):
        rows, errors, places = data.measured(measure, of)
        if len(rows):
            means = data.means(rows, errors, group_of(places, edges), len(at))
            draw_means(axes, at + apart * (index - 1), means, color, mark, f"{name}, n = {len(rows)}")
            low, high = np.nanmin(means[:, 0]), np.nanmax(means[:, 0])
            said.append(f"{name}: {low:.0f} to {high:.0f} degrees")
    if not said:
        raise NoData("no question about a direction has an answer that could be read and a place that is known")
    axes.set_ylabel("mean error, degrees")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return "; ".join(said) + "."


def _distances(figure: Figure, data: Data) -> tuple[str, str]:
    pairs = Counter()
    for item in data.items:
        if item.question_type == "MIXUP_NONBINARY_DISTANCE":  # between two sources
            continue
        true, answered = (value.get("distance_m") for value in (item.truth, item.said or {}))
        if true is not None and answered is not None:
            pairs[float(true), float(answered)] += 1
    if not pairs:
        raise NoData("no question asks for a distance from the listener, or no answer says one")
    figure.set_size_inches(WIDTH_IN, 5.0)
    true, answered, count = np.array([(*pair, count) for pair, count in sorted(pairs.items())]).T
    end = 1.05 * true.max() + TOLERANCE_M
    shown = answered <= 1.5 * end
    axes, band = figure.add_subplot(), np.array([0.0, end])
    axes.fill_between(band, band - TOLERANCE_M, band + TOLERANCE_M, color="#009E73", alpha=0.25, linewidth=0,
                      label=f"within {TOLERANCE_M:g} m: right")  # fmt: skip
    axes.plot(band, band, color="#009E73", linewidth=1)
    area = 4 + 110 * count / count.max()
    axes.scatter(
        true[shown], answered[shown], area[shown], color="#0072B2", alpha=0.6, linewidth=0, label="area: number of answers"
    )
    axes.set_xlim(0, end)
    axes.set_ylim(0, max(end, 1.05 * answered[shown].max(initial=0)))
    axes.set_xlabel("true distance from the listener, m")
    axes.set_ylabel("answered distance, m")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    share = 100 * count[np.abs(true - answered) <= TOLERANCE_M + 1e-9].sum() / count.sum()
    more = "" if shown.all() else f" Not shown: {int(count[~shown].sum())} answers far beyond the axis."
    return (
        f"{int(count.sum())} answers whose distance could be read; {share:.1f} % lie in the green band.{more}"
    ), f"Answered against true distance; {share:.1f} % within {TOLERANCE_M:g} m."


_PLOTS = {
    "azimuth_words": ("Azimuth in words: where answers point", _words),
    "azimuth_degrees": ("Azimuth in degrees and on the clock: where answers point", _degrees),
    "error_by_azimuth": ("Direction error by true azimuth", _error_by_azimuth),
    "error_by_distance": ("Direction error by true distance", _error_by_distance),
    "distances": ("Distance: answered against true", _distances),
    "by_sources": ("Right answers by number of sources", draw_by_sources),
    "by_rt60": ("Right answers by reverberation time", draw_by("rt60_s", "RT60, s", ".2f")),
    "by_drr": ("Right answers by direct-to-reverberant ratio", draw_by("drr_db", "DRR, dB", ".1f")),
    "by_snr": ("Right answers by signal-to-noise ratio", draw_by("snr_db", "SNR, dB", ".1f")),
    "classes": ("Hardest classes", draw_classes),
}
