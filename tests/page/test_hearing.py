"""How the model of a page hears: conversations, other microphones, levels, encoders of the sound field; its licence."""

import warnings

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.page.answer_html import header_html
from spatial_llm.page.arguments import AppArguments
from spatial_llm.page.hearing import Ears, licence_of, rendered_for_playing
from spatial_llm.serving.recordings import Window
from spatial_llm.shipped import RECORDINGS, find_model

WHAT, WHERE = "What sound events can you hear in the audio clip?", "Where is the sound in this audio clip coming from?"


@pytest.fixture(scope="module")
def window() -> np.ndarray:
    import soundfile

    return soundfile.read(RECORDINGS / "one_source.flac", dtype="float32")[0].T.copy()


def test_with_conversation_a_follow_up_knows_the_answers_before(handlers, window):
    model = handlers.ears.model
    ears = Ears(model, AppArguments(conversation=True))
    hearing = ears.recording(Window(window, ()), "a")
    conversation = model.listen(window, 32_000).talk()
    answers = [ears.ask(hearing, question).answer for question in (WHAT, WHERE)]
    assert answers == [conversation.ask(question) for question in (WHAT, WHERE)]
    assert len(hearing.own.conversation.history) == 2
    assert "one conversation" in header_html("m", None, 2, True) and "asked on its own" in header_html("m", None, 2, False)


def test_a_model_of_two_ears_hears_ambisonics_rendered_and_says_so(handlers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ears = Ears(handlers.ears.model, AppArguments(microphone="foa", heading_deg=30.0))
    settings = ears.reader_settings()
    assert (settings.wanted, settings.given, settings.heading_deg) == ("binaural", "ambisonics1", 30.0)
    rng = np.random.default_rng(0)
    hearing = ears.recording(Window(rng.standard_normal((2, 64_000)).astype(np.float32) * 0.1, ("a warning",)), "a")
    assert hearing.own.heard.derived and hearing.notes[0] == "a warning" and "rendered to the ears" in hearing.notes[1]
    # A placed sound is recorded with the ears of the head that was chosen, for which nothing is rendered.
    assert ears.scene_format(None).name == "binaural"


def test_the_level_of_a_recording_chain_is_told(handlers, window):
    model = handlers.ears.model
    ears = Ears(model, AppArguments(level_dbfs_at_1m=-34.0))
    hearing = ears.recording(Window(window, ()), "a")
    np.testing.assert_allclose(hearing.own.window, window * 10, rtol=1e-5)  # trained at -14 dBFS
    assert hearing.notes == () and hearing.own.heard.level_is_known
    with pytest.raises(SpatialLLMError, match="level_dbfs_at_1m is 99"):
        Ears(model, AppArguments(level_dbfs_at_1m=99.0))


def test_what_is_played_of_ambisonics_is_rendered_and_of_two_ears_it_is_the_window(window):
    assert rendered_for_playing(window, parse_format("binaural"), 32_000) is not None
    np.testing.assert_array_equal(rendered_for_playing(window, parse_format("binaural"), 32_000), window)
    # A plane wave from the left: W = Y, in ACN W Y Z X.
    noise = np.random.default_rng(1).standard_normal(32_000).astype(np.float32)
    left = np.stack([noise, noise, 0 * noise, 0 * noise])
    ears = rendered_for_playing(left, parse_format("foa"), 32_000)
    assert ears.shape == (2, 32_000) and np.mean(ears[0] ** 2) > 2 * np.mean(ears[1] ** 2)


def test_left_and_right_of_a_format_without_them_are_not_exchanged(handlers, window):
    hearing = handlers.ears.recording(Window(window, ()), "a")
    hearing.format = parse_format("array:[[0.1, 0, 0], [0, 0.05, 0.02]]")
    with pytest.raises(AudioError, match=r"left and right of array.* cannot be exchanged"):
        handlers.ears.swap(hearing)
    assert not hearing.swapped and hearing.mirror is None


def test_examples_name_no_sound_and_the_licence_is_that_of_the_card(handlers, tmp_path):
    examples = handlers.ears.examples()
    assert len(examples) == 5 and "What is this?" in examples and not [each for each in examples if "{" in each]
    assert licence_of(find_model("tiny")) == "apache-2.0"
    assert licence_of(tmp_path) is None
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# A model\n")
    assert licence_of(tmp_path) == "cc-by-nc-4.0"
    assert "its folder states no licence" in header_html("<m>", None, 2, False) and "&lt;m&gt;" in header_html(
        "<m>", None, 2, False
    )


def test_what_is_not_heard_is_said_once_and_of_the_mirror_image_for_itself(handlers, window):
    ears, hearing = handlers.ears, handlers.ears.recording(Window(window, ()), "one.flac")
    turn = ears.ask(hearing, "Where is the piano?")
    assert len(turn.notes) == 1 and "'piano'" in turn.notes[0]
    ears.swap(hearing)
    assert turn.mirrored is not None and len(turn.notes) == len(set(turn.notes)) <= 2
    assert ears.ask(hearing, "Where is the violin?").notes[0].startswith("'Where is the violin?': the model does not know")
