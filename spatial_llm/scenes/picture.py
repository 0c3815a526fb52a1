"""Pictures of scenes: one scene from above with its times, waveforms and questions; or several from above, with the places
that a model answers."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon, Rectangle

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.files import atomic_path
from spatial_llm.scenes.scene import Scene

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # one a source; told apart by colour-blind readers too (Okabe and Ito)
CHANNELS_SHOWN = 4  # of each format
QUESTIONS_SHOWN = 12
TEXT_COLUMNS = 150
HEAD_M = 0.18  # radius of the listener's head as drawn, about twice its size


def draw_scene(
    scene: Scene,
    recordings: Sequence[tuple[AudioFormat, np.ndarray]],
    questions: Sequence[tuple[str, str]],
    path: str | Path,
) -> None:
    """Writes the picture of a scene as PNG, whole or not at all.

    Args:
        scene: with its truth.
        recordings: formats and the recording of the scene in each, (channels, samples).
        questions: questions about the scene and their answers; may be empty.
    """
    channels = sum(min(len(waveform), CHANNELS_SHOWN) for _, waveform in recordings)
    lines = _question_lines(questions)
    times_high = 0.3 + 0.2 * len(scene.sources)
    above, below = max(4.6, 0.7 + times_high + 0.75 * channels), 0.15 * len(lines) + (0.3 if lines else 0)
    figure = Figure(figsize=(12, above + below), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[above, below]) if lines else (figure, None)
    heights = [times_high, *[0.75] * channels]
    grid = upper.add_gridspec(channels + 1, 2, width_ratios=[1, 1.35], height_ratios=heights)
    _draw_plan(upper.add_subplot(grid[:, 0]), scene)
    times = upper.add_subplot(grid[0, 1])
    _draw_times(times, scene)
    row = 1
    for kind, waveform in recordings:
        peak = 1.05 * max(float(np.abs(waveform).max()), 1e-6)  # one scale for a format: louder is seen as larger
        for number, (channel, name) in enumerate(
            zip(waveform[:CHANNELS_SHOWN], kind.channel_names[:CHANNELS_SHOWN], strict=True)
        ):
            axes = upper.add_subplot(grid[row, 1], sharex=times)
            _draw_waveform(axes, channel, name, scene)
            axes.set_ylim(-peak, peak)
            if number == 0:
                axes.set_title(kind.name, loc="left", fontsize=8)
            row += 1
    axes.set_xlabel("seconds")
    axes.tick_params(labelbottom=True)
    if lower is not None:
        lower.text(0.02, 0.98, "\n".join(lines), va="top", family="monospace", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def draw_believed(
    scenes: Sequence[Scene], believed: Sequence[Sequence[tuple[float, float] | None]], path: str | Path
) -> None:
    """Writes scenes from above, side by side, with the answered place of each source, as PNG, whole or not at all.

    Args:
        scenes: with their truth.
        believed: for each scene, the answered azimuth_deg and distance_m of each source, None for no answer.
    """
    figure = Figure(figsize=(4.8 * len(scenes), 6.4), layout="constrained")
    plans = np.atleast_1d(figure.subplots(1, len(scenes)))
    for axes, scene, places in zip(plans, scenes, believed, strict=True):
        _draw_plan(axes, scene)
        _draw_believed(axes, scene, places)
    # One scale for all, so that a metre is a metre; around the middle of each room.
    half = max(max(np.ptp(axes.dataLim.intervalx), np.ptp(axes.dataLim.intervaly)) for axes in plans) / 2 + 0.4
    for axes in plans:
        axes.set_xlim(axes.dataLim.intervalx.mean() - half, axes.dataLim.intervalx.mean() + half)
        axes.set_ylim(axes.dataLim.intervaly.mean() - half, axes.dataLim.intervaly.mean() + half)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_believed(axes: Axes, scene: Scene, places: Sequence[tuple[float, float] | None]) -> None:
    x, y, _ = scene.listener.position_m
    for number, (place, color) in enumerate(zip(places, _colors(scene), strict=True), start=1):
        if place is None:
            axes.plot([], [], " ", label=f"{number} answered: nothing that can be read")
            continue
        azimuth_deg, distance_m = place
        turn = np.deg2rad(azimuth_deg + scene.listener.heading_deg)
        # Drawn at its full distance, not shortened by the view from above: the answer gives no elevation.
        believed = x + distance_m * np.cos(turn), y + distance_m * np.sin(turn)
        axes.plot(
            *believed, "o", color=color, markersize=15, fillstyle="none", markeredgewidth=2, linestyle="none", clip_on=False,
            label=f"{number} answered: {round(azimuth_deg):+d}° azimuth, {distance_m:.1f} m",
        )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, markerscale=0.5, frameon=False)


def _draw_plan(axes: Axes, scene: Scene) -> None:
    x, y, _ = scene.listener.position_m
    places = np.array([scene.listener.position_m, *(source.position_m for source in scene.sources)])
    if scene.room.size_m is not None:
        length, width, height = scene.room.size_m
        axes.add_patch(Rectangle((0, 0), length, width, fill=False, linewidth=2))
        title = f"{length:.1f} x {width:.1f} x {height:.1f} m"
        low, high = np.zeros(2), np.array([length, width])
    else:
        title, low, high = "measured, size not known", places[:, :2].min(axis=0) - 0.5, places[:, :2].max(axis=0) + 0.5
    if scene.truth.rt60_s is not None:
        title += f", RT60 {scene.truth.rt60_s:.2f} s"
    turn = np.deg2rad(scene.listener.heading_deg)
    ahead, left = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    nose = [[x, y] + HEAD_M * (forward * ahead + side * left) for forward, side in ((0.7, 0.6), (1.9, 0), (0.7, -0.6))]
    axes.add_patch(Polygon(nose, color="0.25", zorder=3))
    axes.add_patch(Circle((x, y), HEAD_M, color="0.25", zorder=3))
    for number, (source, known, color) in enumerate(
        zip(scene.sources, scene.truth.sources, _colors(scene), strict=True), start=1
    ):
        sx, sy, _ = source.position_m
        place = (
            f"{round(known.azimuth_deg):+d}° azimuth, {round(known.elevation_deg):+d}° elevation, {known.distance_m:.1f} m"
        )
        axes.plot([x, sx], [y, sy], color=color, linestyle=":", linewidth=1)
        axes.plot(sx, sy, "o", color=color, markersize=13, linestyle="none", label=f"{number} {source.label}: {place}")
        axes.annotate(str(number), (sx, sy), color="white", ha="center", va="center", fontsize=9, fontweight="bold")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, markerscale=0.5, frameon=False)
    axes.set_xlim(low[0] - 0.3, high[0] + 0.3)
    axes.set_ylim(low[1] - 0.3, high[1] + 0.3)
    axes.set_aspect("equal")
    axes.set_title(f"{scene.id}: {title}", fontsize=9)
    axes.set_xlabel("x, metres")
    axes.set_ylabel("y, metres")


def _draw_times(axes: Axes, scene: Scene) -> None:
    for row, (known, color) in enumerate(zip(scene.truth.sources, _colors(scene), strict=True)):
        axes.barh(row, known.offset_s - known.onset_s, left=known.onset_s, color=color, height=0.7)
    axes.set_ylim(len(scene.sources) - 0.5, -0.5)
    axes.set_xlim(0, scene.duration_s)
    labels = [f"{number} {source.label}" for number, source in enumerate(scene.sources, start=1)]
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_title("heard", loc="left", fontsize=8)
    axes.tick_params(labelbottom=False)


def _draw_waveform(axes: Axes, channel: np.ndarray, name: str, scene: Scene) -> None:
    # Lowest and highest sample of each of so many columns: all that a picture can show of a long waveform.
    columns = np.array_split(channel, min(len(channel), 1500))
    seconds = np.linspace(0, scene.duration_s, len(columns))
    axes.fill_between(
        seconds, [part.min() for part in columns], [part.max() for part in columns], color="0.25", linewidth=0.3
    )
    for known, color in zip(scene.truth.sources, _colors(scene), strict=True):
        axes.axvline(known.onset_s, color=color, linewidth=1)
    axes.set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")
    axes.tick_params(labelbottom=False, labelsize=7)


def _colors(scene: Scene) -> tuple[str, ...]:
    return COLORS[: len(scene.sources)]


def _question_lines(questions: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for question, answer in questions[:QUESTIONS_SHOWN]:
        lines += textwrap.wrap(f"{question}  ->  {answer}", TEXT_COLUMNS, subsequent_indent="    ")
    if len(questions) > QUESTIONS_SHOWN:
        lines.append(f"and {len(questions) - QUESTIONS_SHOWN} more")
    return lines
