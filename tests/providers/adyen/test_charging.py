"""Adyen charges over real HTTP: the requests, and the result of each answer."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.errors import ProviderUnavailable
from core.events import EventType
from core.ids import idempotency_key
from core.payments import (
    NO_METHOD,
    UNFIT_METHOD,
    Card,
    ChargeOrder,
    ChargeResult,
    Failure,
    MethodKind,
    Outcome,
)
from core.redaction.text import REDACTED
from providers.adyen.config import AdyenConfig
from providers.adyen.gateway import AdyenGateway
from sandbox.adyen.client import AdyenSandboxClient
from sandbox.adyen.webhooks import DEFAULT_MERCHANT_ACCOUNT
from sandbox.config import SandboxConfig
from tests.providers.contract.adyen_subject import CAUSES, fail_payment
from tests.providers.contract.harness import due_charge
from tests.providers.contract.sandbox_control import SandboxControl
from tests.providers.contract.subjects import ADYEN
from tests.providers.stripe.canned_server import CannedServer, canned_server
from tests.sandbox.harness import run_sandbox

PSP = "PSP0000000000009"


def order_with(**changes: Any) -> ChargeOrder:
    plain = {
        "provider": "adyen",
        "invoice_id": "inv 1",
        "attempt": 1,
        "idempotency_key": "pri-adyen-inv-1",
        "amount": 4900,
        "currency": "EUR",
        "customer_id": "shopper 1",
        "last_method_id": "TOKEN1",
        "requested_at": datetime.now(UTC),
    }
    return ChargeOrder.model_validate(plain | changes)


def gateway_at(address: str, seconds: float = 5) -> AdyenGateway:
    return AdyenGateway(AdyenConfig("AQEsecret", DEFAULT_MERCHANT_ACCOUNT, (), address), call_seconds=seconds)


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    with canned_server() as server:
        yield server


@pytest.fixture
async def gateway(canned: CannedServer) -> AsyncIterator[AdyenGateway]:
    charging_gateway = gateway_at(canned.address)
    yield charging_gateway
    await charging_gateway.close()


async def charge_with_answer(canned: CannedServer, gateway: AdyenGateway, body: Any, status: int = 200) -> ChargeResult:
    canned.set_answer("POST /v72/payments", body, status)
    return await gateway.charge(order_with())


async def test_charge_request_body(sandbox_address: str) -> None:
    gateway = gateway_at(f"{sandbox_address}/adyen")
    async with AdyenSandboxClient(sandbox_address) as box:
        result = await gateway.charge(order_with(invoice_id="inv sent", method_id="TOKEN2"))
        (call,) = await box.pay_calls("inv sent")
    await gateway.close()
    assert result.outcome is Outcome.SUCCEEDED
    assert (call.path, call.idempotency_key) == ("/adyen/v72/payments", "pri-adyen-inv-1")
    assert call.params == {
        "merchantAccount": DEFAULT_MERCHANT_ACCOUNT,
        "reference": "inv sent",
        "amount": {"value": 4900, "currency": "EUR"},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": "TOKEN2"},
        "shopperReference": "shopper 1",
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "Subscription",
        "metadata": {"priCharge": "pri-adyen-inv-1"},
    }


async def test_api_key_and_idempotency_key_are_sent_as_headers(canned: CannedServer, gateway: AdyenGateway) -> None:
    await charge_with_answer(canned, gateway, {"resultCode": "Authorised", "pspReference": PSP})
    (request,) = canned.requests
    assert (request.headers["idempotency-key"], request.headers["x-api-key"]) == ("pri-adyen-inv-1", "AQEsecret")
    assert "authorization" not in request.headers


async def test_adyens_own_minor_units_are_sent(sandbox_address: str) -> None:
    gateway = gateway_at(f"{sandbox_address}/adyen")
    async with AdyenSandboxClient(sandbox_address) as box:
        await gateway.charge(order_with(invoice_id="inv clp", amount=1500, currency="CLP"))
        (call,) = await box.pay_calls("inv clp")
    await gateway.close()
    assert call.params["amount"] == {"value": 150_000, "currency": "CLP"}


UNKNOWN = Outcome.UNKNOWN
ANSWERS = [
    ({"resultCode": "Authorised", "pspReference": PSP}, 200, Outcome.SUCCEEDED, None),
    ({"resultCode": "Authorised"}, 200, UNKNOWN, "unfit_answer"),
    ({"resultCode": "Authorised", "pspReference": PSP, "merchantReference": "another"}, 200, UNKNOWN, "unfit_answer"),
    ({"resultCode": "Pending", "pspReference": PSP}, 200, UNKNOWN, "processing"),
    ({"resultCode": "Received", "pspReference": PSP}, 200, UNKNOWN, "processing"),
    ({"resultCode": "SomethingNew"}, 200, UNKNOWN, "processing"),
    ({}, 200, UNKNOWN, "unfit_answer"),
    ([], 200, UNKNOWN, "unfit_answer"),
    (b"", 200, UNKNOWN, "unfit_answer"),
    (b"<html>", 200, UNKNOWN, "unfit_answer"),
    (b"<html>", 502, UNKNOWN, "http_502"),
    ([1], 500, UNKNOWN, "unfit_answer"),
    ({"errorCode": "704"}, 422, UNKNOWN, "in_progress"),
    ({"errorCode": "901"}, 500, UNKNOWN, "http_500"),
    ({}, 404, UNKNOWN, "http_404"),
    ({}, 302, UNKNOWN, "http_302"),
]


@pytest.mark.parametrize(("body", "status", "outcome", "reason"), ANSWERS)
async def test_charge_results_without_a_refusal(
    canned: CannedServer, gateway: AdyenGateway, body: Any, status: int, outcome: Outcome, reason: str | None
) -> None:
    result = await charge_with_answer(canned, gateway, body, status)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.charge_id == (PSP if outcome is Outcome.SUCCEEDED else None)


REFUSALS = [
    ({"resultCode": "Refused", "refusalReason": "Expired Card", "refusalReasonCode": "6"}, 200, "Expired Card"),
    ({"resultCode": "Refused", "refusalReasonCode": "6"}, 200, "6"),
    ({"resultCode": "Error", "refusalReason": "Acquirer Error"}, 200, "Acquirer Error"),
    ({"resultCode": "Cancelled", "refusalReason": "Cancelled"}, 200, "Cancelled"),
    ({"resultCode": "Refused", "refusalReason": "No: 4111 1111-1111.1111"}, 200, f"No: {REDACTED}"),
    ({"resultCode": "RedirectShopper"}, 200, "shopper_needed"),
    ({"resultCode": "ChallengeShopper"}, 200, "shopper_needed"),
    ({"resultCode": "Refused", "refusalReason": "803 PaymentDetail not found"}, 200, "803"),
    ({"errorCode": "702"}, 400, "702"),
    ({}, 422, None),
    ({"errorCode": "000"}, 401, "authentication_error"),
    ({"errorCode": "010"}, 403, "permission_error"),
]


@pytest.mark.parametrize(("body", "status", "code"), REFUSALS)
async def test_a_refusal_is_a_result_with_its_code(
    canned: CannedServer, gateway: AdyenGateway, body: dict[str, Any], status: int, code: str | None
) -> None:
    result = await charge_with_answer(canned, gateway, body | {"pspReference": PSP}, status)
    assert (result.outcome, result.failure.code) == (Outcome.DECLINED, code)
    assert result.charge_id == (PSP if status == 200 else None), "what was not executed made no charge"


async def test_a_refusal_in_full(canned: CannedServer, gateway: AdyenGateway) -> None:
    additional = {
        "refusalReasonRaw": "51 : Insufficient funds",
        "merchantAdviceCode": "02 : Try again later",
        "paymentMethod": "mc",
        "cardSummary": "4444",
        "cardIssuingCountry": "NL",
        "fundingSource": "DEBIT",
    }
    body = {"resultCode": "Refused", "refusalReason": "Not enough balance", "pspReference": PSP}
    result = await charge_with_answer(canned, gateway, body | {"additionalData": additional})
    assert result.failure == Failure(
        code="Not enough balance",
        network="mastercard",
        network_code="51",
        network_advice="02",
        method_id="TOKEN1",
        charge_id=PSP,
    )
    assert result.card == Card(
        kind=MethodKind.CARD, fingerprint="TOKEN1", network="mastercard", last4="4444", country="NL", funding="debit"
    )


async def test_a_rate_limit_waits_as_asked(canned: CannedServer, gateway: AdyenGateway) -> None:
    canned.set_answer("POST /v72/payments", {}, 429, Retry_After="30")
    with pytest.raises(ProviderUnavailable) as away:
        await gateway.charge(order_with())
    assert away.value.retry_after == timedelta(seconds=30)


MISSING_DATA = [
    ({"last_method_id": None}, NO_METHOD),
    ({"customer_id": None}, NO_METHOD),
    ({"amount": 0}, "amount_unfit"),
    ({"amount": 150, "currency": "IDR"}, "amount_unfit"),
    *(({"method_kind": kind}, UNFIT_METHOD) for kind in MethodKind if kind is not MethodKind.CARD),
]


@pytest.mark.parametrize(("changes", "reason"), MISSING_DATA)
async def test_invalid_charge_request_is_no_decline(
    canned: CannedServer, gateway: AdyenGateway, changes: dict[str, Any], reason: str
) -> None:
    result = await gateway.charge(order_with(**changes))
    assert (result.outcome, result.reason, result.failure) == (Outcome.NOT_CHARGED, reason, Failure())
    assert canned.requests == []


@pytest.mark.parametrize("code", ["800", "802", "803", "805"])
async def test_removed_stored_method_is_no_bank_decline(canned: CannedServer, gateway: AdyenGateway, code: str) -> None:
    result = await charge_with_answer(canned, gateway, {"errorCode": code, "pspReference": PSP}, 422)
    assert (result.outcome, result.reason, result.failure.code) == (Outcome.NOT_CHARGED, UNFIT_METHOD, None)


PART_CASES = [
    ({"resultCode": "Authorised"}, Outcome.SUCCEEDED, None),
    ({"resultCode": "Authorised", "amount": {"value": 4900, "currency": "EUR"}}, Outcome.SUCCEEDED, None),
    ({"resultCode": "Authorised", "amount": {"value": 3000, "currency": "EUR"}}, Outcome.SUCCEEDED, 3000),
    ({"resultCode": "PartiallyAuthorised", "amount": {"value": 3000, "currency": "EUR"}}, Outcome.SUCCEEDED, 3000),
    ({"resultCode": "PartiallyAuthorised"}, UNKNOWN, None),
    ({"resultCode": "PartiallyAuthorised", "amount": {"value": 3000, "currency": "USD"}}, UNKNOWN, None),
]


@pytest.mark.parametrize(("body", "outcome", "amount"), PART_CASES)
async def test_smaller_captured_amount_is_a_partial_payment(
    canned: CannedServer, gateway: AdyenGateway, body: dict[str, Any], outcome: Outcome, amount: int | None
) -> None:
    result = await charge_with_answer(canned, gateway, body | {"pspReference": PSP})
    assert (result.outcome, result.amount) == (outcome, amount)


@pytest.mark.parametrize("reference", ["Bestellung-Müller-17", "trailing ", "两 — 👩‍💻", "#1042"])
async def test_a_reference_is_sent_exactly_as_it_came(
    canned: CannedServer, gateway: AdyenGateway, reference: str
) -> None:
    for sent_reference in (reference, reference.strip()):
        body = {"resultCode": "Authorised", "pspReference": PSP, "merchantReference": sent_reference}
        canned.set_answer("POST /v72/payments", body)
        key = idempotency_key("adyen", reference, 1)
        result = await gateway.charge(order_with(invoice_id=reference, idempotency_key=key))
        assert result.outcome is Outcome.SUCCEEDED
        assert canned.requests[-1].headers["idempotency-key"] == key


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "ftp://x", "http://[", "http://\ud800"])
async def test_unreachable_provider_means_not_sent(address: str) -> None:
    gateway = gateway_at(address, seconds=1)
    with pytest.raises(ProviderUnavailable):
        await gateway.charge(order_with())
    await gateway.close()


async def test_concurrent_charges_do_not_block_each_other(sandbox_address: str) -> None:
    gateway = gateway_at(f"{sandbox_address}/adyen", seconds=8)
    async with AdyenSandboxClient(sandbox_address) as box:
        failed_payments = [await box.create_failed_payment(script=("hang:2",)) for _ in range(20)]
        began = asyncio.get_running_loop().time()
        results = await asyncio.gather(
            *(
                gateway.charge(
                    order_with(invoice_id=failed_payment.invoice, idempotency_key=f"k-{failed_payment.invoice}")
                )
                for failed_payment in failed_payments
            )
        )
    await gateway.close()
    assert {result.outcome for result in results} == {Outcome.SUCCEEDED}
    assert asyncio.get_running_loop().time() - began < 7


async def test_refused_repeat_says_nothing_about_the_first_charge(sandbox_address: str) -> None:
    """The API key was revoked after a payment whose answer was lost: a new attempt might charge twice."""
    gateway = gateway_at(f"{sandbox_address}/adyen")
    async with AdyenSandboxClient(sandbox_address) as box:
        bench = await due_charge(ADYEN, SandboxControl(box, CAUSES, fail_payment), gateway, "succeed_then_drop")
        await bench.run_charge()
        await box.add_fault("/adyen/v72/payments", "error:401", method="POST")
        await bench.run_reconcile()
        assert bench.written_types == [EventType.CHARGE_REQUESTED, EventType.CHARGE_UNKNOWN]
        await bench.run_reconcile()
        assert bench.written_types[-2:] == [EventType.CHARGE_RECONCILED, EventType.RECOVERY_CLOSED]
        assert len(await bench.charged_amounts()) == 1
    await gateway.close()


async def test_reading_is_not_supported(gateway: AdyenGateway) -> None:
    assert (gateway.can_read, gateway.idempotency) == (False, timedelta(days=6, hours=23))
    assert (await gateway.reconcile(order_with())).outcome is Outcome.UNKNOWN
    for read in (gateway.read_invoice("inv 1"), gateway.read_failure("inv 1", None)):
        with pytest.raises(ProviderUnavailable):
            await read
    assert await gateway.read_card("inv 1", None) is None
    assert await gateway.read_card("inv 1", "TOKEN1") == Card(fingerprint="TOKEN1")


@pytest.fixture(scope="module")
def sandbox_address() -> Iterator[str]:
    with run_sandbox(SandboxConfig(echo=False)) as address:
        yield address


async def test_slowly_dripping_answer_times_out() -> None:
    """Each byte comes in time and the whole never does; no thread is left behind."""
    with dripping_server() as address:
        hasty = gateway_at(address, seconds=1)
        result = await hasty.charge(order_with())
        await hasty.close()
    assert (result.outcome, result.reason) == (Outcome.UNKNOWN, "timeout")
    for _ in range(50):
        if not [thread for thread in threading.enumerate() if thread.name.startswith("adyen")]:
            break
        await asyncio.sleep(0.1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("adyen")]


@contextmanager
def dripping_server() -> Iterator[str]:
    """The address of a server whose answer never ends."""
    stop_event = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not stop_event.wait(0.1):
                    self.wfile.write(b" ")
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    stop_event.set()
    server.shutdown()
    server.server_close()
