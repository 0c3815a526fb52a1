"""The shipped recordings: rendered anew they are the same, and what is said of them is clear and true."""

import numpy as np
import pytest
import soundfile

from spatial_llm.questions.facts import HeardScene
from spatial_llm.scenes.events import parse_synth_reference
from spatial_llm.scenes.sounds import EVAL_FIRST_SEED
from spatial_llm.shipped import SCENES
from spatial_llm.shipped.render import read_shipped, render_shipped, shipped_scenes, write_shipped

SHIPPED = read_shipped()


def difference_db(stored: np.ndarray, anew: np.ndarray) -> float:
    """Returns the level of the difference relative to that of the stored recording, dB."""
    return float(10 * np.log10(max(np.mean((stored - anew) ** 2), 1e-20) / np.mean(stored**2)))


@pytest.mark.parametrize(("scene", "path"), SHIPPED, ids=[scene.id for scene, _ in SHIPPED])
def test_rendering_again_gives_the_same_samples(scene, path):
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (32_000, 2, 64_000, "PCM_16")
    stored, _ = soundfile.read(path, dtype="float64")
    anew = render_shipped(scene).T
    assert np.abs(anew).max() > 0.1, "no whisper"
    if any("siren" in source.recording for source in scene.sources):
        # A gliding pitch adds up rounding errors of float32 powers and sines, which differ between processors with and
        # without AVX-512: -73.5 dB were measured.
        assert difference_db(stored, anew) < -70
    else:
        assert np.abs(stored - anew).max() <= 0.5 / 2**15 + 1e-6  # rounding to 16 bit, and float32 on other machines


def test_scenes_follow_from_the_code():
    for (stored, _), anew in zip(SHIPPED, shipped_scenes(), strict=True):
        assert stored == anew


def test_they_are_what_the_demonstration_says():
    heard = [HeardScene.from_scene(scene).sources for scene, _ in SHIPPED]
    assert [len(sources) for sources in heard] == [1, 1, 2]
    assert all(source.all_clear(10.0) for sources in heard for source in sources), "no word is a matter of taste"
    assert heard[0][0].word("front_behind") == "front" and heard[1][0].word("front_behind") == "behind"
    assert {source.word("left_right") for source in heard[2]} == {"left", "right"}
    assert abs(heard[2][0].distance_m - heard[2][1].distance_m) >= 0.5
    seeds = [parse_synth_reference(source.recording)[1] for scene, _ in SHIPPED for source in scene.sources]
    assert min(seeds) >= EVAL_FIRST_SEED, "training never takes these draws"


def test_the_door_writes_the_same_files(tmp_path):
    files = write_shipped(tmp_path)
    assert sorted(path.name for path in files) == sorted(path.name for path in SCENES.parent.iterdir())
    assert (tmp_path / SCENES.name).read_bytes() == SCENES.read_bytes()
    for path in files:
        if path.suffix == ".flac":
            anew, stored = (soundfile.read(each)[0] for each in (path, SCENES.parent / path.name))
            if path.stem == "two_sources":  # whose siren glides, see above
                assert difference_db(stored, anew) < -70
            else:
                assert np.abs(anew - stored).max() <= 1 / 2**15
