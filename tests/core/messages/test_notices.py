"""Notices to operators and outgoing webhooks about a recovery, and how they are bundled."""

from collections.abc import Sequence
from uuid import uuid5

import pytest

from core.classification.taxonomy import Cause
from core.events import Event, EventType, State
from core.notices import (
    DIGEST_PAUSE,
    MAX_LISTED,
    TROUBLE_THRESHOLD,
    TROUBLE_WINDOW,
    Audience,
    Notice,
    NoticeTopic,
    build_digests,
    build_notices,
    dead_letter_notice,
)
from core.payments import EventKind, Risk
from core.recovery.machine import append_events
from core.recovery.state import Recovery
from tests.support.builders import HOUR, THEN
from tests.support.recovery_scenario import NEW_RECOVERY, RecoveryScenario

BOTH = frozenset(Audience)


def topics_for(notices: Sequence[Notice], audience: Audience) -> list[str]:
    return [notice.topic for notice in notices if notice.audience is audience]


def test_outgoing_webhooks_of_a_recovery() -> None:
    scenario = RecoveryScenario().fail_payment()
    before, records = NEW_RECOVERY, scenario.records
    notices = build_notices(before, records, BOTH)
    assert topics_for(notices, Audience.WEBHOOK) == ["recovery.opened", "recovery.planned"]
    body = notices[-1].data
    assert body["type"] == "recovery.planned"
    assert body["data"]["state"] == "waiting"
    assert body["data"]["next_attempt_at"]
    assert build_notices(before, records, frozenset()) == ()
    assert build_notices(before, records, BOTH) == notices


@pytest.mark.parametrize(
    ("cause", "risk", "topic"),
    [
        (Cause.FRAUD, Risk(level="highest"), NoticeTopic.REVIEW),
        (Cause.CONFIGURATION, Risk(), NoticeTopic.CONFIGURATION),
        (Cause.UNKNOWN, Risk(), NoticeTopic.UNKNOWN_CODE),
        (Cause.TECHNICAL, Risk(), NoticeTopic.TROUBLE),
        (Cause.INSUFFICIENT_FUNDS, Risk(), None),
        (Cause.INSUFFICIENT_FUNDS, Risk(early_warning=True), None),
    ],
)
def test_operator_notices_by_cause(cause: Cause, risk: Risk, topic: NoticeTopic | None) -> None:
    notices = build_notices(NEW_RECOVERY, RecoveryScenario().fail_payment(cause, risk=risk).records, BOTH)
    assert topics_for(notices, Audience.OPERATORS) == ([topic] if topic else [])


def test_operators_are_notified_of_a_dispute() -> None:
    scenario = RecoveryScenario().fail_payment()
    before, record_count = scenario.recovery, len(scenario.records)
    scenario.receive_event(EventKind.DISPUTE_OPENED)
    assert topics_for(build_notices(before, scenario.records[record_count:], BOTH), Audience.OPERATORS) == [
        NoticeTopic.DISPUTE
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (EventKind.PAYMENT_REFUNDED, "recovery.payment_refunded"),
        (EventKind.PAYMENT_REVERSED, "recovery.payment_reversed"),
    ],
)
def test_refund_before_the_end_is_notified_with_its_own_amount(kind: EventKind, name: str) -> None:
    scenario = RecoveryScenario().fail_payment()
    scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=900, currency="EUR")
    before, record_count = scenario.recovery, len(scenario.records)
    scenario.receive_event(kind, returned_amount=300, returned_kind="refund", payment_id="ch_9", currency="EUR")
    operators, systems = build_notices(before, scenario.records[record_count:], BOTH)
    assert (operators.topic, operators.data["amount"]) == (NoticeTopic.MONEY_BACK, 300)
    assert (systems.topic, systems.data["type"]) == (name, name)
    data = systems.data["data"]
    assert (data["paid"], data["returned"], data["state"]) == (600, 0, "waiting")
    assert data["payment"] == {
        "kind": "refund", "amount": 300, "currency": "EUR", "payment_id": "ch_9", "detail": None,
    }  # fmt: skip


def test_partial_payment_sends_no_webhook_but_counts_in_later_sums() -> None:
    scenario = RecoveryScenario().fail_payment()
    before, record_count = scenario.recovery, len(scenario.records)
    scenario.receive_event(EventKind.INVOICE_PAID, paid_amount=900, currency="EUR")
    assert build_notices(before, scenario.records[record_count:], BOTH) == ()


def test_only_large_lost_recoveries_are_notified() -> None:
    closed = Event(type=EventType.RECOVERY_CLOSED, occurred_at=THEN, data={"reason": "budget", "state": "exhausted"})
    for important in (True, False):
        before = Recovery(provider="stripe", invoice_id="in_1", sequence=9, stage=State.WAITING, important=important)
        _, records = append_events(before, [closed], THEN)
        notices = build_notices(before, records, BOTH)
        assert topics_for(notices, Audience.OPERATORS) == ([NoticeTopic.LOST] if important else [])
        assert topics_for(notices, Audience.WEBHOOK) == ["recovery.ended"]


@pytest.mark.parametrize(
    ("reason", "topic"),
    [("login_refused", NoticeTopic.CONFIGURATION), ("no_address", None), ("template_KeyError", "any")],
)
def test_operators_are_notified_of_messages_that_only_they_can_fix(reason: str, topic: str | None) -> None:
    data = {"step": "x-1", "channel": "email", "outcome": "failed", "reason": reason}
    scenario = RecoveryScenario().fail_payment()
    before, record_count = scenario.recovery, len(scenario.records)
    scenario.append_events(Event(type=EventType.NOTIFICATION_FAILED, occurred_at=THEN, data=data))
    assert bool(topics_for(build_notices(before, scenario.records[record_count:], BOTH), Audience.OPERATORS)) is bool(
        topic
    )


def repeat_notice(topic: NoticeTopic, count: int, provider: str = "stripe") -> list[Notice]:
    dead_letter = dead_letter_notice("x", THEN)
    data = {"provider": provider, "invoice_id": "in_1", "amount": 4900, "currency": "EUR", "why": "because"}
    return [
        dead_letter.model_copy(update={"id": uuid5(dead_letter.id, str(number)), "topic": topic, "data": data})
        for number in range(count)
    ]


def test_many_notices_of_one_topic_are_one_digest() -> None:
    (digest,) = build_digests(repeat_notice(NoticeTopic.REVIEW, 1000), {}, THEN)
    assert digest.title == "a recovery waits for review (1000 times)"
    assert len(digest.body.splitlines()) == MAX_LISTED + 1
    assert digest.body.splitlines()[0] == "in_1, 49.00 EUR, because"
    assert len(digest.notices) == 1000


def test_topic_is_silent_for_a_while_after_a_digest() -> None:
    waiting = repeat_notice(NoticeTopic.REVIEW, 3)
    assert list(build_digests(waiting, {NoticeTopic.REVIEW: THEN}, THEN + DIGEST_PAUSE / 2)) == []
    assert len(list(build_digests(waiting, {NoticeTopic.REVIEW: THEN}, THEN + DIGEST_PAUSE))) == 1
    assert len(list(build_digests(waiting, {NoticeTopic.DISPUTE: THEN}, THEN))) == 1


def test_single_technical_failures_send_no_digest() -> None:
    few = repeat_notice(NoticeTopic.TROUBLE, TROUBLE_THRESHOLD - 1)
    assert list(build_digests(few, {}, THEN)) == []
    (digest,) = build_digests(few, {}, THEN + TROUBLE_WINDOW + HOUR)
    assert digest.title == ""


def test_many_technical_failures_of_one_provider_send_a_digest() -> None:
    digests = [
        *repeat_notice(NoticeTopic.TROUBLE, 500),
        *repeat_notice(NoticeTopic.TROUBLE, TROUBLE_THRESHOLD - 1, provider="adyen"),
    ]
    (digest,) = build_digests(digests, {}, THEN)
    assert digest.title == "stripe: unusually many technical failures"
    assert digest.body.startswith("500 payments failed")
