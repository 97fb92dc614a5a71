"""What a word from outside means: duplicates, echoes, old news, confirmations, refusals."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from core.classifier.taxonomy import Cause
from core.contracts import Action, Command, read_command
from core.errors import Refused
from core.events import EventType, State
from core.payments import ChargeResult, EventKind, Failure, InvoiceStatus, Outcome, ProviderEvent
from core.retry.fresh_look import observe
from core.retry.machine import place_all
from core.retry.reactions import ECHO, obey, opening, react, refuse
from tests.support.builders import DAY, HOUR, THEN, a_failure_event, an_event
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.story import OPEN, SOFT, Story, in_flight, reviewed

SECOND = timedelta(seconds=1)
OURS = ChargeResult(outcome=Outcome.DECLINED, failure=Failure(code="x", charge_id="ch_1"), charge_id="ch_1")


def again(**changes: Any) -> ProviderEvent:
    """Another event about a failure."""
    return a_failure_event(**{"event_id": "evt_again"} | changes)


def recovered() -> Story:
    """It has ended well."""
    story = in_flight()
    story.answered(SUCCEED)
    return story


# --- one failure is one (invoice, provider attempt) --------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        a_failure_event(),
        again(),
        again(kind=EventKind.ACTION_REQUIRED),
        again(provider_attempt=None),
        again(provider_attempt=0),
    ],
    ids=["same event", "same attempt", "the same attempt's other event", "no attempt", "older attempt"],
)
def test_more_about_the_same_failure_changes_nothing(event: ProviderEvent) -> None:
    assert Story().fails().later(HOUR).hears(event) == []


def test_a_newer_attempt_is_a_new_failure() -> None:
    story = Story().fails().later(DAY)
    assert story.hears(again(provider_attempt=2, occurred_at=story.now)) == ["payment.failed"]
    assert story.recovery.failed_at == story.now


def test_an_older_attempt_that_comes_late_is_known() -> None:
    story = Story()
    story.write(opening(a_failure_event(provider_attempt=3)))
    assert story.hears(again(provider_attempt=2)) == []


def test_a_failure_from_before_our_last_try_does_not_turn_the_clock_back() -> None:
    story = in_flight()
    tried_at = story.now
    story.answered(SOFT)
    story.hears(again(provider_attempt=2, occurred_at=tried_at - HOUR))
    assert story.recovery.failed_at == tried_at


# --- echoes of our own charge ------------------------------------------------------------------------------


def test_the_echo_of_our_own_charge_is_known_by_its_id_for_ever() -> None:
    story = in_flight()
    story.answered(OURS)
    echo = again(provider_attempt=2, failure=Failure(charge_id="ch_1"), occurred_at=story.now + DAY)
    assert story.later(DAY).hears(echo) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ECHO, None, []),
        (ECHO + SECOND, None, ["payment.failed"]),
        (None, ECHO, []),
        (None, ECHO + SECOND, ["payment.failed"]),
    ],
)
def test_the_echo_is_known_by_its_time(before: timedelta | None, after: timedelta | None, expected: list[str]) -> None:
    story = in_flight()
    sent = story.now
    story.later(5 * SECOND).answered(SOFT)
    at = sent - before if before else story.now + (after or SECOND)
    assert story.hears(again(provider_attempt=2, occurred_at=at)) == expected


def test_while_a_charge_is_in_flight_every_failure_since_is_its_echo() -> None:
    story = in_flight()
    story.answered(UNKNOWN)
    assert story.later(HOUR).hears(again(provider_attempt=2, occurred_at=story.now)) == []


# --- after the end -----------------------------------------------------------------------------------------


def test_a_late_failure_never_overwrites_a_success() -> None:
    story = recovered().later(DAY)
    assert story.hears(again(provider_attempt=2, occurred_at=story.now)) == ["event.late"]
    assert story.ended == (State.RECOVERED, "charged")
    assert story.hears(again(provider_attempt=2, occurred_at=story.now)) == [], "and is known when it comes again"


@pytest.mark.parametrize("kind", [EventKind.INVOICE_PAID, EventKind.RETRY_SCHEDULED, EventKind.WAKE, EventKind.OTHER])
def test_a_confirmation_is_no_news(kind: EventKind) -> None:
    assert recovered().hears(kind) == []


def test_the_echo_of_a_charge_is_no_news_after_the_end() -> None:
    story = in_flight()
    story.asked(Action.CANCEL)
    story.answered(OURS)
    assert story.hears(again(provider_attempt=2, occurred_at=story.now)) == []


@pytest.mark.parametrize("kind", [EventKind.DISPUTE_OPENED, EventKind.FRAUD_WARNING, EventKind.INVOICE_VOIDED])
def test_what_matters_after_the_end_is_kept(kind: EventKind) -> None:
    assert recovered().hears(kind) == ["event.late"]


def test_money_after_giving_up_is_news() -> None:
    story = Story().fails()
    story.asked(Action.CANCEL)
    assert story.hears(EventKind.INVOICE_PAID) == ["payment.late"]


# --- endings from outside ----------------------------------------------------------------------------------

ENDINGS = [
    (EventKind.INVOICE_PAID, (State.RECOVERED, "paid_elsewhere")),
    (EventKind.INVOICE_VOIDED, (State.CANCELED, "voided")),
    (EventKind.INVOICE_UNCOLLECTIBLE, (State.CANCELED, "uncollectible")),
    (EventKind.DISPUTE_OPENED, (State.BLOCKED, "dispute")),
    (EventKind.FRAUD_WARNING, (State.BLOCKED, "early_fraud_warning")),
]
PLACES: Mapping[str, Callable[[], Story]] = {
    "received": lambda: _begun(Story()),
    "waiting": lambda: Story().fails(),
    "paused": lambda: _paused(Story().fails()),
    "awaiting_customer": lambda: Story().fails(Cause.PERMANENT),
    "in_review": reviewed,
}


def _begun(story: Story) -> Story:
    story.write(opening(a_failure_event()))
    return story


def _paused(story: Story) -> Story:
    story.asked(Action.PAUSE)
    return story


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "end"), ENDINGS)
def test_a_word_that_ends_it_does_so_everywhere(place: str, kind: EventKind, end: tuple[State, str]) -> None:
    story = PLACES[place]()
    assert story.hears(kind)[-1] == "recovery.closed"
    assert story.ended == end


@pytest.mark.parametrize("subscription", [None, "sub_2"])
def test_the_end_of_another_subscription_is_none_of_its_business(subscription: str | None) -> None:
    story = Story()
    story.write(opening(a_failure_event(subscription_id="sub_1")))
    assert story.hears(EventKind.SUBSCRIPTION_ENDED, subscription_id=subscription) == []
    story.hears(EventKind.SUBSCRIPTION_ENDED, subscription_id="sub_1")
    assert story.ended == (State.CANCELED, "subscription_ended")


def test_a_method_is_new_once() -> None:
    story = Story().fails()
    first = an_event(EventKind.METHOD_UPDATED, event_id="a", method_id="pm_2", method_version="1")
    assert story.hears(first) == ["payment_method.updated"]
    assert story.hears(first.model_copy(update={"event_id": "b"})) == []
    assert story.hears(first.model_copy(update={"event_id": "c", "method_version": "2"})) == ["payment_method.updated"]
    assert story.hears(EventKind.METHOD_UPDATED, method_id=None) == []


def test_every_kind_of_event_has_a_meaning_or_none_on_purpose() -> None:
    silent = {EventKind.RETRY_SCHEDULED, EventKind.WAKE, EventKind.OTHER, EventKind.PAYMENT_RESTORED}
    for kind in EventKind:
        story = _begun(Story())
        story.recovery = story.recovery.having(subscription_id="sub_1")
        event = again(kind=kind, provider_attempt=2, subscription_id="sub_1", method_id="pm_2")
        assert bool(react(story.recovery, event)) is (kind not in silent), kind


def test_every_status_of_an_invoice_is_understood() -> None:
    known = Story().fails().recovery
    meant = {status: len(observe(known, OPEN.model_copy(update={"status": status}), THEN)) for status in InvoiceStatus}
    assert {status for status, rows in meant.items() if not rows} == {InvoiceStatus.OPEN, InvoiceStatus.MISSING}


# --- operators ---------------------------------------------------------------------------------------------


def _ending(story: Story) -> Story:
    story.asked(Action.CANCEL)
    return story


@pytest.mark.parametrize(
    ("story", "code"),
    [
        (recovered, "closed"),
        (lambda: _ending(in_flight()), "closed"),
        (in_flight, "in_flight"),
        (lambda: _paused(Story().fails()), "paused"),
        (reviewed, "fraud_hold"),
        (lambda: reviewed(Cause.CONFIGURATION), "fraud_hold"),
        (lambda: Story().fails(Cause.PERMANENT), "hard_decline"),
        (lambda: Story().fails(Cause.CARD_DATA), "hard_decline"),
    ],
)
def test_a_retry_is_refused_with_its_code(story: Any, code: str) -> None:
    with pytest.raises(Refused) as caught:
        story().asked(Action.RETRY)
    assert caught.value.code == code
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("action", Action)
def test_after_the_end_everything_is_refused(action: Action) -> None:
    with pytest.raises(Refused) as caught:
        refuse(recovered().recovery, Command(action=action, decision="approve"))
    assert caught.value.code == "closed"


def test_a_review_needs_something_to_review_and_a_decision() -> None:
    with pytest.raises(Refused, match="nothing to review"):
        Story().fails().asked(Action.REVIEW, decision="approve")
    for word in (None, "", "ok", "approved"):
        with pytest.raises(Refused, match="approve or reject"):
            reviewed().asked(Action.REVIEW, decision=word)


@pytest.mark.parametrize("typed", ["approve", "Approve", " APPROVE "])
def test_a_decision_is_read_as_people_type_it(typed: str) -> None:
    command = read_command(Action.REVIEW, {"decision": typed})
    assert obey(reviewed().recovery, command, THEN)[0].data["decision"] == "approve"


def test_a_request_for_what_is_so_already_writes_nothing() -> None:
    """Whoever asked has the answer."""
    assert Story().fails().asked(Action.RESUME) == []
    assert _paused(Story().fails()).asked(Action.PAUSE) == []


def test_a_signal_for_what_is_so_already_is_kept_and_changes_nothing() -> None:
    """Under older rules it wasn't, and what has run must replay."""
    paused, signal = _paused(Story().fails()).recovery, Command(action=Action.PAUSE, signal="run:1")
    events = obey(paused, signal, THEN)
    assert [event.type for event in events] == [EventType.PAUSED]
    after, _ = place_all(paused, events, THEN)
    assert after.paused
    assert after.having(sequence=paused.sequence, last_signal=paused.last_signal) == paused
    assert obey(paused.having(rules=1), signal, THEN) == ()
