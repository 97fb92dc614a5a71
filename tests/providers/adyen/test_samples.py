"""Every kind of sample in Adyen's own material is accepted, or ignored with a true reason; none is "unfit".

Made after the shapes (none is copied) of: the examples of Adyen's OpenAPI, Webhooks v1; the notifications in the tests
of Adyen's Java, .NET and Python libraries; the event codes in the typings of its Node library. What is odd in them is
kept: no date, no reference, no additional data, truth as a boolean, a blank before a reason code, `null` as a word.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.payments import EventKind, ProviderEvent
from providers.adyen.config import AdyenConfig
from providers.adyen.events import EVENTS
from providers.adyen.webhook import AdyenWebhooks
from sandbox.adyen.webhooks import sign_body, sign_item

KEY = "ab" * 32
AT = datetime(2026, 11, 23, tzinfo=UTC)
WEBHOOKS = AdyenWebhooks(AdyenConfig(hmac_keys=(KEY,)))
PLAIN = {
    "amount": {"currency": "EUR", "value": 1000},
    "eventDate": "2021-01-01T01:00:00+01:00",
    "merchantAccountCode": "OURS",
    "merchantReference": "order 1",
    "paymentMethod": "visa",
    "pspReference": "QFQTPCQ8HXSKGK82",
    "reason": "",
    "success": "true",
}
FOLLOWING_FIELDS = {"originalReference": "9913140798220028"}
DISPUTE_FIELDS = {
    "chargebackReasonCode": " 4853",
    "chargebackSchemeCode": "mc",
    "disputeStatus": "Lost",
    "defendable": "true",
}
SAMPLES: list[tuple[str, dict[str, Any], EventKind]] = [
    ("AUTHORISATION", {"reason": "null", "paymentMethod": "ach", "operations": ["CANCEL"]}, EventKind.INVOICE_PAID),
    ("AUTHORISATION", {"reason": "1234:7777:12/2012", "surprise": "?"}, EventKind.INVOICE_PAID),
    ("AUTHORISATION", {"merchantReference": "\\\\slashes are fun"}, EventKind.INVOICE_PAID),
    (
        "AUTHORISATION",
        {"merchantReference": ":slashes are fun", "pspReference": "T7FD4VM4D3RZNN82"},
        EventKind.INVOICE_PAID,
    ),
    ("AUTHORISATION", {"amount": {"currency": "EUR", "value": 0}, "eventDate": None, "success": True}, EventKind.OTHER),
    ("AUTHORISATION", {"success": "false", "reason": "Refused", "paymentMethod": None}, EventKind.PAYMENT_FAILED),
    ("AUTHORISATION_ADJUSTMENT", FOLLOWING_FIELDS, EventKind.OTHER),
    ("AUTORESCUE", FOLLOWING_FIELDS | {"paymentMethod": None}, EventKind.INVOICE_PAID),
    ("CANCEL_AUTORESCUE", FOLLOWING_FIELDS | {"success": "false", "reason": "No AutoRescue process"}, EventKind.OTHER),
    (
        "CANCELLATION",
        FOLLOWING_FIELDS | {"merchantReference": None, "additionalData": None},
        EventKind.PAYMENT_REFUNDED,
    ),
    (
        "CANCEL_OR_REFUND",
        FOLLOWING_FIELDS | {"additionalData": {"modification.action": "cancel"}},
        EventKind.PAYMENT_REFUNDED,
    ),
    ("CAPTURE", FOLLOWING_FIELDS, EventKind.INVOICE_PAID),
    (
        "CAPTURE",
        FOLLOWING_FIELDS | {"success": "false", "reason": "Insufficient balance on payment"},
        EventKind.PAYMENT_REVERSED,
    ),
    (
        "CAPTURE_FAILED",
        FOLLOWING_FIELDS | {"paymentMethod": "facilypay_3x", "reason": "Capture Failed"},
        EventKind.PAYMENT_REVERSED,
    ),
    (
        "CHARGEBACK",
        FOLLOWING_FIELDS | {"paymentMethod": "mc", "additionalData": DISPUTE_FIELDS},
        EventKind.DISPUTE_OPENED,
    ),
    ("CHARGEBACK_REVERSED", {"paymentMethod": "mc"}, EventKind.PAYMENT_RESTORED),
    ("DISPUTE_DEFENSE_PERIOD_ENDED", FOLLOWING_FIELDS | {"additionalData": DISPUTE_FIELDS}, EventKind.OTHER),
    ("EXPIRE", {}, EventKind.PAYMENT_REVERSED),
    ("INFORMATION_SUPPLIED", FOLLOWING_FIELDS | {"additionalData": DISPUTE_FIELDS}, EventKind.OTHER),
    ("ISSUER_COMMENTS", FOLLOWING_FIELDS | {"additionalData": {"issuerComments.type": "chargeback"}}, EventKind.OTHER),
    ("ISSUER_RESPONSE_TIMEFRAME_EXPIRED", FOLLOWING_FIELDS, EventKind.OTHER),
    ("MANUAL_REVIEW_ACCEPT", FOLLOWING_FIELDS | {"paymentMethod": None, "reason": "expire"}, EventKind.OTHER),
    ("MANUAL_REVIEW_REJECT", FOLLOWING_FIELDS | {"reason": "expire"}, EventKind.OTHER),
    ("NOTIFICATION_OF_CHARGEBACK", FOLLOWING_FIELDS | {"additionalData": DISPUTE_FIELDS}, EventKind.DISPUTE_OPENED),
    ("NOTIFICATION_OF_FRAUD", FOLLOWING_FIELDS | {"additionalData": {"nofReasonCode": "6"}}, EventKind.FRAUD_WARNING),
    ("OFFER_CLOSED", {"paymentMethod": "ideal", "eventDate": "2019-04-29T14:17:30+02:12"}, EventKind.OTHER),
    ("ORDER_CLOSED", {"success": "false", "additionalData": {"order-1-success": "true"}}, EventKind.OTHER),
    ("ORDER_OPENED", {}, EventKind.OTHER),
    ("PAIDOUT_REVERSED", FOLLOWING_FIELDS, EventKind.OTHER),
    ("PAYOUT_DECLINE", FOLLOWING_FIELDS | {"paymentMethod": "bankTransfer_IBAN"}, EventKind.OTHER),
    ("PAYOUT_EXPIRE", FOLLOWING_FIELDS, EventKind.OTHER),
    ("PAYOUT_THIRDPARTY", {"reason": "Approved"}, EventKind.OTHER),
    ("POSTPONED_REFUND", FOLLOWING_FIELDS | {"paymentMethod": "directdebit_NL"}, EventKind.OTHER),
    ("PREARBITRATION_LOST", {"additionalData": {"metadata.type": "web_pay"}}, EventKind.OTHER),
    ("PREARBITRATION_WON", {"paymentMethod": "bankTransfer_IBAN"}, EventKind.PAYMENT_RESTORED),
    (
        "RECURRING_CONTRACT",
        {"additionalData": {"shopperReference": "s 1"}, "originalPsp": "x"},
        EventKind.METHOD_UPDATED,
    ),
    ("REFUND", FOLLOWING_FIELDS | {"merchantReference": "order 1 refund"}, EventKind.PAYMENT_REFUNDED),
    ("REFUND", FOLLOWING_FIELDS | {"success": "false", "reason": "Insufficient balance on payment"}, EventKind.OTHER),
    ("REFUNDED_REVERSED", FOLLOWING_FIELDS | {"reason": "test_AUTHORISATION_1"}, EventKind.PAYMENT_RESTORED),
    (
        "REFUND_FAILED",
        FOLLOWING_FIELDS | {"paymentMethod": "blik", "reason": "Refund Failed"},
        EventKind.PAYMENT_RESTORED,
    ),
    ("REFUND_WITH_DATA", FOLLOWING_FIELDS | {"merchantReference": "a modification"}, EventKind.PAYMENT_REFUNDED),
    ("REPORT_AVAILABLE", {"merchantReference": "", "pspReference": "a report of May.csv"}, EventKind.OTHER),
    ("REQUEST_FOR_INFORMATION", FOLLOWING_FIELDS, EventKind.DISPUTE_INQUIRY),
    ("SECOND_CHARGEBACK", {"paymentMethod": "jcb", "reason": "502:Cardmember Dispute"}, EventKind.DISPUTE_OPENED),
    ("TECHNICAL_CANCEL", FOLLOWING_FIELDS, EventKind.PAYMENT_REFUNDED),
    ("VOID_PENDING_REFUND", FOLLOWING_FIELDS | {"paymentMethod": "mc"}, EventKind.OTHER),
]


def ingest_body(body: bytes, headers: dict[str, str] | None = None) -> ProviderEvent:
    WEBHOOKS.verify(headers or {}, body, AT)
    (event,) = WEBHOOKS.normalise(body)
    return event


def signed_item_body(sample: dict[str, Any]) -> bytes:
    """The sample signed as Adyen does: absent fields are empty, booleans are words."""
    item = {name: value for name, value in sample.items() if value is not None}
    words = item | {"success": str(item["success"]).lower()}
    item["additionalData"] = item.get("additionalData", {}) | {"hmacSignature": sign_item(words, KEY)}
    return json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}).encode()


@pytest.mark.parametrize(("code", "fields", "kind"), SAMPLES)
def test_a_standard_webhook(code: str, fields: dict[str, Any], kind: EventKind) -> None:
    event = ingest_body(signed_item_body(PLAIN | {"eventCode": code} | fields))
    assert event.kind is kind
    _assert_true_reason(event)


def test_every_adyen_event_code_has_a_sample() -> None:
    codes = {code for code, _, _ in SAMPLES}
    assert codes <= set(EVENTS)
    for code in set(EVENTS) - codes:
        _assert_true_reason(ingest_body(signed_item_body(PLAIN | FOLLOWING_FIELDS | {"eventCode": code})))


OTHERS: list[dict[str, Any]] = [
    {"type": "paymentMethod.created", "environment": "test", "createdAt": "2022-01-24T14:59:11+01:00", "data": {}},
    {"type": "merchant.updated", "environment": "test", "data": {"status": "this is unknown"}},
    {"type": "balancePlatform.transaction.created", "environment": "test", "data": {"id": "EVJN1"}},
    {"type": "ach.notificationOfChange", "version": "1", "createdAt": "2021-01-01T01:00:00+01:00", "data": {}},
    {"type": "eft.notificationOfChange", "version": "1", "environment": "test", "data": {}},
    {
        "eventType": "TRANSFER_FUNDS",
        "eventDate": "2019-01-01T01:00:00+01:00",
        "live": False,
        "pspReference": "TSTPSPR1",
    },
    {"SaleToPOIRequest": {"DisplayRequest": {}, "MessageHeader": {}}},
    {
        "type": "recurring.token.alreadyExisting",
        "eventId": "E1",
        "environment": "test",
        "data": {"merchantAccount": "A"},
    },
]


@pytest.mark.parametrize("sample", OTHERS)
def test_a_webhook_of_another_kind(sample: dict[str, Any]) -> None:
    body = json.dumps(sample).encode()
    event = ingest_body(body, {"hmacsignature": sign_body(body, KEY)})
    assert event.kind is EventKind.OTHER
    _assert_true_reason(event)
    again = json.dumps(sample | {"more": 1}).encode()
    other = ingest_body(again, {"hmacsignature": sign_body(again, KEY)})
    assert (event == ingest_body(body, {"hmacsignature": sign_body(body, KEY)})) is True
    assert (other.event_id == event.event_id) is bool(sample.get("eventId")), "the body names what has no id"


def _assert_true_reason(event: ProviderEvent) -> None:
    assert event.kind is not EventKind.OTHER or event.detail
    assert not (event.detail or "").startswith(("unfit", "reference can't be taken"))
    assert event.detail != "event code not used"
