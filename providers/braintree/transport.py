"""How requests of the official client travel: over httpx, each one once, and it is known whether one was sent.

The client offers this place (`http_strategy`); its own transport hides whether a request went out, and waits a minute.
"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import httpx

from providers.transport import CONNECT_SECONDS, CallFailed, failed, within

_READABLE: Final = frozenset({200, 201, 204, 404, 422})
"""Statuses that the client itself understands; 422 is a decline, too."""


class Transport:
    """In the place of the client's own HTTP. Raises CallFailed. Blocks: to be called in a thread."""

    def __init__(self, base: str, clients_base: str, seconds: float) -> None:
        self._base = base
        self._clients_base = clients_base
        self._seconds = seconds
        self._http = httpx.Client(timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)))

    def http_do(self, verb: str, path: str, headers: Mapping[str, str | bytes], body: str) -> tuple[int, str]:
        """Status and body, as the client wants them."""
        where, until = self._base + path.removeprefix(self._clients_base), time.monotonic() + self._seconds
        named = [(name.encode(), text if isinstance(text, bytes) else text.encode()) for name, text in headers.items()]
        try:
            with self._http.stream(verb, where, content=body.encode(), headers=named) as answer:
                text = b"".join(within(until, answer))
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError, UnicodeEncodeError) as error:
            raise failed(error) from None
        if answer.status_code not in _READABLE:
            raise _refused(answer)
        return answer.status_code, text.decode("utf-8", "replace")

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()


def _refused(answer: httpx.Response) -> CallFailed:
    """Too many requests (429) is the one status that surely means: not executed, come back."""
    seconds = answer.headers.get("retry-after", "")
    known = timedelta(seconds=min(int(seconds), 86_400)) if seconds.isascii() and seconds.isdigit() else None
    status = answer.status_code
    return CallFailed(f"http_{status}", sent=status != 429, status=status, retry_after=known)
