"""An HTTP server with a set answer per path, which records requests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class RecordedRequest:
    """One received request."""

    method: str
    path: str
    params: dict[str, list[str]]
    headers: dict[str, str]


@dataclass
class CannedServer:
    """Answers by method and path; an unknown path is a 404 with Stripe's error body."""

    address: str = ""
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    requests: list[RecordedRequest] = field(default_factory=list)

    def set_answer(self, line: str, body: Any, status: int = 200, **headers: str) -> None:
        """`line` is like `GET /v1/invoices/in_1`; bytes go out as they are, all else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[line] = (status, content, {name.replace("_", "-"): value for name, value in headers.items()})

    def answer_request(self, request: RecordedRequest) -> tuple[int, bytes, dict[str, str]]:
        self.requests.append(request)
        missing = b'{"error": {"type": "invalid_request_error", "code": "resource_missing"}}'
        return self.answers.get(f"{request.method} {request.path}", (404, missing, {}))


@contextmanager
def canned_server() -> Iterator[CannedServer]:
    canned = CannedServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(canned))
    server.daemon_threads = True
    canned.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield canned
    server.shutdown()
    server.server_close()


def _handler(canned: CannedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._reply(
                RecordedRequest("GET", parts.path, parse_qs(parts.query), _lowercase_names(self.headers.items()))
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self._reply(RecordedRequest("POST", self.path, parse_qs(body), _lowercase_names(self.headers.items())))

        def _reply(self, request: RecordedRequest) -> None:
            status, content, headers = canned.answer_request(request)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _lowercase_names(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
