"""Directions as pictures: a compass of predicted directions, and a plan of one item with the answer beside the truth.

Everything is seen from above with the front upwards and the left on the left, in the listener's frame (see `geometry`).
Distances in a plan are those along the ground; an answered distance without an elevation is drawn at the true elevation.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Wedge
from matplotlib.projections.polar import PolarAxes
from numpy.typing import NDArray

from spatial_llm.evaluation.report.items import Place, ScoredItem
from spatial_llm.files import atomic_path
from spatial_llm.geometry import direction_to_vector, wrap_azimuth_deg
from spatial_llm.scenes.picture import draw_listener, room_corners, spot
from spatial_llm.scenes.scene import Scene

TRUE, ANSWERED, OTHER = "#0072B2", "#D55E00", "0.55"
NEAR_DEG = 30.0  # petals at most this far from the middle of the true sector count as right
SHARE_SHOWN = 0.1  # petals of at least this share are labelled
DPI = 200


def draw_compass(
    figure: Figure, pairs: Sequence[tuple[float, float | None]], sectors: int, petals: int, first_deg: float
) -> str:
    """Draws one flower of answers for each sector of the true azimuth, placed where the sector is.

    Args:
        pairs: true and answered azimuth, degrees; None for an answer without one.
        sectors: number of sectors of the true azimuth: 4 (quadrants) or 8.
        petals: number of sectors of the answers.
        first_deg: the middle of one sector and of one petal.

    Returns:
        in words, the share of right answers in each sector.
    """
    true, answered = np.array([[np.nan if each is None else each for each in pair] for pair in pairs]).T
    sector = _nearest(true, sectors, first_deg)
    rows = 2 if sectors == 4 else 3
    grid, said, flowers = figure.add_gridspec(rows, rows), [], []
    for index in range(sectors):
        of_sector, middle_deg = answered[sector == index], float(wrap_azimuth_deg(first_deg + index * 360 / sectors))
        read = of_sector[~np.isnan(of_sector)]
        shares = np.bincount(_nearest(read, petals, first_deg), minlength=petals) / max(len(of_sector), 1)
        x, y, _ = np.sign(np.round(direction_to_vector(middle_deg, 0.0), 6)).astype(int)
        place = grid[(1 - x) // 2, (1 - y) // 2] if rows == 2 else grid[1 - x, 1 - y]
        axes = figure.add_subplot(place, projection="polar")
        right = _draw_flower(axes, shares, middle_deg, first_deg)
        unread = f", {100 * (1 - len(read) / len(of_sector)):.0f} % unread" if len(read) < len(of_sector) else ""
        axes.set_title(f"{_name(x, y)}, n = {len(of_sector)}\n{100 * right:.0f} % blue{unread}", fontsize=8.5)
        said.append(f"{_name(x, y)} {100 * right:.0f} %")
        flowers.append((axes, middle_deg, np.sqrt(shares.max())))
    reach = max(0.3, *(largest for *_, largest in flowers))
    for axes, middle_deg, _ in flowers:
        arc = np.deg2rad(middle_deg + np.linspace(-180, 180, 60) / sectors)
        axes.plot(arc, np.full(len(arc), 1.08 * reach), color="0.15", linewidth=3, solid_capstyle="butt")
        axes.set_ylim(0, 1.12 * reach)
    return ", ".join(said)


def _nearest(azimuth_deg: NDArray, count: int, first_deg: float) -> NDArray:
    """Returns which of `count` equal sectors of the circle, the first around `first_deg`, holds an azimuth."""
    return np.floor(np.mod(azimuth_deg - first_deg + 180 / count, 360) / (360 / count)).astype(int) % count


def _draw_flower(axes: PolarAxes, shares: NDArray, middle_deg: float, first_deg: float) -> float:
    """Draws petals whose area is their share; returns the share of the right ones."""
    centres_deg = first_deg + np.arange(len(shares)) * 360 / len(shares)
    right = np.abs(wrap_azimuth_deg(centres_deg - middle_deg)) <= NEAR_DEG + 1e-6
    axes.set_theta_zero_location("N")  # azimuth counts to the left, as angles do here
    heights = np.sqrt(shares)
    colors = [TRUE if good else ANSWERED for good in right]
    axes.bar(np.deg2rad(centres_deg), heights, np.deg2rad(360 / len(shares)), color=colors, edgecolor="white", linewidth=0.8)
    for share, centre_deg, height in zip(shares, centres_deg, heights, strict=True):
        if share >= SHARE_SHOWN and len(shares) == 4:  # narrower petals hold no text
            axes.text(np.deg2rad(centre_deg), 0.62 * height, f"{100 * share:.0f} %", ha="center", va="center", fontsize=8,
                      color="white", fontweight="bold")  # fmt: skip
    axes.set_xticks(np.deg2rad(np.arange(0, 360, 90)), [])
    axes.set_yticks([])
    axes.spines["polar"].set_color("0.8")
    return float(shares[right].sum())


def _name(x: int, y: int) -> str:
    words = [{1: "front", -1: "behind", 0: ""}[int(x)], {1: "left", -1: "right", 0: ""}[int(y)]]
    return " ".join(word for word in words if word)


def has_plan(item: ScoredItem, scene: Scene | None) -> bool:
    """Returns whether anything about the item can be drawn from above."""
    return (scene is not None and scene.truth is not None) or _ground(item.where) is not None


def draw_plan(item: ScoredItem, scene: Scene | None, path: str | Path, asked: Collection[int] = ()) -> None:
    """Writes one item from above as PNG: the listener, the sources, the true direction and the answered one.

    Args:
        item: its `where` is the true place of the source in question, if known.
        scene: the recording's scene with its truth, for room and other sources; None where there is none.
        path: of the picture.
        asked: indices of the sources that the question is about; they have the colour of the truth.
    """
    figure = Figure(figsize=(3.4, 3.6), facecolor="white")
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.88))
    corners, spots = None if scene is None else room_corners(scene), _sources(item, scene, asked)
    where = _ground(item.where)
    reach = max(
        [1.0, *(float(np.hypot(*place)) for place, _, _ in spots), 0.0 if where is None else float(np.hypot(*where))]
    )
    room = None
    if corners is not None:
        room = axes.add_patch(Polygon(corners, closed=True, facecolor="0.97", edgecolor="0.3", linewidth=1.5))
        reach = max(reach, float(np.abs(corners).max()))
    _draw_answer(axes, item, 1.5 * reach, room)
    draw_listener(axes)
    if where is not None:
        axes.plot([0, where[0]], [0, where[1]], color=TRUE, linewidth=1.8, label="true")
    for place, number, color in spots:
        axes.plot(*place, "o", color=color, markersize=12)
        axes.annotate(number, place, color="white", ha="center", va="center", fontsize=8, fontweight="bold")
    low, high = (np.full(2, -reach), np.full(2, reach)) if corners is None else (corners.min(axis=0), corners.max(axis=0))
    margin = 0.06 * float((high - low).max())
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - 2.5 * margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.plot([high[0] - 1, high[0]], [low[1] - 1.2 * margin] * 2, color="0.3", linewidth=2, solid_capstyle="butt")
    axes.text(high[0] - 0.5, low[1] - 1.6 * margin, "1 m", ha="center", va="top", fontsize=8, color="0.3")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8, frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def _draw_answer(axes: Axes, item: ScoredItem, reach: float, room: Polygon | None) -> None:
    azimuth_deg = item.azimuth_of(item.said) if _ground(item.where) is not None else None
    if azimuth_deg is None:
        return
    distance_m = item.said.get("distance_m")
    along_m = None if distance_m is None else distance_m * np.cos(np.deg2rad(item.where.elevation_deg or 0.0))
    if "left_right" in item.said:  # words name a quadrant, not a direction
        # angles of matplotlib count from the right
        wedge = (90 + azimuth_deg - 45, 90 + azimuth_deg + 45)
        quadrant = axes.add_patch(Wedge((0, 0), reach, *wedge, color=ANSWERED, alpha=0.22, linewidth=0, label="answered"))
        if room is not None:
            quadrant.set_clip_path(room)
        if along_m is not None:
            arc = spot(np.linspace(azimuth_deg - 45, azimuth_deg + 45, 60), np.full(60, along_m))
            axes.plot(*arc.T, color=ANSWERED, linewidth=1.8, linestyle="--")
        return
    end = spot(azimuth_deg, reach if along_m is None else along_m)
    axes.plot([0, end[0]], [0, end[1]], color=ANSWERED, linewidth=1.8, linestyle="--", label="answered")


def _sources(item: ScoredItem, scene: Scene | None, asked: Collection[int]) -> list[tuple[NDArray, str, str]]:
    """Returns spot, number and colour of each source: those that the question is about have the colour of the truth."""
    if scene is None or scene.truth is None:
        where = _ground(item.where)
        return [] if where is None else [(where, "", TRUE)]
    spots = [_ground(Place(known.azimuth_deg, known.elevation_deg, known.distance_m)) for known in scene.truth.sources]
    return [(place, str(index + 1), TRUE if index in asked else OTHER) for index, place in enumerate(spots)]


def _ground(where: Place | None) -> NDArray | None:
    if where is None or where.azimuth_deg is None or where.distance_m is None:
        return None
    return spot(where.azimuth_deg, where.distance_m * np.cos(np.deg2rad(where.elevation_deg or 0.0)))
