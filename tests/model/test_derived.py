"""Ambisonics and arrays heard by a model of two ears: rendered to ears, said so, and nothing guessed."""

import json
import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.cli import main
from spatial_llm.errors import AudioError, SceneError, SpatialLLMError
from spatial_llm.model import SpatialLLM
from spatial_llm.scenes.render import render_scene
from spatial_llm.shipped import RECORDINGS
from spatial_llm.shipped.render import read_shipped

pytestmark = pytest.mark.slow  # a real simulation or model in every test

WHERE = "Where is the sound in this audio clip coming from?"
RATE = 32_000
SCENE = next(scene for scene, _ in read_shipped() if scene.id == "one_source")  # 55 degrees to the left
FOA = render_scene(SCENE, RECORDINGS, Ambisonics(1))


@pytest.fixture(scope="module")
def loaded() -> SpatialLLM:
    return SpatialLLM.from_pretrained("tiny")


@pytest.fixture
def tiny(loaded) -> SpatialLLM:
    """The shipped model as if it had just been loaded: it warns once."""
    return SpatialLLM(loaded.model, loaded.processor, loaded.heads)


@pytest.mark.parametrize(
    "format", [Ambisonics(1), Ambisonics(3), Array(((0.05, 0.05, 0.0), (0.05, -0.05, 0.0), (-0.05, 0.0, 0.0)))]
)
def test_the_shipped_model_tells_the_side_of_a_scene_in_other_formats(tiny, format):
    waveform = render_scene(SCENE, RECORDINGS, format)
    with pytest.warns(UserWarning, match=f"recordings in {format.name} are rendered to the ears of MIT KEMAR"):
        heard = tiny.listen(waveform, RATE, format=format)
    answer = heard.ask(WHERE)
    assert heard.derived and answer.derived and answer.to_dict()["derived"] and heard.to_dict()["derived"]
    assert answer.startswith("left") and heard.azimuth.best > 0
    assert heard.talk().ask(WHERE).derived
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny.listen(waveform, RATE, format=format)  # warned once


def test_two_ears_are_heard_as_they_are(tiny):
    heard = tiny.listen(RECORDINGS / "one_source.flac")
    assert not heard.derived and not heard.to_dict()["derived"] and not heard.ask(WHERE).derived


@pytest.mark.filterwarnings("ignore:recordings in ambisonics1", "ignore:distances rest")
def test_a_head_that_turns_hears_the_sound_on_the_other_side(tiny):
    assert tiny.ask(FOA, WHERE, RATE, format="foa", heading_deg=130.0).startswith("right")
    straight = tiny.listen(FOA, RATE, format="foa").hidden_states
    assert not np.allclose(tiny.listen(FOA, RATE, format="foa", heading_deg=20.0).hidden_states, straight)


@pytest.mark.filterwarnings("ignore:recordings in ambisonics1", "ignore:distances rest")
def test_conventions_are_converted_and_the_processor_hears_the_same(tiny):
    straight = tiny.listen(FOA, RATE, format="foa").hidden_states
    n3d = FOA * np.sqrt([1, 3, 3, 3])[:, None].astype(np.float32)
    np.testing.assert_allclose(tiny.listen(n3d, RATE, format="foa:n3d").hidden_states, straight, atol=1e-3)
    batch = tiny.processor(audio=FOA, text=WHERE, sampling_rate=RATE, format="foa", return_tensors="pt")
    found = tiny.model.encoder(input_features=batch["input_features"], return_dict=True).last_hidden_state
    np.testing.assert_allclose(found.detach(), straight, atol=1e-3)


def test_nothing_is_guessed(tiny):
    with pytest.raises(AudioError, match=r"2 channels needed, got 4 .* format='foa' or --microphone foa, or a file with"):
        tiny.listen(FOA, RATE)
    for name in ("head", "heading_deg"):
        with pytest.raises(SpatialLLMError, match=r"this recording \(binaural\) is not rendered: leave them out"):
            tiny.listen(FOA[:2], RATE, **{name: 3.0 if name == "heading_deg" else "head.sofa"})
    with pytest.raises(SceneError, match=r"none.sofa: no such file; give a SOFA file with head-related"):
        tiny.listen(FOA, RATE, format="foa", head="none.sofa")
    with pytest.raises(AudioError, match="heading_deg is nan"):
        tiny.listen(FOA, RATE, format="foa", heading_deg=float("nan"))
    with pytest.raises(AudioError, match=r"4 channels needed, got 2.*expected ambisonics1"):
        tiny.listen(FOA[:2], RATE, format="foa")


def test_a_convention_that_the_levels_contradict_is_asked_about(tiny):
    noise = np.random.default_rng(0).standard_normal(FOA.shape[1])
    gains = np.array([1.0, 0.5, 0.3, np.sqrt(1 - 0.25 - 0.09)])
    n3d = (0.1 * noise * gains[:, None] * np.sqrt([1, 3, 3, 3])[:, None]).astype(np.float32)
    with pytest.warns(UserWarning, match="are those of N3D, not of SN3D.*--microphone ambisonics1:n3d"):
        tiny.listen(n3d, RATE, format="foa")


@pytest.mark.filterwarnings("ignore:recordings in ambisonics1", "ignore:distances rest")
def test_a_timeline_of_ambisonics_tells_what_listening_tells(tiny, tmp_path):
    soundfile.write(tmp_path / "foa.wav", np.concatenate([FOA, FOA], axis=1).T, RATE, subtype="FLOAT")
    found = tiny.timeline(tmp_path / "foa.wav", WHERE, format="foa", hop_s=2.0, out=tmp_path / "out.jsonl", progress=False)
    assert [row.answers[WHERE] for row in found.rows] == [str(tiny.ask(FOA, WHERE, RATE, format="foa"))] * 2
    assert found.made_with["derived"] is True and found.made_with["format"] == "ambisonics1"
    with pytest.raises(SpatialLLMError, match="is a timeline with another heading deg"):
        tiny.timeline(
            tmp_path / "foa.wav", WHERE, format="foa", hop_s=2.0, out=tmp_path / "out.jsonl", heading_deg=9.0, progress=False
        )


def test_the_command_line_declares_a_microphone(tmp_path, capsys, tiny, monkeypatch):
    monkeypatch.setattr(SpatialLLM, "from_pretrained", lambda folder: tiny)
    soundfile.write(tmp_path / "foa.wav", FOA.T, RATE, subtype="FLOAT")
    file = str(tmp_path / "foa.wav")
    assert main(["ask", file, WHERE, "--microphone", "foa", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["derived"] is True and row["answer"].startswith("left")
    assert any("rendered to the ears of MIT KEMAR" in text for text in row["warnings"])
    assert main(["ask", file, WHERE, "--microphone", "foa", "--heading_deg", "130"]) == 0
    assert capsys.readouterr().out.startswith("right")
    (tmp_path / "array.yaml").write_text(
        "kind: array\npositions_m: [[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1], [0, 0, 0], [0.2, 0, 0]]"
    )
    for given, said in (
        (["--microphone", str(tmp_path / "array.yaml")], "5 channels needed, got 4"),
        (["--microphone", "eigenmike"], "format 'eigenmike' is not known"),
        ([], "2 channels needed, got 4"),
        (["--microphone", "foa", "--head", "none.sofa"], "none.sofa: no such file"),
    ):
        assert main(["ask", file, WHERE, *given]) == 1
        assert said in capsys.readouterr().err
