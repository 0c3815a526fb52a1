"""Makes the pictures of the page that README.md and docs/page.md show: `make page-pictures` writes them to docs/."""

import os
from pathlib import Path

import pytest

from tests.page.running import RunningPage, Watched, browser, chromium
from tests.serving.running import TWO, WHERE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no chromium is installed (Debian: apt-get install chromium)"),
]
MOST_BYTES = 250_000


def test_both_pictures_are_made_and_small(tmp_path):
    out = Path(os.environ.get("PAGE_PICTURES", tmp_path))
    with RunningPage() as running, browser(1240, 900) as tab:
        opened = Watched(tab, running.url)
        opened.drag_to(0.38, 0.36)
        opened.wait_title("alarm")
        opened.ask("Where is the sound coming from?", 1)
        opened.ask("What is this?", 2)
        tab.click("#swap")
        opened.rows(2, 3)
        opened.wait_title("left and right exchanged")
        tab.click("#swap")
        tab.get_by_text("Swap the ears").wait_for()
        picture(tab, out / "page_placed.png")
        tab.get_by_role("tab", name="Your recording").click()
        tab.set_input_files("#recording input", TWO)
        opened.wait_title(TWO.name)
        opened.ask("What sound events can you hear in the audio clip?", 1)
        opened.ask("Where is the sound of the siren coming from?", 2)
        opened.ask(WHERE.replace("sound", "sound of the alarm"), 3)
        picture(tab, out / "page_uploaded.png")
    for name in ("page_placed.png", "page_uploaded.png"):
        assert 20_000 < (out / name).stat().st_size < MOST_BYTES


def picture(tab, path: Path) -> None:
    """Takes a picture of the whole page once nothing moves."""
    tab.mouse.move(5, 5)
    tab.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
    tab.wait_for_timeout(1500)
    tab.screenshot(path=path, full_page=True, animations="disabled")
