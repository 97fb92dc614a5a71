"""A fast fake Stripe for benchmarks: it asks the sandbox once, and gives its answers with other ids and times after.

The first recovery is answered by the sandbox itself. A later one asks the same, so its answers are those, with the
number of its invoice in every id. Whoever asks what the first one didn't ask gets an error, and the benchmark fails.
"""

import asyncio
import json
import re
import time
from typing import Final, cast

from sandbox.calls import Answer
from sandbox.config import SandboxConfig
from sandbox.models import Document, Shape
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.events import event_envelope
from sandbox.stripe.gateway import StripeGateway
from sandbox.stripe.models import FailedInvoice
from sandbox.stripe.params import decode_form
from sandbox.stripe.scenarios import store_failed_invoice
from sandbox.world import open_world

API_KEY: Final = "sk_test_benchmark"
PAY: Final = re.compile(r"^POST /v1/invoices/[^/?]+/pay")
NUMBERED_ID: Final = re.compile(r"(_1[0-9A-Za-z]{23})x(\d{8})")
_ID: Final = re.compile(rb"(_1[0-9A-Za-z]{23})")
_FINGERPRINT: Final = re.compile(rb'("fingerprint": "[0-9a-f]{16})')
_MOMENT: Final = re.compile(rb"(?<=: )(\d{10})(?=[,}\]])")
_NUMBER, _FAILED_AT, _NOW = b"\x01", b"\x02", b"\x03"
RECENT_SECONDS: Final = 3_600
"""Moments of the template that are newer than its failure and no more than this are the present."""


class Template:
    """A document about the sandbox's invoice, to be filled in for others."""

    def __init__(self, document: bytes, failed_at: int) -> None:
        numbered = _FINGERPRINT.sub(rb"\1" + _NUMBER, _ID.sub(rb"\1" + _NUMBER, document))
        self._text = _MOMENT.sub(lambda found: _placeholder(found[1], failed_at), numbered)

    def fill(self, number: int, failed_at: int, now: int) -> bytes:
        """The same document about the invoice with this number."""
        text = self._text.replace(_NUMBER, b"x%08d" % number)
        return text.replace(_FAILED_AT, b"%d" % failed_at).replace(_NOW, b"%d" % now)


def _placeholder(digits: bytes, failed_at: int) -> bytes:
    moment = int(digits)
    if moment == failed_at:
        return _FAILED_AT
    return _NOW if failed_at < moment < failed_at + RECENT_SECONDS else digits


class FastStripe:
    """Failed invoices by number, each paid by its first pay call; `paid` counts the pay calls that succeeded."""

    def __init__(self) -> None:
        self.gateway = StripeGateway(open_world(SandboxConfig(echo=False)))
        # Some seconds ago: the moments of the failure can then be told from those of the pay call.
        self._failed_at = int(time.time()) - 60
        spec = FailedInvoice(created=self._failed_at, decline_code="insufficient_funds")
        ids, event = store_failed_invoice(self.gateway.world, spec)
        self.invoice = ids.invoice
        envelope = event_envelope(event, Shape.BASIL)
        self._event = Template(json.dumps(envelope).encode(), self._failed_at)
        self._answers: dict[tuple[str, bool], Template] = {}
        self._posted: dict[int, int] = {}
        self.paid: dict[int, int] = {}
        self.ends: dict[int, asyncio.Future[None]] = {}
        self.calls = 0
        self.problems: list[str] = []

    def invoice_id(self, number: int) -> str:
        """The id of the invoice with this number."""
        return f"{self.invoice}x{number:08d}"

    def failure_event(self, number: int, failed_at: int | None = None) -> bytes:
        """The webhook's body: this invoice's payment failed now, or at `failed_at` (seconds since 1970)."""
        posted = self._posted[number] = failed_at or int(time.time())
        self.ends[number] = asyncio.get_running_loop().create_future()
        return self._event.fill(number, posted, posted)

    async def answer(self, request: str) -> tuple[int, bytes]:
        """Status and body for `METHOD PATH?QUERY BODY`, ids as the worker knows them."""
        self.calls += 1
        numbers = {int(found[2]) for found in NUMBERED_ID.finditer(request)}
        if len(numbers) != 1:
            return self._refuse(f"not about one invoice: {request}")
        number, asked = numbers.pop(), NUMBERED_ID.sub(r"\1", request)
        template = self._answers.get((asked, number in self.paid)) or await self._ask_sandbox(asked, number)
        if template is None:
            return self._refuse(f"the first recovery didn't ask: {asked}")
        if PAY.match(asked):
            self._note_payment(number)
        return 200, template.fill(number, self._posted[number], int(time.time()))

    def _refuse(self, problem: str) -> tuple[int, bytes]:
        self.problems.append(problem)
        return 500, b'{"error": {"message": "the benchmark does not know this question"}}'

    def _note_payment(self, number: int) -> None:
        self.paid[number] = self.paid.get(number, 0) + 1
        if not self.ends[number].done():
            self.ends[number].set_result(None)

    async def _ask_sandbox(self, asked: str, number: int) -> Template | None:
        """The sandbox's answer, kept for others; None if it isn't one to give them."""
        # Its one invoice is paid after the first pay call: what another asks before its own is no longer answered.
        if self.paid and number not in self.paid:
            return None
        answer = await self.gateway.handle(_parse_call(asked))
        if answer.status != 200 or not isinstance(answer.body, dict):
            return None
        kept = self._answers[asked, number in self.paid] = Template(_body_of(answer), self._failed_at)
        return kept


def _body_of(answer: Answer) -> bytes:
    return json.dumps(answer.body).encode()


def _parse_call(asked: str) -> StripeCall:
    method, target, body = asked.split(" ", 2)
    path, _, query = target.partition("?")
    params: Document = decode_form("&".join(part for part in (query, body) if part))
    return StripeCall(
        method, path, params, key="first" if method == "POST" else None, authorization=f"Bearer {API_KEY}"
    )


class StripeConnection(asyncio.Protocol):
    """One connection of a client that waits for each answer: HTTP/1.1, kept alive, no chunked bodies."""

    def __init__(self, fake: FastStripe) -> None:
        self._fake = fake
        self._received = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base class

    def data_received(self, data: bytes) -> None:
        """Answers as soon as a request is whole."""
        self._received += data
        while request := _take_request(self._received):
            task = asyncio.ensure_future(self._respond(request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _respond(self, request: str) -> None:
        status, body = await self._fake.answer(request)
        head = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(body)) + body)


def _take_request(received: bytearray) -> str | None:
    """The first request, taken out of what was received: `METHOD PATH BODY`; None until it is whole."""
    head, found, _ = bytes(received).partition(b"\r\n\r\n")
    if not found:
        return None
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    whole = len(head) + 4 + (int(length[1]) if length else 0)
    if len(received) < whole:
        return None
    body = received[len(head) + 4 : whole].decode()
    del received[:whole]
    return f"{head.partition(b' HTTP/1.1')[0].decode()} {body}"
