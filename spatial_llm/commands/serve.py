"""Serve a model to programs, by OpenAI's chat completions: recordings keep their channels.

    spatial-llm serve --model tiny --port 8000

Needs the extra serve (pip install 'spatial-llm[serve]'). POST /v1/chat/completions takes parts input_audio, WAV or FLAC in
base64; GET /v1/models and GET /health tell what is served. It listens at 127.0.0.1 unless --host says otherwise, asks nobody
who they are, and stops at Ctrl-C or SIGTERM after it has answered what it accepted; docs/serving.md shows requests and
limits.
"""

import importlib.util
from collections.abc import Sequence

from spatial_llm.commands.arguments import read_settings
from spatial_llm.errors import SpatialLLMError
from spatial_llm.serving.arguments import ServeArguments


def main(argv: Sequence[str] | None = None, script: str | None = None) -> None:
    """Runs the command, see `spatial_llm.commands`."""
    arguments = read_settings(ServeArguments, "serve", __doc__, argv, script)
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise SpatialLLMError(f"{' and '.join(missing)} are needed to serve: pip install 'spatial-llm[serve]'.")
    from spatial_llm.serving.server import serve

    serve(arguments)
