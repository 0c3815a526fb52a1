"""The page as its users start it, a process of its own, and a browser that looks at it."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from tests.program import Program

# Quiet ones: a browser calls home otherwise, and this one must show that the page does not.
BROWSER_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip


def chromium() -> str | None:
    """The program of a Chromium that is installed; None where there is none."""
    return next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


class RunningPage(Program):
    """`spatial-llm app` with the shipped model, until the context ends; options as on the command line."""

    def __init__(self, *options: str, **environment: str) -> None:
        super().__init__("app", "The page is at ", *options, "--port", "0", **environment)


class Watched:
    """A tab of a browser at the page, with what went wrong in it and where it sent requests."""

    def __init__(self, tab: Any, url: str) -> None:
        self.tab, self.errors, self.elsewhere = tab, [], []
        tab.set_default_timeout(120_000)  # of a machine that is busy with other tests
        tab.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        own = (url, "data:", f"blob:{url}")
        tab.on("request", lambda asked: None if asked.url.startswith(own) else self.elsewhere.append(asked.url))
        tab.goto(url)
        tab.wait_for_selector("#place .sl-dot")

    def drag_to(self, right: float, down: float) -> None:
        """Drags the sound to a place in the picture, as shares of its width and height."""
        picture, dot = (self.tab.locator(f"#place {each}").bounding_box() for each in (".sl-map", ".sl-dot"))
        mouse = self.tab.mouse
        mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
        mouse.down()
        mouse.move(picture["x"] + right * picture["width"], picture["y"] + down * picture["height"], steps=8)
        mouse.up()

    def field(self, name: str) -> float:
        """The number in a field of the place."""
        return float(self.tab.locator(f"#place [name={name}]").input_value())

    def wait_title(self, text: str) -> None:
        """Waits until the player says this."""
        self.tab.locator("#player .sl-title", has_text=text).wait_for()

    def ask(self, question: str, rows: int) -> list[list[str]]:
        """Asks a question, waits for so many answered ones, and returns the texts of their rows, the last one first."""
        self.tab.fill("#question textarea", question)
        self.tab.click("#ask button, button#ask")
        return self.rows(rows)

    def rows(self, rows: int, columns: int = 2) -> list[list[str]]:
        """Waits for so many answered questions in so many columns and returns their texts."""
        self.tab.wait_for_function(
            "([rows, cells]) => document.querySelectorAll('#answers tr:has(td)').length == rows"
            " && document.querySelectorAll('#answers td').length == cells",
            arg=[rows, rows * columns],
        )  # fmt: skip
        return [row.locator("td").all_inner_texts() for row in self.tab.locator("#answers tr:has(td)").all()]


@contextlib.contextmanager
def browser(width: int = 1280, height: int = 1100) -> Iterator[Any]:
    """Chromium, and in it a tab."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=list(BROWSER_OPTIONS))
        try:
            yield started.new_page(viewport={"width": width, "height": height})
        finally:
            started.close()
