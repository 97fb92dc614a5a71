"""Requests of official clients over httpx: each one once, and it is known whether one was sent."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import httpx

CONNECT_SECONDS: Final = 5.0
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""A provider can't have seen a request that ended so."""


class CallFailed(Exception):
    """No answer; never leaves a provider's folder. `sent`: the provider may have acted. `reason`: a short code."""

    def __init__(self, reason: str, sent: bool, status: int = 0, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.status = status
        self.retry_after = retry_after


def within(until: float, answer: httpx.Response) -> Iterator[bytes]:
    """Its parts; who drips them one by one would otherwise keep the thread for ever."""
    for part in answer.iter_bytes():
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer takes too long")
        yield part


def failed(error: Exception) -> CallFailed:
    """A key or an address that can't be put on the wire counts as not connected."""
    if isinstance(error, (*_NOT_SENT, httpx.InvalidURL, UnicodeEncodeError)):
        return CallFailed("not_connected", sent=False)
    timed_out = isinstance(error, httpx.TimeoutException)
    return CallFailed("timeout" if timed_out else "connection_lost", sent=True)
