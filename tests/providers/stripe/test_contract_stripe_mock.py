"""Every request of our gateway fits Stripe's published API description.

The requests are made to servers that answer like a real account; stripe-mock, which checks each one against the
description but knows no state, gets the same requests afterwards.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from providers.stripe.api import StripeTransport
from providers.stripe.gateway import StripeGateway
from sandbox.stripe.client import StripeSandboxClient
from sandbox.stripe.models import FailedInvoiceIds
from tests.providers.stripe.builders import dispute_of, open_invoice, order_for
from tests.providers.stripe.canned_server import CannedServer

PAYMENT = {"type": "payment_intent", "payment_intent": "pi_1"}


class RequestChecker:
    """Records the gateways' requests and checks them with stripe-mock."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.requests: list[httpx.Request] = []

    def record_requests(self, http: StripeTransport) -> None:
        send = http.request_async

        async def record_and_send(
            method: str, url: str, headers: Mapping[str, str], post_data: Any = None
        ) -> tuple[bytes, int, Mapping[str, str]]:
            self.requests.append(httpx.Request(method, url, headers=headers, content=post_data))
            return await send(method, url, headers, post_data)

        http.request_async = record_and_send  # type: ignore[method-assign]

    @property
    def request_kinds(self) -> set[str]:
        """The kinds of requests, with ids replaced by their prefixes."""
        return {f"{request.method} {_request_kind(request.url.path)}" for request in self.requests}

    async def find_complaints(self) -> list[str]:
        """The errors of stripe-mock."""
        refused = []
        for request in self.requests:
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            url = request.url.raw_path.decode()
            answer = await self._http.request(request.method, url, content=request.content, headers=headers)
            refused += [f"{request.method} {url}: {answer.text}"] if answer.status_code != 200 else []
        return refused


def _request_kind(where: str) -> str:
    return re.sub(r"/(in|pi|ch|cus|pm|sub|clock)_[^/]+", r"/\1", where)


async def failed_on_test_clock(box: StripeSandboxClient) -> FailedInvoiceIds:
    """A failed invoice of a customer on a test clock."""
    clock = await box.create_test_clock(1_900_000_000)
    return await box.create_failed_invoice(test_clock=clock)


@pytest.fixture
async def mock(mock_address: str) -> AsyncIterator[RequestChecker]:
    async with httpx.AsyncClient(base_url=mock_address, trust_env=False) as http:
        yield RequestChecker(http)


async def test_requests_of_a_recovery_fit_stripes_api(
    mock: RequestChecker, box: StripeSandboxClient, gateway: StripeGateway
) -> None:
    mock.record_requests(gateway._api._http)
    failed_invoice = await box.create_failed_invoice(script=("decline:generic_decline", "succeed"))
    await gateway.read_failure(failed_invoice.invoice, None)
    await gateway.charge(order_for(failed_invoice.invoice))
    await gateway.charge(order_for(failed_invoice.invoice, method_id=failed_invoice.payment_method))
    await gateway.reconcile(order_for(failed_invoice.invoice))
    await gateway.read_card(failed_invoice.invoice, failed_invoice.payment_method)
    await box.open_dispute(failed_invoice.invoice)
    await gateway.read_failure(failed_invoice.invoice, None)
    await gateway.read_contact(failed_invoice.invoice, failed_invoice.customer)
    await gateway.read_invoice((await failed_on_test_clock(box)).invoice)
    await gateway.resolve_event(dispute_of(failed_invoice.payment_intent))
    await gateway.resolve_event(dispute_of(failed_invoice.charge))
    assert mock.request_kinds == {
        "GET /v1/invoices/in",
        "POST /v1/invoices/in/pay",
        "GET /v1/payment_intents/pi",
        "GET /v1/charges/ch",
        "GET /v1/payment_methods/pm",
        "GET /v1/disputes",
        "GET /v1/test_helpers/test_clocks/clock",
        "GET /v1/radar/early_fraud_warnings",
        "GET /v1/invoice_payments",
    }
    assert await mock.find_complaints() == []


async def test_requests_with_few_known_ids_fit_stripes_api(
    mock: RequestChecker, canned: CannedServer, foreign: StripeGateway
) -> None:
    mock.record_requests(foreign._api._http)
    canned.set_answer("GET /v1/invoices/in_1", open_invoice())
    canned.set_answer("GET /v1/invoice_payments", {"data": [{"status": "open", "invoice": "in_1", "payment": PAYMENT}]})
    canned.set_answer("GET /v1/payment_intents/pi_1", {"id": "pi_1", "latest_charge": "ch_1"})
    canned.set_answer("GET /v1/invoices/in_2", open_invoice(id="in_2", charge="ch_1"))
    await foreign.read_failure("in_1", None)
    await foreign.read_failure("in_2", None)
    await foreign.read_contact("in_2", "cus_1")
    urls = {request.url.raw_path.decode() for request in mock.requests}
    assert {"/v1/invoice_payments?invoice=in_1", "/v1/radar/early_fraud_warnings?charge=ch_1"} <= urls
    assert {"/v1/customers/cus_1", "/v1/subscriptions/sub_1"} <= urls
    assert await mock.find_complaints() == []


async def test_a_wrong_request_would_be_noticed(mock: RequestChecker) -> None:
    headers = {"Authorization": "Bearer sk_test_1"}
    mock.requests.append(httpx.Request("GET", "http://x/v1/invoice_payments?invioce=in_1", headers=headers))
    assert len(await mock.find_complaints()) == 1
