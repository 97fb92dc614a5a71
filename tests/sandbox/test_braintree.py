"""The Braintree sandbox against the official library, and its webhooks."""

import base64
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import braintree
import pytest
from braintree.exceptions.not_found_error import NotFoundError
from braintree.exceptions.server_error import ServerError
from braintree.sepa_direct_debit_account import SepaDirectDebitAccount

from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.braintree.instruments import Instrument
from sandbox.braintree.models import FailedTransactionIds
from sandbox.config import SandboxConfig
from sandbox.models import Delivery
from tests.sandbox.harness import run_sandbox
from tests.sandbox.official_braintree import braintree_client

KEYS = "public|private"
WAIT = Delivery(wait=True)


class Receiver:
    """Keeps webhooks, parsed by the official library."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.answers: list[int] = []


@contextmanager
def run_receiver() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            parse = braintree_client("http://127.0.0.1:9").webhook_notification.parse
            receiver.received.append(parse(form["bt_signature"][0], form["bt_payload"][0]))
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
    config = SandboxConfig(braintree_webhook_url=receiver[1], braintree_keys=KEYS, retry_delays=(0.05, 0.05))
    with run_sandbox(config) as sandbox_url:
        yield sandbox_url


@pytest.fixture
async def box(address: str) -> AsyncIterator[BraintreeSandboxClient]:
    async with BraintreeSandboxClient(address) as client:
        yield client


async def test_the_official_client_reads_retries_and_searches(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = await box.create_failed_payment(), braintree_client(address)
    before = client.subscription.find(failed_payment.subscription)
    assert (before.status, str(before.balance), before.transactions[0].id) == (
        "Past Due",
        "20.00",
        failed_payment.transaction,
    )
    answer = client.subscription.retry_charge(failed_payment.subscription, "20.00", True)
    assert (answer.is_success, answer.transaction.status) == (True, "submitted_for_settlement")
    after = client.subscription.find(failed_payment.subscription)
    assert (after.status, str(after.balance), len(after.transactions)) == ("Active", "0.00", 2)
    assert client.transaction.find(answer.transaction.id).subscription_id == failed_payment.subscription
    assert client.payment_method.find(failed_payment.payment_method).last_4 == "1111"


def resale_of(transaction_ids: FailedTransactionIds, **more: Any) -> dict[str, Any]:
    """The parameters of a second sale of the order, submitted for settlement."""
    params = {
        "amount": "20.00",
        "order_id": transaction_ids.invoice,
        "payment_method_token": transaction_ids.payment_method,
    }
    return {**params, "options": {"submit_for_settlement": True}, **more}


async def test_an_authorisation_is_captured_in_parts(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = await box.create_failed_payment(subscription=False), braintree_client(address)
    parent = client.transaction.sale(resale_of(failed_payment, options={})).transaction
    assert (parent.status, await box.read_ledger(failed_payment.invoice)) == ("authorized", [])
    part = client.transaction.submit_for_partial_settlement(
        parent.id, "7.00", {"order_id": failed_payment.invoice}
    ).transaction
    assert (part.status, part.authorized_transaction_id) == ("submitted_for_settlement", parent.id)
    assert client.transaction.find(parent.id).partial_settlement_transaction_ids == [part.id]
    assert [line.amount for line in await box.read_ledger(failed_payment.invoice)] == [700]
    (error,) = client.transaction.submit_for_partial_settlement(part.id, "1.00").errors.deep_errors
    assert error.code == "915103"


async def test_orders_are_found_by_their_id(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = await box.create_failed_payment(subscription=False), braintree_client(address)
    await box.create_failed_payment(subscription=False)
    params = resale_of(failed_payment)
    assert client.transaction.sale(params).is_success
    sales = list(client.transaction.search(braintree.TransactionSearch.order_id == failed_payment.invoice).items)
    assert [sale.status for sale in sales] == ["submitted_for_settlement", "processor_declined"]
    assert list(client.transaction.search(braintree.TransactionSearch.order_id == "nothing").items) == []


async def test_a_decline_is_an_error_result_with_its_transaction(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment = await box.create_failed_payment(script=("decline:2051;network=14;mac=03", "decline:cvv"))
    client = braintree_client(address)
    declined = client.subscription.retry_charge(failed_payment.subscription, "20.00", True).transaction
    assert (declined.processor_response_code, declined.merchant_advice_code) == ("2051", "03")
    rejected = client.subscription.retry_charge(failed_payment.subscription, "20.00", True).transaction
    assert (rejected.status, rejected.gateway_rejection_reason) == ("gateway_rejected", "cvv")


async def test_invalid_braintree_requests_are_refused(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = await box.create_failed_payment(), braintree_client(address)
    codes = [
        error.code
        for answer in (
            client.subscription.retry_charge("nowhere", "1.00", True),
            client.transaction.sale({"amount": "1.00", "payment_method_token": "gone"}),
            client.subscription.update(failed_payment.subscription, {"payment_method_token": "gone"}),
        )
        for error in answer.errors.deep_errors
    ]
    assert codes == ["91528", "91518", "91903"]
    assert client.subscription.retry_charge(failed_payment.subscription, "20.00", True).is_success
    (again,) = client.subscription.retry_charge(failed_payment.subscription, "20.00", True).errors.deep_errors
    assert again.code == "91531"
    with pytest.raises(NotFoundError):
        client.subscription.find("nowhere")


async def test_repeated_request_without_a_key_charges_twice(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = await box.create_failed_payment(subscription=False), braintree_client(address)
    params = resale_of(failed_payment)
    assert [client.transaction.sale(dict(params)).is_success for _ in range(2)] == [True, True]
    assert len(await box.read_ledger(failed_payment.invoice)) == 2, "or our tests could not see a repeat"


async def test_faults_and_scripts_are_those_of_every_fake(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = (
        await box.create_failed_payment(script=("error:500", "succeed_then_error:500")),
        braintree_client(address),
    )
    for _ in range(2):
        with pytest.raises(ServerError):
            client.subscription.retry_charge(failed_payment.subscription, "20.00", True)
    assert [line.origin for line in await box.read_ledger(failed_payment.invoice)] == ["pay_call"]
    assert await box.read_script(failed_payment.invoice) == []
    assert [call.status for call in await box.pay_calls(failed_payment.invoice)] == [500, 500]


async def test_failure_webhook_is_signed(box: BraintreeSandboxClient, receiver: tuple[Receiver, str]) -> None:
    failed_payment = await box.create_failed_payment(delivery=WAIT)
    (notification,) = receiver[0].received
    assert (notification.kind, notification.subscription.id) == (
        "subscription_charged_unsuccessfully",
        failed_payment.subscription,
    )
    assert notification.subscription.transactions[0].processor_response_code == "2001"
    assert [delivered.status for delivered in failed_payment.deliveries] == [202]


async def test_our_own_charges_are_echoed(
    box: BraintreeSandboxClient, address: str, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment(script=("decline:2000", "succeed"))
    for _ in range(2):
        braintree_client(address).subscription.retry_charge(failed_payment.subscription, "20.00", True)
        await box.wait_until_idle()
    kinds = [notification.kind for notification in receiver[0].received]
    assert kinds == ["subscription_charged_unsuccessfully", "subscription_charged_successfully"]


async def test_webhooks_can_be_duplicated_delayed_reordered_and_resent(
    box: BraintreeSandboxClient, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(failed_payment.invoice, "dispute_opened", delivery=Delivery(wait=True, copies=2))
    assert [notification.kind for notification in receiver[0].received] == ["dispute_opened"] * 2
    receiver[0].received.clear()
    receiver[0].answers.append(503)
    backwards = Delivery(wait=True, reverse=True)
    await box.send_events(*await box.list_events(failed_payment.invoice), delivery=backwards)
    kinds = [notification.kind for notification in receiver[0].received]
    assert sorted(kinds) == ["dispute_opened", "dispute_opened", "subscription_charged_unsuccessfully"]
    assert kinds[0] == "dispute_opened"


def test_the_payload_is_base64_with_line_breaks() -> None:
    from sandbox.braintree.webhooks import sign_braintree_webhook

    body, headers = sign_braintree_webhook(b"x" * 100, KEYS, 0)
    form = parse_qs(body.decode())
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert base64.decodebytes(form["bt_payload"][0].encode()) == b"x" * 100
    assert form["bt_payload"][0].endswith("\n")


KINDS = {
    Instrument.CREDIT_CARD: braintree.CreditCard,
    Instrument.APPLE_PAY: braintree.ApplePayCard,
    Instrument.GOOGLE_PAY: braintree.AndroidPayCard,
    Instrument.PAYPAL: braintree.PayPalAccount,
    Instrument.VENMO: braintree.VenmoAccount,
    Instrument.US_BANK_ACCOUNT: braintree.UsBankAccount,
    Instrument.SEPA_DEBIT: SepaDirectDebitAccount,
}


@pytest.mark.parametrize("instrument", Instrument)
async def test_the_official_client_reads_each_kind_of_method(
    box: BraintreeSandboxClient, address: str, instrument: Instrument
) -> None:
    failed_payment, client = await box.create_failed_payment(instrument=instrument), braintree_client(address)
    assert type(client.payment_method.find(failed_payment.payment_method)) is KINDS[instrument]
    (method,) = client.customer.find(failed_payment.customer).payment_methods
    assert (type(method), method.token) == (KINDS[instrument], failed_payment.payment_method)
    assert client.transaction.find(failed_payment.transaction).payment_instrument_type == instrument.value


async def test_debit_is_pending_and_may_be_returned(box: BraintreeSandboxClient, address: str) -> None:
    failed_payment, client = (
        await box.create_failed_payment(instrument=Instrument.US_BANK_ACCOUNT),
        braintree_client(address),
    )
    sale = client.subscription.retry_charge(failed_payment.subscription, "20.00", True).transaction
    assert (sale.status, sale.processor_settlement_response_code) == ("settlement_pending", "4002")
    await box.report_event(failed_payment.invoice, "transaction_settled")
    assert client.transaction.find(sale.id).status == "settled"
    await box.report_event(failed_payment.invoice, "transaction_settlement_declined", decline_code="R02")
    back = client.transaction.find(sale.id)
    assert (back.status, back.ach_return_responses[0]["reason_code"]) == ("settlement_declined", "R02")
    assert [event.status for event in back.status_history] == ["settlement_pending", "settled"]


async def test_deleted_method_is_not_found_and_its_subscription_canceled(
    box: BraintreeSandboxClient, address: str
) -> None:
    failed_payment, client = await box.create_failed_payment(), braintree_client(address)
    assert client.payment_method.delete(failed_payment.payment_method).is_success
    with pytest.raises(NotFoundError):
        client.payment_method.find(failed_payment.payment_method)
    assert client.subscription.find(failed_payment.subscription).status == "Canceled"
    assert client.customer.delete(failed_payment.customer).is_success
    with pytest.raises(NotFoundError):
        client.customer.find(failed_payment.customer)
    with pytest.raises(NotFoundError):
        client.customer.delete(failed_payment.customer)


async def test_webhook_of_a_returned_debit_has_its_reason(
    box: BraintreeSandboxClient, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment(instrument=Instrument.US_BANK_ACCOUNT, subscription=False)
    back = "transaction_settlement_declined"
    await box.report_event(failed_payment.invoice, back, decline_code="R10", reads_settled=True, delivery=WAIT)
    (notification,) = receiver[0].received
    assert (notification.kind, notification.transaction.status, notification.transaction.ach_return_code) == (
        back,
        "settled",
        "R10",
    )


async def test_a_refund_names_its_sale(box: BraintreeSandboxClient, receiver: tuple[Receiver, str]) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    await box.report_event(failed_payment.invoice, "transaction_settled")
    await box.wait_until_idle()
    receiver[0].received.clear()
    await box.report_event(failed_payment.invoice, "transaction_disbursed", amount=500, delivery=WAIT)
    (notification,) = receiver[0].received
    (sale,) = await box.read_ledger(failed_payment.invoice)
    credit = notification.transaction
    assert (credit.type, credit.refunded_transaction_id, str(credit.amount)) == ("credit", sale.charge, "5.00")


async def test_webhook_of_a_dispute_has_kind_and_amount(
    box: BraintreeSandboxClient, address: str, receiver: tuple[Receiver, str]
) -> None:
    failed_payment = await box.create_failed_payment()
    await box.report_event(
        failed_payment.invoice, "dispute_opened", dispute_kind="retrieval", amount=700, delivery=WAIT
    )
    (notification,) = receiver[0].received
    assert (notification.dispute.kind, str(notification.dispute.amount), notification.dispute.status) == (
        "retrieval",
        "7.00",
        "open",
    )
    (dispute,) = braintree_client(address).transaction.find(failed_payment.transaction).disputes
    assert (dispute.kind, dispute.status) == ("retrieval", "open")
