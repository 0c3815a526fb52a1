"""The page in a browser: place a sound, listen, ask, read; upload, ask, follow up; a bad file; nothing goes elsewhere."""

import base64
import io

import numpy as np
import pytest
import soundfile

from tests.audio.makers import make, sound
from tests.page.running import RunningPage, Watched, browser, chromium
from tests.serving.running import BEHIND, WHAT, WHERE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no chromium is installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("of_the_page")
    with RunningPage(TMPDIR=str(folder)) as running:
        running.folder = folder
        yield running


@pytest.fixture(scope="module")
def opened(page):
    with browser() as tab:
        yield Watched(tab, page.url)


def played(opened: Watched) -> np.ndarray:
    """The file (ears, samples) that the player plays."""
    opened.tab.wait_for_function("document.querySelector('#player audio').duration > 0")
    source = opened.tab.locator("#player audio").get_attribute("src")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(source.partition(",")[2])), dtype="float32")
    assert rate == 32_000 and len(samples) == 64_000
    return samples.T


def level_db(samples: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)))


def test_a_sound_is_placed_by_a_drag_heard_asked_about_and_mirrored(opened):
    opened.drag_to(0.32, 0.55)
    opened.wait_title("alarm")
    azimuth_deg, distance_m = opened.field("azimuth_deg"), opened.field("distance_m")
    assert 60 < azimuth_deg < 130 and 1 < distance_m < 2.5
    left, right = played(opened)
    assert level_db(left) > level_db(right) + 3
    shown = opened.tab.locator("#player .sl-level").all_inner_texts()
    assert shown == [f"{level_db(ear):.1f} dB" for ear in (left, right)]
    assert f"Truth: alarm, {azimuth_deg:.0f}° to the left" in opened.tab.inner_text("#view")
    assert opened.tab.locator("#view .sl-field").count() > 0 and "Feature attention" in opened.tab.inner_text("#view")
    ((question, answer),) = opened.ask(WHERE, 1)
    assert question.startswith(WHERE) and answer.startswith("left")
    opened.tab.click("#swap")
    ((_, _, mirrored),) = opened.rows(1, 3)
    assert mirrored.startswith("right")
    opened.wait_title("left and right exchanged")
    np.testing.assert_array_equal(played(opened), [right, left])
    opened.tab.evaluate("document.querySelector('#player audio').play()")
    opened.tab.wait_for_function("parseFloat(document.querySelector('#player .sl-meter i').style.width) > 0")


def test_the_keyboard_places_a_sound_too_and_another_room_is_heard(opened):
    opened.tab.fill("#place [name=azimuth_deg]", "-90")
    opened.tab.keyboard.press("Tab")
    opened.tab.get_by_text("90° to the right").first.wait_for()
    opened.tab.select_option("#place [name=room]", "open")
    opened.tab.locator("#view .sl-truth", has_not_text="0.19").wait_for()
    left, right = played(opened)
    assert level_db(right) > level_db(left) + 6
    opened.tab.focus("#place .sl-map")
    opened.tab.keyboard.press("ArrowLeft")
    opened.tab.locator("#view .sl-truth", has_text="85° to the right").wait_for()


def test_a_recording_is_uploaded_asked_about_and_followed_up(opened, page):
    opened.tab.get_by_role("tab", name="Your recording").click()
    opened.tab.set_input_files("#recording input", BEHIND)
    opened.wait_title(BEHIND.name)
    assert "Truth" not in opened.tab.inner_text("#view")
    np.testing.assert_allclose(played(opened), soundfile.read(BEHIND, dtype="float32")[0].T, atol=1e-7)
    ((_, first),) = opened.ask(WHAT, 1)
    second, _ = opened.ask(WHERE, 2)
    assert first == "engine" and second[1] == "right, behind, below; 2m"
    assert "asked on its own" in opened.tab.inner_text(".sl-header")


def test_a_bad_file_shows_its_sentence_and_changes_nothing(opened, tmp_path):
    bad, mono = tmp_path / "<b>bad.wav", tmp_path / "mono.wav"
    bad.write_bytes(b"no sound at all" * 100)
    mono.write_bytes(make("wav", sound(64_000, 1)))
    for file, said in ((bad, "not a readable sound file"), (mono, "2 channels")):
        opened.tab.set_input_files("#recording input", file)
        opened.tab.locator(".toast-body", has_text=said).first.wait_for()
    assert "Traceback" not in opened.tab.inner_text("body")
    assert BEHIND.name in opened.tab.inner_text("#player .sl-title") and len(opened.rows(2)) == 2


def test_what_the_microphone_hears_is_recorded_as_it_is(opened):
    opened.tab.click("#recording .sl-record")
    opened.tab.wait_for_timeout(2500)
    opened.tab.click("#recording .sl-record")
    opened.wait_title("recorded.wav")
    assert played(opened).std() > 0.01


def test_a_sound_of_ones_own_is_placed(opened, tmp_path):
    own = tmp_path / "own.wav"
    own.write_bytes(make("wav", sound(64_000, 1)))
    opened.tab.get_by_role("tab", name="Place a sound").click()
    opened.tab.select_option("#place [name=sound]", "own")
    opened.tab.locator("#place .sl-message", has_text="Choose a file with your sound first").wait_for()
    opened.tab.set_input_files("#place [name=own]", own)
    opened.wait_title("your sound")
    opened.drag_to(0.65, 0.4)
    opened.tab.locator("#view .sl-truth", has_text="to the right").wait_for()


def test_nothing_left_the_machine_no_error_was_logged_and_no_file_stays(opened, page):
    assert opened.elsewhere == [] and opened.errors == []
    assert not list(page.folder.rglob("*.*a*"))  # of uploads, each is removed once it is read
    assert page.stop() == 0
    page.reading.join(10)
    assert "Traceback" not in "".join(page.said), "".join(page.said)
    assert list(page.folder.iterdir()) == []
