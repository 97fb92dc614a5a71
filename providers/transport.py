"""The one HTTP transport below every provider's official client: httpx, each request sent once, within one time limit.

The clients' own transports hide whether a request left this machine. Money law 5 turns on that: a request that was
never sent may be sent again, one that was sent has an unknown outcome until it is read.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import httpx

CONNECT_SECONDS: Final = 5.0
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""A provider can't have seen a request that ended so."""
_NO_ANSWER: Final = (TimeoutError, httpx.TransportError, httpx.DecodingError, httpx.InvalidURL, UnicodeEncodeError)


class CallFailed(Exception):
    """No answer; never leaves a provider's folder. `sent`: the provider may have acted. `reason`: a short code."""

    def __init__(self, reason: str, sent: bool, status: int = 0, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.status = status
        self.retry_after = retry_after


class BlockingTransport:
    """For clients that block; to be called in a thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http = httpx.Client(timeout=_http_timeout(seconds))

    def send(self, method: str, url: str, **content: Any) -> tuple[httpx.Response, bytes]:
        """The answer and its body. `content`: as `httpx.Client.stream` takes it. Raises CallFailed."""
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
    """For clients that run on an event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http = httpx.AsyncClient(timeout=_http_timeout(seconds))

    async def send(self, method: str, url: str, **content: Any) -> tuple[httpx.Response, bytes]:
        """The answer and its body. `content`: as `httpx.AsyncClient.request` takes it. Raises CallFailed."""
        try:
            # httpx limits the wait for each piece: a server that drips byte by byte would hold us for ever.
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
    """Which failure an exception stands for; a key or an address that can't be put on the wire was not sent."""
    if isinstance(error, (*_NOT_SENT, httpx.InvalidURL, UnicodeEncodeError)):
        return CallFailed("not_connected", sent=False)
    timed_out = isinstance(error, TimeoutError | httpx.TimeoutException)
    return CallFailed("timeout" if timed_out else "connection_lost", sent=True)
