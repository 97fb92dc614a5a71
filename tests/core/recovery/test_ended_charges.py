"""When the silence of a provider is the answer, and what people are told until then. Pure."""

from datetime import timedelta

import pytest

from core.classification.taxonomy import Cause
from core.durations import TimeScale
from core.events import EventType, State, Trigger
from core.notices import Audience, NoticeTopic, build_notices
from core.operators import Action
from core.payments import ChargeResult, EventKind, Outcome
from core.recovery import charge_events
from core.recovery.machine import Reconcile
from core.recovery.unknown_charges import (
    NO_ATTEMPT,
    ProviderAbilities,
    answer_deadline,
    can_repeat,
    ended_read_delay,
    is_answer_due,
    is_given_up,
    scaled_request,
    silence_result,
)
from core.timeline.timeline import describe_record
from core.timeline.upcoming import UpcomingStep, list_upcoming_steps
from tests.support.builders import DAY, HOUR
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.recovery_scenario import OPEN_INVOICE, RecoveryScenario
from workflows.visibility import describe_step, recovery_status

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LONGEST = 2 * MINUTE
NO_TRACE = ChargeResult(outcome=Outcome.UNKNOWN, reason="not_settled", no_attempt=True)


def abilities(idempotency: timedelta | None = 23 * HOUR, *, can_read: bool = True) -> ProviderAbilities:
    """A provider that works for two minutes at most on one request."""
    return ProviderAbilities(idempotency=idempotency, can_read=can_read, longest_request=LONGEST)


def lost_charge(*, known_limit: bool = True) -> RecoveryScenario:
    """A scenario whose charge has an unknown result; without `known_limit`, an older release requested it."""
    scenario = RecoveryScenario().fail_payment().advance_until_due()
    limit = LONGEST if known_limit else None
    request = charge_events.request_charge(
        scenario.recovery, OPEN_INVOICE, Trigger.SCHEDULED, None, scenario.now, longest_request=limit
    )
    scenario.append_events(*request)
    scenario.record_answer(UNKNOWN)
    return scenario


def canceled(after: timedelta = MINUTE, *, known_limit: bool = True) -> RecoveryScenario:
    """The same, canceled by an operator some time after the request."""
    scenario = lost_charge(known_limit=known_limit).advance_clock(after)
    scenario.submit_command(Action.CANCEL)
    return scenario


def test_request_holds_the_longest_time_in_whole_seconds() -> None:
    scenario = lost_charge()
    assert scenario.last_record(EventType.CHARGE_REQUESTED).data["request_seconds"] == 120
    assert scenario.recovery.request_seconds == 120
    assert "request_seconds" not in lost_charge(known_limit=False).last_record(EventType.CHARGE_REQUESTED).data


def test_deadline_counts_from_the_ending_or_from_a_later_sending() -> None:
    scenario = canceled()
    assert answer_deadline(lost_charge().recovery) is None, "nothing has ended"
    assert answer_deadline(scenario.recovery) == scenario.now + LONGEST
    assert answer_deadline(scenario.recovery, scenario.now - MINUTE) == scenario.now + LONGEST
    assert answer_deadline(scenario.recovery, scenario.now + MINUTE) == scenario.now + MINUTE + LONGEST
    assert answer_deadline(canceled(known_limit=False).recovery) is None
    scenario.record_answer(SUCCEED, by_reading=True)
    assert answer_deadline(scenario.recovery) is None, "answered"


@pytest.mark.parametrize("known_limit", [True, False])
def test_answer_is_due_at_the_deadline(known_limit: bool) -> None:
    scenario = canceled(known_limit=known_limit)
    for wait, due in ((LONGEST - SECOND, False), (LONGEST, True)):
        assert is_answer_due(scenario.recovery, abilities(), scenario.now + wait, None) is due
    assert not is_answer_due(lost_charge().recovery, abilities(), scenario.now + DAY, None)


@pytest.mark.parametrize(
    ("result", "due", "silent"),
    [
        (NO_TRACE, True, True),
        (NO_TRACE, False, False),
        (UNKNOWN, True, False),
        (SUCCEED, True, False),
        (ChargeResult(outcome=Outcome.DECLINED), True, False),
    ],
)
def test_only_a_due_read_without_any_attempt_is_an_answer(result: ChargeResult, due: bool, silent: bool) -> None:
    answer = silence_result(result, due=due)
    assert answer == (ChargeResult(outcome=Outcome.NOT_CHARGED, reason=NO_ATTEMPT) if silent else result)


@pytest.mark.parametrize("kind", [None, EventKind.DISPUTE_OPENED, EventKind.CUSTOMER_DELETED, EventKind.INVOICE_PAID])
def test_nothing_is_repeated_after_an_ending(kind: EventKind | None) -> None:
    scenario = lost_charge()
    assert can_repeat(scenario.recovery, abilities(), scenario.now)
    assert not can_repeat(scenario.recovery, abilities(None), scenario.now)
    assert not can_repeat(scenario.recovery, abilities(), scenario.now + 23 * HOUR)
    if kind:
        scenario.receive_event(kind)
    else:
        scenario.submit_command(Action.CANCEL)
    assert scenario.next_step() == Reconcile()
    assert not can_repeat(scenario.recovery, abilities(), scenario.now)


GIVEN_UP = [
    # keys, can be read, an ending and its answer due, age, given up
    (23 * HOUR, True, True, 60 * DAY, False),
    (None, True, True, HOUR, False),
    (None, True, True, DAY, True),
    (7 * DAY, False, True, HOUR, True),
    (7 * DAY, False, False, DAY, False),
    (7 * DAY, False, False, 7 * DAY, True),
]


@pytest.mark.parametrize(("keys", "can_read", "due", "age", "given_up"), GIVEN_UP)
def test_when_nobody_will_tell_any_more(
    keys: timedelta | None, can_read: bool, due: bool, age: timedelta, given_up: bool
) -> None:
    scenario = lost_charge()
    provider = abilities(keys, can_read=can_read)
    assert is_given_up(scenario.recovery, provider, scenario.now + age, due=due) is given_up


def test_reads_come_sooner_and_one_comes_right_at_the_deadline() -> None:
    scenario, waits = canceled(), []
    now = scenario.now
    for tries in range(6):
        waits.append(ended_read_delay(scenario.recovery, tries, now, None).total_seconds())
        now += timedelta(seconds=waits[-1])
    assert waits == [5, 15, 30, 60, 10, 60]
    assert now - timedelta(seconds=60) == answer_deadline(scenario.recovery)


@pytest.mark.parametrize(("factor", "seconds"), [(1, 120), (2, 60), (12, 10), (3600, 10)])
def test_time_scale_leaves_ten_seconds(factor: int, seconds: int) -> None:
    assert scaled_request(LONGEST, TimeScale(factor=factor)) == timedelta(seconds=seconds)
    assert scaled_request(SECOND, TimeScale(factor=factor)) == SECOND, "never longer than the provider's own"


# --- what people are told ----------------------------------------------------------------------------------


def test_state_and_status_say_what_is_waited_for_and_until_when() -> None:
    scenario = canceled()
    doing, until = describe_step(scenario.recovery, scenario.next_step()), scenario.now + LONGEST
    assert f"{until:%H:%M:%S}" in doing
    assert "attempt 1 is not sent again" in doing
    status = recovery_status(scenario.recovery, doing, charging=False)
    assert (status.state, status.until) == (State.CHARGING, until)
    assert list_upcoming_steps(scenario.recovery, scenario.now) == (
        UpcomingStep(
            what="The answer to attempt 1 is awaited",
            at=until,
            detail="It is not sent again, only looked for; if the provider shows no trace of it by then, the recovery"
            " ends.",
            ends=True,
        ),
    )


def test_without_a_known_deadline_they_say_what_is_waited_for() -> None:
    scenario = canceled(known_limit=False)
    assert describe_step(scenario.recovery, Reconcile()).endswith("its answer is awaited")
    (step,) = list_upcoming_steps(scenario.recovery, scenario.now)
    assert (step.at, step.ends) == (None, True)


def test_without_an_ending_they_say_that_it_is_reconciled() -> None:
    scenario = lost_charge()
    assert describe_step(scenario.recovery, Reconcile()) == "finding out what became of attempt 1"
    assert list_upcoming_steps(scenario.recovery, scenario.now)[0].at is None


def test_end_by_silence_is_told_in_words() -> None:
    scenario = canceled()
    written = scenario.record_answer(silence_result(NO_TRACE, due=True), by_reading=True)
    assert written == ["charge.reconciled", "recovery.closed"]
    assert scenario.ending == (State.CANCELED, "operator")
    told = describe_record(scenario.last_record(EventType.CHARGE_RECONCILED))
    assert told.headline == "Attempt 1 was reconciled: nothing was charged"
    assert told.why.startswith("The provider shows no trace of it")


def test_end_without_the_providers_word_is_told_to_operators() -> None:
    scenario = canceled()
    before, count = scenario.recovery, len(scenario.records)
    scenario.append_events(charge_events.manual_review_event(scenario.recovery, scenario.now))
    assert scenario.ending == (State.CANCELED, "operator")
    (notice,) = build_notices(before, scenario.records[count:], frozenset({Audience.OPERATORS}))
    assert notice.topic == NoticeTopic.UNHEARD_CHARGE
    assert "look it up there" in notice.data["why"]
    row = scenario.last_record(EventType.RETRY_SKIPPED)
    assert "until" not in row.data, "nothing is reviewed"
    assert describe_record(row).headline == "The provider's answer is waited for no longer"


def test_review_of_an_open_recovery_keeps_its_words() -> None:
    scenario = lost_charge()
    before, count = scenario.recovery, len(scenario.records)
    scenario.append_events(charge_events.manual_review_event(scenario.recovery, scenario.now))
    (notice,) = build_notices(before, scenario.records[count:], frozenset({Audience.OPERATORS}))
    assert notice.topic == NoticeTopic.REVIEW
    assert describe_record(scenario.last_record(EventType.RETRY_SKIPPED)).headline == "A person has to review this"


@pytest.mark.parametrize("event_type", ["invoice.paid", "charge.succeeded"])
def test_money_that_shows_up_after_the_end_counts_and_operators_hear_of_it(event_type: str) -> None:
    scenario = canceled()
    scenario.record_answer(silence_result(NO_TRACE, due=True), by_reading=True)
    before, count = scenario.recovery, len(scenario.records)
    key = {"idempotency_key": "pri-stripe-in_1-1", "event_type": event_type}
    assert scenario.receive_event(EventKind.INVOICE_PAID, **key) == ["payment.late"]
    assert (scenario.recovery.state, scenario.recovery.paid_late) == (State.CANCELED, 4900)
    (notice,) = build_notices(before, scenario.records[count:], frozenset({Audience.OPERATORS}))
    assert notice.topic == NoticeTopic.MONEY_BACK


def test_silence_in_an_open_recovery_leads_to_a_new_decision() -> None:
    """Written by no activity today; the fold must not end what nobody ended."""
    scenario = lost_charge()
    scenario.record_answer(silence_result(NO_TRACE, due=True), by_reading=True)
    scenario.decide_failure(Cause.INSUFFICIENT_FUNDS)
    assert scenario.current_state() is State.WAITING
