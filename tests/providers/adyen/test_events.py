"""The meaning of each Adyen webhook, as a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import InvalidInput
from core.payments import Card, EventKind, Failure, MethodKind, ProviderEvent
from core.redaction.text import REDACTED
from providers.adyen.config import AdyenConfig
from providers.adyen.shopper_interaction import LONGEST_RESCUE
from providers.adyen.webhook import AdyenWebhooks
from sandbox.adyen import webhooks
from tests.providers.contract.adyen_subject import ACCOUNT, THEN, a_payment

WEBHOOKS = AdyenWebhooks(AdyenConfig(api_key="AQE", merchant_account=ACCOUNT, hmac_keys=("00",)))
AT = datetime.fromtimestamp(THEN, UTC)
ORIGINAL = "ORIGINAL00000001"


def webhook_item(code: str, success: bool = True, **fields: Any) -> dict[str, Any]:
    payment = a_payment("inv 1/2026", **fields.pop("payment", {}))
    return webhooks.build_item(payment, code, success, THEN, psp="PSP0000000000001", **fields)


def read_items(*webhook_items: dict[str, Any], live: bool = False) -> tuple[ProviderEvent, ...]:
    return WEBHOOKS.normalise(webhooks.webhook_body(list(webhook_items), live=live))


def read_one(webhook_item: dict[str, Any]) -> ProviderEvent:
    (event,) = read_items(webhook_item)
    return event


KINDS = [
    ("AUTHORISATION", True, EventKind.INVOICE_PAID),
    ("AUTHORISATION", False, EventKind.PAYMENT_FAILED),
    ("AUTORESCUE", True, EventKind.INVOICE_PAID),
    ("AUTORESCUE", False, EventKind.PROVIDER_STOPPED),
    ("CANCEL_AUTORESCUE", True, EventKind.PROVIDER_STOPPED),
    ("CANCEL_AUTORESCUE", False, EventKind.OTHER),
    ("CAPTURE", True, EventKind.INVOICE_PAID),
    ("CAPTURE", False, EventKind.PAYMENT_REVERSED),
    ("CAPTURE_FAILED", True, EventKind.PAYMENT_REVERSED),
    ("EXPIRE", True, EventKind.PAYMENT_REVERSED),
    ("NOTIFICATION_OF_CHARGEBACK", True, EventKind.DISPUTE_OPENED),
    ("CHARGEBACK", True, EventKind.DISPUTE_OPENED),
    ("SECOND_CHARGEBACK", True, EventKind.DISPUTE_OPENED),
    ("NOTIFICATION_OF_FRAUD", True, EventKind.FRAUD_WARNING),
    ("RECURRING_CONTRACT", True, EventKind.METHOD_UPDATED),
    ("RECURRING_CONTRACT", False, EventKind.OTHER),
    ("REQUEST_FOR_INFORMATION", True, EventKind.DISPUTE_INQUIRY),
    ("CHARGEBACK_REVERSED", True, EventKind.PAYMENT_RESTORED),
    ("CANCELLATION", True, EventKind.PAYMENT_REFUNDED),
    ("CANCELLATION", False, EventKind.OTHER),
    ("REFUND", True, EventKind.PAYMENT_REFUNDED),
    ("REFUND", False, EventKind.OTHER),
    ("REPORT_AVAILABLE", True, EventKind.OTHER),
    ("SOMETHING_NEW", True, EventKind.OTHER),
]


@pytest.mark.parametrize(("code", "success", "kind"), KINDS)
def test_each_event_code_has_a_meaning(code: str, success: bool, kind: EventKind) -> None:
    event = read_one(webhook_item(code, success, originalReference=ORIGINAL, reason="" if success else "Refused"))
    assert (event.kind, event.event_type, event.occurred_at) == (kind, code, AT)
    assert event.event_id == f"PSP0000000000001:{code}:{'true' if success else 'false'}"
    if kind is EventKind.OTHER:
        assert event.detail
    elif kind is not EventKind.METHOD_UPDATED:
        assert event.invoice_id == "inv 1/2026"


def test_a_refusal_in_full() -> None:
    extra = {"refusalReasonRaw": "51 : Insufficient funds", "merchantAdviceCode": "24 : Retry after 1 hour"}
    event = read_one(
        webhook_item("AUTHORISATION", False, reason="Not enough balance", additional=extra, payment={"brand": "mc"})
    )
    assert event.failure == Failure(
        code="Not enough balance",
        network="mastercard",
        network_code="51",
        network_advice="24",
        method_id="M5N7TQ4TG5PFWR50",
        charge_id="PSP0000000000001",
    )
    assert event.card == Card(
        kind=MethodKind.CARD,
        fingerprint="M5N7TQ4TG5PFWR50",
        network="mastercard",
        last4="1111",
        country="DE",
        funding="credit",
    )
    assert (event.amount, event.currency, event.customer_id) == (2000, "USD", "shopper_contract")
    assert (event.provider_attempt, event.next_provider_attempt, event.idempotency_key) == (THEN, None, None)


def test_a_scheduled_rescue_is_the_providers_own_next_try() -> None:
    event = read_one(
        webhook_item("AUTHORISATION", False, reason="Refused", additional={"retry.rescueScheduled": "true"})
    )
    assert event.next_provider_attempt == AT + LONGEST_RESCUE
    assert timedelta(days=48) == LONGEST_RESCUE
    assert (
        read_one(
            webhook_item("AUTHORISATION", False, additional={"retry.rescueScheduled": "false"})
        ).next_provider_attempt
        is None
    )


def test_our_own_payment_is_recognised_by_its_idempotency_key() -> None:
    event = read_one(webhook_item("AUTHORISATION", False, additional={"metadata.priCharge": "pri-adyen-inv-1"}))
    assert event.idempotency_key == "pri-adyen-inv-1"


def test_newer_field_names_take_precedence() -> None:
    extra = {"tokenization.storedPaymentMethodId": "NEWER", "tokenization.shopperReference": "shopper 2"}
    event = read_one(webhook_item("AUTHORISATION", False, additional=extra))
    assert event.failure
    assert (event.failure.method_id, event.customer_id) == ("NEWER", "shopper 2")


def test_end_of_a_rescue_has_a_code_only_with_a_bank_reason() -> None:
    without_reason = read_one(webhook_item("AUTORESCUE", False, reason="retryWindowHasElapsed"))
    assert without_reason.failure
    assert (without_reason.failure.code, without_reason.detail) == (None, "retryWindowHasElapsed")
    with_reason = read_one(webhook_item("AUTORESCUE", False, reason="Expired Card"))
    assert with_reason.failure
    assert with_reason.failure.code == "Expired Card"


def test_a_dispute_names_its_payment_and_why() -> None:
    event = read_one(
        webhook_item("NOTIFICATION_OF_CHARGEBACK", originalReference=ORIGINAL, reason="Fraudulent Transaction")
    )
    assert (event.payment_id, event.detail) == (ORIGINAL, "Fraudulent Transaction")


def test_a_stored_method_belongs_to_a_shopper() -> None:
    item = webhook_item("RECURRING_CONTRACT")
    event = read_one(item)
    assert (event.customer_id, event.method_id) == ("shopper_contract", "M5N7TQ4TG5PFWR50")
    item["additionalData"] = {"shopperReference": "shopper 3"}
    assert read_one(item).method_id == "PSP0000000000001", "the token is the event's own reference"
    item["additionalData"] = {}
    assert read_one(item).detail == "a stored method without its shopper can't be charged"


def test_a_check_of_a_card_is_no_payment() -> None:
    for success in (True, False):
        event = read_one(webhook_item("AUTHORISATION", success, payment={"amount": 0}))
        assert event.kind is EventKind.OTHER


@pytest.mark.parametrize(
    ("currency", "minor_units", "amount"),
    [("CLP", 150_000, 1500), ("ISK", 279_000, 2790), ("CVE", 25, 2500), ("IDR", 10_000, 1_000_000), ("JPY", 500, 500)],
)
def test_amounts_are_in_minor_units_of_iso_4217(currency: str, minor_units: int, amount: int) -> None:
    event = read_one(webhook_item("AUTHORISATION", False, payment={"currency": currency, "amount": minor_units}))
    assert (event.amount, event.currency) == (amount, currency)


def test_fractional_chilean_pesos_are_no_amount() -> None:
    assert (
        read_one(webhook_item("AUTHORISATION", False, payment={"currency": "CLP", "amount": 150})).detail
        == "unfit: amount.value"
    )


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("eventDate", None, "unfit: eventDate"),
        ("eventDate", "yesterday", "unfit: eventDate"),
        ("amount", {}, "unfit: amount"),
        ("amount", {"value": "5", "currency": "EUR"}, "unfit: amount.value"),
        ("merchantReference", None, "reference can't be taken: the payment has none"),
        ("merchantReference", "x" * 300, "reference can't be taken: it is longer than 255 characters or 900 bytes"),
        ("merchantReference", "line\nbreak", "reference can't be taken: it holds control characters"),
        ("success", "maybe", "unfit: success"),
        ("merchantAccountCode", "Another", "another merchant account"),
    ],
)
def test_unusable_item_is_kept_with_a_reason(field: str, value: Any, detail: str) -> None:
    event = read_one(webhook_item("AUTHORISATION", False) | {field: value})
    assert (event.kind, event.detail) == (EventKind.OTHER, detail)


def test_item_without_a_psp_reference_is_no_event() -> None:
    with pytest.raises(InvalidInput):
        read_items(webhook_item("AUTHORISATION") | {"pspReference": ""})


def test_live_event_for_a_test_account_is_stored_without_effect() -> None:
    (event,) = read_items(webhook_item("AUTHORISATION", False), live=True)
    assert (event.kind, event.detail) == (EventKind.OTHER, "live event for a test account")


def test_times_of_every_zone_are_in_utc() -> None:
    item = webhook_item("AUTHORISATION", False) | {"eventDate": "2026-11-23T10:00:00+02:00"}
    assert read_one(item).occurred_at == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_a_batch_keeps_its_order_and_one_bad_item_harms_no_other() -> None:
    bad = webhook_item("AUTHORISATION", False) | {"eventDate": "?"}
    events = read_items(webhook_item("AUTHORISATION", False), bad, webhook_item("CAPTURE"))
    assert [event.kind for event in events] == [EventKind.PAYMENT_FAILED, EventKind.OTHER, EventKind.INVOICE_PAID]


def test_a_refusal_that_quotes_the_card_is_redacted_and_ids_are_kept() -> None:
    reason = "Refused for 4111 1111 1111 1111 of ann@example.com"
    extra = {"recurring.recurringDetailReference": "4111111111111111"}
    event = read_one(
        webhook_item("AUTHORISATION", False, reason=reason, pspReference="4111111111111111", additional=extra)
    )
    assert event.failure
    assert event.failure.code == f"Refused for {REDACTED} of {REDACTED}"
    assert (event.payment_id, event.failure.charge_id) == ("4111111111111111", "4111111111111111")
    noticed = read_one(webhook_item("NOTIFICATION_OF_CHARGEBACK", reason=reason))
    assert noticed.detail == f"Refused for {REDACTED} of {REDACTED}"


@pytest.mark.parametrize("code", ["REPORT_AVAILABLE", "DISABLE_RECURRING", "NEW_CODE_OF_NEXT_YEAR"])
def test_item_without_effect_names_its_shopper_so_that_it_can_be_erased(code: str) -> None:
    assert read_one(webhook_item(code)).customer_id == "shopper_contract"


def test_check_of_a_card_names_its_shopper_too() -> None:
    event = read_one(webhook_item("AUTHORISATION", payment={"amount": 0}))
    assert (event.kind, event.customer_id) == (EventKind.OTHER, "shopper_contract")


def test_foreign_or_unreadable_item_names_its_shopper_too() -> None:
    items = [webhook_item("AUTHORISATION") | {"merchantAccountCode": "Other"}]
    items.append(webhook_item("AUTHORISATION") | {"success": "perhaps"})
    assert [event.customer_id for event in read_items(*items)] == ["shopper_contract"] * 2
