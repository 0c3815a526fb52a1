"""`spatial-llm app`: the folder stands first, and what is missing or cannot be is said before a model is loaded."""

import importlib.util

import pytest

from spatial_llm.cli import main
from spatial_llm.commands import app


@pytest.fixture
def shown(monkeypatch) -> list:
    """The arguments with which the page would be shown."""
    found = []
    monkeypatch.setattr("spatial_llm.page.server.show_page", found.append)
    return found


def test_the_folder_is_the_first_argument(shown):
    assert main(["app"]) == 0 and main(["app", "runs/bat", "--port", "7861"]) == 0 and main(["app", "--model", "x"]) == 0
    assert [(each.model, each.port, each.host) for each in shown] == [
        ("tiny", 7860, "127.0.0.1"), ("runs/bat", 7861, "127.0.0.1"), ("x", 7860, "127.0.0.1")
    ]  # fmt: skip


def test_without_gradio_the_command_says_what_to_install(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(app.importlib.util, "find_spec", lambda name: None if name == "gradio" else found(name))
    assert main(["app"]) == 1
    assert 'gradio is needed for the page: pip install "spatial-llm[app]".' in capsys.readouterr().err


def test_ports_that_cannot_be_are_refused(shown, capsys):
    assert main(["app", "--port", "70000"]) == 1
    assert "port is 70000" in capsys.readouterr().err and shown == []
