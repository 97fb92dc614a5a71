"""Rows written in Stripe's own minor units keep their meaning."""

from typing import Any

import pytest

from core.events import Event, EventType, Record, State, upgrade_record
from core.recovery.machine import append_event, apply
from core.recovery.state import Recovery
from core.timeline.entries import Amount
from core.timeline.timeline import describe_record
from db.repositories.event_log import record_of
from tests.support.builders import THEN

BLANK_RECOVERY = Recovery(provider="stripe", invoice_id="in_1")


def a_row(data: dict[str, Any], type_: EventType = EventType.PAYMENT_FAILED) -> dict[str, Any]:
    return {
        "type": type_.value, "occurred_at": THEN, "attempt": None, "data": data, "sequence": 1, "from_state": None,
        "to_state": State.RECEIVED.value, "provider": "stripe",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "currency", "minor_units"),
    [(500000, "UGX", 5000), (500050, "UGX", 5001), (27900, "ISK", 279), (500, "MGA", 50000), (9, "JPY", 9)],
)  # fmt: skip
def test_old_row_amounts_are_converted_to_iso_once(amount: int, currency: str, minor_units: int) -> None:
    record = record_of(a_row({"amount": amount, "currency": currency}))
    assert record.data["amount"] == minor_units
    assert upgrade_record(record, "stripe") == record
    assert apply(BLANK_RECOVERY, record).amount == minor_units
    assert Amount(minor=minor_units, currency=currency) in [fact.value for fact in describe_record(record).facts]
    adyens = upgrade_record(record_of(a_row({"amount": amount, "currency": currency}) | {"provider": "adyen"}), "adyen")
    assert adyens.data["amount"] == amount


@pytest.mark.parametrize("currency", ["UGX", "ISK", "MGA", "EUR"])
def test_new_row_amounts_are_not_converted(currency: str) -> None:
    event = Event(type=EventType.PAYMENT_FAILED, occurred_at=THEN, data={"amount": 5000, "currency": currency})
    after, record = append_event(BLANK_RECOVERY, event)
    assert after.amount == record.data["amount"] == 5000
    assert record_of(a_row(dict(record.data))).data["amount"] == 5000
    assert ("units" in record.data) == (currency != "EUR")


def test_other_rows_are_unchanged() -> None:
    data = {"amount": 100, "currency": "UGX"}
    part = Record(type=EventType.PAID_ELSEWHERE, occurred_at=THEN, data=data, sequence=2, to_state=State.WAITING)
    assert upgrade_record(part, "stripe") is part
