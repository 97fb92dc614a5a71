"""Every notification that the official client can make is verified and normalised; none is unfit."""

from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import braintree
import pytest
from braintree.webhook_notification import WebhookNotification

from core.payments import EventKind, MethodKind, ProviderEvent
from providers.braintree.events import KINDS
from providers.braintree.webhook import BraintreeWebhooks
from tests.providers.contract.braintree_subject import OUR_KEYS, sandbox_config, sign_notification

WEBHOOKS = BraintreeWebhooks(sandbox_config("http://127.0.0.1:9"))
SAMPLES: dict[str, EventKind | str] = {
    "account_updater_daily_report": "the report names no method",
    "check": "a test of the endpoint",
    "connected_merchant_paypal_status_changed": "another merchant's PayPal link",
    "connected_merchant_status_transitioned": "another merchant's account",
    "disbursement": "moves no customer's money",
    "disbursement_exception": "moves no customer's money",
    "dispute_accepted": EventKind.DISPUTE_OPENED,
    "dispute_auto_accepted": EventKind.DISPUTE_OPENED,
    "dispute_disputed": EventKind.DISPUTE_OPENED,
    "dispute_expired": EventKind.DISPUTE_OPENED,
    "dispute_lost": EventKind.DISPUTE_OPENED,
    "dispute_opened": EventKind.DISPUTE_OPENED,
    "dispute_under_review": EventKind.DISPUTE_OPENED,
    "dispute_won": EventKind.PAYMENT_RESTORED,
    "granted_payment_method_revoked": "a shared method was taken back",
    "grantor_updated_granted_payment_method": "new data of a shared method",
    "local_payment_completed": EventKind.WAKE,
    "local_payment_expired": "a shopper let a local payment expire",
    "local_payment_funded": EventKind.INVOICE_PAID,
    "local_payment_reversed": "a local payment went back to its shopper",
    "oauth_access_revoked": "revoked an OAuth access",
    "partner_merchant_connected": "a partner's merchant",
    "partner_merchant_declined": "a partner's merchant",
    "partner_merchant_disconnected": "a partner's merchant",
    "payment_method_customer_data_updated": EventKind.METHOD_UPDATED,
    "payment_method_revoked_by_customer": "a customer took the consent to a method back",
    "recipient_updated_granted_payment_method": "new data of a shared method",
    "refund_failed": "a refund failed: the money stays with the merchant",
    "subscription_billing_skipped": "skipped a billing",
    "subscription_canceled": EventKind.SUBSCRIPTION_ENDED,
    "subscription_charged_successfully": EventKind.INVOICE_PAID,
    "subscription_charged_unsuccessfully": EventKind.PAYMENT_FAILED,
    "subscription_expired": EventKind.SUBSCRIPTION_ENDED,
    "subscription_trial_ended": "a trial ended",
    "subscription_went_active": "no transaction: nothing was tried",
    "subscription_went_past_due": "no transaction: nothing was tried",
    "transaction_disbursed": "a payout of this payment",
    "transaction_retried": "names no invoice",
    "transaction_reviewed": "not rejected",
    "transaction_settled": "names no invoice",
    "transaction_settlement_declined": EventKind.PAYMENT_FAILED,
}


def known_kinds() -> Iterator[str]:
    return (kind for name, kind in vars(WebhookNotification.Kind).items() if not name.startswith("_"))


def sample_event(kind: str, name: str, *replaced: tuple[str, str]) -> ProviderEvent:
    """The client's own sample, changed as the test says, signed and normalised."""
    sample = official_gateway().webhook_testing.sample_notification(kind, name)
    xml = b64decode(sample["bt_payload"]).decode()
    for old, new in replaced:
        assert old in xml, f"the sample of {kind} holds {old}"
        xml = xml.replace(old, new)
    body = sign_notification(xml.encode()).body if replaced else urlencode(sample).encode()
    WEBHOOKS.verify({}, body, datetime.now(UTC))
    (event,) = WEBHOOKS.normalise(body)
    return event


def official_gateway() -> Any:
    public_key, _, private_key = OUR_KEYS.partition("|")
    keys = braintree.Configuration(braintree.Environment.Sandbox, "any", public_key, private_key)
    return braintree.BraintreeGateway(keys)


def test_every_notification_kind_of_the_client_is_in_the_table() -> None:
    assert sorted(known_kinds()) == sorted(SAMPLES)
    assert set(known_kinds()) <= set(KINDS)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
@pytest.mark.parametrize("name", ["my_id", "legacy_dispute_id", "blik_one_click_id"])
def test_each_sample_is_taken_or_ignored_with_a_true_reason(kind: str, name: str) -> None:
    event, expected = sample_event(kind, name), SAMPLES[kind]
    assert not (event.detail or "").startswith("unfit")
    if isinstance(expected, EventKind):
        assert event.kind is expected
    else:
        assert event.kind is EventKind.OTHER
        assert expected in (event.detail or "")


def test_the_sample_of_a_failed_billing_is_brought_home_by_its_subscription_and_transaction() -> None:
    event = sample_event("subscription_charged_unsuccessfully", "my_id")
    assert (event.invoice_id, event.subscription_id, event.payment_id) == (None, "my_id", "my_id")
    assert event.failure
    assert event.failure.code == "failed"


PERIOD = ("<add_ons", "<billing-period-start-date type='date'>2026-11-01</billing-period-start-date><add_ons")


@pytest.mark.parametrize("kind", ["subscription_charged_unsuccessfully", "subscription_charged_successfully"])
def test_where_only_the_subscription_knows_its_period_that_names_the_invoice(kind: str) -> None:
    event = sample_event(kind, "sub_1", PERIOD)
    assert (event.invoice_id, event.subscription_id, event.amount) == ("sub_1-2026-11-01", "sub_1", 4999)


ORDER = ("<tax-amount>0", "<order-id>order 9</order-id><tax-amount>0")


@pytest.mark.parametrize("code", ["", "R01", "R02", "R10"])
def test_a_settlement_declined_that_still_reads_settled_is_a_failure(code: str) -> None:
    reads = ("<status>settlement_declined", f"<ach-return-code>{code}</ach-return-code><status>settled")
    event = sample_event("transaction_settlement_declined", "tx1", ORDER, reads)
    assert (event.kind, event.invoice_id) == (EventKind.PAYMENT_REVERSED, "order 9")
    assert (event.returned_kind, event.returned_amount, event.currency) == ("returned_debit", 10000, "USD")
    assert event.failure
    assert event.failure.code == (code or "settlement_declined")
    assert event.card
    assert (event.card.kind, event.card.network) == (MethodKind.DIRECT_DEBIT, None)


def test_a_debit_that_never_settled_has_failed_and_nothing_is_taken_back() -> None:
    event = sample_event("transaction_settlement_declined", "tx1", ORDER)
    assert (event.kind, event.returned_amount) == (EventKind.PAYMENT_FAILED, None)


def test_a_failure_without_any_name_is_asked_for_by_its_transaction() -> None:
    event = sample_event("transaction_settlement_declined", "tx1")
    assert (event.invoice_id, event.payment_id, event.kind) == (None, "tx1", EventKind.PAYMENT_FAILED)


def test_a_settled_debit_is_paid() -> None:
    event = sample_event("transaction_settled", "tx1", ORDER)
    assert (event.kind, event.paid_amount, event.currency) == (EventKind.INVOICE_PAID, 10000, "USD")


def test_the_money_of_a_dispute_counts_when_it_is_opened_and_never_again() -> None:
    opened, lost = sample_event("dispute_opened", "tx1"), sample_event("dispute_lost", "tx1")
    money = (opened.returned_kind, opened.returned_amount, opened.currency, opened.payment_id)
    assert money == ("chargeback", 10000, "USD", "tx1")
    assert (lost.kind, lost.returned_amount) == (EventKind.DISPUTE_OPENED, None)


@pytest.mark.parametrize(
    ("kind", "expected_kind", "amount"),
    [("retrieval", EventKind.DISPUTE_INQUIRY, None), ("pre_arbitration", EventKind.DISPUTE_OPENED, None)],
)
def test_retrieval_is_an_inquiry_and_pre_arbitration_continues_a_dispute(
    kind: str, expected_kind: EventKind, amount: int | None
) -> None:
    event = sample_event("dispute_opened", "tx1", ("<kind>chargeback", f"<kind>{kind}"))
    assert (event.kind, event.returned_amount, event.payment_id) == (expected_kind, amount, "tx1")
