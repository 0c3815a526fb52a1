"""What all tests share: no network, and where the optional folder of real audio lies."""

import gc
import os
import signal
from pathlib import Path

import pytest

# Set before transformers is imported: a test that reaches for the hub must fail, not wait.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A shell without job control lets what it starts in the background ignore Ctrl-C, and so every program that the tests start:
# those that are tested for it would never stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """Takes the ten thousand collected tests and all that they import out of the garbage collector's sight: Trainer collects
    before each training, which took a third of the whole tier to walk over what never goes away."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_cache_folder(tmp_path_factory) -> Path:
    """Tests neither read nor fill the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["SPATIAL_LLM_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout, for tests that run doors."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The folder of real clips, HRTFs and room responses that may lie beside the checkout."""
    folder = Path(os.environ.get("SPATIAL_LLM_SHARED", REPOSITORY.parent / "shared")) / "audio"
    if not folder.is_dir():
        pytest.skip("no folder of real audio: set SPATIAL_LLM_SHARED or put it at ../shared")
    return folder
