"""How requests of the official client travel: over httpx, each one once, and it is known whether one was sent."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

CONNECT_SECONDS: Final = 5.0
_LIBRARYS_BASE: Final = "https://checkout-test.adyen.com"
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Adyen can't have seen a request that ended so."""


class CallFailed(Exception):
    """No answer; never leaves this folder. `sent`: Adyen may have acted. `reason`: a short code."""

    def __init__(self, reason: str, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Transport:
    """In the place of the library's own HTTP client, which hides what was sent. Raises CallFailed."""

    def __init__(self, base: str, seconds: float) -> None:
        self.user_agent = "payments-risk-intelligence"
        self._base = base or _LIBRARYS_BASE
        self._seconds = seconds
        self._http = httpx.Client(timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)))

    def request(
        self, method: str, url: str, json: Any = None, xapikey: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[str, Any, int, Mapping[str, str]]:
        """Body, request, status and headers, as the library wants them. Blocks: to be called in a thread."""
        sent = {**(headers or {}), "x-api-key": xapikey}
        where, until = self._base + url.removeprefix(_LIBRARYS_BASE), time.monotonic() + self._seconds
        try:
            with self._http.stream(method, where, json=json, headers=sent) as answer:
                body = b"".join(_within(until, answer))
        except (httpx.TransportError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise _failed(error) from None
        return body.decode("utf-8", "replace"), json, answer.status_code, answer.headers

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()


def _within(until: float, answer: httpx.Response) -> Iterator[bytes]:
    """Its parts; who drips them one by one would otherwise keep the thread for ever."""
    for part in answer.iter_bytes():
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer takes too long")
        yield part


def _failed(error: Exception) -> CallFailed:
    """A key or an address that can't be put on the wire counts as not connected."""
    if isinstance(error, (*_NOT_SENT, httpx.InvalidURL, UnicodeEncodeError)):
        return CallFailed("not_connected", sent=False)
    timed_out = isinstance(error, httpx.TimeoutException)
    return CallFailed("timeout" if timed_out else "connection_lost", sent=True)
