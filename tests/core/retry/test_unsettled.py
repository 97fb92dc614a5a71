"""A charge that nobody could settle by asking: the provider's own word, or a person's, is left (money law 5)."""

from datetime import timedelta
from typing import Any

import pytest

from core.classifier.taxonomy import Cause
from core.contracts import Action
from core.errors import Refused
from core.events import EventType, State, Trigger
from core.payments import Card, EventKind, Failure, ProviderEvent
from core.retry import pay
from core.retry.fresh_look import REVIEW, announced
from core.retry.machine import Charge, Decide, Read, Settle, Wait
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.gateway import SUCCEED, UNKNOWN
from tests.support.story import SOFT, Story, in_flight

OURS: dict[str, Any] = {"idempotency_key": "pri-stripe-in_1-1", "event_id": "evt_ours"}


def unknown() -> Story:
    """A charge is in flight, and its answer was lost."""
    story = in_flight()
    story.answered(UNKNOWN)
    return story


def given_up() -> Story:
    """A day later it is a person's matter."""
    story = unknown().later(DAY)
    story.write(pay.handed_over(story.recovery, story.now))
    return story


# --- the provider's own word -----------------------------------------------------------------------------------------


def test_its_own_success_settles_the_charge_in_flight() -> None:
    story = unknown()
    assert story.hears(EventKind.INVOICE_PAID, payment_id="psp_1", **OURS) == ["charge.reconciled", "recovery.closed"]
    assert story.ended == (State.RECOVERED, "charged")
    row = story.last(EventType.CHARGE_RECONCILED)
    assert row.attempt == 1
    assert row.data["evidence"] == "webhook"
    assert row.data["charge_id"] == "psp_1"


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.ACTION_REQUIRED])
def test_its_own_decline_settles_it_with_codes_and_card(kind: EventKind) -> None:
    story = unknown()
    failure, card = Failure(code="expired_card", charge_id="psp_1"), Card(fingerprint="fp_9")
    assert story.hears(kind, failure=failure, card=card, **OURS) == ["charge.reconciled"]
    assert story.step() == Decide()
    assert (story.recovery.failure, story.recovery.card) == (failure, card)
    assert story.recovery.in_flight is None
    assert story.hears(kind, failure=failure, **OURS) == [], "told twice"


def test_it_is_heard_before_the_answer_was_missed() -> None:
    story = in_flight()
    assert story.hears(EventKind.INVOICE_PAID, **OURS)[0] == "charge.reconciled"


def test_an_event_stamped_before_the_charge_does_not_end_it_before_it_began() -> None:
    story = unknown()
    story.hears(EventKind.PAYMENT_FAILED, occurred_at=story.now - HOUR, **OURS)
    row, asked = story.last(EventType.CHARGE_RECONCILED), story.last(EventType.CHARGE_REQUESTED)
    assert row.occurred_at >= asked.occurred_at


def test_the_decline_of_an_older_charge_is_no_news() -> None:
    story = unknown()
    other = {"idempotency_key": "pri-stripe-in_1-0", "event_id": "evt_older", "provider_attempt": 99}
    assert story.hears(EventKind.PAYMENT_FAILED, **other) == []
    assert story.step() == Settle()


def test_the_success_of_an_older_charge_is_money_all_the_same() -> None:
    story = unknown()
    other = {"idempotency_key": "pri-stripe-in_1-0", "event_id": "evt_older"}
    assert story.hears(EventKind.INVOICE_PAID, **other) == ["invoice.paid_elsewhere"]
    story.answered(SOFT)
    assert story.ended == (State.RECOVERED, "paid_elsewhere")


def test_after_an_answered_charge_its_decline_is_an_echo_at_any_time() -> None:
    story = in_flight()
    story.answered(SOFT)
    assert story.later(20 * DAY).hears(EventKind.PAYMENT_FAILED, provider_attempt=99, **OURS) == []


def test_after_the_end_its_decline_is_no_late_news_but_its_success_is() -> None:
    story = unknown()
    story.asked(Action.CANCEL)
    story.answered(SOFT, by_reading=True)
    assert story.ended == (State.CANCELED, "operator")
    assert story.hears(EventKind.PAYMENT_FAILED, **OURS) == []
    assert story.hears(EventKind.INVOICE_PAID, **OURS) == ["payment.late"]


# --- a person's word -------------------------------------------------------------------------------------------------


def test_what_nobody_can_find_out_waits_for_a_person_with_the_charge_in_flight() -> None:
    story = given_up()
    assert story.state() is State.IN_REVIEW
    assert story.recovery.in_flight
    assert story.step() == Wait(until=story.now + REVIEW, why="an operator must review it")
    with pytest.raises(Refused) as refused:
        story.asked(Action.RETRY)
    assert refused.value.code == "in_flight"


def test_whoever_approves_says_that_nothing_was_charged() -> None:
    story = given_up()
    assert story.asked(Action.REVIEW, decision="approve") == ["operator.reviewed", "charge.reconciled"]
    row = story.last(EventType.CHARGE_RECONCILED).data
    assert (row["outcome"], row["evidence"]) == ("not_charged", "operator")
    assert story.step() == Read()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.step() == Charge(trigger=Trigger.MANUAL)
    story.charges()
    assert story.recovery.attempt == 2


def test_a_rejection_ends_it_unanswered() -> None:
    story = given_up()
    assert story.asked(Action.REVIEW, decision="reject") == ["operator.reviewed", "recovery.closed"]
    assert story.ended == (State.BLOCKED, "rejected")


def test_a_cancel_ends_it_unanswered() -> None:
    story = given_up()
    story.asked(Action.CANCEL)
    assert story.ended == (State.CANCELED, "operator")


def test_nobody_looks_at_it() -> None:
    story = given_up().later(REVIEW)
    assert story.step() == story.step().model_copy(update={"state": State.EXHAUSTED, "reason": "review_overdue"})


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.METHOD_UPDATED, EventKind.RETRY_SCHEDULED])
def test_nothing_else_charges_meanwhile(kind: EventKind) -> None:
    story = given_up()
    story.hears(kind, method_id="pm_2", provider_attempt=9, occurred_at=story.now + DAY)
    assert isinstance(story.step(), Wait)


def test_the_providers_late_word_beats_the_review() -> None:
    story = given_up()
    story.hears(EventKind.PAYMENT_FAILED, failure=Failure(code="insufficient_funds"), **OURS)
    assert story.step() == Decide()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state() is State.WAITING


# --- the provider's own retries --------------------------------------------------------------------------------------


def rescued() -> ProviderEvent:
    """The provider will try again by itself."""
    return a_failure_event(next_provider_attempt=a_failure_event().occurred_at + 48 * DAY, card=Card(country="DE"))


def test_what_was_announced_is_the_last_known_state() -> None:
    story = Story()
    story.hears(rescued())
    known = announced(story.recovery)
    assert known.invoice.next_provider_attempt == rescued().next_provider_attempt
    assert known.card.country == "DE"


def test_while_the_provider_tries_by_itself_we_stand_back() -> None:
    story = Story()
    story.hears(rescued())
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.until_due().charges(announced(story.recovery).invoice) == ["retry.skipped"]
    assert story.last(EventType.RETRY_SKIPPED).data["reason"] == "provider_retry"


def test_a_rescue_of_our_own_declined_charge_is_told_by_its_echo() -> None:
    story = in_flight()
    story.answered(SOFT)
    story.decides(Cause.INSUFFICIENT_FUNDS)
    rescue = {"next_provider_attempt": story.now + 48 * DAY, "provider_attempt": 99}
    assert story.hears(EventKind.PAYMENT_FAILED, **OURS | rescue) == ["payment.failed"]
    assert story.hears(EventKind.PAYMENT_FAILED, **OURS | rescue | {"event_id": "evt_again"}) == []
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.until_due().charges(announced(story.recovery).invoice) == ["retry.skipped"]


def test_a_rescue_of_a_charge_that_its_webhook_settles_is_known() -> None:
    story = unknown()
    story.hears(EventKind.PAYMENT_FAILED, next_provider_attempt=story.now + 48 * DAY, **OURS)
    assert announced(story.recovery).invoice.next_provider_attempt == story.now + 48 * DAY


def test_when_the_provider_gives_up_it_is_our_turn_with_what_is_known() -> None:
    story = Story()
    story.hears(rescued())
    story.decides(Cause.INSUFFICIENT_FUNDS)
    story.until_due().charges(announced(story.recovery).invoice)
    told = {"event_id": "evt_stopped", "amount": 4900, "currency": "EUR"}
    assert story.later(DAY).hears(EventKind.PROVIDER_STOPPED, **told) == ["payment.failed"]
    assert story.hears(EventKind.PROVIDER_STOPPED, **told) == [], "told twice"
    assert story.recovery.failure == rescued().failure
    assert announced(story.recovery).invoice.next_provider_attempt is None
    assert story.step() == Read()
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert story.recovery.next_attempt_at
    assert story.recovery.next_attempt_at - story.now < timedelta(hours=4)
    assert story.until_due().charges(announced(story.recovery).invoice) == ["charge.requested"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, "insufficient_funds"),
        (Failure(method_id="pm_1"), "insufficient_funds"),
        (Failure(code="expired_card"), "expired_card"),
    ],
)
def test_the_end_of_the_providers_retries_without_a_code_leaves_the_known_one(
    failure: Failure | None, code: str
) -> None:
    story = Story()
    story.hears(EventKind.PAYMENT_FAILED, failure=Failure(code="insufficient_funds"))
    story.later(DAY)
    assert story.hears(EventKind.PROVIDER_STOPPED, failure=failure) == ["payment.failed"]
    assert story.recovery.failure
    assert story.recovery.failure.code == code


def test_a_provider_that_gives_up_opens_a_recovery_that_nobody_opened() -> None:
    story = Story()
    told = {"event_id": "evt_stopped", "amount": 4900, "currency": "EUR"}
    assert story.hears(EventKind.PROVIDER_STOPPED, **told) == ["payment.failed"]
    assert story.recovery.amount == 4900


# --- what a provider without a default must be told ------------------------------------------------------------------


def test_the_order_names_customer_and_the_method_that_failed() -> None:
    story = Story()
    story.hears(a_failure_event(failure=Failure(code="insufficient_funds", method_id="token_1")))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    in_flight(story)
    order = story.recovery.in_flight
    assert order
    assert (order.customer_id, order.method_id, order.last_method_id) == ("cus_1", None, "token_1")


def test_after_another_method_failed_it_is_the_last_one() -> None:
    story = Story().fails()
    story.hears(EventKind.METHOD_UPDATED, method_id="token_2")
    story.charges()
    story.answered(SOFT.model_copy(update={"failure": Failure(code="insufficient_funds", method_id="token_2")}))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    in_flight(story)
    assert story.recovery.in_flight
    assert story.recovery.in_flight.last_method_id == "token_2"
    story.answered(SUCCEED)
    assert story.ended == (State.RECOVERED, "charged")
