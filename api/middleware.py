"""Middleware of every request: exact paths, limits for bodies and rates, security headers, metrics.

Plain ASGI, since Starlette's middleware class would buffer bodies and streams.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any, Final, NoReturn
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.client_address import Network, client_address
from api.rate_limits import RequestLimits
from core.errors import TooManyRequests
from observability.metrics import Metrics

MAX_BODY: Final = 1024 * 1024
LINGER_SECONDS: Final = 0.5
"""How long a body that is too large is still read, and discarded, before it is refused."""
BODY_SECONDS: Final = 10.0
"""Time limit for a whole body: a slow sender must not hold a connection for ever."""
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class ExactPaths:
    """Gives routes each path segment with its slashes and percent signs encoded, so that an id may hold both.

    Servers decode the whole path, after which `a%2Fb` and `a/b` look the same. `api.deps` decodes the segments.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with its exact path; answers 404 if that isn't UTF-8."""
        if scope["type"] == "http":
            try:
                scope["path"] = _exact_path(scope)
            except UnicodeDecodeError:
                refusal = problems.problem_response(Request(scope), 404, "not_found", "The path is not UTF-8.")
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


def _exact_path(scope: Scope) -> str:
    raw: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    segments = (unquote_to_bytes(segment).decode("utf-8") for segment in raw.split(b"/"))
    return "/".join(segment.replace("%", "%25").replace("/", "%2F") for segment in segments)


class PlainCookies:
    """Drops a Cookie header with backslashes, which ours never have.

    Python 3.11's parser of cookies takes quadratic time for them (CVE-2024-7592).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, without cookies that can't be ours."""
        if scope["type"] == "http":
            scope["headers"] = [one for one in scope["headers"] if one[0] != b"cookie" or b"\\" not in one[1]]
        return await self._app(scope, receive, send)


class AddressLimit:
    """Answers 429 to addresses that send more requests to `/v1` than allowed, before anything of theirs is read.

    Webhooks are signed and health is asked by machines of ours: neither is ever limited.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits, proxies: Sequence[Network]) -> None:
        self._app, self._limits, self._proxies = app, limits, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it with Retry-After."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith("/v1/"):
            request = Request(scope)
            try:
                self._limits.check_address(client_address(request, self._proxies))
            except TooManyRequests as refusal:
                return await problems.too_many_response(request, refusal)(scope, receive, send)
        return await self._app(scope, receive, send)


class BodyLimit:
    """Ends a request whose body grows beyond 1 MiB (413) or takes longer than 10 s (408), while it is being read."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY, seconds: float = BODY_SECONDS) -> None:
        self._app, self._max_bytes, self._seconds = app, max_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with a guarded `receive`, which raises HTTPException 413 or 408."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        return await self._app(scope, self.guard_body(scope, receive).receive, send)

    def guard_body(self, scope: Scope, receive: Receive) -> "GuardedBody":
        """The body of one request, whose time begins now."""
        body = GuardedBody(receive, self._max_bytes, time.monotonic() + self._seconds)
        body.check_length(Headers(scope=scope).get("content-length", ""))
        return body


class GuardedBody:
    """The body of one request while it is received."""

    def __init__(self, receive: Receive, max_bytes: int, deadline: float) -> None:
        self._receive, self._left, self._deadline = receive, max_bytes, deadline
        self._more = True

    def check_length(self, length: str) -> None:
        """Marks a body as too large by its Content-Length, before it is read."""
        if length.isdecimal() and int(length[:20]) > self._left:
            self._left = -1

    async def receive(self) -> Message:
        """The next ASGI message. Raises HTTPException 413 for a body that is too large, 408 for a slow one."""
        if not self._more:
            return await self._receive()
        if self._left < 0:
            await self._refuse_too_large()
        message = await self._receive_in_time()
        self._left -= len(message.get("body", b""))
        self._more = bool(message.get("more_body", False))
        if self._left < 0:
            await self._refuse_too_large()
        return message

    async def read(self) -> bytes:
        """The whole body. Raises as `receive`, and ClientDisconnect if the connection ended before it did."""
        parts: list[bytes] = []
        while self._more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
        return b"".join(parts)

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                return await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not arrive in time.", {"Connection": "close"}) from None

    async def _refuse_too_large(self) -> NoReturn:
        """Raises HTTPException 413."""
        # The rest is read for a moment: refused at once, a client that is still sending would see a lost connection
        # instead of the answer.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self._more:
                    self._more = bool((await self._receive()).get("more_body", False))
        raise HTTPException(413, "The body is larger than 1 MiB.", {"Connection": "close"})


class ResponseObserver:
    """Adds security headers and measures the latency of each response."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; counts it as status 500 if no response was started."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                add_security_headers(message)
            await send(message)

        try:
            return await self._app(scope, receive, send_observed)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.latency.labels(_method_label(scope), _route_label(scope), str(status)).observe(seconds)


def add_security_headers(message: Message) -> None:
    """Adds those that the start of this response lacks."""
    given = message.get("headers", ())
    names = {name.lower() for name, _ in given}
    message["headers"] = [*given, *(header for header in _HEADERS if header[0] not in names)]


def _method_label(scope: Scope) -> str:
    # Unknown methods share one label: every value of a label is a time series, and callers could create any number.
    return scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} else "other"


def _route_label(scope: Scope) -> str:
    # The route's template instead of the path, since every id would be a time series of its own.
    route: Any = scope.get("route")
    return getattr(route, "path", None) or "none"
