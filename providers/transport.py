"""The one HTTP transport below every provider's official client: httpx, each request sent once, within one time limit.

The clients' own transports hide whether a request left this machine, and that decides what a failed charge means:
a request that was never sent may be sent again, one that was sent has an unknown outcome until it is reconciled.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import httpx

CONNECT_SECONDS: Final = 5.0
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Errors raised before a request is written: the provider can't have seen it."""
_NO_ANSWER: Final = (TimeoutError, httpx.TransportError, httpx.DecodingError, httpx.InvalidURL, UnicodeEncodeError)


class CallFailed(Exception):
    """A call without a usable answer. Each provider translates it: it never leaves a provider's package.

    `sent`: the provider may have executed the request. `reason`: a short code, stored with an unknown charge.
    """

    def __init__(self, reason: str, sent: bool, status: int = 0, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.status = status
        self.retry_after = retry_after


class BlockingTransport:
    """For clients that block: call it in a thread. `seconds` is the limit of one request, body included."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http = httpx.Client(timeout=_http_timeout(seconds))

    def send(self, method: str, url: str, **content: Any) -> tuple[httpx.Response, bytes]:
        """The answer, whatever its status, and its body. `content` goes to `httpx.Client.stream`. Raises CallFailed."""
        until = time.monotonic() + self._seconds
        try:
            with self._http.stream(method, url, **content) as answer:
                return answer, b"".join(_parts_before(until, answer))
        except _NO_ANSWER as error:
            raise _call_failure(error) from None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


class AsyncTransport:
    """For clients that run on an event loop. `seconds` is the limit of one request, body included."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http = httpx.AsyncClient(timeout=_http_timeout(seconds))

    async def send(self, method: str, url: str, **content: Any) -> tuple[httpx.Response, bytes]:
        """The answer, whatever its status, and its body. `content` goes to `AsyncClient.request`. Raises CallFailed."""
        try:
            # httpx limits the wait for each piece of an answer: a server that sends byte by byte would never time out.
            async with asyncio.timeout(self._seconds):
                answer = await self._http.request(method, url, **content)
        except _NO_ANSWER as error:
            raise _call_failure(error) from None
        return answer, answer.content

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _http_timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))


def _parts_before(until: float, answer: httpx.Response) -> Iterator[bytes]:
    """The body in pieces. Raises httpx.ReadTimeout at `until`: httpx itself limits only the wait for each piece."""
    for part in answer.iter_bytes():
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer takes too long")
        yield part


def _call_failure(error: Exception) -> CallFailed:
    """The failure that an exception stands for."""
    # An invalid address and a key that can't be encoded as a header fail before anything is written.
    if isinstance(error, (*_NOT_SENT, httpx.InvalidURL, UnicodeEncodeError)):
        return CallFailed("not_connected", sent=False)
    # Everything else may have reached the provider, a connection lost while writing included.
    timed_out = isinstance(error, TimeoutError | httpx.TimeoutException)
    return CallFailed("timeout" if timed_out else "connection_lost", sent=True)
