"""Every row ever written can be read, and is written again byte for byte as it was hashed."""

import json
from typing import Any

import pytest

from core.events import Event, EventType, ReviewDecision, SkipAction, read_data
from core.events.data import MethodUpdated, OperatorReviewed, UnreadableData
from core.events.decision_data import RetryPlanned, RetrySkipped
from core.events.money_data import ChargeRequested, PaymentFailed
from core.events.registry import MODELS
from core.payments import Failure
from tests.support.builders import THEN
from tests.support.stored_rows import STORED


def test_there_are_rows_of_both_releases_and_of_most_types() -> None:
    assert {release for release, _, _ in STORED} == {"0.1.0.json", "0.2.0.json", "0.3.0.json"}
    assert len({kind for _, kind, _ in STORED}) >= 14


@pytest.mark.parametrize("kind", sorted({kind for _, kind, _ in STORED}))
def test_a_stored_row_is_read_and_written_as_it_stands(kind: EventType) -> None:
    for _, _, stored in (row for row in STORED if row[1] is kind):
        data = read_data(kind, stored)
        assert type(data) is MODELS[kind]
        assert json.loads(data.model_dump_json()) == stored
        assert dict(data.stored) == stored


SAMPLES: dict[EventType, dict[str, Any]] = {
    EventType.PAYMENT_FAILED: {
        "failure": {"code": "do_not_honor"},
        "card": {"network": "visa"},
        "subscription_id": None,
    },
    EventType.FAILURE_CLASSIFIED: {"category": "SOFT_DECLINE", "cause": "GENERIC", "code": None, "missing": []},
    EventType.RETRY_PLANNED: {"at": "2026-11-23T11:00:00.500000Z", "rejected": ["no"], "retry": 1},
    EventType.RETRY_SKIPPED: {"action": "stop", "reason": "fraud", "until": None},
    EventType.CHARGE_RECONCILED: {"outcome": "declined", "failure": {"code": "x"}, "evidence": "read"},
    EventType.REVIEWED: {"actor": "ann", "decision": "approve"},
    EventType.DISPUTE_OPENED: {"kind": "inquiry", "detail": None},
    EventType.NOTIFICATION_FAILED: {"step": "generic-1", "outcome": "maybe_sent"},
    EventType.SHADOW_PLANNED: {"action": "retry", "agrees": True, "inputs": {"situation": {"attempt": 1}}},
}


@pytest.mark.parametrize(("kind", "stored"), SAMPLES.items())
def test_neither_defaults_nor_nulls_are_added_or_lost(kind: EventType, stored: dict[str, Any]) -> None:
    event = Event(type=kind, occurred_at=THEN, data=stored)
    assert type(event.data) is MODELS[kind]
    assert event.data.stored == stored
    assert Event.model_validate_json(event.model_dump_json()) == event


def test_a_key_of_a_newer_release_is_kept() -> None:
    stored = {"method_id": "pm_2", "brand_new": {"deep": [1, None]}}
    assert read_data(EventType.METHOD_UPDATED, stored).stored == stored


@pytest.mark.parametrize(
    "stored", [{"at": "never"}, {}, {"at": "9999-12-31T23:59:59-23:00"}, {"at": ["2026-11-23T11:00:00Z"], "retry": {}}]
)
def test_invalid_data_is_kept_and_refused_on_access(stored: dict[str, Any]) -> None:
    event = Event(type=EventType.RETRY_PLANNED, occurred_at=THEN, data=stored)
    assert isinstance(event.data, UnreadableData)
    assert event.data.stored == stored
    with pytest.raises((ValueError, OverflowError)):
        event.read(RetryPlanned)


def test_a_row_is_not_read_as_one_of_another_type() -> None:
    event = Event(type=EventType.METHOD_UPDATED, occurred_at=THEN, data={"method_id": "pm_2"})
    assert event.read(MethodUpdated).method_id == "pm_2"
    with pytest.raises(ValueError, match="holds no ChargeRequested"):
        event.read(ChargeRequested)


def test_values_are_enums_and_times_are_utc() -> None:
    skipped = read_data(
        EventType.RETRY_SKIPPED, {"action": "review", "reason": "fraud", "until": "2026-11-23T12:00:00+01:00"}
    )
    assert isinstance(skipped, RetrySkipped)
    assert skipped.action is SkipAction.REVIEW
    assert skipped["until"] == "2026-11-23T11:00:00Z"
    reviewed = read_data(EventType.REVIEWED, {"decision": "reject"})
    assert isinstance(reviewed, OperatorReviewed)
    assert reviewed.decision is ReviewDecision.REJECT


def test_unset_fields_are_not_written() -> None:
    failed = PaymentFailed(failure=Failure(code="expired_card"), amount=4900)
    assert failed.stored == {"failure": {"code": "expired_card"}, "amount": 4900}
