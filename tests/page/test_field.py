"""The page of a model of the sound field: ambisonics and arrays are heard as they are, drawn, and rendered to be played."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm import SpatialLLM
from spatial_llm.audio.formats import Ambisonics, Array
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.page.arguments import AppArguments
from spatial_llm.page.encoder_html import azimuth_words
from spatial_llm.page.handlers import Handlers, Visit
from spatial_llm.page.hearing import Ears, rendered_for_playing
from spatial_llm.page.placing import read_placed, record
from spatial_llm.page.placing import scene_of as placed_scene
from spatial_llm.page.server import make_handlers
from spatial_llm.scenes.heads.hrtf import interaural_delay_s
from spatial_llm.serving.recordings import Window
from tests.field_model import RATE, scene_of, tiny_field

pytestmark = pytest.mark.filterwarnings("ignore:.*loudest window", "ignore:recordings in", "ignore:.*channel 2 .Z. is")
WHERE, FOA = "where is the bell", Ambisonics(1)
GLASSES = Array(((0.07, 0.08, 0.0), (0.07, -0.08, 0.0), (0.09, 0.0, 0.02), (0.0, 0.08, 0.0)))
ALARM = {"sound": "alarm", "room": "open", "head": "MIT KEMAR", "azimuth_deg": 70, "elevation_deg": 0, "distance_m": 1.5}


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Path:
    """The folder of the model, with the heads of its encoder."""
    folder = tmp_path_factory.mktemp("of_the_field") / "field"
    tiny_field(encoder_heads=True, telling=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def handlers(field, tmp_path_factory) -> Iterator[Handlers]:
    """The handlers of a page of ambisonics."""
    made = page_of(field, tmp_path_factory.mktemp("uploads"), "foa")
    yield made
    made.uploads.close()


def page_of(folder: Path, uploads: Path, microphone: str | None, **arguments) -> Handlers:
    given = AppArguments(
        str(folder), device="cpu", microphone=microphone, max_new_tokens=12, read_seconds=120.0, **arguments
    )
    return make_handlers(given, str(uploads))


def upload(handlers: Handlers, name: str, waveform: np.ndarray) -> dict[str, str]:
    """What the browser sends of a file that gradio put where uploads are."""
    folder = Path(handlers.uploads.folder, f"of-{name}")
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / name, waveform.T, RATE, "FLOAT")
    return {"path": str(folder / name), "name": name}


def played(player: dict) -> np.ndarray:
    return soundfile.read(io.BytesIO(base64.b64decode(player["source"].partition(",")[2])), dtype="float32")[0].T


def test_ambisonics_are_heard_drawn_asked_about_and_mirrored(handlers, field):
    visit, left = Visit(), scene_of(70, FOA, handlers.ears.seconds)
    shown = handlers.given(visit, upload(handlers, "foa.wav", left))
    model = SpatialLLM.from_pretrained(field)
    heard = model.listen(left, RATE, format="foa")
    for name in ("azimuth", "elevation", "distance"):
        found, right = getattr(visit.hearing.own.heard, name), getattr(heard, name)
        np.testing.assert_array_equal(found.probabilities, right.probabilities)
    assert f"<th>azimuth</th><td>{azimuth_words(heard.azimuth.best)}</td>" in shown.encoder
    assert f"<th>distance</th><td>{heard.distance.best:.1f} m</td>" in shown.encoder
    assert "sl-field" in shown.encoder and "sl-bar" in shown.encoder and "Feature attention" in shown.encoder
    assert not visit.hearing.own.heard.derived and shown.notes == ""
    handlers.ask(visit, WHERE)
    turn = visit.hearing.turns[0]
    assert str(turn.answer) == str(model.ask(left, WHERE, RATE, format="foa", max_new_tokens=12))
    # A meter for each channel that is played, and what is played are two ears, of which the left one is nearer.
    assert shown.player["names"] == ["left", "right"] and len(shown.player["levels_db"]) == len(played(shown.player)) == 2
    assert shown.player["levels_db"][0] > shown.player["levels_db"][1] + 3
    assert "rendered to two ears to be played; the model hears ambisonics1, channels W, Y, Z, X" in shown.player["title"]
    swapped = handlers.swap(visit)
    mirror = FOA.mirror(left)
    assert str(turn.mirrored) == str(model.ask(mirror, WHERE, RATE, format="foa", max_new_tokens=12))
    np.testing.assert_array_equal(visit.hearing.mirror.window, mirror)
    np.testing.assert_allclose(played(swapped.player)[::-1], played(shown.player), atol=1e-4)


def test_a_sound_is_placed_with_the_microphone_of_the_page(handlers):
    visit = Visit()
    shown = handlers.place(visit, ALARM)
    assert visit.hearing.own.window.shape[0] == 4 and "Truth: alarm, 70° to the left" in shown.encoder
    assert shown.player["levels_db"][0] > shown.player["levels_db"][1] + 3


def test_what_cannot_be_heard_or_exchanged_is_a_sentence(handlers, field, tmp_path):
    visit = Visit()
    foa = scene_of(70, FOA, 0.31)
    for waveform, words in (
        (foa[:2], r"4 channels needed, got 2 .*expected ambisonics1 \(4, samples\), channels W, Y, Z, X\. .*say what"),
        (foa[:1], "One channel holds no directions"),
        (np.concatenate([foa, foa]), "4 channels needed, got 8"),
        (foa * np.nan, "expected finite samples"),
        (foa[:, :100], "expected 10 ms or more"),
    ):
        with pytest.raises(AudioError, match=words):
            handlers.given(visit, upload(handlers, "bad.wav", waveform))
    with pytest.raises(SpatialLLMError, match=r"it is not said what the recording was made with; .* --microphone"):
        page_of(field, tmp_path, None)
    with pytest.raises(AudioError, match="the microphone is stereo_ms with 2 channels; the model takes field"):
        page_of(field, tmp_path, "stereo_ms")
    with pytest.raises(SpatialLLMError, match=r"the model hears ambisonics1, no ears of a head; choose MIT KEMAR"):
        handlers.ears.scene_format("head.sofa")


def test_an_array_is_heard_and_its_sides_cannot_be_exchanged(field, tmp_path):
    (tmp_path / "glasses.json").write_text(json.dumps({"kind": "array", "positions_m": GLASSES.positions_m}))
    array = page_of(field, tmp_path, str(tmp_path / "glasses.json"))
    try:
        visit, recording = Visit(), scene_of(-70, GLASSES, array.ears.seconds)
        shown = array.given(visit, upload(array, "array.wav", recording))
        array.ask(visit, WHERE)
        model = SpatialLLM.from_pretrained(field)
        assert str(visit.hearing.turns[0].answer) == str(
            model.ask(recording, WHERE, RATE, format=GLASSES, max_new_tokens=12)
        )
        assert "the model hears array4-" in shown.player["title"] and "channels 1, 2, 3, 4" in shown.player["title"]
        assert shown.player["levels_db"][1] > shown.player["levels_db"][0] + 1
        with pytest.raises(AudioError, match=r"left and right of array4-\w+ cannot be exchanged: no change of its channels"):
            array.swap(visit)
        assert not visit.hearing.swapped and array.shown(visit) == array.shown(visit)
    finally:
        array.uploads.close()


def test_two_microphones_are_no_ears_and_one_is_played_as_it_is():
    two = Array(((0.0, -0.09, 0.0), (0.0, 0.09, 0.0)))  # the right one first
    recording = scene_of(90, two, 0.3)
    left, right = rendered_for_playing(recording, two, RATE)
    assert interaural_delay_s(np.stack([left, right]), RATE) > 0.3e-3  # left is first
    assert interaural_delay_s(recording, RATE) < -0.3e-3
    np.testing.assert_array_equal(rendered_for_playing(recording[:1], Array(((0.0, 0.0, 0.0),)), RATE), recording[:1])


def test_a_placed_sound_has_the_ears_of_a_head_also_where_recordings_are_rendered():
    ears = Ears(SpatialLLM.from_pretrained("tiny"), AppArguments(microphone="foa"))
    window = np.random.default_rng(0).standard_normal((2, ears.samples)).astype(np.float32)
    assert ears.recording(Window(window, ()), "a").own.heard.derived
    placed = read_placed(ALARM, {"MIT KEMAR": None})
    scene, waveform = record(placed_scene(placed, ears.scene_format(None), ears.seconds, ears.rate))
    hearing = ears.placed(scene, waveform)
    ears.swap(hearing)
    assert not hearing.own.heard.derived and not hearing.mirror.heard.derived


def test_the_browser_is_told_what_to_give_and_whether_it_can_record_it(handlers, field):
    pytest.importorskip("gradio")
    import gradio as gr

    from spatial_llm.page.layout import Clicks, make_page

    config = json.dumps(make_page(handlers, AppArguments(), "field", None).get_config_file(), default=str)
    assert "WAV or FLAC, ambisonics1, 4 channels: W, Y, Z, X." in config
    assert '"records": false' in config
    with pytest.raises(gr.Error, match=r"The recording: 4 channels needed, got 2"):
        Clicks(handlers).given(None, upload(handlers, "two.wav", scene_of(0, FOA)[:2]), lambda *done, **doing: None)
