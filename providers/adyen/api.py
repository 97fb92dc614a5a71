"""One call of Adyen's Checkout API over the official client: an answer with its status, or CallFailed.

The client blocks, so each call runs in a thread; its requests go over the event loop (`providers.transport`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import Adyen

from providers.adyen.config import AdyenConfig
from providers.fields import Fields
from providers.transport import BlockingTransport, CallFailed

_LIBRARY_BASE: Final = "https://checkout-test.adyen.com"


class AdyenTransport:
    """Replaces the library's HTTP client, so that a failed call says whether it was sent. Blocks: use a thread."""

    def __init__(self, base: str, seconds: float) -> None:
        self.user_agent = "payments-risk-intelligence"
        self._base = base or _LIBRARY_BASE
        self.calls = BlockingTransport(seconds, "adyen")

    def request(
        self, method: str, url: str, json: Any = None, xapikey: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[str, Any, int, Mapping[str, str]]:
        """Body, request, status and headers, as the library wants them. Raises CallFailed."""
        named = {"Content-Type": "application/json", **(headers or {}), "x-api-key": xapikey}
        where = self._base + url.removeprefix(_LIBRARY_BASE)
        answer = self.calls.send(method, where, named, _to_json(json))
        return answer.body.decode("utf-8", "replace"), json, answer.status, answer.headers


def _to_json(request: Any) -> bytes | None:
    return None if request is None else json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()


CALL_SECONDS: Final = 20.0
"""Seconds that a payment call may take; far below the activities' time-out."""


@dataclass(frozen=True)
class Answer:
    """A status and a JSON object; `body` is empty if the answer wasn't a JSON object."""

    status: int
    body: Mapping[str, Any]
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @property
    def fields(self) -> Fields:
        """The body, read leniently: an invalid field counts as absent."""
        return Fields(self.body, lenient=True)


class AdyenApi:
    """Calls with one key, each sent once. Repeats are decided by the activity, which has the event log."""

    def __init__(self, config: AdyenConfig, call_seconds: float = CALL_SECONDS) -> None:
        self._transport = AdyenTransport(config.api_base, call_seconds)
        # The library builds addresses of its test platform; the transport puts the configured one in their place.
        self._client = Adyen.Adyen(xapikey=config.api_key, platform="test")
        self._client.client.http_client, self._client.client.http_init = self._transport, True

    async def send_payment(self, request: Mapping[str, Any], key: str) -> Answer:
        """Sends a payment under this idempotency key; any status is an answer. Raises CallFailed without one."""
        call = partial(self._client.checkout.payments_api.payments, dict(request), idempotency_key=key)
        try:
            found = await self._transport.calls.run(call)
        except Adyen.AdyenError as error:
            return _to_answer(int(error.status_code or 0), error.message, error.headers)
        except CallFailed:
            raise
        except Exception:  # the library raises its own errors for answers that are no objects
            raise CallFailed("unfit_answer", sent=True) from None
        return _to_answer(found.status_code, found.message, {})

    async def close(self) -> None:
        """Closes all connections and cancels calls that haven't begun."""
        await self._transport.calls.close()


def _to_answer(status: int, body: object, headers: object) -> Answer:
    return Answer(status, body if isinstance(body, dict) else {}, _retry_after(headers))


def _retry_after(headers: object) -> timedelta | None:
    """The `Retry-After` header in whole seconds, at most a day; None if it has another form."""
    seconds = headers.get("retry-after", "") if isinstance(headers, Mapping) else ""
    return timedelta(seconds=min(int(seconds), 86_400)) if seconds.isascii() and seconds.isdigit() else None
