"""Every event type has a description in plain words, whatever its data holds."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification.taxonomy import Category, Cause
from core.events import CloseReason, EventType, Record, SkipAction, State, Trigger
from core.events.data import UnreadableData
from core.events.registry import MODELS
from core.messages.kinds import MessageKind
from core.payments import Outcome
from core.timeline import charges, decisions
from core.timeline import labels as words
from core.timeline.entries import Amount, Code, Duration, EventDescription, Label, Mood
from core.timeline.timeline import DESCRIBERS, UNREADABLE, build_timeline, describe_record
from tests.support.builders import REQUIRED_DATA

THEN = datetime(2026, 11, 23, 8, tzinfo=UTC)
LATER = "2026-11-23T11:00:00Z"


def log_record(type_: EventType, /, attempt: int | None = None, sequence: int = 2, **data: Any) -> Record:
    """A row of the log, with what its type requires besides."""
    return raw_record(type_, REQUIRED_DATA.get(type_, {}) | data, attempt, sequence)


def raw_record(type_: EventType, data: dict[str, Any], attempt: int | None = None, sequence: int = 2) -> Record:
    """A row of the log with exactly this data, fit or not."""
    return Record(type=type_, occurred_at=THEN, attempt=attempt, sequence=sequence, to_state=State.WAITING, data=data)


def facts_by_label(description: EventDescription) -> dict[str, Any]:
    """The facts of a description by their label."""
    return {fact.label: fact.value for fact in description.facts}


def test_every_event_type_has_a_description() -> None:
    assert set(DESCRIBERS) == set(EventType)


EXPECTED_WORDS = [
    (log_record(EventType.PAYMENT_FAILED, sequence=1, amount=4900, currency="EUR"), "The payment failed", "", Mood.BAD),
    (
        log_record(EventType.PAYMENT_FAILED, next_provider_attempt=LATER),
        "The payment failed again at the provider",
        "The provider will retry by itself; until then nothing is charged here.",
        Mood.BAD,
    ),
    (
        log_record(EventType.FAILURE_CLASSIFIED, cause="INSUFFICIENT_FUNDS"),
        "Why it failed: not enough money in the account",
        "There may be money later, so a retry at the right moment has a chance.",
        Mood.PLAIN,
    ),
    (
        log_record(EventType.CUSTOMER_SEGMENTED, segment="new_customer", why="tenure_days is 0"),
        "Customer group: new customer",
        "Days as a customer: 0.",
        Mood.PLAIN,
    ),
    (
        log_record(EventType.CUSTOMER_SEGMENTED, segment="default", why="no other rule fits"),
        "Customer group: default",
        "No other rule fits.",
        Mood.PLAIN,
    ),
    (log_record(EventType.FRAUD_ASSESSED, level="clear"), "Fraud check: nothing suspicious", "", Mood.PLAIN),
    (
        log_record(EventType.FRAUD_ASSESSED, level="block", reasons=["disputed", "warned"]),
        "Fraud check: too suspicious to be charged",
        "Disputed; warned.",
        Mood.BAD,
    ),
    (log_record(EventType.RETRY_PLANNED, why="rung 1", at=LATER), "Another attempt is planned", "Step 1.", Mood.BUSY),
    (
        log_record(
            EventType.RETRY_PLANNED, why="GENERIC in segment vip: rung 2 of 4: later", retry=2, attempts_allowed=4
        ),
        "Retry 2 of 4 is planned",
        "Step 2 of 4: later.",
        Mood.BUSY,
    ),
    (
        log_record(EventType.RETRY_PLANNED, at=LATER, why="x", network={"planned_at": LATER, "planned_why": "rung 1"}),
        "Another attempt is planned",
        "Step 1. The card network's limit moved it to a later moment.",
        Mood.BUSY,
    ),
    (
        log_record(EventType.RETRY_SKIPPED, action="refuse", why="The limit is used."),
        "The attempt was not allowed",
        "The limit is used.",
        Mood.WARN,
    ),
    (
        log_record(EventType.RETRY_SKIPPED, action="give_up", why="all used"),
        "No further attempt",
        "All used.",
        Mood.BAD,
    ),
    (log_record(EventType.RETRY_SKIPPED, action="dance"), "Retry skipped", UNREADABLE, Mood.WARN),
    (log_record(EventType.SHADOW_PLANNED, action="retry", agrees=True), "The shadow policy agrees", "", Mood.PLAIN),
    (log_record(EventType.SHADOW_PLANNED, action="give_up"), "The shadow policy would give up", "", Mood.PLAIN),
    (
        log_record(EventType.CHARGE_REQUESTED, attempt=2, trigger="manual"),
        "Attempt 2: the provider is asked to charge",
        "Because an operator asked for it.",
        Mood.BUSY,
    ),
    (log_record(EventType.CHARGE_SUCCEEDED, attempt=2), "Attempt 2 succeeded", "", Mood.GOOD),
    (log_record(EventType.CHARGE_DECLINED, attempt=1), "Attempt 1 was declined", "", Mood.BAD),
    (
        log_record(EventType.CHARGE_UNKNOWN, attempt=1, reason="timeout"),
        "Attempt 1: it is not known yet whether it succeeded",
        "The provider did not answer in time. Nothing else is charged until that is known.",
        Mood.WARN,
    ),
    (
        log_record(EventType.CHARGE_RECONCILED, attempt=1, outcome="succeeded", evidence="read"),
        "Attempt 1 was reconciled: it succeeded",
        "The provider's own records say so.",
        Mood.GOOD,
    ),
    (
        log_record(EventType.RETRY_REQUESTED, actor="ann", reason="he called"),
        "ann asked for a retry now",
        "“he called”.",
        Mood.BUSY,
    ),
    (
        log_record(EventType.CANCEL_REQUESTED, actor="ann", reason="enough", refused="It has ended."),
        "ann asked to cancel it, which was rejected",
        "“enough”. It has ended.",
        Mood.WARN,
    ),
    (log_record(EventType.PAUSED, actor="ann"), "ann paused the recovery", "", Mood.WARN),
    (log_record(EventType.RESUMED), "Somebody resumed the recovery", "", Mood.PLAIN),
    (log_record(EventType.REVIEWED, actor="ann", decision="approve"), "ann approved it in review", "", Mood.GOOD),
    (log_record(EventType.REVIEWED, actor="ann", decision="reject"), "ann rejected it in review", "", Mood.BAD),
    (
        log_record(EventType.METHOD_UPDATED, method_id="pm_2"),
        "The customer has a new payment method",
        "One attempt is made with it at once.",
        Mood.GOOD,
    ),
    (
        log_record(EventType.PAID_ELSEWHERE, source="read"),
        "The invoice was paid, not by a charge of ours",
        "We saw it when reading the invoice.",
        Mood.GOOD,
    ),
    (
        log_record(EventType.CLOSED_ELSEWHERE, why="voided"),
        "The invoice was closed at the provider",
        "The invoice was voided at the provider.",
        Mood.WARN,
    ),
    (
        log_record(EventType.DISPUTE_OPENED, kind="early_fraud_warning"),
        "The card network warns of fraud",
        "Nothing may be charged any more.",
        Mood.BAD,
    ),
    (
        log_record(EventType.NOTIFICATION_SENT, kind="last_warning"),
        "Message to the customer: last reminder",
        "",
        Mood.PLAIN,
    ),
    (
        log_record(EventType.NOTIFICATION_FAILED, kind="card_data", outcome="failed", reason="no_contact"),
        "Message to the customer, not sent: please check your card",
        "No address of this customer is known.",
        Mood.WARN,
    ),
    (
        log_record(EventType.NOTIFICATION_FAILED, kind="card_data", outcome="maybe_sent", reason="no_answer"),
        "Message to the customer, perhaps not sent: please check your card",
        "Whether it was sent is unknown; it is not sent again, so that the customer never gets it twice.",
        Mood.WARN,
    ),
    (
        log_record(EventType.RECOVERY_CLOSED, state="recovered", reason="charged"),
        "Recovered: the invoice is paid",
        "A retry succeeded.",
        Mood.GOOD,
    ),
    (
        log_record(EventType.PAYMENT_REFUNDED, kind="refund", amount=100, currency="EUR"),
        "Money was refunded to the customer",
        "",
        Mood.BAD,
    ),
    (
        log_record(EventType.PAYMENT_REVERSED, kind="returned_debit", amount=100, currency="EUR"),
        "The bank returned the debit",
        "",
        Mood.BAD,
    ),
    (
        log_record(EventType.PAYMENT_LATE, amount=100, currency="EUR"),
        "Paid after the end",
        "The recovery had ended before; the money is counted separately.",
        Mood.GOOD,
    ),
    (
        log_record(EventType.PAID_ELSEWHERE, source="read", amount=3000, remaining=7000),
        "A part was paid, or credited",
        "We saw it when reading the invoice.",
        Mood.GOOD,
    ),
    (
        log_record(EventType.DISPUTE_OPENED, kind="inquiry"),
        "The bank asks about the payment",
        "No money moved, and nothing is blocked: answer it at the provider.",
        Mood.WARN,
    ),
    (
        log_record(EventType.RETRY_SKIPPED, action="stand_back", why="a payment is on its way"),
        "Nothing is done for now",
        "A payment is on its way.",
        Mood.BUSY,
    ),
    (
        log_record(EventType.EVENT_LATE, kind="dispute_opened"),
        "Came after the end, dispute opened",
        "It is kept here and changes nothing; someone may want to look at it.",
        Mood.WARN,
    ),
]


@pytest.mark.parametrize(
    ("record", "headline", "reason", "mood"), EXPECTED_WORDS, ids=lambda value: str(getattr(value, "type", ""))
)
def test_rows_are_described_in_words(record: Record, headline: str, reason: str, mood: Mood) -> None:
    description = describe_record(record)
    assert (description.headline, description.why, description.mood) == (headline, reason, mood)


def test_the_table_explains_every_type() -> None:
    assert {record.type for record, *_ in EXPECTED_WORDS} == set(EventType)


def test_a_plan_can_be_checked() -> None:
    network = {"rule": "visa_30d", "used": 15, "allowed": 15, "fee": {"amount": 10, "currency": "usd"}, "source": "V"}
    description = describe_record(
        log_record(
            EventType.RETRY_PLANNED,
            at=LATER, delay_seconds=10800, strategy="fixed_ladder", policy_version="abc", experiment="e", arm="b",
            retry=2, attempts_allowed=4, rejected=["adaptive: too little is known"], network=network,
        )
    )  # fmt: skip
    facts = facts_by_label(description)
    assert facts["Wait"] == Duration(seconds=10800)
    assert (facts["Strategy"], facts["Policy version"]) == (Label(name="fixed_ladder"), Code(text="abc"))
    assert (facts["Experiment"], facts["Arm"]) == (Label(name="e"), Label(name="b"))
    assert (facts["Network rule"], facts["Used of that rule"]) == (Code(text="visa_30d"), "15 of 15")
    assert facts["Network fee avoided"] == Amount(minor=10, currency="USD")
    assert description.rejected == ("adaptive: too little is known",)


def test_an_attempt_shows_its_key_and_its_codes() -> None:
    facts = facts_by_label(
        describe_record(
            log_record(EventType.CHARGE_REQUESTED, attempt=1, idempotency_key="k1", amount=1, currency="JPY")
        )
    )
    assert (facts["Idempotency key"], facts["Amount"]) == (Code(text="k1"), Amount(minor=1, currency="JPY"))
    failure = {"code": "generic_decline", "network_code": "05", "network_advice": "02", "advice": "try_again_later"}
    no = facts_by_label(
        describe_record(log_record(EventType.CHARGE_DECLINED, attempt=1, failure=failure, charge_id="ch_1"))
    )
    labels = ("Provider's code", "Network's code", "Network's advice", "Provider's advice")
    assert [no[label].text for label in labels] == ["generic_decline", "05", "02", "try_again_later"]


def test_description_of_a_two_person_command_names_the_first_person() -> None:
    facts = facts_by_label(
        describe_record(
            log_record(EventType.RETRY_REQUESTED, actor="bob", reason="y", asked_by="ann", asked_reason="x")
        )
    )
    assert (facts["Asked first by"], facts["Their reason"]) == ("ann", "x")


def test_decision_is_one_timeline_entry_with_its_inputs() -> None:
    kinds = [
        EventType.PAYMENT_FAILED, EventType.FAILURE_CLASSIFIED, EventType.CUSTOMER_SEGMENTED,
        EventType.FRAUD_ASSESSED, EventType.RETRY_PLANNED, EventType.SHADOW_PLANNED, EventType.PAUSED,
    ]  # fmt: skip
    first, decision, pause = build_timeline(log_record(kind, sequence=at) for at, kind in enumerate(kinds, start=1))
    assert (first.description.headline, first.basis) == ("The payment failed", ())
    assert decision.description.headline == "Another attempt is planned"
    assert [row.headline.partition(":")[0] for row in decision.basis] == [
        "Why it failed",
        "Customer group",
        "Fraud check",
    ]
    assert decision.shadow
    assert pause.description.headline.endswith("paused the recovery")


def test_inputs_without_a_decision_yet_are_entries_of_their_own() -> None:
    entries = build_timeline([log_record(EventType.FAILURE_CLASSIFIED), log_record(EventType.PAUSED, sequence=3)])
    assert len(entries) == 2
    assert len(build_timeline([log_record(EventType.FRAUD_ASSESSED)])) == 1


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (Cause, words.CAUSES),
        (Category, words.CATEGORIES),
        (Trigger, words.TRIGGERS),
        (MessageKind, words.MESSAGES),
        (CloseReason, words.ENDINGS),
        (SkipAction, decisions._INSTEAD),
        (Outcome, charges._OUTCOMES),
        ([state for state in State if state.is_final], words.STATES),
    ],
)
def test_every_enum_value_has_a_label(names: Any, value: Any) -> None:
    assert set(names) == set(value)


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(LATER)
JSON = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.sampled_from(["code", "planned_at", "fee"]), PLAIN)
NAMES = (
    "at", "why", "amount", "currency", "failure", "card", "network", "rejected", "action", "reason", "cause", "level",
    "score", "reasons", "actor", "refused", "kind", "outcome", "until", "missing", "network_fee", "trigger", "state",
    "delay_seconds", "attempts_allowed", "retry", "segment", "window_ends_at", "provider_attempt", "agrees",
)  # fmt: skip
DATA = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6)


def record_of(kind: EventType, is_complete: bool, attempt: int | None, data: dict[str, Any]) -> Record:
    """A row that may lack what its type requires."""
    return log_record(kind, attempt, **data) if is_complete else raw_record(kind, data, attempt)


ROWS = st.builds(record_of, st.sampled_from(EventType), st.booleans(), st.none() | st.integers(), DATA)


@given(st.lists(ROWS, max_size=8))
def test_no_data_breaks_the_timeline(rows: list[Record]) -> None:
    records = [row.model_copy(update={"sequence": at}) for at, row in enumerate(rows, start=1)]
    entries = build_timeline(records)
    descriptions = [
        description
        for entry in entries
        for description in (*entry.basis, entry.description, entry.shadow)
        if description
    ]
    assert len(descriptions) >= len(entries)
    assert all(description.headline for description in descriptions)
    for row in records:
        assert (describe_record(row).why == UNREADABLE) is isinstance(row.data, UnreadableData)
    assert sorted(entry.sequence for entry in entries) == [entry.sequence for entry in entries]


@pytest.mark.parametrize("kind", EventType)
def test_unreadable_row_gets_the_title_of_its_type(kind: EventType) -> None:
    assert not isinstance(log_record(kind).data, UnreadableData)
    description = describe_record(raw_record(kind, {name: ["no", "text"] for name in MODELS[kind].model_fields}))
    assert (description.headline, description.why, description.facts) == (words.event_title(kind), UNREADABLE, ())


def test_event_title_is_in_plain_words() -> None:
    assert words.event_title(EventType.RETRY_REQUESTED) == "Operator retry requested"


def test_dates_out_of_range_make_a_row_unreadable() -> None:
    description = describe_record(log_record(EventType.RETRY_PLANNED, at="9999-12-31T23:59:59-23:00"))
    assert (description.headline, description.why, description.facts) == ("Retry planned", UNREADABLE, ())
