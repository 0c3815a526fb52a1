"""What a visitor does, without a browser: place, give, ask, swap; and what is refused."""

import base64
import io

import numpy as np
import pytest
import soundfile

from spatial_llm.errors import AudioError, SceneError, SpatialLLMError
from spatial_llm.page.handlers import Handlers, Visit
from spatial_llm.shipped import RECORDINGS
from tests.audio.makers import make, sound

WHERE = "Where is the sound in this audio clip coming from?"
ALARM = {"sound": "alarm", "room": "living", "head": "MIT KEMAR", "azimuth_deg": 70, "elevation_deg": 0, "distance_m": 1.5}


def played(player: dict) -> np.ndarray:
    return soundfile.read(io.BytesIO(base64.b64decode(player["source"].partition(",")[2])), dtype="float32")[0].T


def test_a_placed_sound_is_heard_asked_about_and_mirrored(handlers):
    visit, told = Visit(), []
    shown = handlers.place(visit, ALARM, lambda done, doing: told.append(done))
    assert told == sorted(told) and told[0] > 0 and told[-1] < 1
    left, right = shown.player["levels_db"]
    assert left > right + 4 and "Truth: alarm, 70° to the left" in shown.encoder and "No question yet" in shown.answers
    assert "left, front" in handlers.ask(visit, WHERE)
    swapped = handlers.swap(visit)
    np.testing.assert_array_equal(played(swapped.player), played(shown.player)[::-1])
    turn = visit.hearing.turns[0]
    # What the model itself says of the exchanged ears.
    model = handlers.ears.model
    exchanged = played(shown.player)[::-1].copy()
    assert turn.mirrored == model.ask(exchanged, WHERE, 32_000) and turn.mirrored.startswith("right, front")
    assert "ears swapped" in swapped.answers and turn.mirrored in swapped.answers
    assert "70° to the right" in swapped.encoder and "mirror image" in swapped.encoder
    handlers.ask(visit, "What sound events can you hear in the audio clip?")
    assert visit.hearing.turns[1].mirrored == visit.hearing.turns[1].answer == "alarm"
    back = handlers.swap(visit)
    assert back.player == shown.player and back.encoder == shown.encoder
    handlers.ask(visit, WHERE)
    assert visit.hearing.turns[2].mirrored is None


def test_a_recording_is_heard_as_listen_hears_it(handlers, uploaded):
    file, visit = RECORDINGS / "one_source_behind.flac", Visit()
    shown = handlers.given(visit, {"path": uploaded("a.flac", file.read_bytes()), "name": "<i>a.flac"})
    heard = handlers.ears.model.listen(file)
    assert visit.hearing.own.heard.azimuth.best == heard.azimuth.best
    assert visit.hearing.own.heard.events == heard.events
    handlers.ask(visit, WHERE)
    assert visit.hearing.turns[0].answer == heard.ask(WHERE) == "right, behind, below; 2m"
    assert "Truth" not in shown.encoder and "Distances rest on the level" in shown.notes
    np.testing.assert_array_equal(played(shown.player), soundfile.read(file, dtype="float32")[0].T)
    # Another recording begins anew.
    handlers.place(visit, ALARM)
    assert visit.hearing.turns == []


def test_questions_and_names_are_shown_as_text(handlers):
    visit = Visit()
    handlers.place(visit, ALARM)
    shown = handlers.ask(visit, "<script>alert(1)</script> where is it?")
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert "nearest one that it was taught" in shown  # the warning that it is no question of this model


def test_a_sound_of_ones_own_is_kept_between_places(handlers, uploaded):
    visit, own = Visit(), {**ALARM, "sound": "own"}
    with pytest.raises(SceneError, match="no sound of yours was uploaded yet"):
        handlers.place(visit, own)
    first = handlers.place(visit, own | {"own_path": uploaded("own.wav", make("wav", sound(64_000, 1)))})
    again = handlers.place(visit, own | {"own_path": None})
    assert again.player == first.player and "your sound" in again.encoder
    assert handlers.place(visit, own | {"azimuth_deg": -70}).player != first.player


def test_what_is_refused_leaves_what_was_heard(handlers, uploaded):
    visit = Visit()
    for refused in (lambda: handlers.ask(visit, WHERE), lambda: handlers.swap(visit)):
        with pytest.raises(SpatialLLMError, match="nothing is heard yet"):
            refused()
    handlers.place(visit, ALARM)
    before = visit.hearing
    for value in (None, {}, {"path": "/etc/hostname"}, {"path": uploaded("bad.wav", b"no sound"), "name": 3}):
        with pytest.raises(AudioError):
            handlers.given(visit, value)
    with pytest.raises(AudioError, match="2 channels"):
        handlers.given(visit, {"path": uploaded("mono.wav", make("wav", sound(64_000, 1)))})
    for question in ("", "  ", None, ["Where?"], "a" * 9000):
        with pytest.raises(SpatialLLMError):
            handlers.ask(visit, question)
    with pytest.raises(SceneError):
        handlers.place(visit, ALARM | {"distance_m": 99})
    assert visit.hearing is before and before.turns == []


def test_heads_are_those_of_the_command_line_by_the_names_of_their_files(handlers):
    made = Handlers(handlers.ears, handlers.uploads, ["/heads/one.sofa", "two.sofa"])
    assert made.heads == {"MIT KEMAR": None, "one.sofa": "/heads/one.sofa", "two.sofa": "two.sofa"}
    with pytest.raises(SceneError, match=r"/heads/one\.sofa: no such file"):
        made.place(Visit(), ALARM | {"head": "one.sofa"})
    with pytest.raises(SpatialLLMError, match="give files of different names"):
        Handlers(handlers.ears, handlers.uploads, ["a/x.sofa", "b/x.sofa"])
