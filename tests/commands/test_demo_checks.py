"""The demo's checks of its scenarios, its clock and its descriptions."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from commands.demo import printing
from commands.demo.driver import Row, UnexpectedOutcome
from commands.demo.results import ScenarioResult, find_complaints
from commands.demo.row_text import describe_row
from commands.demo.run import _check_results
from commands.demo.scenario_clock import ScenarioClock
from commands.demo.scenarios import SCENARIOS
from core.events import EventType, State, format_timestamp
from tests.support.builders import REQUIRED_DATA

STARTED_AT = datetime(2026, 9, 1, 12, tzinfo=UTC)
SCALE = 3600
SOFT = SCENARIOS[0]


def log_row(second: float, kind: EventType, before: State | None, after: State, /, **data: Any) -> Row:
    at = format_timestamp(STARTED_AT + timedelta(seconds=second))
    attempt = 1 if kind.value.startswith("charge.") else None
    return {
        "recovery_id": "recovery-stripe-in_1",
        "type": kind.value,
        "occurred_at": at,
        "from_state": before,
        "to_state": after,
        "attempt": attempt,
        "data": data,
    }


def good_run() -> ScenarioResult:
    """The result of a correct first scenario: three hours take three seconds."""
    due = format_timestamp(STARTED_AT + timedelta(seconds=3))
    classified = {"category": "REVIEW", "cause": "UNKNOWN", "decided_by": "E"}
    requested = {"trigger": "scheduled", "idempotency_key": "key-1", "amount": 4900, "currency": "EUR"}
    rows = [
        log_row(0, EventType.PAYMENT_FAILED, None, State.RECEIVED, amount=4900, currency="EUR"),
        log_row(0.5, EventType.FAILURE_CLASSIFIED, State.RECEIVED, State.CLASSIFIED, **classified),
        log_row(0.5, EventType.CUSTOMER_SEGMENTED, State.CLASSIFIED, State.SEGMENTED, segment="default", why="none"),
        log_row(0.5, EventType.FRAUD_ASSESSED, State.SEGMENTED, State.SEGMENTED, level="clear", score=20),
        log_row(0.5, EventType.RETRY_PLANNED, State.SEGMENTED, State.WAITING, at=due, delay_seconds=10_800, why="so"),
        log_row(4, EventType.CHARGE_REQUESTED, State.WAITING, State.CHARGING, **requested),
        log_row(5, EventType.CHARGE_SUCCEEDED, State.CHARGING, State.CHARGING, charge_id="ch_1"),
        log_row(5, EventType.RECOVERY_CLOSED, State.CHARGING, State.RECOVERED, state="recovered", reason="charged"),
    ]
    return ScenarioResult(SOFT, rows, webhooks=6, charges=["key-1"], recoveries=1)


def rows_with_change(position: int, **fields: Any) -> list[Row]:
    rows = list(good_run().rows)
    rows[position] = rows[position] | fields
    return rows


def test_correct_scenario_has_no_complaint() -> None:
    assert list(find_complaints(good_run())) == []
    _check_results([good_run()], intact=True)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"charges": []}, "0 charges instead of 1"),
        ({"charges": ["key-1", "key-1"]}, "2 charges instead of 1"),
        ({"charges": ["other"]}, "a key that the log does not know"),
        ({"recoveries": 2}, "2 recoveries instead of one"),
        ({"rows": rows_with_change(7, to_state=State.EXHAUSTED)}, "ended exhausted instead of recovered"),
        ({"rows": good_run().rows[:-1]}, "does not hold"),
        ({"rows": [*good_run().rows[:1], *reversed(good_run().rows[1:-1]), good_run().rows[-1]]}, "in this order"),
        ({"rows": rows_with_change(4, data={"at": None, "delay_seconds": 60})}, "after 1 minute instead of 3 hours"),
        (
            {"rows": rows_with_change(5, data={"trigger": "manual", "idempotency_key": "key-1"})},
            "charged for ['manual']",
        ),
        ({"rows": [*good_run().rows[:6], *good_run().rows[5:]]}, "the same key"),
    ],
)
def test_every_difference_is_a_complaint_and_fails_the_demo(fields: dict[str, Any], complaint: str) -> None:
    run = replace(good_run(), **fields)
    complaints = "; ".join(find_complaints(run))
    assert complaint in complaints
    with pytest.raises(UnexpectedOutcome, match="1 of 2 scenarios did not end as expected: soft decline: "):
        _check_results([good_run(), replace(run, complaint=complaints)], intact=True)


def test_broken_chain_fails_the_demo() -> None:
    with pytest.raises(UnexpectedOutcome, match="hash chain"):
        _check_results([good_run()], intact=False)


def test_clock_scales_planned_waits_but_not_work() -> None:
    times = [since.total_seconds() for since, _ in ScenarioClock(SCALE).follow_rows(good_run().rows)]
    assert times == [0, 0.5, 0.5, 0.5, 0.5, 10_801, 10_802, 10_802]


def test_clock_scales_a_wait_ended_by_an_operator() -> None:
    requested = log_row(1.5, EventType.RETRY_REQUESTED, State.WAITING, State.WAITING, actor="ann", reason="now")
    manual = log_row(
        1.7, EventType.CHARGE_REQUESTED, State.WAITING, State.CHARGING, trigger="manual", idempotency_key="k"
    )
    times = [
        since.total_seconds()
        for since, _ in ScenarioClock(SCALE).follow_rows([*good_run().rows[:5], requested, manual])
    ]
    assert times[-2:] == [3600.5, pytest.approx(3600.7)]


def test_the_clock_never_goes_back() -> None:
    early = log_row(-3, EventType.PAID_ELSEWHERE, State.WAITING, State.WAITING, event_type="invoice.paid")
    times = [since for since, _ in ScenarioClock(SCALE).follow_rows([*good_run().rows[:5], early])]
    assert times == sorted(times)


@pytest.mark.parametrize("width", [80, 160])
def test_output_fits_any_terminal_width(width: int) -> None:
    out = Console(width=width, file=io.StringIO())
    with out.capture() as captured:
        printing.print_timelines(out, [good_run()], SCALE)
        printing.print_summary(out, [good_run(), replace(good_run(), complaint="it is [bold] wrong")])
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    [requested] = [number for number, line in enumerate(lines) if "charge.requested" in line]
    assert "attempt 1, scheduled, key key-1" in " ".join(lines[requested : requested + 2])
    assert "[bold]" in captured.get()


DESCRIBED_ROWS: list[tuple[EventType, dict[str, Any], str]] = [
    (EventType.PAYMENT_FAILED, {"amount": 4900, "currency": "EUR"}, "49.00 EUR"),
    (EventType.FAILURE_CLASSIFIED, {"decided_by": "a table"}, "SOFT_DECLINE / GENERIC, by a table"),
    (EventType.CUSTOMER_SEGMENTED, {"why": "no rule fits"}, "default: no rule fits"),
    (EventType.FRAUD_ASSESSED, {"score": 20, "reasons": ["odd"]}, "clear, risk score 20, odd"),
    (EventType.RETRY_PLANNED, {"delay_seconds": 60, "why": "so"}, "in 1 min: so"),
    (EventType.RETRY_SKIPPED, {"action": "ask_customer", "why": "so"}, "ask customer: so"),
    (EventType.CHARGE_REQUESTED, {"trigger": "payment_method_change"}, "attempt 1, payment method change, key k"),
    (EventType.CHARGE_DECLINED, {"failure": {"code": "x"}, "charge_id": "ch_1"}, "x, ch_1"),
    (EventType.CHARGE_UNKNOWN, {"reason": "timeout"}, "timeout"),
    (
        EventType.CHARGE_RECONCILED,
        {"evidence": "read", "charge_id": "ch_1"},
        "declined, ch_1, found by asking the provider",
    ),
    (EventType.REVIEWED, {"actor": "ann", "decision": "approve", "reason": "known"}, "ann: approve: known"),
    (EventType.PAUSED, {"actor": "ann", "reason": "call"}, "ann: call"),
    (EventType.METHOD_UPDATED, {}, "new card pm_2"),
    (EventType.PAID_ELSEWHERE, {}, "seen when reading the invoice"),
    (EventType.NOTIFICATION_SENT, {"kind": "last_warning", "channel": "email"}, "last warning, email"),
    (EventType.EVENT_LATE, {"event_type": "a.b"}, "a.b: came after the end, changes nothing"),
    (EventType.RECOVERY_CLOSED, {"reason": "no_retry"}, "recovered: no retry"),
    (EventType.DISPUTE_OPENED, {"amount": 5}, "kind dispute, amount 5"),
]


@pytest.mark.parametrize(("kind", "data", "text"), DESCRIBED_ROWS)
def test_row_is_described_by_its_type(kind: EventType, data: dict[str, Any], text: str) -> None:
    assert describe_row(log_row(0, kind, None, State.RECEIVED, **REQUIRED_DATA.get(kind, {}) | data)) == text


def test_unreadable_row_is_described_by_its_keys() -> None:
    assert (
        describe_row(log_row(0, EventType.RETRY_PLANNED, None, State.WAITING, at="soon", why="so")) == "at soon, why so"
    )


@pytest.mark.parametrize("kind", EventType)
def test_every_type_of_row_can_be_described(kind: EventType) -> None:
    text = dict.fromkeys(("event_type", "actor", "reason", "currency", "kind"), "dispute") | {"amount": 5}
    assert describe_row(log_row(0, kind, None, State.RECEIVED, **text | REQUIRED_DATA.get(kind, {})))


def test_request_is_described_with_its_attempt() -> None:
    assert describe_row(good_run().rows[5]) == "attempt 1, scheduled, key key-1"
