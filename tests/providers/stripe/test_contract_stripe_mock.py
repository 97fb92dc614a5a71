"""Every request that our gateway makes is one that Stripe's published API description accepts.

The requests are made to servers that answer like a real account; stripe-mock, which checks each one against the
description but knows no state, gets the same requests afterwards.
"""

import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import httpx
import pytest

from devstack.tools import ensure
from providers.stripe.gateway import StripeGateway
from sandbox.client import SandboxClient
from tests.providers.stripe.canned import Canned
from tests.providers.stripe.events import dispute_of, invoice
from tests.providers.stripe.orders import order

PAYMENT = {"type": "payment_intent", "payment_intent": "pi_1"}


@pytest.fixture(scope="module")
def mock_address() -> Iterator[str]:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    command = [str(ensure("stripe-mock")), "-http-addr", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_up(address, process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def _until_up(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    for _ in range(300):
        assert process.poll() is None, "stripe-mock has ended"
        with closing(socket.socket()) as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("stripe-mock did not start")


class Mock:
    """Collects what gateways send, and asks stripe-mock about it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.requests: list[httpx.Request] = []

    def listen(self, gateway: StripeGateway) -> None:
        gateway._api._http._http.event_hooks = {"request": [self._keep]}

    async def _keep(self, request: httpx.Request) -> None:
        self.requests.append(request)

    @property
    def made(self) -> set[str]:
        """The kinds of requests, each id by its prefix."""
        return {f"{one.method} {_shape(one.url.path)}" for one in self.requests}

    async def complaints(self) -> list[str]:
        """What stripe-mock refuses, in its words."""
        refused = []
        for one in self.requests:
            headers = {name: value for name, value in one.headers.items() if name != "host"}
            url = one.url.raw_path.decode()
            answer = await self._http.request(one.method, url, content=one.content, headers=headers)
            refused += [f"{one.method} {url}: {answer.text}"] if answer.status_code != 200 else []
        return refused


def _shape(where: str) -> str:
    return re.sub(r"/(in|pi|ch|cus)_[^/]+", r"/\1", where)


@pytest.fixture
async def mock(mock_address: str) -> AsyncIterator[Mock]:
    async with httpx.AsyncClient(base_url=mock_address, trust_env=False) as http:
        yield Mock(http)


async def test_the_requests_of_a_recovery(mock: Mock, box: SandboxClient, gateway: StripeGateway) -> None:
    mock.listen(gateway)
    made = await box.create_failed_invoice(script=("decline:generic_decline", "succeed"))
    await gateway.read_failure(made.invoice, None)
    await gateway.charge(order(made.invoice))
    await gateway.charge(order(made.invoice, method_id=made.payment_method))
    await gateway.settle(order(made.invoice))
    await gateway.resolve(dispute_of(made.payment_intent))
    await gateway.resolve(dispute_of(made.charge))
    assert mock.made == {
        "GET /v1/invoices/in",
        "POST /v1/invoices/in/pay",
        "GET /v1/payment_intents/pi",
        "GET /v1/charges/ch",
        "GET /v1/customers/cus",
        "GET /v1/radar/early_fraud_warnings",
        "GET /v1/invoice_payments",
    }
    assert await mock.complaints() == []


async def test_the_requests_where_less_is_known(mock: Mock, canned: Canned, foreign: StripeGateway) -> None:
    mock.listen(foreign)
    canned.says("GET /v1/invoices/in_1", invoice())
    canned.says("GET /v1/invoice_payments", {"data": [{"status": "open", "payment": PAYMENT}]})
    canned.says("GET /v1/payment_intents/pi_1", {"id": "pi_1", "latest_charge": "ch_1"})
    canned.says("GET /v1/invoices/in_2", invoice(id="in_2", charge="ch_1"))
    await foreign.read_failure("in_1", None)
    await foreign.read_failure("in_2", None)
    asked = {request.url.raw_path.decode() for request in mock.requests}
    assert {"/v1/invoice_payments?invoice=in_1", "/v1/radar/early_fraud_warnings?charge=ch_1"} <= asked
    assert await mock.complaints() == []


async def test_a_wrong_request_would_be_noticed(mock: Mock) -> None:
    headers = {"Authorization": "Bearer sk_test_1"}
    mock.requests.append(httpx.Request("GET", "http://x/v1/invoice_payments?invioce=in_1", headers=headers))
    assert len(await mock.complaints()) == 1
