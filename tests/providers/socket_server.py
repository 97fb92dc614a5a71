"""A server at the level of sockets, for answers that no HTTP server gives: it resets, stalls and talks nonsense."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
Behaviour = Callable[["Connection"], None]
"""What the server does with one connection."""


@dataclass
class SocketServer:
    """Where it listens, and each request that it read, in order, over all connections."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set by the first request."""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Connection:
    """One accepted connection."""

    server: SocketServer
    socket: socket.socket

    def read_request(self) -> bool:
        """Reads one request with its body and notes it; False if the client closed instead."""
        text = b""
        while b"\r\n\r\n" not in text:
            if not (part := self.socket.recv(65_536)):
                return False
            text += part
        head, _, body = text.partition(b"\r\n\r\n")
        while len(body) < _body_length(head):
            body += self.socket.recv(65_536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        self.server.arrived.set()
        return True

    def reset(self) -> None:
        """Closes with a TCP reset in place of an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _body_length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)


def answer_with(*pieces: bytes, then_reset: bool = False) -> Behaviour:
    """Reads one request, sends these bytes and ends the connection."""

    def behave(connection: Connection) -> None:
        if connection.read_request():
            connection.socket.sendall(b"".join(pieces))
            if then_reset:
                connection.reset()

    return behave


def answer_once_then_close_on_the_next(connection: Connection) -> None:
    """Keeps the connection after a first answer, and ends it when the second request is there."""
    if connection.read_request():
        connection.socket.sendall(OK)
        connection.read_request()


def answer_all(connection: Connection) -> None:
    """A server as it should be."""
    while connection.read_request():
        connection.socket.sendall(OK)


def accept_only(connection: Connection) -> None:
    """Reads nothing and says nothing."""
    connection.server.stop.wait()


def stay_silent(connection: Connection) -> None:
    """Takes what comes and never answers."""
    connection.socket.settimeout(0.05)
    while not connection.server.stop.is_set():
        with contextlib.suppress(TimeoutError):
            if not connection.read_request():
                return


def drip(connection: Connection) -> None:
    """Sends a body byte by byte that never ends."""
    connection.read_request()
    connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not connection.server.stop.wait(0.05):
        connection.socket.sendall(b" ")


@contextmanager
def socket_server(behave: Behaviour) -> Iterator[SocketServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SocketServer(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, server, behave), daemon=True)
        thread.start()
        yield server
        server.stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(listener: socket.socket, server: SocketServer, behave: Behaviour) -> None:
    with contextlib.suppress(OSError):
        while True:
            accepted, _ = listener.accept()
            server.connections += 1
            threading.Thread(target=_handle, args=(server, accepted, behave), daemon=True).start()


def _handle(server: SocketServer, accepted: socket.socket, behave: Behaviour) -> None:
    with accepted, contextlib.suppress(OSError):
        behave(Connection(server, accepted))
