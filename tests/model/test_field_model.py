"""A model of the sound field: one set of weights asked about ambisonics and arrays, alone, in batches, and in training."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.ambisonics import rotation, to_fuma, turn
from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.cli import main
from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import CueDataset
from spatial_llm.data.record import Record
from spatial_llm.errors import AudioError
from spatial_llm.model import SpatialLLM
from spatial_llm.model.publishing import model_card
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Scene, Source
from tests.field_model import RATE, ROOM, tiny_field
from tests.scenes.microphones.test_measured import OPEN, write_array

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*loudest window", "ignore:.*answers about distance", "ignore:distances rest"),
]
WHERE = "where is the bell"
GLASSES = Array(((0.07, 0.075, 0.01), (0.07, -0.075, 0.01), (0.085, 0.0, 0.0), (-0.03, 0.078, 0.0), (-0.03, -0.078, -0.02)))
FORMATS = [Ambisonics(1), Ambisonics(3), GLASSES]
SCENE = Scene(
    id="s", split="eval", seed=0, duration_s=0.5, sampling_rate=RATE, room=ROOM, listener=Listener((2.4, 1.9, 1.5)),
    sources=(Source("alarm", "synth:alarm/7", position_m=(3.6, 3.1, 1.9)),),
)  # fmt: skip


def heard(format, heading_deg: float = 0.0) -> np.ndarray:
    return render_scene(replace(SCENE, listener=replace(SCENE.listener, heading_deg=heading_deg)), ".", format)


@pytest.fixture(scope="module")
def field() -> SpatialLLM:
    return tiny_field()


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)
def test_one_model_listens_to_every_format_and_is_the_same_when_loaded(field, format, tmp_path):
    states = field.listen(heard(format), RATE, format=format).hidden_states
    assert torch.isfinite(states).all() and not field.listen(heard(format), RATE, format=format).derived
    field.save_pretrained(tmp_path)
    loaded = SpatialLLM.from_pretrained(tmp_path)
    torch.testing.assert_close(loaded.listen(heard(format), RATE, format=format).hidden_states, states)
    answer = field.ask(heard(format), WHERE, RATE, format=format.text, max_new_tokens=4)
    assert loaded.ask(heard(format), WHERE, RATE, format=format, max_new_tokens=4) == answer


def test_files_of_other_conventions_and_descriptions_of_microphones(field, tmp_path):
    first = heard(Ambisonics(1))
    soundfile.write(tmp_path / "fuma.wav", to_fuma(first).T, RATE, subtype="FLOAT")
    states = field.listen(tmp_path / "fuma.wav", format="foa:fuma").hidden_states
    torch.testing.assert_close(states, field.listen(first, RATE, format="foa").hidden_states, atol=1e-4, rtol=1e-3)
    (tmp_path / "glasses.json").write_text(json.dumps({"kind": "array", "positions_m": GLASSES.positions_m}))
    by_file = field.listen(heard(GLASSES), RATE, format=str(tmp_path / "glasses.json")).hidden_states
    torch.testing.assert_close(by_file, field.listen(heard(GLASSES), RATE, format=GLASSES).hidden_states)


def test_what_recorded_must_be_said_and_must_fit(field):
    first = heard(Ambisonics(1))
    with pytest.raises(AudioError, match="it is not said what the recording was made with"):
        field.ask(first, WHERE, RATE)
    with pytest.raises(AudioError, match="5 channels needed, got 4"):
        field.ask(first, WHERE, RATE, format=GLASSES)
    with pytest.raises(AudioError, match="is binaural with 2 channels; the encoder takes field"):
        field.ask(first[:2], WHERE, RATE, format="binaural")


def test_microphones_change_places_with_their_coordinates_and_the_answer_stays(field):
    order = [3, 0, 4, 2, 1]
    other = Array(tuple(GLASSES.positions_m[index] for index in order))
    states = field.listen(heard(GLASSES), RATE, format=GLASSES).hidden_states
    torch.testing.assert_close(
        field.listen(heard(GLASSES)[order], RATE, format=other).hidden_states, states, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("order", [1, 3])
def test_turning_the_scene_is_turning_the_listener_the_other_way(field, order):
    format = Ambisonics(order)
    turned = (rotation(order, turn(-40.0)) @ heard(format)).astype(np.float32)
    by_listener = field.listen(heard(format, heading_deg=40.0), RATE, format=format).hidden_states
    by_scene = field.listen(turned, RATE, format=format).hidden_states
    straight = field.listen(heard(format), RATE, format=format).hidden_states
    assert torch.linalg.norm(by_scene - by_listener) < 1e-3 * torch.linalg.norm(straight - by_listener)


def test_a_training_batch_of_different_microphones_is_its_members(field):
    samples = [
        {"id": f"r{index}", "question": WHERE, "answer": "left", "waveform": _window(field, format), "formats": [format]}
        for index, format in enumerate(FORMATS)
    ]
    collate = SpatialQACollator(field.processor)
    batch = collate(samples)
    assert batch["input_features"].shape[:2] == (3, 20)
    for row, sample in enumerate(samples):
        torch.testing.assert_close(collate([sample])["input_features"][0], batch["input_features"][row])
    assert torch.isfinite(field.model(**batch).loss)


def _window(field: SpatialLLM, format) -> np.ndarray:
    return heard(format)[:, : field.model.config.encoder_config.window_samples]


def test_its_card_and_the_command_line_ask_for_the_format(field, tmp_path, capsys):
    field.save_pretrained(tmp_path / "model")
    card = model_card(field, "field").text
    assert "It takes ambisonics and arrays, whose format is given with each recording" in card and 'format="foa"' in card
    soundfile.write(tmp_path / "glasses.wav", heard(GLASSES).T, RATE, subtype="FLOAT")
    (tmp_path / "glasses.yaml").write_text(f"kind: array\npositions_m: {[list(each) for each in GLASSES.positions_m]}\n")
    asked = ["ask", str(tmp_path / "glasses.wav"), WHERE, "--model", str(tmp_path / "model")]
    assert main([*asked, "--microphone", str(tmp_path / "glasses.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["derived"] is False
    assert main(asked) == 1
    assert "it is not said what the recording was made with" in capsys.readouterr().err
    timeline = field.timeline(tmp_path / "glasses.wav", WHERE, format=GLASSES, progress=False, max_new_tokens=3)
    assert len(timeline.rows) >= 2 and all(row.answers for row in timeline.rows if not row.quiet)


def test_a_scene_of_a_measured_array_is_heard_by_the_file_in_its_folder(field, tmp_path, monkeypatch):
    """The scene names the file relative to its data folder, wherever the program runs."""
    (tmp_path / "data" / "hrtf").mkdir(parents=True)
    write_array(tmp_path / "data" / "hrtf" / "array.sofa")
    monkeypatch.chdir(tmp_path)
    measured = Array(OPEN.positions_m, sofa="hrtf/array.sofa")
    record = Record(
        id="r", recording_id="r", type="B", question_type="B", question="?", answer="left", truth={}, split="eval",
        sampling_rate=RATE, scene=replace(SCENE, format=measured),
    )  # fmt: skip
    cues = CueDataset([record], tmp_path / "data", field.processor.feature_extractor, 9920)[0]
    assert torch.isfinite(cues).all() and cues[1:16].abs().max() > 0.5
