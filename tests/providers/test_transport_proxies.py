"""Requests through the proxy that the environment names, as operators of closed networks need."""

import base64

import pytest

from providers.transport import AsyncTransport, CallFailed, HttpAnswer
from tests.providers.socket_server import answer_all, answer_with, socket_server
from tests.providers.test_transport import HEADERS, closed_port

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def send_once(url: str) -> HttpAnswer:
    transport = AsyncTransport(1.0)
    try:
        return await transport.send("POST", url, HEADERS, b"a=1")
    finally:
        await transport.close()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
async def test_plain_requests_go_through_the_proxy_with_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with socket_server(answer_all) as proxy:
        monkeypatch.setenv(name.lower(), f"user:secret@127.0.0.1:{proxy.port}")
        assert (await send_once("http://api.invalid/v1")).status == 200
        head = proxy.requests[0]
    assert head.startswith(b"POST http://api.invalid/v1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:secret") in head


async def test_hosts_that_need_no_proxy_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "example.com,127.0.0.1")
    with socket_server(answer_all) as server:
        assert (await send_once(server.address)).status == 200


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_opens_no_tunnel_means_not_sent(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    with socket_server(answer_with(refusal)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.address)
        with pytest.raises(CallFailed) as failed:
            await send_once("https://api.invalid/v1")
        assert proxy.requests[0].startswith(b"CONNECT api.invalid:443 HTTP/1.1\r\n")
        assert b"sk_test_1" not in proxy.requests[0]
    assert (failed.value.reason, failed.value.sent) == ("not_connected", False)


async def test_an_unreachable_proxy_means_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(CallFailed) as failed:
        await send_once("https://api.invalid/v1")
    assert (failed.value.reason, failed.value.sent) == ("not_connected", False)
