"""Over real sockets: headers that are long or never end, connections that send nothing, and too many of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api import connections
from api.connections import BoundedProtocol


class QuickProtocol(BoundedProtocol):
    """With small limits."""

    most_connections = 5
    header_seconds = 0.5


@asynccontextmanager
async def run_bounded() -> AsyncIterator[int]:
    """The port of an empty application behind small limits."""
    config = uvicorn.Config(FastAPI(), port=0, log_config=None, http=QuickProtocol, ws="none", timeout_keep_alive=30)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn offers no event)
        await asyncio.sleep(0.01)
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await running


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server."""
    async with run_bounded() as found:
        yield found


async def exchange(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server answers until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


HEAD = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
LONG = connections.LARGEST_HEADERS + 1


async def test_usual_requests_are_answered_and_keep_their_connection(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert [(await client.get("/x")).status_code for _ in range(3)] == [404] * 3
        await asyncio.sleep(2 * QuickProtocol.header_seconds)
        assert (await client.post("/x", content=b"x" * 100_000)).status_code == 404


@pytest.mark.parametrize(
    "rest",
    [
        b"X: " + b"a" * LONG + b"\r\n\r\n",
        b"X: " + b"a" * LONG,
        b"".join(b"X%d: a\r\n" % n for n in range(5000)) + b"\r\n",
    ],
    ids=["one", "unfinished", "many"],
)
async def test_long_headers_are_refused(port: int, rest: bytes) -> None:
    assert (await exchange(port, HEAD + rest)).startswith(b"HTTP/1.1 431 ")


async def test_long_addresses_are_refused(port: int) -> None:
    answer = await exchange(port, b"GET /?" + b"a" * LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "parts", [(), (HEAD,), (b"\r\n",) * 20, (b"X: a\r\n",) * 20], ids=["silent", "half", "blank", "slow"]
)
async def test_a_connection_without_whole_headers_is_closed(port: int, parts: tuple[bytes, ...]) -> None:
    began = time.monotonic()
    first = (HEAD,) if parts[:1] == (b"X: a\r\n",) else ()
    await exchange(port, *first, *parts, pause=0.1)
    assert time.monotonic() - began < 4


async def test_connections_beyond_the_limit_are_closed_and_later_ones_served(port: int) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    await asyncio.sleep(0.1)
    assert await exchange(port, HEAD + b"\r\n") == b""
    for _, writer in opened:
        writer.close()
    await asyncio.sleep(0.2)
    assert (await exchange(port, HEAD + b"\r\n")).startswith(b"HTTP/1.1 404 ")
