"""An HTTP server on this machine that keeps the requests posted to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """Its address, its next answers, and received requests: lower-case headers, and the body."""

    url: str = ""
    status: int = 200
    first_statuses: list[int] = field(default_factory=list)
    """What it answers before that, one to each post."""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request per connection."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.posts.append((headers, body))
        status = self.first_statuses.pop(0) if self.first_statuses else self.status
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver for as long as the block runs."""
    running = Receiver()
    server = await asyncio.start_server(running.answer_request, "127.0.0.1", 0)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield running
    finally:
        server.close()
