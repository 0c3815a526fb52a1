"""Serves the page: loads the model, listens at one address, and leaves nothing behind."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import torch
import uvicorn

from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.page.arguments import AppArguments
from spatial_llm.page.handlers import Handlers
from spatial_llm.page.hearing import Ears, licence_of
from spatial_llm.page.uploads import Uploads
from spatial_llm.serving.recordings import Readers
from spatial_llm.serving.sockets import address_of, bound_socket, stopping_is_no_error
from spatial_llm.shipped import find_model, is_shipped

# Nothing of the page may reach beyond the machine that serves it: no font, no script, no picture, no message.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)


def show_page(arguments: AppArguments) -> None:
    """Serves the page until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be listened at.
        SpatialLLMError: the model cannot be loaded, or does not hear recordings of this format.
    """
    if arguments.host not in ("127.0.0.1", "::1", "localhost"):
        warnings.warn(
            f"--host {arguments.host}: whoever reaches this machine may use the page, and nobody is asked who they are; put "
            "a proxy that does in front of it.",
            stacklevel=1,
        )
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(contextlib.closing(bound_socket(arguments.host, arguments.port)))
        # While the model is loaded, nobody else listens to it: the folder would stay.
        stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _leave))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spatial-llm-page-"))
        stack.enter_context(_gradio_settings(folder))
        handlers = make_handlers(arguments, folder)
        stack.callback(handlers.uploads.close)
        threading.Thread(target=handlers.uploads.start, daemon=True).start()
        config = uvicorn.Config(
            page_app(handlers, arguments), ws="none", lifespan="on", log_level="warning", access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=arguments.stop_seconds,
        )  # fmt: skip
        server = _Server(config, address_of(arguments.host, listening.getsockname()[1]))
        stack.enter_context(stopping_is_no_error())
        server.run(sockets=[listening])


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def make_handlers(arguments: AppArguments, folder: str) -> Handlers:
    """Loads the model and returns what the page does; `folder`: where uploads are put."""
    model = SpatialLLM.from_pretrained(arguments.model)
    model.to(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    ears = Ears(model, arguments)
    readers = [Readers(ears.reader_settings(dry), 1, arguments.read_seconds) for dry in (False, True)]
    return Handlers(ears, Uploads(folder, *readers, arguments.max_upload_bytes), arguments.heads)


def page_app(handlers: Handlers, arguments: AppArguments) -> Any:
    """Returns the ASGI application of the page."""
    import gradio as gr
    from fastapi import FastAPI

    from spatial_llm.page.layout import browser_file, make_page

    name = model_name(arguments.model)
    page = make_page(handlers, arguments, name, licence_of(find_model(arguments.model)))
    # Fonts of the system: gradio's themes fetch theirs.
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Closed)
    return gr.mount_gradio_app(
        app, page, path="/", server_name=arguments.host, footer_links=[], run_history=False, allowed_paths=[],
        show_error=False, max_file_size=arguments.max_upload_bytes, ssr_mode=False, enable_monitoring=False, pwa=False,
        mcp_server=False, theme=theme, css=browser_file("page.css"),
    )  # fmt: skip


def model_name(model: str) -> str:
    """Returns what the page calls the model: the name of its folder, whose path is no business of visitors."""
    return str(model) if is_shipped(model) else os.path.basename(os.path.abspath(model))


class Closed:
    """Middleware that keeps the page from reaching beyond its own address."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        unfinished = False  # whether a response began and did not end

        async def closed(message: Any) -> None:
            nonlocal unfinished
            unfinished = message["type"] == "http.response.start" or message.get("more_body", False)
            if message["type"] == "http.response.start":
                added = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = message | {"headers": [*message.get("headers", ()), *added]}
            await send(message)

        try:
            await self.app(scope, receive, closed)
        except asyncio.CancelledError:
            # The page was told to stop, and a browser that shows it holds a stream open, which ends here without an error.
            if unfinished:
                await send({"type": "http.response.body", "body": b"", "more_body": False})


@contextlib.contextmanager
def _gradio_settings(folder: str) -> Any:
    """gradio reads these when it is imported and when it is used: it sends nothing anywhere, and keeps files in `folder`."""
    settings = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder, "HF_HUB_OFFLINE": "1"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class _Server(uvicorn.Server):
    """Says where the page is, once it is there."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self.address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"The page is at {self.address}; Ctrl-C stops.", flush=True)
