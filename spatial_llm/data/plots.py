"""Histograms of a data set: azimuth and distance of the sources, and their classes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spatial_llm.data.checks import Contents
from spatial_llm.files import atomic_path
from spatial_llm.geometry import DISTANCE_STEP_M

AZIMUTH_STEP_DEG = 10.0
CLASSES_SHOWN = 40  # the most frequent ones
COLORS = {"train": "#0072B2", "eval": "#D55E00"}  # colour-blind readers can tell them apart (Okabe and Ito)


def draw_contents(contents: Mapping[str, Contents], path: str | Path) -> None:
    """Writes histograms of the sources of each split (shares of its sources) as a PNG, whole or not at all."""
    splits = {split: contents[split] for split in COLORS if split in contents}
    shares = {split: {label: n / len(held.sources) for label, n in held.labels.items()} for split, held in splits.items()}
    labels = sorted({label for each in shares.values() for label in each}, key=lambda label: _total(shares, label))
    labels = labels[-CLASSES_SHOWN:]
    figure = Figure(figsize=(13, max(4.5, 0.19 * len(labels))), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    azimuth, distance = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    classes = figure.add_subplot(grid[:, 1])
    placed = {split: [s for s in held.sources if s.azimuth_deg is not None] for split, held in splits.items()}
    azimuths = {split: np.array([s.azimuth_deg for s in sources]) for split, sources in placed.items()}
    distances = {
        split: np.array([s.distance_m for s in held.sources if s.distance_m is not None]) for split, held in splits.items()
    }
    _histogram(azimuth, azimuths, np.arange(-180.0, 180.1, AZIMUTH_STEP_DEG), "azimuth, degrees (+90 = left)")
    azimuth.set_xticks(range(-180, 181, 45))
    azimuth.set_xlim(180, -180)  # positive azimuth, the left, is on the left
    farthest = max((values.max() for values in distances.values() if len(values)), default=1.0)
    edges = np.arange(0.0, farthest + DISTANCE_STEP_M, DISTANCE_STEP_M)
    _histogram(distance, distances, edges, f"distance, m (steps of {DISTANCE_STEP_M:g})")
    height = 0.8 / max(1, len(splits))
    for index, (split, each) in enumerate(shares.items()):
        at = np.arange(len(labels)) - 0.4 + (index + 0.5) * height
        classes.barh(at, [100 * each.get(label, 0.0) for label in labels], height, color=COLORS[split], label=split)
    classes.set_yticks(range(len(labels)), labels, fontsize=7)
    classes.set_xlabel(f"% of the sources, by class (at most the {CLASSES_SHOWN} commonest)")
    if labels:
        classes.legend(loc="lower right", framealpha=1.0)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _histogram(axes: Axes, values: Mapping[str, np.ndarray], edges: np.ndarray, label: str) -> None:
    for split, each in values.items():
        if len(each):
            weights = np.full(len(each), 100 / len(each))
            axes.hist(each, bins=edges, weights=weights, color=COLORS[split], alpha=0.5, label=f"{split} ({len(each)})")
    axes.set_xlabel(label)
    axes.set_ylabel("% of the sources")
    if any(len(each) for each in values.values()):
        axes.legend()
    else:
        axes.text(0.5, 0.5, "the records do not say where", ha="center", va="center", transform=axes.transAxes)


def _total(shares: Mapping[str, Mapping[str, float]], label: str) -> tuple[float, str]:
    return sum(each.get(label, 0.0) for each in shares.values()), label
