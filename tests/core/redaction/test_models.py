"""Free text of people and providers is redacted as its model is made; ids, times, amounts and references never are."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotDelivered
from core.ids import recovery_id
from core.operators import Action, Command, parse_command
from core.payments import (
    Card,
    ChargeOrder,
    ChargeResult,
    CustomerView,
    EventKind,
    Failure,
    FailureFacts,
    InvoiceView,
    Outcome,
    ProviderEvent,
)
from core.redaction.text import REDACTED
from core.redaction.trees import redact_tree
from core.redaction.types import LONGEST_TEXT

CARD = "4242 4242 4242 4242"
NUMBER = "4242424242424242"
"""A valid card number, as an id it names an invoice like any other number."""
AT = datetime(2026, 9, 1, 12, 0, 0, 424242, tzinfo=UTC)
IDS = st.sampled_from((NUMBER, "5555555555554444", "6011000990139424")) | st.from_regex(r"4[0-9]{15}", fullmatch=True)


@given(IDS, st.integers(10**12, 2**63 - 1))
def test_ids_times_and_amounts_never_change(number: str, amount: int) -> None:
    ids = ("event_id", "invoice_id", "customer_id", "subscription_id", "payment_id", "charge_id", "method_id")
    keys = ("method_version", "idempotency_key")
    given_ids = dict.fromkeys((*ids, *keys), number)
    failure = Failure(method_id=number, charge_id=number)
    event = ProviderEvent(
        provider="adyen", event_type="AUTHORISATION", kind=EventKind.PAYMENT_FAILED, occurred_at=AT, amount=amount,
        paid_amount=amount, provider_attempt=amount, failure=failure, card=Card(fingerprint=number), **given_ids,
    )  # fmt: skip
    assert event.model_dump(include=set(given_ids)) == given_ids
    assert (event.amount, event.paid_amount, event.provider_attempt, event.occurred_at) == (amount, amount, amount, AT)
    assert event.failure == failure
    assert (failure.method_id, failure.charge_id) == (number, number)
    assert event.card == Card(fingerprint=number)
    assert recovery_id("adyen", event.invoice_id or "") == f"recovery-adyen-{number}"


@given(IDS)
def test_ids_in_the_json_of_rows_never_change(number: str) -> None:
    row = {"charge_id": number, "idempotency_key": number, "amount": int(number), "at": "2026-09-01T12:00:00.424242Z"}
    assert redact_tree(row | {"failure": {"method_id": number}}) == row | {"failure": {"method_id": number}}


def test_the_json_of_rows_is_redacted_with_its_keys() -> None:
    told = {"why": f"card {CARD}", "reasons": ["ann@example.com"], CARD: {"note": NUMBER, "customer_id": [NUMBER]}}
    assert redact_tree(told) == {
        "why": f"card {REDACTED}",
        "reasons": [REDACTED],
        REDACTED: {"note": REDACTED, "customer_id": [REDACTED]},
    }


FREE_TEXTS = [
    (Failure, ("code", "advice", "network", "network_code", "network_advice", "outcome", "outcome_reason")),
    (Card, ("network", "last4", "country", "funding")),
    (CustomerView, ("country", "time_zone")),
    (ChargeResult, ("reason",)),
    (InvoiceView, ("latest_charge_status",)),
]
REQUIRED: dict[Any, dict[str, Any]] = {
    CustomerView: {"customer_id": "c"},
    ChargeResult: {"outcome": Outcome.UNKNOWN},
    InvoiceView: {"invoice_id": "i", "status": "open"},
}


@pytest.mark.parametrize(("model", "names"), FREE_TEXTS)
def test_texts_of_providers_are_redacted(model: Any, names: tuple[str, ...]) -> None:
    made = model(**REQUIRED.get(model, {}), **dict.fromkeys(names, f"call ann@example.com about {CARD}"))
    assert {getattr(made, name) for name in names} == {f"call {REDACTED} about {REDACTED}"}
    assert NUMBER not in FailureFacts(invoice=InvoiceView(invoice_id="i", status="open")).model_dump_json()


def test_the_detail_of_an_event_is_redacted() -> None:
    event = ProviderEvent(
        provider="adyen", event_id="e", event_type="x", kind=EventKind.OTHER, occurred_at=AT, detail=f"no: {CARD}"
    )
    assert event.detail == f"no: {REDACTED}"


def test_the_order_of_a_charge_is_sent_as_it_was_decided() -> None:
    order = ChargeOrder(
        provider="adyen", invoice_id=NUMBER, attempt=1, idempotency_key=f"pri-adyen-{NUMBER}-1", amount=1,
        currency="EUR", method_id=NUMBER, customer_id=NUMBER, requested_at=AT,
    )  # fmt: skip
    assert ChargeOrder.model_validate_json(order.model_dump_json()) == order
    assert (order.invoice_id, order.method_id, order.customer_id) == (NUMBER, NUMBER, NUMBER)


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        (f"card {CARD}", f"card {REDACTED}"),
        ({"reason": "mail ann%40example.com", "actor": "bo"}, f"mail {REDACTED}"),
        (int(NUMBER), REDACTED),
        ([CARD, {"password": "hunter2"}], f"['{REDACTED}', {{'password': {REDACTED}'}}]"),
        ({"reason": {"card": NUMBER}}, f"{{'card': '{REDACTED}'}}"),
    ],
)
def test_reasons_of_signals_are_redacted(signal: Any, reason: str) -> None:
    assert parse_command(Action.CANCEL, signal).reason == reason


def test_all_texts_of_a_command_are_redacted_and_names_may_be_addresses() -> None:
    texts = dict.fromkeys(("reason", "asked_reason", "decision"), f"{CARD} ann@example.com")
    names = dict.fromkeys(("actor", "asked_by"), f"ann@shop.example {CARD}")
    command = Command(action=Action.REVIEW, **texts, **names)
    assert {command.reason, command.asked_reason, command.decision} == {f"{REDACTED} {REDACTED}"}
    assert {command.actor, command.asked_by} == {f"ann@shop.example {REDACTED}"}


def test_ids_of_requests_stay_unless_they_are_no_ids() -> None:
    hashed = NUMBER * 4
    for kept in (hashed, "5f0c" * 8, "req_1", None):
        assert Command(action=Action.CANCEL, request_id=kept).request_id == kept
    for dropped in (CARD, "ann@example.com"):
        assert Command(action=Action.CANCEL, request_id=dropped).request_id is None


def test_why_a_message_was_not_delivered_names_nobody() -> None:
    refused = NotDelivered("550 ann@example.com is unknown")
    assert refused.reason == f"550 {REDACTED} is unknown"
    assert "ann@" not in str(refused)


def test_no_text_is_longer_than_anybody_writes() -> None:
    assert len(Command(action=Action.CANCEL, reason="x " * LONGEST_TEXT).reason) == LONGEST_TEXT
