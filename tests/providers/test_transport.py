"""Each way in which a request can fail, over the real transport: was it sent, and why is there no answer.

"Not sent" lets a charge be made again at once; everything else must be reconciled first.
"""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import providers.transport
from providers.transport import AsyncTransport, BlockingTransport, CallFailed, HttpAnswer
from tests.providers.socket_server import (
    OK,
    Behaviour,
    accept_only,
    answer_all,
    answer_once_then_close_on_the_next,
    answer_with,
    drip,
    socket_server,
    stay_silent,
)

HEADERS = {"Authorization": "Bearer sk_test_1"}
Send = Callable[..., Awaitable[HttpAnswer]]


@pytest.fixture(params=["async", "blocking"])
async def send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Send]:
    """Sends one request, each within a second, as a client on the event loop does and as one that blocks."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "async":
        direct = AsyncTransport(1.0)
        yield direct.send
        await direct.close()
        return
    threaded = BlockingTransport(1.0, "transport-test")

    async def send_in_thread(*request: object, **options: object) -> HttpAnswer:
        return await threaded.run(lambda: threaded.send(*request, **options))  # type: ignore[arg-type]

    yield send_in_thread
    await threaded.close()


async def failure_of(asked: Awaitable[HttpAnswer]) -> tuple[str, bool]:
    """Reason and `sent` of a request that must fail."""
    with pytest.raises(CallFailed) as failed:
        await asked
    return failed.value.reason, failed.value.sent


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{closed}/",
        "http://no-such-name.invalid/",
        "http://[",
        "ftp://127.0.0.1/",
        "http:///v1",
        "http://m\u00fcller.invalid/",
        "http://127.0.0.1:{closed}/\ud800",
    ],
)
async def test_an_address_that_cannot_be_reached_means_not_sent(send: Send, address: str) -> None:
    url = address.replace("{closed}", str(closed_port()))
    assert await failure_of(send("POST", url, HEADERS, b"a=1")) == ("not_connected", False)


@pytest.mark.parametrize("value", ["sk_\u00e9", "sk_1\r\nX-Other: 1", "sk_\x00"])
async def test_a_header_that_cannot_be_sent_means_not_sent(send: Send, value: str) -> None:
    with socket_server(answer_all) as server:
        asked = send("POST", server.address, {"Authorization": value}, b"")
        assert await failure_of(asked) == ("not_connected", False)
        assert server.requests == []


async def test_failed_tls_handshake_means_not_sent(send: Send) -> None:
    with socket_server(lambda connection: connection.socket.sendall(OK)) as server:
        url = server.address.replace("http:", "https:")
        assert await failure_of(send("POST", url, HEADERS, b"a=1")) == ("not_connected", False)


async def test_no_connection_in_time_means_not_sent(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server accepts, and never shakes hands."""
    monkeypatch.setattr(providers.transport, "CONNECT_SECONDS", 0.3)
    with socket_server(accept_only) as server:
        url = server.address.replace("http:", "https:")
        assert await failure_of(send("POST", url, HEADERS, b"a=1")) == ("not_connected", False)


async def test_no_free_connection_in_time_means_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers.transport, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(providers.transport, "_CONNECTIONS", 1)
    transport = AsyncTransport(1.0)
    with socket_server(stay_silent) as server:
        asked = (transport.send("POST", server.address, HEADERS, b"a=1") for _ in range(2))
        found = [await one for one in [asyncio.ensure_future(failure_of(one)) for one in asked]]
        assert found == [("timeout", True), ("not_connected", False)]
        assert len(server.requests) == 1
    await transport.close()


ANSWER_CASES: list[tuple[str, Behaviour, str]] = [
    ("closed before an answer", answer_with(), "connection_lost"),
    ("reset before an answer", answer_with(then_reset=True), "connection_lost"),
    ("closed within the head", answer_with(OK[:30]), "connection_lost"),
    ("closed within the body", answer_with(OK[:-1]), "connection_lost"),
    ("reset within the body", answer_with(OK[:-1], then_reset=True), "connection_lost"),
    ("no HTTP", answer_with(b"220 mail.example ESMTP\r\n\r\n"), "connection_lost"),
    ("an endless header", answer_with(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000), "connection_lost"),
    ("broken gzip", answer_with(OK.replace(b"Type: app", b"Encoding: gzip\r\nX: ")), "connection_lost"),
    ("nothing", stay_silent, "timeout"),
    ("a body that never ends", drip, "timeout"),
]


@pytest.mark.parametrize(
    ("behave", "reason"), [case[1:] for case in ANSWER_CASES], ids=[case[0] for case in ANSWER_CASES]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_without_a_whole_answer_it_counts_as_sent_and_is_sent_once(
    send: Send, method: str, behave: Behaviour, reason: str
) -> None:
    with socket_server(behave) as server:
        assert await failure_of(send(method, server.address, HEADERS)) == (reason, True)
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_a_request_on_a_kept_connection_is_not_sent_twice(send: Send, method: str) -> None:
    """aiohttp repeats what it calls idempotent when a kept connection ends; a repeat needs a row in the log."""
    with socket_server(answer_once_then_close_on_the_next) as server:
        await send("POST", server.address, HEADERS, b"a=1")
        assert await failure_of(send(method, server.address, HEADERS)) == ("connection_lost", True)
        assert (len(server.requests), server.connections) == (2, 1)


async def test_a_connection_that_the_server_has_closed_is_not_used(send: Send) -> None:
    with socket_server(answer_with(OK)) as server:
        for _ in range(3):
            await send("POST", server.address, HEADERS, b"a=1")
            await asyncio.sleep(0.05)
        assert (len(server.requests), server.connections) == (3, 3)


async def test_connections_are_kept(send: Send) -> None:
    with socket_server(answer_all) as server:
        for _ in range(3):
            await send("GET", server.address, HEADERS)
        assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
async def test_any_status_is_an_answer_and_no_redirect_is_followed(send: Send, status: int) -> None:
    head = f"HTTP/1.1 {status} X\r\nLocation: /other\r\nRetry-After: 7\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n"
    with socket_server(answer_with(head.encode(), b"no")) as server:
        for _ in range(2):
            answer = await send("POST", f"{server.address}/v1", HEADERS, b"a=1")
            assert (answer.status, answer.body, answer.headers.get("retry-after")) == (status, b"no", "7")
            await asyncio.sleep(0.05)
        assert len(server.requests) == 2
        assert b"ookie" not in server.requests[1]


async def test_the_request_arrives_as_it_was_given(send: Send) -> None:
    where = "/v1/invoices/in%2F1%20?expand[0]=payments.data&a=%C3%A9"
    with socket_server(answer_all) as server:
        await send("post", server.address + where, HEADERS, "name=J\u00fcrgen")
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST {where} HTTP/1.1\r\n".encode())
    assert f"host: 127.0.0.1:{server.port}".encode() in head.lower()
    assert b"authorization: bearer sk_test_1" in head.lower()
    assert body == "name=J\u00fcrgen".encode()


async def test_a_compressed_answer_is_unpacked(send: Send) -> None:
    body = gzip.compress(b'{"id": 1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket_server(answer_with(head, body)) as server:
        assert (await send("GET", server.address, HEADERS)).body == b'{"id": 1}'


async def test_closing_ends_requests_and_threads() -> None:
    transport = BlockingTransport(10.0, "closing-test")
    with socket_server(stay_silent) as server:
        call = asyncio.ensure_future(transport.run(lambda: transport.send("POST", server.address, HEADERS, b"")))
        await asyncio.to_thread(server.arrived.wait, 5)
        await transport.close()
        assert await failure_of(call) == ("connection_lost", True)
    for thread in threading.enumerate():
        if thread.name.startswith("closing-test"):
            thread.join(5)
            assert not thread.is_alive()
