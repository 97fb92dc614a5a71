"""Which method would be charged, and its type: read from the sandbox's vault with the official client."""

from typing import TypeAlias

import pytest

from core.collection_terms import CollectionMethod, SubscriptionStatus
from core.errors import NotAllowed, ProviderUnavailable
from core.payments import InvoiceStatus, MethodKind
from providers.braintree.gateway import BraintreeGateway
from sandbox.braintree.client import BraintreeSandboxClient
from sandbox.braintree.instruments import Instrument
from sandbox.models import Card

Sandbox: TypeAlias = BraintreeSandboxClient
Gateway: TypeAlias = BraintreeGateway
KINDS = {
    Instrument.CREDIT_CARD: MethodKind.CARD,
    Instrument.APPLE_PAY: MethodKind.CARD,
    Instrument.GOOGLE_PAY: MethodKind.CARD,
    Instrument.PAYPAL: MethodKind.WALLET,
    Instrument.VENMO: MethodKind.WALLET,
    Instrument.US_BANK_ACCOUNT: MethodKind.DIRECT_DEBIT,
    Instrument.SEPA_DEBIT: MethodKind.DIRECT_DEBIT,
}


@pytest.mark.parametrize("subscription", [True, False])
@pytest.mark.parametrize("instrument", Instrument)
async def test_the_method_is_known_by_its_kind(
    box: Sandbox, gateway: Gateway, instrument: Instrument, subscription: bool
) -> None:
    failed_payment = await box.create_failed_payment(instrument=instrument, subscription=subscription)
    view, facts = (
        await gateway.read_invoice(failed_payment.invoice),
        await gateway.read_failure(failed_payment.invoice, None),
    )
    card = await gateway.read_card(failed_payment.invoice, None)
    assert view.method
    assert card
    assert (view.methods_known, view.method.method_id) == (True, failed_payment.payment_method)
    assert view.method.card.kind is card.kind is facts.card.kind is KINDS[instrument]
    network = "visa" if KINDS[instrument] is MethodKind.CARD else None
    assert view.method.card.network == facts.card.network == network, "also of Apple Pay's and Google Pay's cards"


async def test_the_customers_default_is_a_default_of_the_invoice_too(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    other = await box.store_card(failed_payment.customer, Card(last4="4242"))
    view = await gateway.read_invoice(failed_payment.invoice)
    assert view.default_methods == (failed_payment.payment_method,)
    assert other not in view.default_methods


async def test_a_deleted_method_of_an_order_leaves_none(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    await box.delete_method(failed_payment.payment_method)
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.methods_known, view.method, view.terms.customer_deleted) == (True, None, False)
    assert view.status is InvoiceStatus.OPEN


async def test_a_subscription_whose_method_is_deleted_is_over(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    await box.delete_method(failed_payment.payment_method)
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.terms.subscription_status) == (InvoiceStatus.VOID, SubscriptionStatus.CANCELED)


@pytest.mark.parametrize("subscription", [True, False])
async def test_deleted_customer_is_reported(box: Sandbox, gateway: Gateway, subscription: bool) -> None:
    failed_payment = await box.create_failed_payment(subscription=subscription)
    assert await box.remove_customer(failed_payment.customer)
    assert (await gateway.read_invoice(failed_payment.invoice)).terms.customer_deleted is True
    recipient = await gateway.read_contact(failed_payment.invoice, None)
    assert (recipient.contact, recipient.invoice.terms.customer_deleted) == (None, True)


async def test_empty_vault_does_not_contradict_an_active_subscription(box: Sandbox, gateway: Gateway) -> None:
    """Deleting a method or customer ends their subscriptions: both missing beside an active one decides nothing."""
    failed_payment = await box.create_failed_payment()
    for path in (f"customers/{failed_payment.customer}", f"payment_methods/any/{failed_payment.payment_method}"):
        await box.add_fault(f"/braintree/merchants/*/{path}", "error:404")
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.methods_known, view.terms.customer_deleted) == (InvoiceStatus.OPEN, False, None)


async def test_unsearchable_vault_decides_nothing_about_an_order(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    for path in (f"customers/{failed_payment.customer}", f"payment_methods/any/{failed_payment.payment_method}"):
        await box.add_fault(f"/braintree/merchants/*/{path}", "error:404")
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.methods_known, view.terms.customer_deleted) == (False, None), "a search still finds its customer"
    await box.remove_customer(failed_payment.customer)
    await box.add_fault("/braintree/merchants/*/customers/advanced_search_ids", "error:404", method="POST")
    assert (await gateway.read_invoice(failed_payment.invoice)).terms.customer_deleted is None
    assert (await gateway.read_invoice(failed_payment.invoice)).terms.customer_deleted is True


async def test_nonce_payment_has_no_stored_method(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False, vaulted=False)
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.methods_known, view.method, view.default_methods) == (True, None, ())


@pytest.mark.parametrize(("outcome", "status"), [("error:500", 500), ("error:403", 403)])
async def test_an_invoice_can_be_read_without_its_vault(
    box: Sandbox, gateway: Gateway, outcome: str, status: int
) -> None:
    failed_payment = await box.create_failed_payment()
    await box.add_fault(f"/braintree/merchants/*/customers/{failed_payment.customer}", outcome)
    view = await gateway.read_invoice(failed_payment.invoice)
    assert (view.status, view.methods_known, view.terms.customer_deleted) == (InvoiceStatus.OPEN, False, None), status


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_keys_raise_not_allowed(box: Sandbox, gateway: Gateway, status: int) -> None:
    failed_payment = await box.create_failed_payment()
    for read_object in (gateway.read_invoice, lambda name: gateway.read_failure(name, None)):
        await box.add_fault(f"/braintree/merchants/*/subscriptions/{failed_payment.subscription}", f"error:{status}")
        with pytest.raises(NotAllowed, match=str(status)):
            await read_object(failed_payment.invoice)


async def test_an_outage_is_no_refusal(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment()
    await box.add_fault(f"/braintree/merchants/*/subscriptions/{failed_payment.subscription}", "error:503")
    with pytest.raises(ProviderUnavailable) as excinfo:
        await gateway.read_invoice(failed_payment.invoice)
    assert not isinstance(excinfo.value, NotAllowed)


async def test_how_a_subscription_is_collected(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(created=1_790_000_000)
    await box.report_event(failed_payment.invoice, "subscription_charged_unsuccessfully")
    terms = (await gateway.read_invoice(failed_payment.invoice)).terms
    assert terms.collection_method is CollectionMethod.AUTOMATIC
    assert terms.subscription_status is SubscriptionStatus.PAST_DUE
    assert terms.shopper_present is False
    assert terms.created_at
    assert int(terms.created_at.timestamp()) == 1_790_000_000, "when it first became due"


async def test_single_order_does_not_say_who_was_present(box: Sandbox, gateway: Gateway) -> None:
    failed_payment = await box.create_failed_payment(subscription=False)
    terms = (await gateway.read_invoice(failed_payment.invoice)).terms
    assert (terms.shopper_present, terms.collection_method) == (None, None)
