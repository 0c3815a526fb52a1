"""Pictures from above: the listener looks up, and what is on the left of the listener is on the left of the picture."""

import dataclasses

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from spatial_llm.audio.io import read_audio
from spatial_llm.scenes import picture
from spatial_llm.scenes.picture import draw_believed, draw_scene, room_corners, spot
from spatial_llm.shipped.render import read_shipped

BLUE = (0.0, 0.447, 0.698)


def test_a_spot_is_to_the_right_and_ahead():
    np.testing.assert_allclose(spot([0.0, 90.0, -135.0], [2.0, 1.0, 2**0.5]), [[0, 2], [-1, 0], [1, -1]], atol=1e-12)


def test_the_room_is_turned_around_the_listener():
    scene, _ = read_shipped()[1]  # 7.4 m by 5.6 m, heading -140 degrees
    corners = room_corners(scene)
    sides_m = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    np.testing.assert_allclose(sides_m, [7.4, 5.6, 7.4, 5.6])
    known = scene.truth.sources[0]
    place = spot(known.azimuth_deg, known.distance_m * np.cos(np.deg2rad(known.elevation_deg)))
    # The source is as far from each corner as it is in the room's own frame.
    room = np.array([[0, 0], [7.4, 0], [7.4, 5.6], [0, 5.6]]) - scene.sources[0].position_m[:2]
    np.testing.assert_allclose(np.linalg.norm(corners - place, axis=1), np.linalg.norm(room, axis=1), atol=1e-3)


def test_a_path_is_drawn_from_where_it_begins_to_where_it_ends(tmp_path):
    scene, recording = read_shipped()[0]
    (still,), (x, y, z) = scene.sources, scene.sources[0].position_m
    moving = dataclasses.replace(still, path=((0.0, (x, y, z)), (scene.duration_s, (x + 0.5, y, z))))
    scene = dataclasses.replace(scene, sources=(moving,))
    axes = Figure().add_subplot()
    picture._draw_plan(axes, scene)
    (way,) = [line.get_xydata() for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert np.linalg.norm(way[1] - way[0]) == pytest.approx(0.5)
    known = scene.truth.sources[0]
    begins = spot(known.azimuth_deg, known.distance_m * np.cos(np.deg2rad(known.elevation_deg)))
    np.testing.assert_allclose(way[0], begins, atol=1e-3)
    (label,) = [text.get_text() for text in axes.get_legend().get_texts()]
    assert label.count("azimuth") == 2 and ", then " in label
    draw_scene(scene, [(scene.format, read_audio(recording)[0])], [], tmp_path / "moving.png")
    assert (tmp_path / "moving.png").is_file()


@pytest.mark.parametrize(("number", "side", "half"), [(0, "left", "ahead"), (1, "right", "behind")])
def test_a_sound_is_drawn_on_its_side_of_the_listener(number, side, half, tmp_path):
    scene, _ = read_shipped()[number]
    draw_believed([scene], [[None]], tmp_path / "scene.png")
    picture = matplotlib.image.imread(tmp_path / "scene.png")[..., :3]
    picture = picture[: int(0.8 * len(picture))]  # without the legend
    head = np.argwhere(np.abs(picture - 0.2).max(axis=-1) < 0.02).mean(axis=0)  # rows count downwards
    sound = np.argwhere(np.abs(picture - BLUE).max(axis=-1) < 0.02).mean(axis=0)
    assert (sound[1] < head[1]) == (side == "left") and (sound[0] < head[0]) == (half == "ahead")
