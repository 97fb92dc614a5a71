"""Merchants' own order ids: accepted unchanged, or refused with a reason for operators."""

import pytest

from core.payments import EventKind, InvoiceStatus, Outcome, ProviderEvent
from providers.braintree.client_objects import order_id_fault
from providers.braintree.gateway import BraintreeGateway
from providers.braintree.webhook import BraintreeWebhooks
from sandbox.braintree import webhooks as notices
from sandbox.braintree import xml_trees
from sandbox.braintree.client import BraintreeSandboxClient
from tests.providers.braintree.orders import order_for
from tests.providers.contract.braintree_subject import THEN, a_transaction, sandbox_config, sign_notification

NAMES = [
    "#1042", "Order 1042", "Order 1042 ", " 1042", "Bestellung-Müller-17", "注文-17", "заказ №5", "a\u00a0b", "🧾 7",
    "1042/2026", "50% & <more>", "-17", "..7", "'quoted\"", "x" * 255,
]  # fmt: skip
UNFIT = ["   ", ".", "..", "a\nb", "tab\there", "x" * 256, "\u2028", "注" * 301, "a\u202eb"]


def failed_event(order_id: str) -> ProviderEvent:
    subject = {"transaction": xml_trees.transaction_tree(a_transaction(id="tx1", order_id=order_id))}
    webhooks = BraintreeWebhooks(sandbox_config("http://127.0.0.1:9"))
    (event,) = webhooks.normalise(
        sign_notification(notices.notification_xml("transaction_retried", THEN, subject)).body
    )
    return event


@pytest.mark.parametrize("name", NAMES)
def test_a_webhook_names_the_invoice_as_the_merchant_does(name: str) -> None:
    assert (failed_event(name).kind, failed_event(name).invoice_id) == (EventKind.PAYMENT_FAILED, name)


@pytest.mark.parametrize("name", NAMES)
async def test_the_next_sale_carries_the_same_name(
    box: BraintreeSandboxClient, gateway: BraintreeGateway, name: str
) -> None:
    failed_payment = await box.create_failed_payment(subscription=False, invoice_id=name)
    assert (await gateway.read_invoice(name)).status is InvoiceStatus.OPEN
    assert (await gateway.charge(order_for(failed_payment))).outcome is Outcome.SUCCEEDED
    (call,) = [call for call in await box.read_log() if call.path.endswith("/transactions") and call.invoice == name]
    assert call.params["order_id"] == name
    assert (await gateway.read_invoice(name)).status is InvoiceStatus.PAID


@pytest.mark.parametrize("name", ["a\nb", "tab\there", "x" * 256, "..", "a\u2028b"])
def test_unusable_order_id_is_reported_to_operators(name: str) -> None:
    event = failed_event(name)
    assert event.kind is EventKind.OTHER
    assert (event.detail or "").startswith("reference can't be taken: it ")


@pytest.mark.parametrize("name", UNFIT)
def test_each_refusal_has_a_reason(name: str) -> None:
    assert order_id_fault(name)
