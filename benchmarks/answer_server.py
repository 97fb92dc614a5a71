"""`python -m benchmarks.answer_server FILE`: an HTTP server that gives recorded answers at little cost.

The file holds answers by request line without query: {"GET /v1/invoices/in_1": {"status": …, "headers": …, "body": …}}.
Its first line on standard output is its port.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Any, Final

_UNSENT: Final = frozenset({"content-length", "transfer-encoding", "connection"})


class _Answers(asyncio.Protocol):
    """One connection."""

    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._connection = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if end and len(rest) >= _body_length(head):
            self._received = rest[_body_length(head) :]
            answer = self._answers.get(head.partition(b" HTTP/")[0].partition(b"?")[0])
            # A closed connection fails every client: a wrong request must not be measured.
            self._connection.write(answer) if answer else self._connection.close()


def _body_length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)


def _to_bytes(answer: Mapping[str, Any]) -> bytes:
    body = str(answer["body"]).encode()
    headers = {name: text for name, text in answer["headers"].items() if name.lower() not in _UNSENT}
    lines = "".join(f"{name}: {text}\r\n" for name, text in {**headers, "Content-Length": len(body)}.items())
    return f"HTTP/1.1 {answer['status']} Recorded\r\n{lines}\r\n".encode() + body


async def serve(answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Serves until the process is ended."""
    ready = {line.encode(): _to_bytes(answer) for line, answer in answers.items()}
    server = await asyncio.get_running_loop().create_server(lambda: _Answers(ready), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def answer_server(answers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The address of such a server in a process of its own."""
    with TemporaryDirectory() as folder:
        recorded = Path(folder) / "answers.json"
        recorded.write_text(json.dumps(answers))
        with Popen((sys.executable, "-m", "benchmarks.answer_server", recorded), stdout=PIPE, text=True) as process:
            try:
                yield f"http://127.0.0.1:{int(process.stdout.readline())}" if process.stdout else ""
            finally:
                process.terminate()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))
