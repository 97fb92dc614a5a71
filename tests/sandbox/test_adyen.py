"""The Adyen sandbox against the official library: answers, stored payments and webhooks."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import Adyen
import pytest
from Adyen import util

from sandbox.adyen.client import AdyenSandboxClient
from sandbox.adyen.webhooks import DEFAULT_MERCHANT_ACCOUNT
from sandbox.config import SandboxConfig
from sandbox.models import Delivery
from tests.sandbox.harness import run_sandbox

KEY = "ab" * 32
WAIT = Delivery(wait=True)


class Receiver:
    """Keeps webhooks."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answers: list[int] = []

    @property
    def received_items(self) -> list[dict[str, Any]]:
        wrapped_items = [item for body in self.bodies for item in json.loads(body)["notificationItems"]]
        return [item["NotificationRequestItem"] for item in wrapped_items]


@contextmanager
def run_receiver() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield receiver, f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    with run_receiver() as running_receiver:
        yield running_receiver


@pytest.fixture
def address(receiver: tuple[Receiver, str]) -> Iterator[str]:
    config = SandboxConfig(adyen_webhook_url=receiver[1], adyen_hmac_key=KEY, retry_delays=(0.05, 0.05))
    with run_sandbox(config) as sandbox_url:
        yield sandbox_url


@pytest.fixture
async def box(address: str) -> AsyncIterator[AdyenSandboxClient]:
    async with AdyenSandboxClient(address) as client:
        yield client


def make_payment(address: str, invoice: str, key: str | None = "k1", **changes: Any) -> Any:
    """A payment by the unmodified official library."""
    client = Adyen.Adyen(xapikey="AQE", platform="test")
    api = client.checkout.payments_api
    api.baseUrl = f"{address}/adyen/v72"
    request = {
        "merchantAccount": DEFAULT_MERCHANT_ACCOUNT,
        "reference": invoice,
        "amount": {"value": 2000, "currency": "USD"},
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": "TOKEN1"},
        "shopperReference": "shopper 1",
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "Subscription",
        "metadata": {"mine": "yes"},
    }
    return api.payments(request | changes, idempotency_key=key).message


async def test_a_payment_is_made_once_under_a_key(address: str, box: AdyenSandboxClient) -> None:
    failed_payment = await box.create_failed_payment()
    first, again = make_payment(address, failed_payment.invoice), make_payment(address, failed_payment.invoice)
    assert first == again
    assert first["resultCode"] == "Authorised"
    other = make_payment(address, failed_payment.invoice, key="k2")
    assert other["pspReference"] != first["pspReference"], "Adyen knows no invoices: another key is another payment"
    assert [line.charge for line in await box.read_ledger(failed_payment.invoice)] == [
        first["pspReference"],
        other["pspReference"],
    ]
    assert [call.replayed for call in await box.pay_calls(failed_payment.invoice)] == [False, True, False]


async def test_keys_are_kept_for_seven_days(address: str, box: AdyenSandboxClient) -> None:
    failed_payment = await box.create_failed_payment()
    first = make_payment(address, failed_payment.invoice)
    await box._http.post("/_control/clock", json={"advance": 7 * 86_400 - 60})
    assert make_payment(address, failed_payment.invoice) == first
    await box._http.post("/_control/clock", json={"advance": 120})
    assert make_payment(address, failed_payment.invoice) != first


async def test_failed_request_may_be_repeated_with_its_key(address: str, box: AdyenSandboxClient) -> None:
    failed_payment = await box.create_failed_payment(script=("error:500", "succeed_then_error:500"))
    for _ in range(2):
        with pytest.raises(Adyen.AdyenAPICommunicationError):
            make_payment(address, failed_payment.invoice)
    assert make_payment(address, failed_payment.invoice)["resultCode"] == "Authorised"
    assert len(await box.read_ledger(failed_payment.invoice)) == 1


async def test_refusal_is_scripted_by_code_or_in_words(address: str, box: AdyenSandboxClient) -> None:
    for number, text in enumerate(("decline:12;network=51;mac=24", "decline:Not enough balance;network=51;mac=24")):
        failed_payment = await box.create_failed_payment(script=(text,))
        payment = make_payment(address, failed_payment.invoice, key=f"r{number}")
        assert (payment["resultCode"], payment["refusalReason"]) == ("Refused", "Not enough balance")
        assert payment["refusalReasonCode"] == "12"
        assert payment["additionalData"]["refusalReasonRaw"] == "51 : Insufficient funds"
        assert payment["additionalData"]["merchantAdviceCode"].startswith("24 : ")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": None}, "100"),
        ({"reference": ""}, "130"),
        ({"merchantAccount": ""}, "901"),
        ({"paymentMethod": {"type": "scheme"}}, "803"),
        ({"shopperInteraction": "Ecommerce"}, "702"),
    ],
)
def test_invalid_adyen_requests_are_refused(address: str, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Adyen.AdyenAPIUnprocessableEntity) as refused:
        make_payment(address, "inv", **changes)
    assert refused.value.error_code == code


def test_a_key_may_have_64_characters(address: str) -> None:
    assert make_payment(address, "inv", key="k" * 64)
    with pytest.raises(Adyen.AdyenAPIUnprocessableEntity):
        make_payment(address, "inv", key="k" * 65)


async def test_webhook_of_a_payment_has_its_metadata_and_signature(
    address: str, box: AdyenSandboxClient, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment(script=("decline:6", "succeed"))
    for key in ("k1", "k2"):
        make_payment(address, failed_payment.invoice, key=key)
    await box.wait_until_idle()
    refused, paid = sorted(receiver[0].received_items, key=lambda item: item["success"])
    assert (refused["success"], refused["reason"], paid["success"]) == ("false", "Expired Card", "true")
    for item in (refused, paid):
        assert (item["eventCode"], item["merchantReference"]) == ("AUTHORISATION", failed_payment.invoice)
        assert item["additionalData"]["metadata.mine"] == "yes"
        assert util.is_valid_hmac_notification(item, KEY)


async def test_batches_copies_order_and_delay(box: AdyenSandboxClient, receiver: tuple[Receiver, str]) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, "CANCEL_AUTORESCUE", delivery=WAIT)
    first, second = await box.list_events(failed_payment.invoice)
    receiver[0].bodies.clear()
    await box.send_batch(first, second, delivery=Delivery(wait=True, copies=2))
    assert [len(json.loads(body)["notificationItems"]) for body in receiver[0].bodies] == [2, 2]
    receiver[0].bodies.clear()
    await box.send_events(first, second, delivery=Delivery(wait=True, reverse=True))
    assert [item["eventCode"] for item in receiver[0].received_items] == ["CANCEL_AUTORESCUE", "AUTHORISATION"]


async def test_refused_webhooks_are_sent_again(box: AdyenSandboxClient, receiver: tuple[Receiver, str]) -> None:
    receiver[0].answers = [503, 500]
    failed_payment = await box.create_failed_payment(delivery=WAIT)
    assert [(delivery.status, delivery.tries) for delivery in failed_payment.deliveries] == [(202, 3)]


async def test_money_reported_by_webhook_is_booked(box: AdyenSandboxClient) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, "AUTORESCUE", success=False, delivery=WAIT)
    assert await box.read_ledger(failed_payment.invoice) == []
    await box.report_event(failed_payment.invoice, "AUTORESCUE", delivery=WAIT)
    assert [line.origin for line in await box.read_ledger(failed_payment.invoice)] == ["elsewhere"]
