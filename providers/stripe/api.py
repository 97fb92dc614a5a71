"""One call of Stripe's API over the official client: an answer with its status, or an error that says what is known.

Bodies are read as plain JSON. Building the library's object tree costs time and requires fields that a server that is
only compatible with Stripe may leave out.
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
    """Replaces the library's HTTP client, so that a failed call says whether it was sent (`providers.transport`)."""

    name = "aiohttp"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._transport = AsyncTransport(seconds)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Body, status and headers of the answer. Raises CallFailed."""
        answer = await self._transport.send(method, url, headers, post_data)
        return answer.body, answer.status, answer.headers

    async def close_async(self) -> None:
        """Closes all connections."""
        await self._transport.close()


STRIPE_VERSION: Final = "2026-10-28.endive"
"""The pinned API version: neither the account's default nor a newer library changes the shape of answers."""
CALL_SECONDS: Final = 20.0
"""Seconds that a charge, or all reads of one question, may take; far below the activities' time-out."""
_LIMITS: Final = frozenset({"rate_limit", "lock_timeout"})
"""Error codes of limits: HTTP 429 today, HTTP 400 in older API versions and on some compatible servers."""
_PERMISSION: Final = re.compile(r"Enabling \W?([A-Za-z][A-Za-z ,&-]{0,60}?)\W? \('([a-z_]{1,60})'\) permissions")
"""How Stripe's message to a restricted key names what it lacks; the rest of the message names key and account."""
_TRANSIENT: Final = frozenset({408, 409, 425})
"""Refusals that a later read may not meet: request time-out, conflict (RFC 9110), too early (RFC 8470)."""


@dataclass(frozen=True)
class Answer:
    """A status and a JSON object, amounts in minor units of ISO 4217; `body` is None if it wasn't a JSON object."""

    status: int
    body: Mapping[str, Any] | None
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_rate_limited(self) -> bool:
        """Whether Stripe didn't execute the call because of a rate limit, or of another call's lock on the object."""
        return self.status == 429 or (self.status == 400 and self.error.code("code") in _LIMITS)

    @property
    def is_refused(self) -> bool:
        """Whether Stripe understood the call and refused it: a 4xx that is no limit."""
        return 400 <= self.status < 500 and not self.is_rate_limited

    @property
    def fields(self) -> Fields:
        """The body of a 2xx; its readers raise InvalidField for a field of an undocumented form."""
        return Fields(self.body or {})

    @property
    def error(self) -> Fields:
        """The `error` of any other answer, read leniently: an invalid field counts as absent."""
        return Fields(self.body or {}, lenient=True).child("error")


class StripeApi:
    """Calls with one key, each sent once. Repeats are decided by the activity, which has the event log."""

    def __init__(self, config: StripeConfig, call_seconds: float = CALL_SECONDS) -> None:
        _silence_library()
        self.seconds = call_seconds
        self.optional_seconds = call_seconds / 4
        """Seconds to wait for a read whose result is optional."""
        self._http = StripeTransport(call_seconds)
        self._client = stripe.StripeClient(
            config.api_key,
            stripe_version=STRIPE_VERSION,
            base_addresses={"api": config.api_base} if config.api_base else {},
            # The library would repeat requests that may have been executed, without a row in the log.
            max_network_retries=0,
            http_client=self._http,
        )

    async def post(self, path: str, key: str, **params: Any) -> Answer:
        """Sends a write under this idempotency key; any status is an answer. Raises CallFailed without one."""
        return await self._send_request("post", path, params | {"idempotency_key": key})

    async def get(self, path: str, **params: Any) -> Answer:
        """A read that Stripe either fulfilled with a JSON object or refused.

        Raises ProviderUnavailable for anything else, with the wait that Stripe asked for.
        """
        try:
            answer = await self._send_request("get", path, params)
        except CallFailed as failed:
            raise ProviderUnavailable(f"Stripe could not be asked: {failed.reason}.") from None
        if not (answer.is_refused or (answer.is_success and answer.body is not None)):
            raise unavailable_error(answer)
        return answer

    async def close(self) -> None:
        """Closes all connections."""
        await self._http.close_async()

    async def _send_request(self, method: str, path: str, params: dict[str, Any]) -> Answer:
        try:
            found = await self._client.raw_request_async(method, path, **params)
        except CallFailed:
            raise
        except stripe.StripeError as error:
            # A status 0 is neither a success nor a refusal: the outcome of a charge is unknown then.
            return _to_answer(error.http_status or 0, error.json_body, error.headers)
        except Exception:  # the library raises its own errors for an `error` that is neither object nor text
            raise CallFailed("unfit_answer", sent=True) from None
        return _to_answer(found.code, found.data, found.headers)


def api_path(*parts: str) -> str:
    """A path of the API below `/v1/`; ids come from outside, so each part is percent-encoded."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def unavailable_error(answer: Answer) -> ProviderUnavailable:
    """The error to raise for an answer that is neither a success nor a refusal, with the wait that Stripe asked for."""
    if answer.is_success:
        return ProviderUnavailable("Stripe's answer is not a JSON object.")
    return ProviderUnavailable(f"Stripe answered with HTTP {answer.status}.", answer.retry_after)


def refusal_error(answer: Answer, what: str) -> ProviderUnavailable:
    """The error to raise for a refused read of `what`: NotAllowed, naming the missing permission if Stripe does.

    ProviderUnavailable itself for refusals that a later read may not meet.
    """
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
    """The `Retry-After` header in whole seconds, at most a day; Stripe doesn't use the form with a date."""
    seconds = headers.get("retry-after", "")
    return timedelta(seconds=min(int(seconds), 86_400)) if seconds.isascii() and seconds.isdigit() else None


def _silence_library() -> None:
    """Turns off the library's INFO logs, whose error texts may name people, and its telemetry, which writes a file."""
    logging.getLogger("stripe").setLevel(logging.WARNING)
    stripe.enable_telemetry = False


async def read_optional(api: StripeApi, where: str, **params: object) -> Fields | None:
    """The object read, lenient; None if Stripe refused, was away, or took longer than `optional_seconds`."""
    try:
        async with asyncio.timeout(api.optional_seconds):
            answer: Answer = await api.get(where, **params)
    except (ProviderUnavailable, TimeoutError):
        return None
    return Fields(answer.body or {}, lenient=True) if answer.is_success else None
