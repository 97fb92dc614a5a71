"""Stripe's official client over `providers.transport`, by the library's extension point for HTTP clients.

Its own httpx client hands over bodies in a way that httpx calls deprecated and doesn't say what was sent.
"""

from collections.abc import Mapping
from typing import Any

import stripe

from providers.transport import AsyncTransport


class StripeTransport(stripe.HTTPClient):
    """In the place of the library's HTTP client."""

    name = "httpx"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._transport = AsyncTransport(seconds)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Body, status and headers of the answer. Raises CallFailed."""
        answer, body = await self._transport.send(method, url, headers=headers, content=post_data)
        return body, answer.status_code, answer.headers

    async def close_async(self) -> None:
        """Close all connections."""
        await self._transport.close()
