"""One call of Stripe's API over the official client: an answer, or a clear word on why there is none.

The bodies are read as plain JSON. Stripe's own object tree would be built for nothing, and a server that is only
compatible with Stripe may leave out what the tree insists on.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import stripe

from core.errors import NotAllowed, ProviderUnavailable
from providers.fields import Fields
from providers.stripe.amounts import to_iso_amounts
from providers.stripe.config import StripeConfig
from providers.transport import AsyncTransport, CallFailed


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


STRIPE_VERSION: Final = "2026-10-28.endive"
"""Pinned, so that neither the account's default nor a newer library changes the shape of answers."""
CALL_SECONDS: Final = 20.0
"""The longest that a charge, or all the reads of one question, may take; far below the activities' time-out."""
_LIMITS: Final = frozenset({"rate_limit", "lock_timeout"})
"""They came with HTTP 400 once, and still do on some servers."""
_PERMISSION: Final = re.compile(r"Enabling \W?([A-Za-z][A-Za-z ,&-]{0,60}?)\W? \('([a-z_]{1,60})'\) permissions")
"""How Stripe's message to a restricted key names what it lacks; the rest of the message names key and account."""
_TRANSIENT: Final = frozenset({408, 409, 425})
"""Refusals of the moment (RFC 9110 and RFC 8470): too slow, beside another change, too early."""


@dataclass(frozen=True)
class Answer:
    """A status and a JSON object; `body` is None where the answer was anything else."""

    status: int
    body: Mapping[str, Any] | None
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_rate_limited(self) -> bool:
        """Whether only the pace of our calls, or another call on the same object, was in the way."""
        return self.status == 429 or (self.status == 400 and self.error.code("code") in _LIMITS)

    @property
    def is_refused(self) -> bool:
        """Whether Stripe understood and said no."""
        return 400 <= self.status < 500 and not self.is_rate_limited

    @property
    def fields(self) -> Fields:
        """The body of a 2xx, to be read strictly."""
        return Fields(self.body or {})

    @property
    def error(self) -> Fields:
        """The `error` of another answer, of which whatever can be read is taken."""
        return Fields(self.body or {}, lenient=True).child("error")


class StripeApi:
    """Calls with one key. Nothing is ever repeated in here: that is decided by whoever keeps the record."""

    def __init__(self, config: StripeConfig, call_seconds: float = CALL_SECONDS) -> None:
        _silence_library()
        self.seconds = call_seconds
        self.optional_seconds = call_seconds / 4
        """The longest to wait for what nothing depends on."""
        self._http = StripeTransport(call_seconds)
        self._client = stripe.StripeClient(
            config.api_key,
            stripe_version=STRIPE_VERSION,
            base_addresses={"api": config.api_base} if config.api_base else {},
            max_network_retries=0,
            http_client=self._http,
        )

    async def post(self, path: str, key: str, **params: Any) -> Answer:
        """Send a write under this idempotency key. Raises CallFailed."""
        return await self._send_request("post", path, params | {"idempotency_key": key})

    async def get(self, path: str, **params: Any) -> Answer:
        """A read that Stripe either fulfilled or refused. Raises ProviderUnavailable for anything else."""
        try:
            answer = await self._send_request("get", path, params)
        except CallFailed as failed:
            raise ProviderUnavailable(f"Stripe could not be asked: {failed.reason}.") from None
        if not (answer.is_refused or (answer.is_success and answer.body is not None)):
            raise unavailable_error(answer)
        return answer

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close_async()

    async def _send_request(self, method: str, path: str, params: dict[str, Any]) -> Answer:
        try:
            found = await self._client.raw_request_async(method, path, **params)
        except CallFailed:
            raise
        except stripe.StripeError as error:
            return _to_answer(error.http_status or 0, error.json_body, error.headers)
        except Exception:  # the library trips over an `error` that is neither object nor text
            raise CallFailed("unfit_answer", sent=True) from None
        return _to_answer(found.code, found.data, found.headers)


def api_path(*parts: str) -> str:
    """A path of the API; ids come from outside and must not change where it leads."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def unavailable_error(answer: Answer) -> ProviderUnavailable:
    """The error to raise for an answer that tells nothing, with the wait that Stripe asked for."""
    if answer.is_success:
        return ProviderUnavailable("Stripe's answer is not a JSON object.")
    return ProviderUnavailable(f"Stripe answered with HTTP {answer.status}.", answer.retry_after)


def refusal_error(answer: Answer, what: str) -> ProviderUnavailable:
    """The error to raise for a read that Stripe refused; with the missing permission where that is the reason."""
    if answer.status == 401:
        return NotAllowed("Stripe refuses the API key (HTTP 401): it was revoked, has expired, or is another one.")
    if answer.status in _TRANSIENT:
        return ProviderUnavailable(f"Stripe refuses to show {what}: HTTP {answer.status}.")
    if answer.status != 403:
        return NotAllowed(f"Stripe refuses to show {what}: HTTP {answer.status}; asked again it will say the same.")
    named = _PERMISSION.search(str(answer.error.raw.get("message")))
    lacks = f": the key lacks the permission {named[1]} ({named[2]})" if named else ""
    return NotAllowed(f"Stripe refuses to show {what} (HTTP 403){lacks}.")


def _to_answer(status: int, body: object, headers: Mapping[str, str] | None) -> Answer:
    return Answer(status, to_iso_amounts(body) if isinstance(body, dict) else None, _retry_after(headers or {}))


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Whole seconds, at most a day; the form with a date is not used by Stripe."""
    seconds = headers.get("retry-after", "")
    return timedelta(seconds=min(int(seconds), 86_400)) if seconds.isascii() and seconds.isdigit() else None


def _silence_library() -> None:
    """Off: logs at INFO with Stripe's error texts, which may name people; and telemetry with its file in the home."""
    logging.getLogger("stripe").setLevel(logging.WARNING)
    stripe.enable_telemetry = False


async def read_optional(api: StripeApi, where: str, **params: object) -> Fields | None:
    """What was read; None, whatever went wrong with it."""
    try:
        async with asyncio.timeout(api.optional_seconds):
            answer: Answer = await api.get(where, **params)
    except (ProviderUnavailable, TimeoutError):
        return None
    return Fields(answer.body or {}, lenient=True) if answer.is_success else None
