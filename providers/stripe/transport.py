"""How requests of the official client travel: over httpx, each one once, within one time limit.

The library's own httpx client hides which errors came before a request was sent and which after, hands over bodies
in a way that httpx calls deprecated, and limits only the wait for each piece of an answer.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx
import stripe

CONNECT_SECONDS: Final = 5.0
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Stripe can't have seen a request that ended so."""


class CallFailed(Exception):
    """No answer; never leaves this folder. `sent`: Stripe may have acted. `reason`: a short code."""

    def __init__(self, reason: str, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Transport(stripe.HTTPClient):
    """The extension point of the library for HTTP clients. Raises CallFailed."""

    name = "httpx"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)))

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Body, status and headers of the answer."""
        try:
            # A server that drips an answer byte by byte would otherwise hold us for ever.
            async with asyncio.timeout(self._seconds):
                answer = await self._http.request(method, url, headers=headers, content=post_data)
        except (TimeoutError, httpx.TransportError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise _failed(error) from None
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        """Let go of connections."""
        await self._http.aclose()


def _failed(error: Exception) -> CallFailed:
    """A key or an address that can't be put on the wire counts as not connected."""
    if isinstance(error, (*_NOT_SENT, httpx.InvalidURL, UnicodeEncodeError)):
        return CallFailed("not_connected", sent=False)
    timed_out = isinstance(error, TimeoutError | httpx.TimeoutException)
    return CallFailed("timeout" if timed_out else "connection_lost", sent=True)
