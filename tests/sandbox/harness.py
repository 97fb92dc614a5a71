"""The pieces of the sandbox tests: a server on a real port, the official library, a webhook receiver."""

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe
import uvicorn

from sandbox.app import create_sandbox_app
from sandbox.config import SandboxConfig

SECRET = "whsec_tests"


class Receiver:
    """Keeps signed webhooks; answers with `status`, or first with the codes queued in `answers`."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.url = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.got]

    def events_about(self, invoice: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["data"]["object"].get("id") == invoice]


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((body, self.headers["Stripe-Signature"]))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield receiver
    server.shutdown()
    server.server_close()


@contextmanager
def run_sandbox(config: SandboxConfig) -> Iterator[str]:
    """The address of a sandbox in its own thread, on a free port over HTTP."""
    server = uvicorn.Server(uvicorn.Config(create_sandbox_app(config), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@asynccontextmanager
async def stripe_client(
    address: str, version: str | None = None, timeout_seconds: float = 10, key: str = "sk_test_sandbox"
) -> AsyncIterator[stripe.StripeClient]:
    """The unmodified official library, without its own retries."""
    http = stripe.HTTPXClient(timeout=timeout_seconds, allow_sync_methods=False)
    yield stripe.StripeClient(
        key, base_addresses={"api": address}, stripe_version=version, max_network_retries=0, http_client=http
    )
    await http.close_async()  # type: ignore[no-untyped-call]
