"""The socket that a program of this package listens at, and how it ends."""

import contextlib
import signal
import socket
from collections.abc import Iterator


def bound_socket(host: str, port: int) -> socket.socket:
    """Returns a socket bound to an address; port 0 takes a free one.

    Raises:
        OSError: the address cannot be listened at; the message says what to do.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        # A server that was killed leaves its connections behind for a minute, which would keep the next one out.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise OSError(
            error.errno, f"{error.strerror}: choose another --port, or --port 0 for a free one", f"{host}:{port}"
        ) from None
    return bound


def address_of(host: str, port: int) -> str:
    """Returns the address as a URL."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextlib.contextmanager
def stopping_is_no_error() -> Iterator[None]:
    """uvicorn raises the signal that stopped it again once it has stopped, for whoever handled it before."""
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
