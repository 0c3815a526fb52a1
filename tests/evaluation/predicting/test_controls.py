"""Controls: what each does to a recording, and which recordings are drawn."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from spatial_llm.audio.formats import BINAURAL, Array, Mono
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.controls import (
    CONTROLLED,
    check_controls,
    control_items,
    control_loader,
    derangement,
)
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.tasks import CONTROLS
from spatial_llm.scenes.render import render_scene
from tests.evaluation.fixtures_small import RATE, write_small_set
from tests.scenes.small import ANECHOIC, scene, source


@pytest.fixture
def questions(tmp_path):
    return read_evaluation_set(write_small_set(tmp_path))


# --- recordings -------------------------------------------------------------------------------------------------------


def test_there_is_a_function_for_every_control():
    assert tuple(CONTROLLED) == CONTROLS


def test_what_each_control_gives_to_the_model(questions):
    item = next(item for item in questions.items if item.recording_id == "r1")
    real = questions.load(item, RATE, 6000)
    heard = {name: control_loader(name, questions, seed=0)(item, RATE, 6000, BINAURAL) for name in CONTROLS}
    assert all(each.shape == real.shape and each.dtype == np.float32 for each in heard.values())
    assert not heard["no_audio"].any() and real.any()
    assert np.array_equal(heard["ears_swapped"], [real[1], real[0]]) and not np.array_equal(real[0], real[1])
    assert np.array_equal(heard["ears_equal"][0], heard["ears_equal"][1])
    assert np.allclose(heard["ears_equal"][0], (real[0] + real[1]) / 2, atol=1e-7)
    assert np.array_equal(heard["time_reversed"], real[:, ::-1])
    others = [questions.load(other, RATE, 6000) for other in questions.items[:3] if other.recording_id != "r1"]
    assert sum(np.array_equal(heard["other_audio"], other) for other in others) == 1


def test_no_audio_reads_no_file(questions, tmp_path):
    (tmp_path / "r1.wav").unlink()
    item = next(item for item in questions.items if item.recording_id == "r1")
    assert control_loader("no_audio", questions, 0)(item, RATE, 500, BINAURAL).shape == (2, 500)


@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_derangement_is_one_cycle_and_the_same_again(n):
    ids = [f"r{i}" for i in range(n)]
    other = derangement(ids, seed=3)
    assert sorted(other.values()) == sorted(ids) and all(other[id] != id for id in ids)
    seen, at = set(), ids[0]
    while at not in seen:
        seen.add(at)
        at = other[at]
    assert len(seen) == n
    assert derangement(ids, seed=3) == other
    assert n < 4 or any(derangement(ids, seed=seed) != other for seed in range(5))


def test_derangement_prefers_no_partner():
    counts = Counter(derangement(["a", "b", "c", "d"], seed)["a"] for seed in range(3000))
    assert set(counts) == {"b", "c", "d"} and all(abs(count - 1000) < 120 for count in counts.values())


def test_one_recording_has_no_other(questions):
    alone = dataclasses.replace(questions, items=[item for item in questions.items if item.recording_id == "r0"])
    with pytest.raises(ManifestError, match="needs two recordings"):
        check_controls(["other_audio"], alone)
    check_controls(["no_audio", "ears_swapped"], alone)


def test_recordings_are_drawn_whole_and_with_the_seed(questions):
    items = questions.items
    assert control_items(items, None, 0) == control_items(items, 3, 0) == list(items)
    two = control_items(items, 2, 0)
    assert len({item.recording_id for item in two}) == 2 and len(two) == 18
    assert [item for item in items if item in two] == two, "in the order of the questions"
    assert two == control_items(items, 2, 0)
    assert len({frozenset(i.recording_id for i in control_items(items, 1, seed)) for seed in range(12)}) == 3


@pytest.mark.parametrize("kind", [Array(((0, 0.1, 0), (0, -0.1, 0))), Mono()])
def test_ears_are_refused_where_there_are_none(questions, kind):
    of_array = dataclasses.replace(questions.items[1], audio=None, scene=scene(source(), format=kind))
    there = dataclasses.replace(questions, items=[*questions.items, of_array])
    with pytest.raises(ManifestError, match=rf"record 'q1' is recorded as '{kind.name}': ears_swapped needs a left and"):
        check_controls(["no_audio", "ears_swapped"], there)
    check_controls(["no_audio", "other_audio"], there)


def test_swapped_ears_are_the_mirror_image_of_the_scene(tmp_path):
    """KEMAR's ears exchanged: the recording of the source at the mirrored azimuth, sample by sample."""
    left, right = (render_scene(scene(source(azimuth), room=ANECHOIC), tmp_path) for azimuth in (50.0, -50.0))
    swapped = CONTROLLED["ears_swapped"](left, BINAURAL)
    difference = np.sqrt(np.mean((swapped - right) ** 2) / np.mean(right**2))
    assert difference < 0.02 and np.sqrt(np.mean((left - right) ** 2) / np.mean(right**2)) > 0.5
