"""Adyen's official client over `providers.transport`."""

from collections.abc import Mapping
from typing import Any, Final

from providers.transport import BlockingTransport

_LIBRARY_BASE: Final = "https://checkout-test.adyen.com"


class AdyenTransport:
    """In the place of the library's HTTP client. Blocks: to be called in a thread."""

    def __init__(self, base: str, seconds: float) -> None:
        self.user_agent = "payments-risk-intelligence"
        self._base = base or _LIBRARY_BASE
        self._transport = BlockingTransport(seconds)

    def request(
        self, method: str, url: str, json: Any = None, xapikey: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[str, Any, int, Mapping[str, str]]:
        """Body, request, status and headers, as the library wants them. Raises CallFailed."""
        sent = {**(headers or {}), "x-api-key": xapikey}
        where = self._base + url.removeprefix(_LIBRARY_BASE)
        answer, body = self._transport.send(method, where, json=json, headers=sent)
        return body.decode("utf-8", "replace"), json, answer.status_code, answer.headers

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
