"""`python -m benchmarks.webhook_accept_load`: sends signed webhooks over keep-alive connections, in a closed loop.

Reads one JSON `Order` per line from stdin and writes one `Result` for each. Each connection sends its next event when
the answer to the last one is there. Every event is new: its own event, invoice, customer and charge.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Final

from uvicorn.loops.auto import auto_loop_factory

from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.webhooks import failed_invoice_event

CONNECTIONS: Final = 16
MARK: Final = "benchmarkid"
"""Stands in the template wherever an event has an id of its own."""
LINES: Final = 4
"""Lines on the invoice, which make the body as long as one of Stripe's."""


@dataclass(frozen=True)
class Order:
    """What is to be sent: to this port of 127.0.0.1, so many events, or for so long."""

    port: int
    secret: str
    prefix: str
    """Begins every id, so that no two orders send the same."""
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """What was answered."""

    answers: dict[str, int]
    """By status."""
    seconds: float
    cpu_seconds: float
    """Of this process: near `seconds` the client would be the limit."""
    p50_ms: float
    p99_ms: float
    body_bytes: int


def build_template() -> bytes:
    """A failed payment as Stripe sends it, with MARK in place of the ids that differ."""
    event = failed_invoice_event(
        FailedInvoice(invoice_id=f"in_{MARK}", customer_id=f"cus_{MARK}", amount=4900), event_id=f"evt_{MARK}"
    )
    line = {"object": "line_item", "amount": 4900, "currency": "usd", "description": "1 x Team (at $49.00 / month)"}
    event["data"]["object"]["lines"] = {"object": "list", "data": [{**line, "id": f"il_{n}"} for n in range(LINES)]}
    return json.dumps(event).encode()


class _Connection(asyncio.Protocol):
    """One connection, which sends the next request as soon as the last is answered."""

    def __init__(self, load: "_Load") -> None:
        self._load, self._parts, self._sent_at = load, b"", 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._parts += data
        head, found, rest = self._parts.partition(b"\r\n\r\n")
        if found and len(rest) >= _content_length(head):
            self._parts = b""
            self._load.note_answer(head[9:12].decode(), time.perf_counter() - self._sent_at)
            self._send_next()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self._load.note_answer("lost", 0.0)
            self.done.set_result(None)

    def _send_next(self) -> None:
        request = self._load.next_request()
        assert self._transport
        if request is None:
            self.done.set_result(None)
            return self._transport.close()
        self._sent_at = time.perf_counter()
        return self._transport.write(request)


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


class _Load:
    """One order while it is carried out."""

    def __init__(self, order: Order) -> None:
        self.order, self.template = order, build_template()
        self.answers: Counter[str] = Counter()
        self.latencies: list[float] = []
        self._sent, self._began = 0, time.perf_counter()

    def next_request(self) -> bytes | None:
        """The next signed request; None when the order is carried out."""
        order = self.order
        if self._sent >= order.requests if order.requests else time.perf_counter() - self._began >= order.seconds:
            return None
        self._sent += 1
        body = self.template.replace(MARK.encode(), f"{order.prefix}{self._sent:07}".encode())
        return _sign_request(body, order.secret)

    def note_answer(self, status: str, seconds: float) -> None:
        """Counts one answer."""
        self.answers[status] += 1
        self.latencies.append(seconds)

    async def run(self) -> Result:
        """Sends everything."""
        loop, began, cpu = asyncio.get_running_loop(), time.perf_counter(), time.process_time()
        opened = [
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.order.port)
            for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*(protocol.done for _, protocol in opened))
        seconds, latencies = time.perf_counter() - began, sorted(self.latencies)
        return Result(
            dict(self.answers), seconds, time.process_time() - cpu, latencies[len(latencies) // 2] * 1000,
            latencies[int(len(latencies) * 0.99)] * 1000, len(self.template),
        )  # fmt: skip


def _sign_request(body: bytes, secret: str) -> bytes:
    at = str(int(time.time())).encode()
    signature = hmac.new(secret.encode(), at + b"." + body, hashlib.sha256).hexdigest().encode()
    return b"".join((
        b"POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json; charset=utf-8\r\n",
        b"User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nAccept: */*; q=0.5, application/xml\r\n",
        b"Stripe-Signature: t=", at, b",v1=", signature, b"\r\nContent-Length: ", str(len(body)).encode(), b"\r\n\r\n",
        body,
    ))  # fmt: skip


def main() -> None:
    """Carries out orders until stdin ends."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        for line in sys.stdin:
            result = runner.run(_Load(Order(**json.loads(line))).run())
            sys.stdout.write(json.dumps(asdict(result)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
