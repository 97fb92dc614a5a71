"""The CPU of one call of a provider in our process, over its official library and our transport, answered by a replay.

The answers are the sandbox's, recorded first; the server is a process of its own. The floor is the same request as
bytes over asyncio's streams, with its answer read as JSON where it is JSON. Stripe's calls are also made over the two
asynchronous HTTP clients that its library brings: they can't tell whether a failed request was sent, so they are for
comparison only.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import stripe
from uvicorn.loops.auto import auto_loop_factory

from benchmarks.answer_server import answer_server
from benchmarks.measures import Measure, Size
from core.payments import ChargeOrder
from providers.adyen.api import AdyenApi
from providers.adyen.charging import payment_request
from providers.adyen.config import AdyenConfig
from providers.braintree.api import BraintreeApi
from providers.stripe.api import STRIPE_VERSION, StripeApi, api_path
from providers.stripe.config import StripeConfig
from providers.stripe.invoice_reader import EXPAND_ALL, EXPAND_INTENTS
from providers.transport import AsyncTransport, HttpAnswer
from sandbox.adyen.client import AdyenSandboxClient
from sandbox.adyen.webhooks import DEFAULT_MERCHANT_ACCOUNT
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.config import SandboxConfig
from sandbox.stripe.client import StripeSandboxClient
from tests.providers.contract.braintree_subject import sandbox_config
from tests.sandbox.harness import run_sandbox

REPEATS: Final = 7
CALLS: Final = 100
AT_A_TIME: Final = (1, 20)
KEY: Final = "sk_test_benchmark"
MOST_OF_LIBRARY: Final = 0.5
"""Of the CPU of a call over the library's own client."""

Call = Callable[[], Awaitable[Any]]


class Failures(NamedTuple):
    """Ids of what failed at each provider of the sandbox."""

    stripe_invoice: str
    adyen_order: ChargeOrder
    braintree_transaction: str


class Recording(NamedTuple):
    """One call: its request, as bytes, and what came back."""

    request: bytes
    line: str
    answer: dict[str, Any]


class Providers:
    """Our three clients at one address."""

    def __init__(self, address: str, failures: Failures) -> None:
        self._stripe = StripeApi(StripeConfig(api_key=KEY, api_base=address))
        self._adyen = AdyenApi(AdyenConfig("AQEsecret", DEFAULT_MERCHANT_ACCOUNT, (), f"{address}/adyen"))
        self._braintree = BraintreeApi(sandbox_config(address))
        self._failures = failures

    @property
    def transports(self) -> tuple[AsyncTransport, ...]:
        """What the requests go over."""
        blocking = (self._adyen._transport.calls, self._braintree._transport.calls)
        return self._stripe._http._transport, *(one._requests for one in blocking)

    @property
    def calls(self) -> dict[str, Call]:
        """The calls that are measured, by name."""
        invoice, order = self._failures.stripe_invoice, self._failures.adyen_order
        payment = payment_request(DEFAULT_MERCHANT_ACCOUNT, order)
        return {
            "stripe read": lambda: self._stripe.get(api_path("invoices", invoice), expand=list(EXPAND_ALL)),
            "stripe pay": lambda: self._stripe.post(
                api_path("invoices", invoice, "pay"), "pri-stripe-in-1", expand=list(EXPAND_INTENTS)
            ),
            "adyen pay": lambda: self._adyen.send_payment(payment, order.idempotency_key),
            "braintree read": lambda: self._braintree.find_transaction(self._failures.braintree_transaction),
        }

    async def close(self) -> None:
        """Closes all connections."""
        for api in (self._stripe, self._adyen, self._braintree):
            await api.close()


class BareRequests:
    """The floor: prepared bytes over kept connections."""

    def __init__(self, address: str) -> None:
        self._port = urlsplit(address).port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: bytes, is_json: bool) -> Any:
        """The answer's body."""
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        self._idle.append((reader, writer))
        return json.loads(body) if is_json else body

    def close(self) -> None:
        """Closes all connections."""
        for _, writer in self._idle:
            writer.close()


async def _make_failures(address: str) -> Failures:
    async with StripeSandboxClient(address) as box:
        invoice = (await box.create_failed_invoice(script=("succeed",))).invoice
    async with AdyenSandboxClient(address) as adyen:
        payment = await adyen.create_failed_payment(script=("succeed",))
    async with BraintreeSandboxClient(address) as braintree:
        transaction = (await braintree.create_failed_payment()).transaction
    order = ChargeOrder(
        provider="adyen", invoice_id=payment.invoice, attempt=1, idempotency_key="pri-adyen-1", amount=4900,
        currency="EUR", customer_id=payment.customer, last_method_id=payment.payment_method,
        requested_at=datetime.now(UTC),
    )  # fmt: skip
    return Failures(invoice, order, transaction)


async def _record_calls(address: str) -> tuple[Failures, dict[str, Recording]]:
    """Makes each call once at the sandbox."""
    failures = await _make_failures(address)
    providers, last = Providers(address, failures), list[Recording]()
    for transport in providers.transports:
        _note_requests(transport, last)
    found = {}
    for name, call in providers.calls.items():
        await call()
        found[name] = last.pop()
    await providers.close()
    return failures, found


def _note_requests(transport: AsyncTransport, last: list[Recording]) -> None:
    send = transport.send

    async def send_and_note(
        method: str, url: str, headers: Mapping[str, str], body: str | bytes | None = None
    ) -> HttpAnswer:
        answer = await send(method, url, headers, body)
        content = body.encode() if isinstance(body, str) else body or b""
        last.append(
            _to_recording(method.upper(), url, {**headers, "Content-Length": str(len(content))}, content, answer)
        )
        return answer

    transport.send = send_and_note  # type: ignore[method-assign]


def _to_recording(method: str, url: str, headers: Mapping[str, str], content: bytes, answer: HttpAnswer) -> Recording:
    where = urlsplit(url)
    named = {"Host": where.netloc, "Accept": "*/*", "Accept-Encoding": "gzip, deflate", **headers}
    target = f"{where.path}?{where.query}" if where.query else where.path
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in named.items())
    shown = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body.decode()}
    return Recording(f"{head}\r\n".encode() + content, f"{method} {where.path}", shown)


@contextmanager
def _recorded() -> Iterator[tuple[Failures, dict[str, Recording], str]]:
    """What was recorded, and the address that replays it."""
    with run_sandbox(SandboxConfig(echo=False)) as sandbox_address:
        failures, recordings = asyncio.run(_record_calls(sandbox_address))
    with answer_server({one.line: one.answer for one in recordings.values()}) as address:
        yield failures, recordings, address


def _library_calls(address: str, invoice: str, http: stripe.HTTPClient) -> dict[str, Call]:
    """Stripe's calls as its library makes them by itself."""
    client = stripe.StripeClient(
        KEY, stripe_version=STRIPE_VERSION, base_addresses={"api": address}, max_network_retries=0, http_client=http
    )
    where = api_path("invoices", invoice)
    return {
        "stripe read": lambda: client.raw_request_async("get", where, expand=list(EXPAND_ALL)),
        "stripe pay": lambda: client.raw_request_async("post", f"{where}/pay", expand=list(EXPAND_INTENTS)),
    }


@asynccontextmanager
async def _contenders(failures: Failures, recordings: Mapping[str, Recording], address: str) -> Any:
    """Who makes which calls, by name of the contender and of the call."""
    providers, bare = Providers(address, failures), BareRequests(address)
    clients = (stripe.HTTPXClient(), stripe.AIOHTTPClient())
    floor = {
        name: (lambda one=one: bare.send(one.request, one.answer["body"].startswith("{")))
        for name, one in recordings.items()
    }
    library = {type(http).__name__: _library_calls(address, failures.stripe_invoice, http) for http in clients}
    yield {"ours": providers.calls, "floor": floor, **library}
    await providers.close()
    bare.close()
    for http in clients:
        await http.close_async()  # type: ignore[no-untyped-call]


async def _cpu_milliseconds(call: Call, at_a_time: int, calls: int) -> float:
    """CPU of this process per call, its threads included."""

    async def repeat() -> None:
        for _ in range(calls // at_a_time):
            await call()

    began = time.process_time()
    await asyncio.gather(*(repeat() for _ in range(at_a_time)))
    return (time.process_time() - began) / calls * 1_000


async def _measure_all(
    failures: Failures, recordings: Mapping[str, Recording], address: str
) -> dict[tuple[str, int], dict[str, list[float]]]:
    """CPU per call in milliseconds, by call and calls at a time, then by contender; all take turns."""
    found: dict[tuple[str, int], dict[str, list[float]]] = {(n, at): {} for n in recordings for at in AT_A_TIME}
    async with _contenders(failures, recordings, address) as contenders:
        for turn in range(REPEATS + 1):
            for (name, at_a_time), spent in found.items():
                for contender, calls in contenders.items():
                    if name in calls:
                        took = await _cpu_milliseconds(calls[name], at_a_time, CALLS if turn else 2 * at_a_time)
                        spent.setdefault(contender, []).extend([took] if turn else [])
    return found


def measure(_: Size = Size.SMALL) -> Iterable[Measure]:
    """CPU of each call against the bare request, and of Stripe's against the library's own client."""
    with _recorded() as (failures, recordings, address), asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        found = runner.run(_measure_all(failures, recordings, address))
    for (name, at_a_time), spent in found.items():
        raw = {f"{contender}, ms": values for contender, values in spent.items()}
        what = f"{name}, {at_a_time} at a time, CPU"
        yield Measure(f"{what} against a bare request", _ratios(spent["ours"], spent["floor"]), raw=raw)
        if own := spent.get("HTTPXClient"):
            yield Measure(f"{what} against stripe.HTTPXClient", _ratios(spent["ours"], own), at_most=MOST_OF_LIBRARY)


def _ratios(above: list[float], below: list[float]) -> list[float]:
    return [ours / theirs for ours, theirs in zip(above, below, strict=True)]
