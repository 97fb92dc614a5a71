"""Poolers that refuse our startup options, recognised by their error messages."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.errors import StoreUnavailable
from db.session import Database

WORDS = [
    # PgBouncer 1.18 to 1.19; src/client.c
    "unsupported startup parameter: options",
    # PgBouncer 1.20 and newer (https://github.com/pgbouncer/pgbouncer/pull/878)
    "unsupported startup parameter in options: statement_timeout",
    "unsupported options startup parameter: only '-c config=val' is allowed",
    # https://github.com/psycopg/psycopg2/issues/1577
    "Feature not supported: RDS Proxy currently doesn\N{RIGHT SINGLE QUOTATION MARK}t support command-line options.",
]


@asynccontextmanager
async def refusing_server(words: str, startups: list[dict[str, str]]) -> AsyncIterator[int]:
    """A server that refuses options with these words and everything else with others; it records startups."""

    async def answer_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # https://www.postgresql.org/docs/current/protocol-message-formats.html: StartupMessage, ErrorResponse
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        texts = (await reader.readexactly(length - 4))[4:].decode().split("\0")
        parameters = dict(zip(texts[::2], texts[1::2], strict=False))
        startups.append(parameters)
        fields = f"SFATAL\0C08P01\0M{words if parameters.get('options') else 'nothing is served here'}\0\0".encode()
        writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer_connection, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def connect_error(words: str, query: str) -> tuple[str, list[dict[str, str]]]:
    """The final error, and the startup parameters that the server received."""
    startups: list[dict[str, str]] = []
    async with refusing_server(words, startups) as port:
        address = f"postgresql://u@127.0.0.1:{port}/n?sslmode=disable&gssencmode=disable{query}"
        database = Database(address)
        with pytest.raises(StoreUnavailable) as refused:
            async with database.begin():
                pass
        await database.close()
    return str(refused.value), startups


@pytest.mark.parametrize("words", WORDS)
async def test_connection_is_retried_without_options(words: str) -> None:
    error, startups = await connect_error(words, "&options=-c work_mem=7MB")
    assert "nothing is served here" in error
    first, second = startups
    assert "-c work_mem=7MB" in first["options"]
    assert "statement_timeout" in first["options"]
    assert not second.get("options")


async def test_pooler_options_are_kept() -> None:
    error, startups = await connect_error(WORDS[0], "&options=endpoint=ep-1")
    assert "endpoint=ep-1" in startups[0]["options"]
    assert startups[1]["options"] == "endpoint=ep-1"
    assert WORDS[0] in error
