"""Over real sockets: bodies that are too large or too slow, and many senders at once."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from api import middleware
from api.main import server_config
from core.ids import recovery_id
from db.session import Database
from tests.api.harness import build_app, failed_event, keyless_settings, run_server, sign_headers
from tests.intake.fakes import FakeRecoveries, unique_id

MIB = 1024 * 1024


@pytest.fixture
async def address(database: Database, recoveries: FakeRecoveries) -> AsyncIterator[str]:
    """The address of a server on a free port."""
    async with run_server(build_app(database, recoveries)) as running:
        yield running


async def test_hundred_copies_over_http_start_one_recovery(address: str, recoveries: FakeRecoveries) -> None:
    event = failed_event(unique_id("in"))
    body = json.dumps(event).encode()
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=30) as client:
        posts = (client.post("/webhooks/stripe", content=body, headers=sign_headers(body)) for _ in range(100))
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {202}
    assert sorted(answer.json()["status"] for answer in answers) == ["accepted"] + ["duplicate"] * 99
    name = recovery_id("stripe", event["data"]["object"]["id"])
    assert {answer.json()["recovery_id"] for answer in answers} == {name}
    assert len(recoveries.started_events) == 1


@pytest.mark.parametrize(("size", "status"), [(MIB, 400), (MIB + 1, 413), (20 * MIB, 413)])
async def test_the_limit_is_one_mebibyte_as_announced(size: int, status: int, address: str) -> None:
    """At the limit it is read, and then refused for want of a signature."""
    answer = await send_raw(address, [f"Content-Length: {size}"], [b"x" * min(size, MIB + 1)])
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "application/problem+json" in answer


async def test_the_limit_holds_while_a_body_streams(address: str) -> None:
    """Without a content length the answer comes before the body is complete."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    answer = await send_raw(address, ["Transfer-Encoding: chunked"], [chunk] * 400)
    assert answer.startswith("HTTP/1.1 413 ")


async def test_invalid_content_length_is_refused(address: str) -> None:
    assert (await send_raw(address, ["Content-Length: many"], [b"x"])).startswith("HTTP/1.1 400 ")


@pytest.mark.quiet
async def test_slow_body_is_aborted(
    database: Database, recoveries: FakeRecoveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware.BodyLimit.__init__, "__defaults__", (MIB, 0.5))
    async with run_server(build_app(database, recoveries)) as quick:
        started_at = time.perf_counter()
        answer = await send_raw(quick, ["Content-Length: 100"], [b"x"])
    assert answer.startswith("HTTP/1.1 408 ")
    assert time.perf_counter() - started_at < 3


async def send_raw(address: str, headers: list[str], chunks: list[bytes]) -> str:
    """The start of the answer to a request that httpx would not send."""
    target = urlsplit(address)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    lines = ["POST /webhooks/stripe HTTP/1.1", f"Host: {target.netloc}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    sending = asyncio.create_task(_send_chunks(writer, chunks))
    try:
        async with asyncio.timeout(10):
            return (await reader.read(4096)).decode()
    finally:
        sending.cancel()
        writer.close()


async def _send_chunks(writer: asyncio.StreamWriter, chunks: list[bytes]) -> None:
    try:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_server_itself_believes_no_forwarded_address(header: str) -> None:
    """Not even from this machine: `api.client_address` reads the header, of configured proxies alone."""
    seen: list[str] = []
    app = FastAPI()

    @app.get("/")
    async def note_client(request: Request) -> None:
        assert request.client
        seen.append(request.client.host)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(server_config(app, keyless_settings()))
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 (uvicorn offers no event)
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient() as client:
            await client.get(f"http://127.0.0.1:{listening.getsockname()[1]}/", headers={header: "198.51.100.1"})
        server.should_exit = True
        await running
    assert seen == ["127.0.0.1"]
