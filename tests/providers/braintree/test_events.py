"""Each kind of Braintree webhook: its meaning, its invoice, and its failure and card."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.collection_terms import CollectionMethod, SubscriptionStatus
from core.payments import EventKind, ProviderEvent
from core.redaction.text import REDACTED
from providers.braintree.events import KINDS
from providers.braintree.webhook import BraintreeWebhooks
from sandbox.braintree import webhooks, xml_trees
from tests.providers.contract.braintree_subject import THEN, a_transaction, sandbox_config, sign_notification

WEBHOOKS = BraintreeWebhooks(sandbox_config("http://127.0.0.1:9"))
LATER = THEN + 90
PERIOD = {"subscription": "sub1", "order_id": None, "start": "2026-11-01", "end": "2026-11-30"}
SUBSCRIPTION = {
    "id": "sub1", "status": "Past Due", "balance": "20.00", "price": "20.00", "token": "tok_contract",
    "start": "2026-11-01", "end": "2026-11-30",
}  # fmt: skip
PAID_FIELDS = {"status": "submitted_for_settlement", "code": "1000"}


def read_notification(kind: str, subject: dict[str, Any], at: int = LATER) -> ProviderEvent:
    (event,) = WEBHOOKS.normalise(sign_notification(webhooks.notification_xml(kind, at, subject)).body)
    return event


def subscription_event(kind: str, *transactions: dict[str, Any]) -> ProviderEvent:
    return read_notification(kind, {"subscription": xml_trees.subscription_tree(SUBSCRIPTION, list(transactions))})


def transaction_event(kind: str, **fields: Any) -> ProviderEvent:
    return read_notification(kind, {"transaction": xml_trees.transaction_tree(a_transaction("order_1", **fields))})


def period_fields(**fields: Any) -> dict[str, Any]:
    return a_transaction("sub1-2026-11-01", **PERIOD, **fields)


@pytest.mark.parametrize(
    ("kind", "fields", "expected_kind"),
    [
        ("subscription_charged_unsuccessfully", {}, EventKind.PAYMENT_FAILED),
        ("subscription_went_past_due", {}, EventKind.PAYMENT_FAILED),
        ("subscription_charged_successfully", PAID_FIELDS, EventKind.INVOICE_PAID),
        ("subscription_went_active", PAID_FIELDS, EventKind.INVOICE_PAID),
        ("subscription_went_past_due", {"status": "authorizing"}, EventKind.WAKE),
    ],
)
def test_newest_transaction_determines_the_subscription_event(
    kind: str, fields: dict[str, Any], expected_kind: EventKind
) -> None:
    event = subscription_event(kind, period_fields(**fields))
    assert event.kind is expected_kind
    assert (event.invoice_id, event.subscription_id) == ("sub1-2026-11-01", "sub1")
    assert (event.amount, event.currency, event.customer_id) == (2000, "USD", "cus_contract")


@pytest.mark.parametrize(
    ("kind", "fields", "expected_kind"),
    [
        ("transaction_settled", {"status": "settled"}, EventKind.INVOICE_PAID),
        ("transaction_settlement_declined", {"status": "settlement_declined"}, EventKind.PAYMENT_REVERSED),
        ("transaction_retried", {}, EventKind.PAYMENT_FAILED),
        ("transaction_retried", PAID_FIELDS, EventKind.INVOICE_PAID),
        ("transaction_retried", {"status": "voided"}, EventKind.WAKE),
    ],
)
def test_a_single_transaction_is_named_by_its_order(
    kind: str, fields: dict[str, Any], expected_kind: EventKind
) -> None:
    event = transaction_event(kind, **fields)
    assert (event.kind, event.invoice_id) == (expected_kind, "order_1")


def test_the_kind_of_a_failure_counts_against_a_transaction_that_reads_as_paid() -> None:
    event = subscription_event("subscription_charged_unsuccessfully", period_fields(**PAID_FIELDS))
    assert event.kind is EventKind.PAYMENT_FAILED
    assert event.failure
    assert event.failure.code is None, "the kind of a notice is no cause"
    older = period_fields(id="older", created=THEN - 60)
    event = subscription_event("subscription_charged_unsuccessfully", period_fields(**PAID_FIELDS), older)
    assert event.failure
    assert (event.failure.charge_id, event.failure.code) == ("older", "2001")


def test_past_due_is_never_paid() -> None:
    assert subscription_event("subscription_went_past_due", period_fields(**PAID_FIELDS)).kind is EventKind.WAKE


def test_subscription_failure_has_collection_terms_and_start() -> None:
    event = subscription_event(
        "subscription_charged_unsuccessfully", period_fields(id="old", created=THEN - 60), period_fields()
    )
    terms = event.terms
    assert terms
    assert (terms.shopper_present, terms.collection_method) == (False, CollectionMethod.AUTOMATIC)
    assert terms.subscription_status is SubscriptionStatus.PAST_DUE
    assert terms.created_at == datetime.fromtimestamp(THEN - 60, UTC)


@pytest.mark.parametrize("kind", ["subscription_canceled", "subscription_expired"])
def test_an_end_names_the_subscription(kind: str) -> None:
    event = subscription_event(kind)
    named = (event.kind, event.subscription_id, event.invoice_id)
    assert named == (EventKind.SUBSCRIPTION_ENDED, "sub1", "sub1-2026-11-01")
    assert subscription_event(kind, period_fields()).customer_id == "cus_contract", (
        "every recovery of the customer hears of it"
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("dispute_") and kind != "dispute_won"])
def test_a_dispute_names_its_transaction_and_a_reason(kind: str) -> None:
    event = read_notification(kind, {"dispute": xml_trees.dispute_tree(period_fields(id="tx9"), "fraud")})
    assert (event.kind, event.payment_id, event.detail) == (EventKind.DISPUTE_OPENED, "tx9", "fraud")


@pytest.mark.parametrize(
    ("decision", "kind"), [("reject", EventKind.FRAUD_WARNING), ("approve", EventKind.OTHER), ("", EventKind.OTHER)]
)
def test_only_a_rejecting_review_is_a_warning(decision: str, kind: EventKind) -> None:
    review = {"transaction-id": "tx9", "decision": decision, "reviewer-email": "ann@example.com"}
    event = read_notification("transaction_reviewed", {"transaction-review": review})
    assert event.kind is kind
    assert "example.com" not in event.model_dump_json()


def test_new_data_of_a_method_names_it() -> None:
    metadata = {
        "token": "tok7",
        "payment-method": {"credit-card": {"token": "tok7", "customer-id": "cus7"}},
        "datetime-updated": datetime.fromtimestamp(THEN, UTC),
        "enriched-customer-data": None,
    }
    event = read_notification(
        "payment_method_customer_data_updated", {"payment-method-customer-data-updated-metadata": metadata}
    )
    assert (event.kind, event.method_id, event.customer_id) == (EventKind.METHOD_UPDATED, "tok7", "cus7")
    assert event.method_version == str(LATER)


@pytest.mark.parametrize("kind", ["check", "account_updater_daily_report", "never_heard_of"])
def test_event_without_effect_has_a_reason(kind: str) -> None:
    event = read_notification(kind, {"check": True})
    assert event.kind is EventKind.OTHER
    assert event.detail


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("transaction_settled", {}),
        ("transaction_settled", {"transaction": {"id": "tx1"}}),
        ("transaction_settled", {"transaction": {"id": "tx1", "amount": "much", "status": "settled"}}),
        ("transaction_settled", {"transaction": {"id": "t x", "amount": "1.00", "status": "settled"}}),
        ("subscription_canceled", {"subscription": {"status": "Canceled"}}),
        ("subscription_charged_unsuccessfully", {"subscription": {"id": "sub1"}}),
        ("dispute_opened", {"dispute": {"id": "dp1"}}),
    ],
)
def test_invalid_notification_is_kept_as_such(kind: str, subject: dict[str, Any]) -> None:
    event = read_notification(kind, subject)
    assert event.kind is EventKind.OTHER
    assert event.detail


def test_a_failure_brings_codes_card_and_the_moment_of_the_try() -> None:
    fields = {"code": "2051", "network_code": "14", "mac": "03", "card_type": "MasterCard", "id": "tx5"}
    event = subscription_event("subscription_charged_unsuccessfully", period_fields(**fields))
    failure, card = event.failure, event.card
    assert failure
    assert card
    assert (failure.code, failure.network_code, failure.network_advice) == ("2051", "14", "03")
    assert (failure.network, failure.method_id, failure.charge_id) == ("mastercard", "tok_contract", "tx5")
    assert (card.fingerprint, card.last4, card.funding) == ("0123456789abcdef0123456789abcdef", "1111", "credit")
    assert event.occurred_at == datetime.fromtimestamp(THEN, UTC), "not when it was told"
    assert event.provider_attempt == THEN


@pytest.mark.parametrize(
    ("fields", "code", "status"),
    [
        ({"status": "gateway_rejected", "rejection": "excessive_retry"}, "excessive_retry", "not_sent_to_network"),
        ({"status": "gateway_rejected", "code": ""}, "gateway_rejected", "not_sent_to_network"),
        ({"status": "failed", "code": "3000"}, "3000", None),
        ({"status": "failed", "code": ""}, "failed", None),
        ({"status": "settlement_declined", "code": "1000"}, "settlement_declined", None),
        ({"status": "authorization_expired", "code": ""}, "authorization_expired", None),
    ],
)
def test_every_failure_status_has_a_code(fields: dict[str, Any], code: str, status: str | None) -> None:
    failure = transaction_event("transaction_retried", **fields).failure
    assert failure
    assert (failure.code, failure.network_status) == (code, status)


def test_braintrees_next_retry_counts_until_the_end_of_its_day() -> None:
    event = transaction_event("transaction_retried", upcoming_retry_date="2026-11-25")
    assert event.next_provider_attempt == datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("brand", "network"), [("Visa", "visa"), ("MasterCard", "mastercard"), ("American Express", "amex"), ("", None)]
)
def test_networks_have_one_name(brand: str, network: str | None) -> None:
    failure = transaction_event("transaction_retried", card_type=brand).failure
    assert failure
    assert failure.network == network


def test_two_webhooks_about_one_failed_try_are_one_failure() -> None:
    charged = subscription_event("subscription_charged_unsuccessfully", period_fields())
    overdue = subscription_event("subscription_went_past_due", period_fields())
    assert charged.event_id != overdue.event_id
    assert charged.provider_attempt == overdue.provider_attempt


def test_newest_transaction_counts_in_any_order() -> None:
    old, new = period_fields(id="old", created=THEN - 60), period_fields(id="new", created=THEN)
    for transactions in ((old, new), (new, old)):
        failure = subscription_event("subscription_charged_unsuccessfully", *transactions).failure
        assert failure
        assert failure.charge_id == "new"


def test_without_order_or_period_there_is_no_invoice() -> None:
    event = transaction_event("transaction_settled", status="settled", order_id=None)
    assert event.kind is EventKind.OTHER
    assert "order id" in (event.detail or "")


@pytest.mark.parametrize(("currency", "amount", "minor"), [("JPY", "1500", 1500), ("USD", "15.00", 1500)])
def test_amounts_become_minor_units(currency: str, amount: str, minor: int) -> None:
    assert transaction_event("transaction_retried", currency=currency, amount=amount).amount == minor


def test_codes_that_hold_a_card_number_are_redacted_and_references_kept() -> None:
    number = "4111111111111111"
    fields = {"status": "processor_declined", "code": f"no:{number}", "id": number}
    event = read_notification(
        "transaction_retried", {"transaction": xml_trees.transaction_tree(a_transaction(number, **fields))}
    )
    assert event.failure
    assert event.failure.code == f"no:{REDACTED}"
    assert (event.invoice_id, event.payment_id, event.failure.charge_id) == (number, number, number)


def test_notification_without_effect_names_its_customer_so_that_it_can_be_erased() -> None:
    transaction = xml_trees.transaction_tree(a_transaction("order_1"))
    subscription = xml_trees.subscription_tree(SUBSCRIPTION, [period_fields()])
    for subject in ({"transaction": transaction}, {"subscription": subscription}):
        event = read_notification("kind_of_next_year", subject)
        assert (event.kind, event.customer_id) == (EventKind.OTHER, "cus_contract")
