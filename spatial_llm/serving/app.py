"""The web application: what comes in is bounded before it is read, and whoever is gone is no longer worked for."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from spatial_llm.errors import SpatialLLMError
from spatial_llm.serving.answering import Answerer, Question, ServedRecording
from spatial_llm.serving.arguments import ServeArguments
from spatial_llm.serving.batcher import Batcher
from spatial_llm.serving.chat_request import ChatRequest, Recording, read_chat_request
from spatial_llm.serving.completions import Chunks, completion, event
from spatial_llm.serving.recordings import Readers
from spatial_llm.serving.refusals import Refusal, short

REQUEST_ID = "x-request-id"
_AN_ID = re.compile(r"[\x21-\x7e]{1,128}")
_GONE = 499  # nobody reads this status: the client has gone


class Service:
    """Answers requests.

    Args:
        answerer: of the model.
        readers: of recordings.
        name: of the model.
        arguments: the limits.
    """

    def __init__(self, answerer: Answerer, readers: Readers, name: str, arguments: ServeArguments) -> None:
        self.answerer, self.readers, self.name, self.arguments = answerer, readers, name, arguments
        self.batcher = Batcher(answerer, arguments.batch_size, arguments.batch_wait_ms / 1000, lambda: self._on_their_way)
        self.started = int(time.time())
        self._accepted = 0
        self._on_their_way = 0
        self._held_bytes = 0

    def app(self) -> Starlette:
        """Returns the ASGI application."""
        routes = [
            Route("/v1/chat/completions", self._answered(self.chat), methods=["POST"]),
            Route("/v1/models", self._answered(self.models), methods=["GET"]),
            Route("/v1/models/{name:path}", self._answered(self.models), methods=["GET"]),
            Route("/health", self._answered(self.health), methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={HTTPException: self._no_such_route})

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.readers.start()
        running = asyncio.create_task(self.batcher.run())
        try:
            yield
        finally:
            running.cancel()
            self.readers.close()
            self.batcher.thread.shutdown(wait=False, cancel_futures=True)

    async def health(self, request: Request) -> Response:
        """Tells that the server runs, and how much it has to do."""
        return JSONResponse({"status": "ok", "model": self.name, "accepted": self._accepted})

    async def models(self, request: Request) -> Response:
        """Lists the one model, or tells about it."""
        model = {"id": self.name, "object": "model", "created": self.started, "owned_by": "spatial-llm"}
        asked = request.path_params.get("name")
        if asked is None:
            return JSONResponse({"object": "list", "data": [model]})
        if asked != self.name:
            raise Refusal(f"model {short(asked)} is not served here; give {self.name!r}.", 404, "model", "model_not_found")
        return JSONResponse(model)

    async def chat(self, request: Request) -> Response:
        """Answers a chat completion."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # A page on the web could send other types to this machine without being asked whether it may.
            raise Refusal(f"Content-Type is {short(kind)}; send application/json.", 415)
        if self._accepted >= self.arguments.queue:
            await self._discard(request)
            raise self._busy(f"{self._accepted} requests are being answered, as many as are accepted at a time")
        self._accepted += 1
        self._on_their_way += 1
        leaving = contextlib.ExitStack()
        leaving.callback(self._leave)
        with leaving, contextlib.ExitStack() as arriving:
            arriving.callback(self._arrived)
            asked = await self._read(request, arriving)
            turns = [
                (turn.question, [await self._hear(one) for one in turn.recordings], turn.answer) for turn in asked.turns
            ]
            asked = replace(asked, turns=())  # lets the files go, of which only the windows are needed from here on
            events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
            loop = asyncio.get_running_loop()

            def tell(name: str, value: Any) -> None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(events.put_nowait, (name, value))

            question = Question(turns, asked.max_new_tokens, tell, asked.stream)
            leaving.callback(setattr, question, "gone", True)
            arriving.close()
            self.batcher.add(question)
            watch = asyncio.create_task(_gone(request.receive))
            leaving.callback(watch.cancel)
            following = _Following(events, watch)
            await following.next("started")
            id, created = request.state.id, int(time.time())
            if asked.stream:
                chunks = Chunks(id, created, self.name, asked.include_usage)
                return _EventStream(chunks, following, leaving.pop_all().close)
            finished = await following.next("done")
            return JSONResponse(completion(id, created, self.name, finished))

    def _leave(self) -> None:
        self._accepted -= 1

    def _arrived(self) -> None:
        self._on_their_way -= 1
        self.batcher.look()

    def _busy(self, why: str) -> Refusal:
        return Refusal(f"{why}; try again later.", 429, code="busy", retry_after_s=self.batcher.retry_after_s())

    async def _read(self, request: Request, arriving: contextlib.ExitStack) -> ChatRequest:
        """Returns what the body asks for. Its bytes count as held until `arriving` is closed."""
        most, held = self.arguments.max_request_bytes, 0

        def let_go() -> None:
            self._held_bytes -= held

        arriving.callback(let_go)
        stated = request.headers.get("content-length", "")
        too_large = Refusal(f"the request is larger than {most} bytes; cut the recording, or send FLAC.", 413)
        try:
            if stated.isdigit() and int(stated) > most:
                await self._discard(request)
                raise too_large
            parts: list[bytes] = []
            async with asyncio.timeout(self.arguments.body_seconds):
                async for part in request.stream():
                    held += len(part)
                    self._held_bytes += len(part)
                    if held > most:
                        raise too_large
                    if self._held_bytes > self.arguments.max_held_bytes:
                        raise self._busy(f"requests of {self._held_bytes} bytes are held, as many as are held at a time")
                    parts.append(part)
            body = b"".join(parts)
            parts.clear()
            return await asyncio.to_thread(read_chat_request, body, self.name, self.arguments)
        except TimeoutError:
            raise Refusal(
                f"the request did not come within {self.arguments.body_seconds:g} s; send it faster.", 408
            ) from None

    async def _discard(self, request: Request) -> None:
        """Reads what a client is sending, so that it comes to read the response; not without end."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(5.0, self.arguments.body_seconds)):
                async for part in request.stream():
                    size += len(part)
                    if size > 2 * self.arguments.max_request_bytes:
                        return

    async def _hear(self, recording: Recording) -> ServedRecording:
        found = await asyncio.to_thread(self.answerer.remembered, recording.content)
        if found.heard is None:
            loop = asyncio.get_running_loop()
            try:
                found.window = await loop.run_in_executor(self.readers.threads, self.readers.read, recording.content)
            except Refusal:  # which is not about the recording
                raise
            except SpatialLLMError as error:
                raise Refusal(f"{recording.where}: {error}", 422, recording.where, "unusable_recording") from None
            found.warnings = found.window.warnings
        return found

    def _answered(self, respond: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Returns an endpoint whose errors are responses, and whose responses have the id of the request."""

        async def endpoint(request: Request) -> Response:
            given = request.headers.get(REQUEST_ID, "")
            request.state.id = id = given if _AN_ID.fullmatch(given) else uuid.uuid4().hex
            try:
                response = await respond(request)
            except (Exception, asyncio.CancelledError) as error:
                response = refused(error)
            response.headers[REQUEST_ID] = id
            return response

        return endpoint

    async def _no_such_route(self, request: Request, error: Exception) -> Response:
        said = {404: "there is no such address", 405: f"{request.method} is not for this address"}
        why = said.get(error.status_code, error.detail)
        known = "POST /v1/chat/completions, GET /v1/models and GET /health"

        async def respond(request: Request) -> Response:
            response = refused(Refusal(f"{why}; known are {known}.", error.status_code))
            response.headers.update(error.headers or {})
            return response

        return await self._answered(respond)(request)


def refused(error: BaseException) -> Response:
    """Returns the response to an error: a sentence; of one that is a bug, no more than that it is one."""
    refusal = as_refusal(error)
    headers = {} if refusal.retry_after_s is None else {"retry-after": str(refusal.retry_after_s)}
    return JSONResponse(refusal.to_dict(), refusal.status, headers)


def as_refusal(error: BaseException) -> Refusal:
    """Returns an error as a refusal; one that is a bug is printed with its traceback."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ClientDisconnect):
        return Refusal("the client is gone.", _GONE)
    if isinstance(error, asyncio.CancelledError):  # stop_seconds are over
        return Refusal("the server stops, and had no time for this request; send it again later.", 503, code="stopping")
    if isinstance(error, SpatialLLMError):
        return Refusal(str(error), 422, "messages", "unusable_question")
    import traceback

    traceback.print_exception(error)
    return Refusal("the server failed at this request; its log says why.", 500, code="internal_error")


class _Following:
    """Follows what becomes of a question."""

    def __init__(self, events: "asyncio.Queue[tuple[str, Any]]", gone: "asyncio.Task[None]") -> None:
        self.events, self.gone = events, gone

    async def either(self) -> tuple[str, Any]:
        """Returns the next event. Raises ClientDisconnect if the client goes first, and the error of an event of one."""
        coming = asyncio.ensure_future(self.events.get())
        try:
            await asyncio.wait({coming, self.gone}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise ClientDisconnect
            name, value = coming.result()
        finally:
            coming.cancel()
        if name == "error":
            raise value
        return name, value

    async def next(self, wanted: str) -> Any:
        """Returns the value of the next event of this name; those before it are passed over."""
        while True:
            name, value = await self.either()
            if name == wanted:
                return value


class _EventStream(Response):
    """A response in pieces. Starlette's own notices that a client is gone only when it sends."""

    def __init__(self, chunks: Chunks, following: _Following, leave: Callable[[], None]) -> None:
        super().__init__(media_type="text/event-stream", headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self.chunks, self.following, self.leave = chunks, following, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def write(body: bytes, more: bool = True) -> None:
            message: Message = {"type": "http.response.body", "body": body, "more_body": more}
            await send(message)

        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await write(self.chunks.first())
            name, value = "", None
            while name != "done":
                name, value = await self.following.either()
                if name == "piece":
                    await write(self.chunks.piece(value))
            await write(self.chunks.last(value), more=False)
        except (ClientDisconnect, OSError):
            pass
        except (Exception, asyncio.CancelledError) as error:
            await write(event(as_refusal(error).to_dict()), more=False)
        finally:
            self.leave()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
