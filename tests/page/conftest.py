"""What the tests of the page share: the shipped model as the page has it, and its handlers with a folder of uploads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spatial_llm.page.arguments import AppArguments
from spatial_llm.page.handlers import Handlers
from spatial_llm.page.server import make_handlers

MOST_BYTES = 2_000_000


@pytest.fixture(scope="session")
def handlers(tmp_path_factory) -> Iterator[Handlers]:
    """The handlers of a page of the shipped model."""
    arguments = AppArguments(device="cpu", max_upload_bytes=MOST_BYTES)
    made = make_handlers(arguments, str(tmp_path_factory.mktemp("uploads")))
    yield made
    made.uploads.close()


@pytest.fixture
def uploaded(handlers) -> Callable[[str, bytes], str]:
    """Puts a file where gradio puts uploads, and returns its path."""

    def put(name: str, content: bytes) -> str:
        folder = Path(handlers.uploads.folder, f"of-{name}")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return str(folder / name)

    return put
