"""Starts the server: loads the model, listens, and stops when it is told to, after what it accepted."""

import asyncio
import contextlib
import os
import socket
import warnings
from typing import Any

import numpy as np
import torch
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.model.understanding import at_taught_level, understood
from spatial_llm.serving.answering import Answerer
from spatial_llm.serving.app import Service
from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.microphone import microphone_of
from spatial_llm.serving.reader_process import ReaderSettings
from spatial_llm.serving.recordings import Readers
from spatial_llm.serving.sockets import address_of, bound_socket, stopping_is_no_error
from spatial_llm.shipped import is_shipped


def serve(arguments: ServeArguments) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be listened at.
        SpatialLLMError: the model cannot be loaded, does not hear recordings of this format, or has to be told theirs; or an
            option is without effect.
    """
    if arguments.host not in ("127.0.0.1", "::1", "localhost"):
        warnings.warn(
            f"--host {arguments.host}: whoever reaches this machine may ask, and nobody is asked who they are; put a proxy "
            "that does in front of it.",
            stacklevel=1,
        )
    # Before the model is loaded, which may take minutes.
    with contextlib.closing(bound_socket(arguments.host, arguments.port)) as listening:
        service = _service(arguments)
        protocol = type("Protocol", (PatientProtocol,), {"head_seconds": arguments.body_seconds})
        config = uvicorn.Config(
            service.app(), http=protocol, ws="none", lifespan="on", log_level="warning", access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=arguments.stop_seconds,
        )  # fmt: skip
        server = _Server(config, address_of(arguments.host, listening.getsockname()[1]), service.name)
        with stopping_is_no_error():
            server.run(sockets=[listening])


def _service(arguments: ServeArguments) -> Service:
    model = SpatialLLM.from_pretrained(arguments.model)
    model.to(arguments.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    extractor, config = model.processor.feature_extractor, model.model.config.encoder_config
    # Says what is lost, and refuses what cannot be heard, before anybody asks.
    given, derived = microphone_of(model, arguments.microphone, arguments.head, arguments.heading_deg)
    if arguments.allow_mono and given.channels != 2:
        raise SpatialLLMError(
            f"allow_mono hears one channel as two equal ones, and recordings in {given.name} have {given.channels}: leave "
            "it out."
        )
    if arguments.level_dbfs_at_1m is not None:
        at_taught_level(np.zeros((given.channels, 1), np.float32), arguments.level_dbfs_at_1m, model.processor.taught)
    understood(model.matcher, "Where is it?", arguments.strict and model.matcher is None, as_asked=True)
    limits = arguments.audio_limits
    settings = ReaderSettings(
        extractor.format.text, given.text, config.sampling_rate, config.window_samples, arguments.head,
        arguments.heading_deg, arguments.allow_mono, limits.max_seconds, limits.max_bytes, limits.allow_truncated,
    )  # fmt: skip
    answerer = Answerer(
        model, given, derived, arguments.head, arguments.level_dbfs_at_1m, arguments.strict, arguments.as_asked,
        arguments.remembered,
    )  # fmt: skip
    # Not the path, which is no business of clients.
    name = os.path.basename(os.path.abspath(arguments.model)) if not is_shipped(arguments.model) else str(arguments.model)
    return Service(answerer, Readers(settings, arguments.readers, arguments.read_seconds), name, arguments)


class _Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, address: str, name: str) -> None:
        super().__init__(config)
        self.address, self.name = address, name

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"{self.name} is served at {self.address}/v1; Ctrl-C stops.", flush=True)


class PatientProtocol(H11Protocol):
    """Closes connections on which the head of a request does not come in time; uvicorn waits for it for ever.

    Attributes:
        head_seconds: that time, in s.
    """

    head_seconds = 30.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self.transport.close)
        elif not waits and self._late is not None:
            self._late.cancel()
            self._late = None
