"""No record states what cannot be heard: from a folder of sounds, some silent, to scenes, questions and recordings."""

import dataclasses
import os
import shutil
import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.data.scene_files import read_scenes
from spatial_llm.data.simulate import simulation
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.data.simulate.sound_folder import SoundFolderConfig, write_sound_folder
from spatial_llm.data.spatialsoundqa.pairs import read_pair_sound
from spatial_llm.errors import AudioError, SceneError, SpatialLLMError
from spatial_llm.questions.facts import HeardScene
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.sampling import RoomConfig

RATE = 32000
ROOM = RoomConfig(positions_per_room=4, max_order=1, ray_tracing=False, duration_s=0.12, absorption=(0.7, 0.8),
                  distance_m=(0.5, 2.0))  # fmt: skip
NOISE = np.random.default_rng(0).standard_normal(RATE) * 0.1


def config(dry, scenes=None, **sounds) -> SimulationConfig:
    few = SplitConfig(rooms=1, clips_one_source=9, clips_two_sources=3)
    return SimulationConfig(
        room=ROOM, scenes=scenes or DrawConfig(duration_s=0.6), train=few, eval=few,
        sounds=SoundsConfig(**(sounds or {"folder": str(dry)})),
    )  # fmt: skip


def write_dry(folder, **changed):
    """Three classes of ten clips, no two alike; `changed`: label -> samples in place of the noise."""
    for place, label in enumerate(("dog", "bell", "rain")):
        (folder / label).mkdir(parents=True)
        for number in range(10):
            samples = changed.get(label, NOISE)
            samples = samples(number) if callable(samples) else samples
            soundfile.write(folder / label / f"{number}.wav", samples * (1 - 0.01 * (10 * place + number)), RATE)
    return folder


def assert_heard(folder):
    """Every recording sounds, as does each of its sources alone, and every source is heard for some time."""
    for split in ("train", "eval"):
        for scene in read_scenes(folder / f"{split}_scenes.jsonl"):
            HeardScene.from_scene(scene)
            for source, truth in zip(scene.sources, scene.truth.sources, strict=True):
                assert truth.offset_s > truth.onset_s
                alone = dataclasses.replace(scene, sources=(source,), truth=None)
                assert np.sqrt(np.mean(np.square(render_scene(alone, folder)))) > 1e-4


def test_clips_of_the_right_track_are_heard(tmp_path):
    dry = write_dry(tmp_path / "dry", dog=np.stack([0 * NOISE, NOISE], axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(config(dry), tmp_path / "out", progress=False)
    assert_heard(tmp_path / "out")
    labels = {s.label for scene in read_scenes(tmp_path / "out" / "train_scenes.jsonl") for s in scene.sources}
    assert labels == {"dog", "bell", "rain"}


def test_silent_clips_are_left_out_and_counted(tmp_path):
    dry = write_dry(tmp_path / "dry", dog=lambda number: NOISE * (number % 2))
    with pytest.warns(UserWarning, match="5 of 30 sounds are silent or not finite: dog/0.wav"):
        simulate(config(dry), tmp_path / "out", progress=False)
    assert_heard(tmp_path / "out")
    for name in ("0", "2"):
        assert not (tmp_path / "out" / "sounds" / "dog" / f"{name}.wav").exists()


def test_a_silent_clip_of_an_index_is_refused_by_name(tmp_path):
    dry = write_dry(tmp_path / "dry", dog=lambda number: NOISE * (number != 3))
    rows = [
        f"{label}/{n}.wav,{label},{'test' if n < 3 else 'train'},{label}{n}" for label in ("dog", "bell") for n in range(10)
    ]
    (dry / "index.csv").write_text("\n".join(["file,label,split,source_recording", *rows]))
    with pytest.raises(SceneError, match=r"1 of 20 sounds are silent or not finite: dog/3.wav; leave them out of the index"):
        simulate(config(dry, index=str(dry / "index.csv")), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_source_that_would_play_silence_is_drawn_again(tmp_path):
    """Half of the dogs begin after 0.4 s of silence, and sounds are cut after 0.1 to 0.2 s."""
    late = np.concatenate([np.zeros(round(0.4 * RATE)), NOISE])
    drawn = DrawConfig(duration_s=0.6, onset_s=(0.0, 0.3), sound_s=(0.1, 0.2))
    dry = write_dry(tmp_path / "dry", dog=lambda number: late if number % 2 else NOISE)
    simulate(config(dry, drawn), tmp_path / "out", progress=False)
    assert_heard(tmp_path / "out")
    labels = {s.label for scene in read_scenes(tmp_path / "out" / "train_scenes.jsonl") for s in scene.sources}
    assert "dog" in labels
    never = write_dry(tmp_path / "never", dog=late)
    with pytest.raises(
        SpatialLLMError, match=r"100 draws of class 'dog' play silence \(such as 'dog/\d.wav' from .*sound_s"
    ):
        simulate(config(never, drawn), tmp_path / "none", progress=False)
    assert not (tmp_path / "none").exists()


def test_sounds_that_end_before_they_arrive_are_drawn_again(tmp_path):
    dry = write_dry(tmp_path / "dry")
    simulate(config(dry, DrawConfig(duration_s=0.2, onset_s=(0.15, 0.1999))), tmp_path / "out", progress=False)
    assert_heard(tmp_path / "out")


def test_nothing_is_asked_about_a_source_that_is_never_heard(tmp_path):
    simulate(config(None, synthesized_train=3, synthesized_eval=3), tmp_path / "out", progress=False)
    scene = read_scenes(tmp_path / "out" / "train_scenes.jsonl")[0]
    never = dataclasses.replace(scene.truth.sources[0], offset_s=scene.truth.sources[0].onset_s)
    told = dataclasses.replace(scene, truth=dataclasses.replace(scene.truth, sources=(never, *scene.truth.sources[1:])))
    with pytest.raises(SceneError, match=rf"scene '{scene.id}': sources\[0\] .* is never heard"):
        HeardScene.from_scene(told)


def test_scenes_are_not_joined_with_those_of_other_sounds(tmp_path, monkeypatch):
    """A run that was killed after drawing, whose sounds were replaced by others of the same size and time."""
    dry = write_dry(tmp_path / "dry")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulation, "_copy_sounds", killed)
    with pytest.raises(KeyboardInterrupt):
        simulate(config(dry), tmp_path / "out", progress=False)
    monkeypatch.undo()
    file = dry / "dog" / "1.wav"
    before, content = os.stat(file), file.read_bytes()
    soundfile.write(file, np.roll(NOISE, 5), RATE)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(SpatialLLMError, match="another configuration"):
        simulate(config(dry), tmp_path / "out", progress=False)
    file.write_bytes(content)
    simulate(config(dry), tmp_path / "out", progress=False)
    assert_heard(tmp_path / "out")
    assert not (tmp_path / "out.parts").exists()


def test_the_folder_of_prepared_sounds_holds_what_sounds(tmp_path):
    stereo = np.stack([0 * NOISE, NOISE], axis=1)
    dry = write_dry(tmp_path / "dry", dog=stereo)
    rows = [f"{label}/{n}.wav,{label},{'test' if n < 3 else 'train'},{label}{n},CC0,us" for label in ("dog", "bell")
            for n in range(10)]  # fmt: skip
    (dry / "index.csv").write_text("\n".join(["file,label,split,source_recording,licence,attribution", *rows]))
    settings = SoundFolderConfig(index=str(dry / "index.csv"), licences=["CC0"], piece_s=0.5, hop_s=0.5)
    write_sound_folder(settings, tmp_path / "made")
    pieces = sorted((tmp_path / "made" / "dog").glob("*.flac"))
    assert pieces and all(np.abs(soundfile.read(piece)[0]).max() > 0.1 for piece in pieces)
    soundfile.write(dry / "dog" / "5.wav", 0 * stereo, RATE)
    with pytest.raises(AudioError, match=r"5\.wav: is silent"):
        write_sound_folder(settings, tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_pairs_take_the_channel_that_sounds_and_silence_is_warned_of(tmp_path):
    path = tmp_path / "pair.wav"
    soundfile.write(path, np.stack([0 * NOISE, NOISE], axis=1), RATE, subtype="FLOAT")
    heard = read_pair_sound(path)
    assert np.corrcoef(heard, NOISE)[0, 1] > 0.999
    soundfile.write(path, np.stack([NOISE, 2 * NOISE], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_pair_sound(path), heard, rtol=1e-5)
    soundfile.write(path, np.zeros((100, 2)), RATE)
    with pytest.warns(UserWarning, match="is silent"):
        read_pair_sound(path)


def test_nothing_is_left_behind(tmp_path):
    dry = write_dry(tmp_path / "dry", dog=0 * NOISE, bell=0 * NOISE)
    with pytest.raises(SceneError, match="fewer than 2 classes"):
        simulate(config(dry), tmp_path / "out", progress=False)
    shutil.rmtree(dry)
    assert not list(tmp_path.iterdir())
