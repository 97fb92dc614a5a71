"""Bounds on each connection and on all together, which the server itself doesn't have.

Limits of bodies are in `api.middleware`. These stand before it: headers are read before any application is asked.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_CONNECTIONS: Final = 1_000
LARGEST_HEADERS: Final = 32 * 1024
"""Bytes of an address and its headers; no provider, browser or proxy sends half of that."""
HEADER_SECONDS: Final = 10.0
"""From the connection, or from the first byte of a further request, to the end of its headers."""


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which refuses long headers (431), slow ones (408), and connections beyond 1,000."""

    most_connections = MOST_CONNECTIONS
    header_seconds = HEADER_SECONDS

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for headers, or closes the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.close()
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the wait."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses the bytes, as long as the headers are not too long."""
        if self._header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_timer()
        if self._header_timer is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        # A single header that has not ended yet is known to nobody but the parser.
        if self._header_timer is not None and self._header_bytes > LARGEST_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Starts the request, or refuses it."""
        self._stop_timer()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > LARGEST_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def _start_timer(self) -> None:
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(self.header_seconds, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(head.encode("ascii"))
            self.transport.close()
