"""How requests of the official client travel: over httpx, each one once, and it is known whether one was sent."""

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from providers.transport import CONNECT_SECONDS, failed, within

_LIBRARYS_BASE: Final = "https://checkout-test.adyen.com"


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
                body = b"".join(within(until, answer))
        except (httpx.TransportError, httpx.InvalidURL, UnicodeEncodeError) as error:
            raise failed(error) from None
        return body.decode("utf-8", "replace"), json, answer.status_code, answer.headers

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
