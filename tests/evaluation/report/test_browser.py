"""The report in a real browser: every picture and recording loads, nothing complains, and the page fits its window."""

import base64
import json
import re
import shutil
import subprocess

import matplotlib.image
import numpy as np
import pytest

from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.report import write_report
from tests.evaluation.report.case import INJECTED, write_case

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to look at the page with: apt-get install chromium"),
]
# Into a copy of the page: waits for everything, then writes what it found where the test reads it.
PROBE = """<script>
const wait = (element, name, done) => done() ? Promise.resolve() : new Promise(go => {
  for (const event of [name, "error"]) element.addEventListener(event, go, {once: true}); });
window.addEventListener("load", async () => {
  const images = [...document.images], players = [...document.querySelectorAll("audio")];
  images.forEach(image => { image.loading = "eager"; });
  await Promise.all(images.map(image => wait(image, "load", () => image.complete && image.naturalWidth > 0)));
  await Promise.all(players.map(player => wait(player, "loadedmetadata", () => player.readyState > 0)));
  const found = {widths: images.map(image => image.naturalWidth), seconds: players.map(player => player.duration),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    scripts: document.scripts.length, questions: [...document.querySelectorAll("dd")].map(field => field.textContent)};
  const place = document.createElement("pre");
  place.id = "found";
  place.textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
  document.body.append(place);
});
</script></body>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    manifest, scores = write_case(folder, recordings=12)
    return write_report(scores, read_evaluation_set(manifest), folder / "report")


def browse(page, tmp_path, *options):
    """(stdout, stderr) of one run of the browser on a page of the disk, with a profile of its own."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
               f"--user-data-dir={tmp_path / 'profile'}", *options, page.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize("width", [1280, 480])
def test_pictures_and_recordings_load(page, tmp_path, width):
    copy = page.with_name(f"probe{width}.html")
    copy.write_text(page.read_text().replace("</body>", PROBE))
    dom, log = browse(copy, tmp_path, "--dump-dom", "--virtual-time-budget=60000", f"--window-size={width},900")
    answer = re.search('<pre id="found">([^<]+)', dom)
    assert answer is not None, f"a picture or a recording did not load; the browser said: {log}"
    found = json.loads(base64.b64decode(answer.group(1)))
    assert len(found["widths"]) > 20 and min(found["widths"]) > 0
    assert len(found["seconds"]) == page.read_text().count("<audio") > 10
    assert all(abs(seconds - 0.5) < 0.05 for seconds in found["seconds"])
    assert found["overflow"] <= 0  # tables scroll in their own box
    assert found["scripts"] == 1  # the probe alone: the question that holds a script is text
    assert INJECTED in found["questions"]
    assert "CONSOLE" not in log, log


def test_the_screenshot_shows_a_page(page, tmp_path):
    for scheme, background in (("light", 1.0), ("dark", 0.1)):
        options = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
        shot = tmp_path / f"{scheme}.png"
        _, log = browse(page, tmp_path, f"--screenshot={shot}", "--window-size=1280,900", *options)
        picture = matplotlib.image.imread(shot)[..., :3]
        assert picture.shape[:2] == (900, 1280)
        assert picture[-5:, :5].mean() == pytest.approx(background, abs=0.05)
        assert len(np.unique((255 * picture).astype(int).reshape(-1, 3), axis=0)) > 50
        assert "CONSOLE" not in log, log
