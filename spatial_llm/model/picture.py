"""Draws what an encoder heard of one recording."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from spatial_llm.encoders.readout import Distribution
from spatial_llm.files import atomic_path

EVENTS_SHOWN = 8
COLOR = "#0072B2"  # as of the first source in `scenes.picture`


def draw_heard(events: Mapping[str, float], places: Mapping[str, Distribution], path: str | Path | None = None) -> Figure:
    """Draws azimuth as seen from above, with the listener looking up, then elevation, distance and events.

    Args:
        events: probability of each event class, most probable first.
        places: distributions of "azimuth", "elevation" and "distance".
        path: where to write the picture as PNG, whole or not at all; None writes nothing.
    """
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    grid = figure.add_gridspec(1, 4)
    azimuth = places["azimuth"]
    polar = figure.add_subplot(grid[0], projection="polar")
    polar.set_theta_zero_location("N")
    turn = np.deg2rad(np.append(azimuth.values, azimuth.values[0]))
    polar.plot(turn, np.append(azimuth.probabilities, azimuth.probabilities[0]), color=COLOR)
    polar.fill(np.deg2rad(azimuth.values), azimuth.probabilities, color=COLOR, alpha=0.3)
    polar.set_xticks(np.deg2rad([0, 90, 180, 270]), ["front", "left", "behind", "right"])
    polar.set_yticks([])
    polar.set_title(f"azimuth, most probable {azimuth.best:+.0f}°", fontsize=9)
    for column, name, unit in ((1, "elevation", "°"), (2, "distance", " m")):
        axes, place = figure.add_subplot(grid[column]), places[name]
        axes.fill_between(place.values, place.probabilities, step="mid", color=COLOR, alpha=0.3)
        axes.plot(place.values, place.probabilities, drawstyle="steps-mid", color=COLOR)
        axes.set_title(f"{name}, most probable {place.best:g}{unit}", fontsize=9)
        axes.set_xlabel("degrees, up is positive" if name == "elevation" else "metres")
        axes.set_ylim(bottom=0)
        axes.set_ylabel("probability")
    axes = figure.add_subplot(grid[3])
    shown = list(events.items())[:EVENTS_SHOWN][::-1]
    axes.barh([label for label, _ in shown], [share for _, share in shown], color=COLOR, alpha=0.6)
    axes.set_xlim(0, 1)
    axes.set_title("events, probability", fontsize=9)
    if path is not None:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110)
    return figure
