"""What is drawn of the encoder: its probabilities, kept in sum, each in its place as seen from above."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from spatial_llm.encoders.readout import Distribution
from spatial_llm.geometry import azimuth_from_bat_class, distance_from_bat_class, elevation_from_bat_class
from spatial_llm.page.encoder_html import (
    SECTORS,
    attention_html,
    azimuth_words,
    elevation_rows,
    elevation_words,
    encoder_html,
    polar_svg,
    ring_shares,
    sector_shares,
)  # fmt: skip
from spatial_llm.page.handlers import Visit

AZIMUTHS = np.sort(azimuth_from_bat_class(np.arange(360)))
DISTANCES, ELEVATIONS = distance_from_bat_class(np.arange(21)), elevation_from_bat_class(np.arange(180))


def certain(values: np.ndarray, value: float) -> Distribution:
    """All probability at one value."""
    return Distribution(values, (values == value).astype(float), "")


def test_sums_are_kept():
    rng = np.random.default_rng(2)
    azimuth, distance, elevation = (
        Distribution(values, rng.dirichlet(np.ones(len(values))), "") for values in (AZIMUTHS, DISTANCES, ELEVATIONS)
    )
    sectors, (rings, beyond) = sector_shares(azimuth), ring_shares(distance)
    assert sectors.shape == (SECTORS,) and sectors.sum() == pytest.approx(1)
    assert rings.sum() + beyond == pytest.approx(1)
    np.testing.assert_allclose(rings, distance.probabilities[:11])
    assert sectors[9] == pytest.approx(azimuth.probabilities[(AZIMUTHS >= 85) & (AZIMUTHS < 95)].sum())
    assert sum(share for _, share in elevation_rows(elevation)) == pytest.approx(1)


@pytest.mark.parametrize("azimuth_deg", [0, 40, 90, 130, 180, -40, -90, -130])
@pytest.mark.parametrize("distance_m", [0.5, 2.0, 5.0])
def test_what_is_certain_is_drawn_once_at_its_place(azimuth_deg, distance_m):
    svg, _, words = polar_svg(certain(AZIMUTHS, azimuth_deg), certain(DISTANCES, distance_m), None).partition("<p class")
    picture = ElementTree.fromstring(svg)
    fields = [each for each in picture.iter() if each.get("class") == "sl-field"]
    assert len(fields) == 1 and float(fields[0].get("fill-opacity")) == 1
    corners_only = re.sub(r"A\S+ \S+ 0 0 [01] ", "L", fields[0].get("d"))
    corners = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", corners_only), float)
    assert len(corners) == 4
    x, y = corners.mean(axis=0)
    # The listener looks up, and y of a picture is downwards: left is at negative x.
    turn = np.degrees(np.arctan2(-x, -y))
    assert abs((turn - azimuth_deg + 180) % 360 - 180) < 1
    scale = 150 / 5.25
    reach = np.hypot(*corners.T) / scale
    assert reach.min() == pytest.approx(distance_m - 0.25, abs=0.01) and reach.max() == pytest.approx(
        distance_m + 0.25, abs=0.01
    )
    assert "Beyond" not in words


def test_what_is_beyond_the_picture_is_said_and_the_truth_is_marked():
    picture = polar_svg(certain(AZIMUTHS, 0), certain(DISTANCES, 8.0), (90.0, 60.0, 2.0))
    assert "Beyond 5 m: 100%" in picture and "The ring marks the truth" in picture
    x, y = (float(value) for value in re.search(r'sl-true" cx="(-?[\d.]+)" cy="(-?[\d.]+)"', picture).groups())
    # 2 m away, 60 degrees up: 1 m along the ground, to the left.
    assert x == pytest.approx(-150 / 5.25, abs=0.06) and y == pytest.approx(0, abs=0.06)


def test_words_of_directions():
    assert [azimuth_words(each) for each in (0.2, 45.4, -90, 180, -179.8)] == [
        "straight ahead", "45° to the left", "90° to the right", "straight behind", "straight behind"
    ]  # fmt: skip
    assert [elevation_words(each) for each in (-0.3, 15, -20)] == ["at ear height", "15° up", "20° down"]


def test_texts_are_escaped_and_weights_are_those_given():
    table = attention_html({"event": {"logmel_left": 0.25, "<cue>": 1.0}})
    assert "<cue>" not in table and "&lt;cue&gt;" in table and ">0.25<" in table and "--share:1.000" in table


def test_the_view_of_a_model_is_that_of_its_heads(handlers):
    visit = Visit()
    value = {
        "sound": "alarm",
        "room": "living",
        "head": "MIT KEMAR",
        "azimuth_deg": -60,
        "elevation_deg": 0,
        "distance_m": 1.5,
    }
    shown = handlers.place(visit, value)
    heard = visit.hearing.own.heard
    assert azimuth_words(heard.azimuth.best) in shown.encoder and f"{heard.distance.best:.1f} m" in shown.encoder
    assert "Truth: alarm, 60° to the right, at ear height, 1.5 m away" in shown.encoder
    top, share = next(iter(heard.events.items()))
    assert top == "alarm" and f'<th>alarm</th><td><span style="width:{100 * share:.1f}%' in shown.encoder
    attention = heard.feature_attention
    assert f">{attention['direction']['gcc_phat']:.2f}<" in shown.encoder
    model = handlers.ears.model
    heads, model.heads = model.heads, None
    try:
        assert "saved without the heads" in encoder_html(heard, None, False)
    finally:
        model.heads = heads
