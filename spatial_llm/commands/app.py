"""Try a model in the browser: place a sound or give a recording, hear it, ask, and see what the encoder hears.

    spatial-llm app
    spatial-llm app runs/bat/model --port 7861

Needs the extra app (pip install "spatial-llm[app]"). The first argument is the folder of a model, default the one that
comes with the package. The page is at 127.0.0.1 unless --host says otherwise, asks nobody who they are, sends nothing
anywhere, and stops at Ctrl-C; docs/page.md shows it.
"""

import importlib.util
from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.errors import SpatialLLMError
from spatial_llm.page.arguments import AppArguments


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    if argv and not argv[0].startswith("-"):
        argv = ["--model", *argv]
    arguments = read_settings(AppArguments, "app", __doc__, argv, script)
    if importlib.util.find_spec("gradio") is None:
        raise SpatialLLMError('gradio is needed for the page: pip install "spatial-llm[app]".')
    from spatial_llm.page.server import show_page

    show_page(arguments)
