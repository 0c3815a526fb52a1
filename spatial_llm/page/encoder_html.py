"""The encoder's own view as HTML: where it takes the sound to be, seen from above, its events, and its feature attention."""

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spatial_llm.encoders.readout import Distribution
from spatial_llm.geometry import direction_to_vector
from spatial_llm.model.heard import Heard
from spatial_llm.scenes.scene import Scene

SECTORS, MOST_M, RING_M = 36, 5.0, 0.5  # sectors of 10 degrees; rings around the encoder's distances, up to 5 m
EVENTS_SHOWN, LEAST_SHOWN = 6, 0.01
RADIUS, ROOM_FOR_BARS, MARGIN = 150.0, 34.0, 22.0  # of the picture, in its units
ELEVATION_STEP_DEG = 15.0


def encoder_html(heard: Heard, scene: Scene | None, swapped: bool) -> str:
    """Returns what the encoder hears.

    Args:
        heard: of the recording that is shown.
        scene: with its truth, where a sound was placed; else None.
        swapped: whether left and right are exchanged, in the truth too.
    """
    if heard.model.heads is None:
        picture = (
            '<p class="sl-note">This model was saved without the heads of its encoder, which tell events and places; its '
            "answers need none.</p>"
        )
    else:
        truth = None if scene is None else truth_place(scene, swapped)
        picture = (
            f'<div class="sl-view"><div>{polar_svg(heard.azimuth, heard.distance, truth)}</div>'
            f"<div>{_most_probable(heard, truth)}{_bars('Sound events', _events(heard.events))}"
            f"{_bars('Elevation', elevation_rows(heard.elevation))}</div></div>"
        )
    truth_line = "" if scene is None else f'<p class="sl-truth">{html.escape(truth_words(scene, swapped))}</p>'
    attention = heard.feature_attention
    return truth_line + picture + ("" if attention is None else attention_html(attention))


def truth_place(scene: Scene, swapped: bool) -> tuple[float, float, float]:
    """Returns azimuth and elevation in degrees and distance in metres of the first source."""
    known = scene.truth.sources[0]
    return (-known.azimuth_deg if swapped else known.azimuth_deg), known.elevation_deg, known.distance_m


def truth_words(scene: Scene, swapped: bool) -> str:
    """Returns the truth of a placed sound as a sentence."""
    azimuth_deg, elevation_deg, distance_m = truth_place(scene, swapped)
    rt60_s = scene.truth.rt60_s
    room = "" if rt60_s is None else f", reverberation time {rt60_s:.2f} s"
    mirrored = " (its mirror image)" if swapped else ""
    return (
        f"Truth: {scene.sources[0].label}{mirrored}, {azimuth_words(azimuth_deg)}, {elevation_words(elevation_deg)}, "
        f"{distance_m:.1f} m away{room}."
    )


def azimuth_words(azimuth_deg: float) -> str:
    """Returns an azimuth in words: "45° to the left", "straight ahead", "straight behind"."""
    whole = round(azimuth_deg)
    if whole in (0, 180, -180):
        return "straight ahead" if whole == 0 else "straight behind"
    return f"{abs(whole)}° to the {'left' if whole > 0 else 'right'}"


def elevation_words(elevation_deg: float) -> str:
    """Returns an elevation in words: "15° up", "at ear height"."""
    whole = round(elevation_deg)
    return "at ear height" if whole == 0 else f"{abs(whole)}° {'up' if whole > 0 else 'down'}"


def sector_shares(azimuth: Distribution) -> NDArray[np.float64]:
    """Returns the probability of each sector (SECTORS,), whose sum is 1; sector 0 is ahead, the next one is to its left."""
    width = 360 / SECTORS
    sector = np.floor(azimuth.values / width + 0.5).astype(int) % SECTORS
    return np.bincount(sector, azimuth.probabilities, SECTORS)


def ring_shares(distance: Distribution) -> tuple[NDArray[np.float64], float]:
    """Returns the probability of each ring, and that of what is beyond them; ring k is of distances around k RING_M, up to
    MOST_M."""
    last = round(MOST_M / RING_M)
    ring = np.floor(distance.values / RING_M + 0.5).astype(int)
    shares = np.bincount(np.minimum(ring, last + 1), distance.probabilities, last + 2)
    return shares[: last + 1], float(shares[last + 1])


def elevation_rows(elevation: Distribution) -> list[tuple[str, float]]:
    """Returns the probabilities of ranges of elevation, the highest first; ranges that hold next to nothing are left out."""
    index = np.floor(elevation.values / ELEVATION_STEP_DEG + 0.5).astype(int)
    rows = [
        (elevation_words(float(each * ELEVATION_STEP_DEG)), float(elevation.probabilities[index == each].sum()))
        for each in sorted(set(index.tolist()), reverse=True)
    ]
    return [row for row in rows if row[1] >= LEAST_SHOWN]


def polar_svg(azimuth: Distribution, distance: Distribution, truth: tuple[float, float, float] | None) -> str:
    """Draws where a sound is, seen from above, the listener looking up.

    Args:
        azimuth, distance: of the encoder, which tells each alone: a field is as strong in colour as their product is large.
        truth: azimuth and elevation in degrees and distance in metres; None where it is not known.
    """
    sectors, (rings, beyond) = sector_shares(azimuth), ring_shares(distance)
    joint = np.outer(rings, sectors)
    top, half, scale = max(float(joint.max()), 1e-12), 180 / SECTORS, RADIUS / (MOST_M + RING_M / 2)
    centre = RADIUS + ROOM_FOR_BARS + MARGIN
    parts = []
    for ring, row in enumerate(joint):
        for sector, share in enumerate(row):
            if share >= 0.004 * top:
                inner_m, outer_m = max(ring - 0.5, 0) * RING_M, (ring + 0.5) * RING_M
                path = _field(inner_m * scale, outer_m * scale, sector * 360 / SECTORS, half)
                parts.append(f'<path class="sl-field" d="{path}" fill-opacity="{math.sqrt(share / top):.3f}"/>')
    for sector, share in enumerate(sectors):
        if share >= LEAST_SHOWN:
            angle_deg = sector * 360 / SECTORS
            path = _field(RADIUS + 3, RADIUS + 3 + ROOM_FOR_BARS * share / sectors.max(), angle_deg, half * 0.8)
            words = azimuth_words((angle_deg + 180) % 360 - 180)
            parts.append(f'<path class="sl-bar" d="{path}"><title>{words}: {share:.0%}</title></path>')
    parts += [f'<circle class="sl-ring" r="{metre * scale:.1f}"/>' for metre in range(1, round(MOST_M) + 1)]
    parts += [f'<text class="sl-metres" x="3" y="{-metre * scale + 14:.1f}">{metre} m</text>' for metre in (1, 3, 5)]
    parts.append(HEAD)
    if truth is not None:
        x, y = _at(truth[0], min(truth[2] * math.cos(math.radians(truth[1])), MOST_M) * scale)
        parts.append(f'<circle class="sl-true" cx="{x:.1f}" cy="{y:.1f}" r="7"><title>the truth</title></circle>')
    edge = RADIUS + ROOM_FOR_BARS + 12
    for words, angle_deg in (("ahead", 0), ("left", 90), ("behind", 180), ("right", -90)):
        x, y = _at(angle_deg, edge)
        turn = f' transform="rotate({-angle_deg} {x:.1f} {y:.1f})"' if abs(angle_deg) == 90 else ""
        parts.append(f'<text class="sl-side" x="{x:.1f}" y="{y + 4:.1f}"{turn}>{words}</text>')
    size = 2 * centre
    far = f" Beyond {MOST_M:g} m: {beyond:.0%}." if beyond >= LEAST_SHOWN else ""
    dot = " The ring marks the truth." if truth is not None else ""
    return (
        f'<svg class="sl-polar" viewBox="{-centre:g} {-centre:g} {size:g} {size:g}" role="img" '
        f'aria-label="Where the encoder takes the sound to be, seen from above">{"".join(parts)}</svg>'
        f'<p class="sl-note">Seen from above; you look up. The stronger the colour, the more probable; bars outside: '
        f"azimuth alone.{dot}{far}</p>"
    )


HEAD = (
    '<g class="sl-head"><path d="M-6 -9 L0 -20 L6 -9 Z"/><circle r="11"/><circle cx="-11.5" r="3"/>'
    '<circle cx="11.5" r="3"/></g>'
)


def attention_html(attention: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a table of the weight of each cue for each task."""
    cues = list(next(iter(attention.values())))
    head = "".join(f"<th>{html.escape(CUE_WORDS.get(cue, cue))}</th>" for cue in cues)
    rows = "".join(
        f"<tr><th>{html.escape(task)}</th>"
        + "".join(f'<td style="--share:{weights[cue]:.3f}">{weights[cue]:.2f}</td>' for cue in cues)
        + "</tr>"
        for task, weights in attention.items()
    )
    return (
        '<h4>Feature attention: how much each task listens to each cue (0 to 1)</h4><div class="sl-wide">'
        f'<table class="sl-attention"><tr><th></th>{head}</tr>{rows}</table></div>'
    )


CUE_WORDS = {
    "logmel_left": "spectrum, left",
    "logmel_right": "spectrum, right",
    "gcc_phat": "delay between ears",
    "cos_ipd": "phase difference, cosine",
    "sin_ipd": "phase difference, sine",
    "ild": "level difference",
}


def _most_probable(heard: Heard, truth: tuple[float, float, float] | None) -> str:
    found = (
        ("azimuth", azimuth_words(heard.azimuth.best), "" if truth is None else azimuth_words(truth[0])),
        ("elevation", elevation_words(heard.elevation.best), "" if truth is None else elevation_words(truth[1])),
        ("distance", f"{heard.distance.best:.1f} m", "" if truth is None else f"{truth[2]:.1f} m"),
    )
    head = "<tr><th></th><th>most probable</th>" + ("" if truth is None else "<th>truth</th>") + "</tr>"
    rows = "".join(
        f"<tr><th>{name}</th><td>{best}</td>{'' if truth is None else f'<td>{true}</td>'}</tr>" for name, best, true in found
    )
    return f'<table class="sl-places">{head}{rows}</table>'


def _events(events: Mapping[str, float]) -> list[tuple[str, float]]:
    shown = [(label, share) for label, share in events.items() if share >= LEAST_SHOWN]
    return (shown or list(events.items())[:1])[:EVENTS_SHOWN]


def _bars(title: str, rows: Sequence[tuple[str, float]]) -> str:
    bars = "".join(
        f'<tr><th>{html.escape(name)}</th><td><span style="width:{100 * share:.1f}%"></span></td><td>{share:.0%}</td></tr>'
        for name, share in rows
    )
    return f'<h4>{title}</h4><table class="sl-bars">{bars}</table>'


def _at(azimuth_deg: float, radius: float) -> tuple[float, float]:
    """Returns x to the right and y downwards of a direction in the picture."""
    ahead, left, _ = direction_to_vector(azimuth_deg, 0.0, radius)
    return -float(left), -float(ahead)


def _field(inner: float, outer: float, azimuth_deg: float, half_deg: float) -> str:
    """Returns the path of a sector of a ring."""
    (ax, ay), (bx, by) = _at(azimuth_deg + half_deg, outer), _at(azimuth_deg - half_deg, outer)
    (cx, cy), (dx, dy) = _at(azimuth_deg - half_deg, inner), _at(azimuth_deg + half_deg, inner)
    return (
        f"M{ax:.1f} {ay:.1f}A{outer:.1f} {outer:.1f} 0 0 1 {bx:.1f} {by:.1f}L{cx:.1f} {cy:.1f}"
        f"A{inner:.1f} {inner:.1f} 0 0 0 {dx:.1f} {dy:.1f}Z"
    )
