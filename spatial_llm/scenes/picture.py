"""Pictures of scenes: one scene from above with its times, waveforms and questions; or several from above, with the places
that a model answers.

Everything seen from above has the listener in the middle looking up, so that the left of the picture is on the left of the
listener, as words and angles say it; the room is turned around the listener.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon
from numpy.typing import ArrayLike, NDArray

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.files import atomic_path
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.scene import Scene, Source, SourceTruth, place_at

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
    # One scale for all, so that a metre is a metre.
    half = max(max(np.ptp(axes.dataLim.intervalx), np.ptp(axes.dataLim.intervaly)) for axes in plans) / 2 + 0.4
    for axes in plans:
        axes.set_xlim(axes.dataLim.intervalx.mean() - half, axes.dataLim.intervalx.mean() + half)
        axes.set_ylim(axes.dataLim.intervaly.mean() - half, axes.dataLim.intervaly.mean() + half)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def draw_listener(axes: Axes) -> None:
    """Draws the head at (0, 0), with the nose upwards."""
    nose = [[-0.6 * HEAD_M, 0.7 * HEAD_M], [0, 1.9 * HEAD_M], [0.6 * HEAD_M, 0.7 * HEAD_M]]
    axes.add_patch(Polygon(nose, color="0.2", zorder=3))
    axes.add_patch(Circle((0, 0), HEAD_M, color="0.2", zorder=3))


def room_corners(scene: Scene) -> NDArray | None:
    """Returns the four corners of the room (4, 2) in metres to the right of the listener and ahead; None where its size is
    not known."""
    if scene.room.size_m is None:
        return None
    length, width, _ = scene.room.size_m
    return _from_listener(scene, [[0, 0], [length, 0], [length, width], [0, width]])


def spot(azimuth_deg: ArrayLike, along_m: ArrayLike) -> NDArray:
    """Converts a direction and a distance along the ground to (..., 2): metres to the right of the listener, and ahead."""
    front, left, _ = np.moveaxis(direction_to_vector(azimuth_deg, 0.0, along_m), -1, 0)
    return np.stack([-left, front], axis=-1)


def _from_listener(scene: Scene, points_m: ArrayLike) -> NDArray:
    """Converts points (n, 2) of the room to (n, 2): metres to the right of the listener, and ahead."""
    offsets = np.asarray(points_m) - scene.listener.position_m[:2]
    turn = np.deg2rad(scene.listener.heading_deg)
    ahead, left = offsets @ [np.cos(turn), np.sin(turn)], offsets @ [-np.sin(turn), np.cos(turn)]
    return np.stack([-left, ahead], axis=-1)


def _draw_believed(axes: Axes, scene: Scene, places: Sequence[tuple[float, float] | None]) -> None:
    for number, (place, color) in enumerate(zip(places, _colors(scene), strict=True), start=1):
        if place is None:
            axes.plot([], [], " ", label=f"{number} answered: nothing that can be read")
            continue
        azimuth_deg, distance_m = place
        axes.plot(
            # Drawn at its full distance, not shortened by the view from above: the answer gives no elevation.
            *spot(azimuth_deg, distance_m), "o", color=color, markersize=15, fillstyle="none", markeredgewidth=2,
            linestyle="none", clip_on=False,
            label=f"{number} answered: {round(azimuth_deg):+d}° azimuth, {distance_m:.1f} m",
        )  # fmt: skip
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, markerscale=0.5, frameon=False)


def _draw_plan(axes: Axes, scene: Scene) -> None:
    spots = _from_listener(scene, [source.position_m[:2] for source in scene.sources])
    corners = room_corners(scene)
    if corners is not None:
        axes.add_patch(Polygon(corners, closed=True, fill=False, linewidth=2))
        title, shown = "{:.1f} x {:.1f} x {:.1f} m".format(*scene.room.size_m), corners
    else:
        title, shown = "measured, size not known", np.concatenate([spots, [[-0.5, -0.5], [0.5, 0.5]]])
    if scene.listener.turns:
        title += f", the listener turns to {scene.listener.headings[-1][1] - scene.listener.heading_deg:+.0f}°"
    if scene.truth.rt60_s is not None:
        title += f", RT60 {scene.truth.rt60_s:.2f} s"
    draw_listener(axes)
    for number, (source, place, known, color) in enumerate(
        zip(scene.sources, spots, scene.truth.sources, _colors(scene), strict=True), start=1
    ):
        said = _said(scene, source, known)
        if source.moves:
            way = _from_listener(scene, [place_m[:2] for _, place_m in source.path])
            axes.plot(*way.T, color=color, linewidth=2)
            axes.annotate("", way[-1], way[-2], arrowprops={"arrowstyle": "->", "color": color, "linewidth": 2})
        axes.plot([0, place[0]], [0, place[1]], color=color, linestyle=":", linewidth=1)
        axes.plot(*place, "o", color=color, markersize=13, linestyle="none", label=f"{number} {source.label}: {said}")
        axes.annotate(str(number), place, color="white", ha="center", va="center", fontsize=9, fontweight="bold")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, markerscale=0.5, frameon=False)
    for set_limits, values in ((axes.set_xlim, shown[:, 0]), (axes.set_ylim, shown[:, 1])):
        set_limits(values.min() - 0.3, values.max() + 0.3)
    axes.set_aspect("equal")
    axes.set_title(f"{scene.id}: {title}", fontsize=9)
    axes.set_xlabel("metres to the right of the listener, who looks up")
    axes.set_ylabel("metres ahead")


def _said(scene: Scene, source: Source, known: SourceTruth) -> str:
    """Returns where a source is heard; of what moves around the listener, at its onset and at its offset."""
    places = [(known.azimuth_deg, known.elevation_deg, known.distance_m)]
    if source.moves or scene.listener.turns:
        places.append(place_at(scene.listener, source, known.offset_s))
    words = (f"{round(a):+d}° azimuth, {round(e):+d}° elevation, {d:.1f} m" for a, e, d in places)
    return ", then ".join(words)


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
