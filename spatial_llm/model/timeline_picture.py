"""Draws a timeline: level, events and azimuth over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from spatial_llm.files import atomic_path

if TYPE_CHECKING:
    from spatial_llm.model.timeline import TimelineRow

EVENTS_SHOWN = 12


def draw_timeline(rows: Sequence["TimelineRow"], path: str | Path | None = None) -> Figure:
    """Draws level, the most frequent events (darker is more probable) and the azimuth over time.

    Args:
        rows: of a timeline; events and azimuth are left out if it has none.
        path: where to write the picture as PNG, whole or not at all; None writes nothing.
    """
    starts = np.array([row.start_s for row in rows])
    sure: dict[str, float] = {}
    for row in rows:
        for label, share in (row.events or {}).items():
            sure[label] = sure.get(label, 0.0) + share
    labels = sorted(sure, key=lambda label: -sure[label])[:EVENTS_SHOWN][::-1]
    heights = [1.0, *([max(1.0, 0.28 * len(labels)), 1.6] if labels else [])]
    figure = Figure(figsize=(12, 1.2 + 1.5 * sum(heights)), layout="constrained")
    plots = np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    plots[0].plot(starts, [np.nan if row.level_dbfs is None else row.level_dbfs for row in rows], color="#0072B2")
    plots[0].set_ylabel("level (dBFS)")
    if labels:
        shares = np.array([[(row.events or {}).get(label, 0.0) for row in rows] for label in labels])
        ends = np.append(starts, rows[-1].end_s)
        plots[1].pcolormesh(ends, np.arange(len(labels) + 1), shares, cmap="Blues", vmin=0, vmax=1)
        plots[1].set_yticks(np.arange(len(labels)) + 0.5, labels)
        heard = [row for row in rows if row.azimuth_deg is not None]
        plots[2].scatter([row.start_s for row in heard], [row.azimuth_deg for row in heard], s=12, color="#D55E00")
        plots[2].set_ylim(-180, 180)
        plots[2].set_yticks([-180, -90, 0, 90, 180], ["behind", "right", "front", "left", "behind"])
        plots[2].set_ylabel("azimuth")
    plots[-1].set_xlabel("start of the window (s)")
    if path is not None:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110)
    return figure
