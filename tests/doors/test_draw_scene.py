"""The door data/draw_scene.py: a picture and a recording for each format, whole or not at all."""

import dataclasses
import importlib.util
import json
import sys

import matplotlib.image
import numpy as np
import pytest
import soundfile

from spatial_llm.audio.formats import parse_format
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Noise
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.scenes.truth import truth_of
from tests.scenes.small import scene, source

SCENE = scene(source(60.0, onset_s=0.2), source(-60.0, "synth:bell/2"), noise=Noise(snr_db=20.0))


@pytest.fixture
def draw(repository, tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("draw_scene", repository / "data" / "draw_scene.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)

    def run(*argv: str):
        monkeypatch.setattr(sys, "argv", ["draw_scene.py", *argv])
        module.main()

    yield run
    del sys.modules[spec.name]


def question(number: int, made) -> dict:
    return {
        "id": f"q{number}",
        "recording_id": made.id,
        "type": "E",
        "question_type": "MIXUP_DIRECTION",
        "question": f"Question {number}: is the rain on the left of the bell?",
        "answer": "Yes",
        "truth": {"yes": True},
        "split": "train",
        "sampling_rate": made.sampling_rate,
        "scene": scene_to_dict(made),
    }


def test_ambisonics_leave_in_either_order(draw, tmp_path):
    """Furse-Malham: W X Y Z with W lower by 3 dB, where AmbiX has W Y Z X."""
    (tmp_path / "mine.jsonl").write_text(json.dumps(scene_to_dict(SCENE)))
    for order in ("ambix", "fuma"):
        draw("--data", "mine.jsonl", "--scene", "s", "--out", "s.png", "--formats", "[foa, mono]", "--ambisonics", order)
    assert sorted(path.name for path in tmp_path.glob("*.wav")) == [
        "s.ambisonics1.fuma.wav", "s.ambisonics1.wav", "s.mono.wav",
    ]  # fmt: skip
    ambix, fuma = (soundfile.read(tmp_path / f"s.ambisonics1{part}.wav")[0].T for part in ("", ".fuma"))
    np.testing.assert_allclose(fuma, ambix[[0, 3, 1, 2]] * np.array([[0.5**0.5], [1], [1], [1]]), atol=1e-6)


def test_a_described_scene_is_drawn_and_heard(draw, tmp_path, capsys):
    (tmp_path / "mine.jsonl").write_text(json.dumps(scene_to_dict(SCENE)))
    draw("--data", "mine.jsonl", "--scene", "s", "--out", "out/s.png", "--formats", "[binaural, foa, mono]")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["s.ambisonics1.wav", "s.binaural.wav", "s.mono.wav", "s.png"]
    for name in ("binaural", "foa", "mono"):
        samples, rate = soundfile.read(
            tmp_path / "out" / f"s.{parse_format(name).name}.wav", dtype="float32", always_2d=True
        )
        assert rate == SCENE.sampling_rate
        np.testing.assert_array_equal(samples.T, render_scene(SCENE, tmp_path, parse_format(name)))
    picture = matplotlib.image.imread(tmp_path / "out" / "s.png")
    assert picture.shape[0] > 300 and picture.shape[1] > 1000
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 20  # something is drawn
    assert "s.png" in capsys.readouterr().out


def test_questions_of_a_manifest_stand_below(draw, tmp_path):
    made = dataclasses.replace(SCENE, truth=truth_of(SCENE, tmp_path))
    other = dataclasses.replace(made, id="other")
    lines = [question(0, other), *(question(number, made) for number in range(1, 16))]
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    for name in ("s", "other"):
        draw("--data", "train.jsonl", "--scene", name, "--out", f"{name}.png")
    heights = [matplotlib.image.imread(tmp_path / f"{name}.png").shape[0] for name in ("s", "other")]
    assert heights[0] > heights[1] + 100  # twelve questions need more room than one
    assert (tmp_path / "s.binaural.wav").is_file()


def test_what_cannot_be_drawn_is_said_and_nothing_is_written(draw, tmp_path):
    banked = scene(source(60.0, response=0), bank="bank")
    lines = [scene_to_dict(SCENE), scene_to_dict(dataclasses.replace(banked, id="banked"))]
    (tmp_path / "two.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (tmp_path / "bad.jsonl").write_text(json.dumps(scene_to_dict(SCENE) | {"duration_s": -1}))
    before = sorted(tmp_path.iterdir())
    for argv, message in (
        (("two.jsonl", "none"), "no scene 'none'; there are 2, such as s, banked"),
        (("two.jsonl", "banked"), "no bank of room responses"),
        (("two.jsonl", "s", "--formats", "[stereo]"), "format 'stereo' is not known"),
        (("bad.jsonl", "s"), "bad.jsonl:1: seed, duration_s"),
        (("none.jsonl", "s"), "no such file"),
    ):
        with pytest.raises(SystemExit, match=f"draw_scene: .*{message}"):
            draw("--data", argv[0], "--scene", argv[1], "--out", "s.png", *argv[2:])
        assert sorted(tmp_path.iterdir()) == before
