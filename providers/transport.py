"""The one HTTP transport below every provider's official client: each request is sent once, within one time limit.

The clients' own transports hide whether a request left this machine, and that decides what a failed charge means:
a request that was never sent may be sent again, one that was sent has an unknown outcome until it is reconciled.
aiohttp was chosen by what a call costs (`benchmarks/provider_calls.py`).
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from yarl import URL

T = TypeVar("T")
CONNECT_SECONDS: Final = 5.0
"""Seconds until a connection must be there, the wait for a free one among `_CONNECTIONS` included."""
_CONNECTIONS: Final = 100
_IDLE_SECONDS: Final = 5.0
"""Seconds that an idle connection is kept: shorter than servers keep theirs, so that ours is rarely closed in use."""
_HEADER_BYTES: Final = 65_536
"""Longest line or header of an answer."""
_THREADS: Final = 64
"""Blocking calls at a time. A task queue's rate limit lets fewer through within a time limit: none waits for one."""
_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,  # name not found, refused, TLS handshake failed; of a proxy too
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,  # the proxy opened no tunnel
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
"""Errors raised before a request is written: the provider can't have seen it."""
_NO_ANSWER: Final = (TimeoutError, aiohttp.ClientError, OSError)


class CallFailed(Exception):
    """A call without a usable answer. Each provider translates it: it never leaves a provider's package.

    `sent`: the provider may have executed the request. `reason`: a short code, stored with an unknown charge.
    """

    def __init__(self, reason: str, sent: bool, status: int = 0, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.status = status
        self.retry_after = retry_after


class HttpAnswer(NamedTuple):
    """An answer, whatever its status. The names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AsyncTransport:
    """For clients that run on an event loop. `seconds` is the limit of one request, body included."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._proxies = getproxies()
        self._proxy_of: dict[tuple[str, str | None, int | None], str | None] = {}
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: str | bytes | None = None
    ) -> HttpAnswer:
        """Sends one request and follows no redirect. Raises CallFailed."""
        where = _checked_url(url, headers)
        try:
            # aiohttp's own limits cost a timer each, and round up to whole seconds.
            async with asyncio.timeout(self._seconds):
                return await self._request(method, where, headers, body)
        except _NO_ANSWER as error:
            raise _call_failure(error) from None

    async def close(self) -> None:
        """Closes all connections."""
        if self._session:
            await self._session.close()

    async def _request(
        self, method: str, where: URL, headers: Mapping[str, str], body: str | bytes | None
    ) -> HttpAnswer:
        # A session belongs to the event loop that runs when it is made.
        self._session = self._session or _open_session(self._seconds)
        async with self._session.request(
            method.upper(), where, headers=headers, data=body, allow_redirects=False, proxy=self._find_proxy(where)
        ) as answer:
            return HttpAnswer(answer.status, answer.headers, await answer.read())

    def _find_proxy(self, where: URL) -> str | None:
        """The proxy that the environment names for this address. Looked up once: it takes longer than a request."""
        place = (where.scheme, where.host, where.port)
        if place not in self._proxy_of:
            named = self._proxies.get(where.scheme) or self._proxies.get("all")
            passed_by = proxy_bypass(f"{where.host}:{where.port}")
            complete = named if not named or "://" in named else f"http://{named}"
            self._proxy_of[place] = None if passed_by else complete
        return self._proxy_of[place]


class BlockingTransport:
    """For clients that block: they run in threads, their requests on the event loop over `AsyncTransport`.

    `seconds` is the limit of one call.
    """

    def __init__(self, seconds: float, name: str) -> None:
        self._seconds = seconds
        self._requests = AsyncTransport(seconds)
        self._threads = ThreadPoolExecutor(_THREADS, name)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """The result of `call`, in which a client calls `send`. Raises what it raises, and CallFailed."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._loop.run_in_executor(self._threads, call)
        except TimeoutError:
            # The thread goes on: whether it had sent the request is unknown here, so it counts as sent.
            raise CallFailed("timeout", sent=True) from None

    def send(self, method: str, url: str, headers: Mapping[str, str], body: str | bytes | None = None) -> HttpAnswer:
        """Sends one request from a thread of `run` and follows no redirect. Raises CallFailed."""
        if self._loop is None:
            raise CallFailed("not_connected", sent=False)
        asked = asyncio.run_coroutine_threadsafe(self._requests.send(method, url, headers, body), self._loop)
        try:
            # Longer than the request's own limit: it only ends the thread of an event loop that has stopped.
            return asked.result(self._seconds + CONNECT_SECONDS)
        except TimeoutError:
            raise CallFailed("timeout", sent=True) from None

    async def close(self) -> None:
        """Closes all connections and cancels calls that haven't begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._requests.close()


def _open_session(seconds: float) -> aiohttp.ClientSession:
    """A session on this event loop, without cookies, limits of its own for answers, or a look at the environment."""
    # The same certificates as every other HTTP client here: certifi's, or those that SSL_CERT_FILE names.
    connector = aiohttp.TCPConnector(
        ssl=httpx.create_ssl_context(), limit=_CONNECTIONS, keepalive_timeout=_IDLE_SECONDS
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=min(seconds, CONNECT_SECONDS)),
        middlewares=(_send_once,),
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Without this, aiohttp sends a GET or PUT again whose connection was lost."""
    try:
        return await send(request)
    except _NO_ANSWER as error:
        raise _call_failure(error) from None


def _checked_url(url: str, headers: Mapping[str, str]) -> URL:
    """The address, its percent-encoding left as it is.

    Raises CallFailed for an address or a header, an API key say, that can't be sent.
    """
    try:
        if all(text.isascii() and text.isprintable() for text in (url, *headers.values())):
            return URL(url, encoded=True)
    except ValueError:
        pass
    raise CallFailed("not_connected", sent=False)


def _call_failure(error: Exception) -> CallFailed:
    """The failure that an exception stands for."""
    if isinstance(error, _NOT_SENT):
        return CallFailed("not_connected", sent=False)
    # Everything else may have reached the provider, a connection lost while writing included.
    return CallFailed("timeout" if isinstance(error, TimeoutError) else "connection_lost", sent=True)
