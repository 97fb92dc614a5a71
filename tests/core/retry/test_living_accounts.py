"""Parts, money on its way and after the end, claims that are not ours, refused keys."""

from datetime import timedelta
from typing import Any

import pytest

from core.classifier.taxonomy import Cause
from core.contracts import Action
from core.errors import Refused
from core.events import EventType, State, Trigger
from core.payments import (
    Card,
    ChargeResult,
    EventKind,
    Failure,
    InvoiceStatus,
    InvoiceView,
    MethodKind,
    Outcome,
    PaymentMethod,
)
from core.retry.fresh_look import FIRST_LOOK, LATEST_LOOK, announced, observe, provider_refuses
from core.retry.machine import LONGEST_STAND, Charge, Close, Read, Settle, Wait
from core.retry.reactions import opening
from core.retry.recovery import PAYMENT_UNDER_WAY
from core.terms import CollectionTerms, SubscriptionStatus
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.gateway import SUCCEED
from tests.support.story import OPEN, Story, in_flight, reviewed

PROCESSING = OPEN.model_copy(update={"processing": True})
CARD = PaymentMethod(method_id="pm_card", card=Card(kind=MethodKind.CARD, fingerprint="fp_default"))


def invoice(**changes: Any) -> InvoiceView:
    """The invoice as it reads now."""
    return OPEN.model_copy(update=changes)


# --- money on its way -----------------------------------------------------------------------------


def test_while_money_is_on_its_way_nothing_happens_until_the_next_look() -> None:
    story = Story().fails().until_due()
    assert story.charges(PROCESSING) == ["retry.skipped"]
    assert story.step() == Wait(until=story.now + FIRST_LOOK, why="a payment of this invoice is on its way")
    assert story.later(FIRST_LOOK).step() == Read()


def test_looks_come_later_and_later() -> None:
    story, waits = Story().fails(), []
    for _ in range(8):
        story.reads(PROCESSING)
        step = story.step()
        assert isinstance(step, Wait)
        assert step.until
        waits.append(step.until - story.now)
        story.now = step.until
    assert waits == sorted(waits)
    assert waits[-1] == LATEST_LOOK


def test_money_that_never_arrives_does_not_keep_it_open_for_ever() -> None:
    story = Story().fails()
    story.reads(PROCESSING)
    assert isinstance(story.later(LONGEST_STAND).step(), Close)


@pytest.mark.parametrize("cause", [Cause.INSUFFICIENT_FUNDS, Cause.CARD_DATA])
def test_money_on_its_way_stops_the_clock(cause: Cause) -> None:
    story = Story().fails(cause)
    ends = story.recovery.window_ends_at
    assert ends
    story.later(20 * DAY).reads(PROCESSING)
    story.later(6 * DAY).decides(cause)
    assert story.recovery.window_ends_at == ends + 6 * DAY
    assert not story.recovery.stage.final


def test_a_debit_that_comes_back_gives_its_time_back() -> None:
    story = Story().fails()
    ends = story.recovery.window_ends_at
    assert ends
    story.reads(PROCESSING)
    story.later(40 * DAY).hears(EventKind.PAYMENT_REVERSED, returned_kind="returned_debit", currency="EUR")
    assert story.recovery.window_ends_at == ends + 40 * DAY
    story.decides(Cause.INSUFFICIENT_FUNDS)
    assert not story.recovery.stage.final


@pytest.mark.parametrize("after", ["paused", "refused"])
def test_the_time_is_given_back_where_something_else_is_in_the_way_by_then(after: str) -> None:
    story = Story().fails()
    ends = story.recovery.window_ends_at
    assert ends
    story.reads(PROCESSING)
    story.later(40 * DAY)
    if after == "paused":
        story.reads(invoice(terms=CollectionTerms(collection_paused=True)))
    else:
        story.write(provider_refuses(story.recovery, "HTTP 401.", story.now))
    assert story.recovery.window_ends_at == ends + 40 * DAY
    assert isinstance(story.step(), Wait)


def test_the_customers_deadline_is_moved_too() -> None:
    story = Story().fails(Cause.CARD_DATA)
    story.reads(PROCESSING)
    story.later(40 * DAY).reads(invoice(terms=CollectionTerms(collection_paused=True)))
    assert isinstance(story.step(), Wait)


def test_the_last_look_finds_money_on_its_way() -> None:
    story = Story().fails(Cause.CARD_DATA).later(21 * DAY)
    assert story.looks(PROCESSING) == ["retry.skipped"]
    assert story.recovery.standing_back
    assert story.recovery.standing_back.reason == PAYMENT_UNDER_WAY
    assert story.hears(EventKind.INVOICE_PAID)[-1] == "recovery.closed"
    assert story.ended == (State.RECOVERED, "paid_elsewhere")


def test_the_last_look_finds_the_payment_that_nobody_told_of() -> None:
    story = Story().fails(Cause.CARD_DATA).later(21 * DAY)
    story.looks(invoice(status=InvoiceStatus.PAID))
    assert story.ended == (State.RECOVERED, "paid_elsewhere")


def test_nobody_charges_beside_money_on_its_way() -> None:
    story = Story().fails()
    story.reads(PROCESSING)
    with pytest.raises(Refused) as refused:
        story.asked(Action.RETRY)
    assert refused.value.code == "in_flight"


def test_a_new_method_waits_for_its_turn_behind_money_on_its_way() -> None:
    story = Story().fails(Cause.CARD_DATA)
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_2")
    assert story.charges(PROCESSING) == ["retry.skipped"]
    story.later(HOUR).decides(Cause.CARD_DATA)
    assert story.step() == Charge(trigger=Trigger.METHOD_CHANGE, method_id="pm_2")


def test_our_own_charge_on_its_way_is_settled_and_nothing_else() -> None:
    assert in_flight().reads(PROCESSING) == []


# --- parts ----------------------------------------------------------------------------------------


def test_a_part_leaves_the_rest_open() -> None:
    story = Story().fails()
    assert story.hears(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR") == ["invoice.paid_elsewhere"]
    assert (story.recovery.amount, story.recovery.paid, story.state()) == (3000, 1900, State.WAITING)
    story.hears(EventKind.INVOICE_PAID, event_id="evt_rest", paid_amount=3000, currency="EUR")
    assert story.ended == (State.RECOVERED, "paid_elsewhere")


@pytest.mark.parametrize("kind", [EventKind.PAYMENT_FAILED, EventKind.PROVIDER_STOPPED])
def test_a_later_failure_of_the_whole_does_not_open_the_part_again(kind: EventKind) -> None:
    """Adyen's own rescue goes on with the sum of the first try; who can't be read is charged by what we know."""
    story = Story().fails()
    story.hears(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR")
    story.later(HOUR).hears(kind, event_id="evt_2", provider_attempt=2, amount=4900, currency="EUR")
    assert story.recovery.amount == 3000
    story.decides(Cause.INSUFFICIENT_FUNDS)
    story.until_due().charges(announced(story.recovery).invoice)
    assert story.last(EventType.CHARGE_REQUESTED).data["amount"] == 3000


def test_a_part_in_another_currency_is_taken_for_what_it_says() -> None:
    story = Story().fails()
    story.hears(EventKind.INVOICE_PAID, paid_amount=1, currency="USD")
    assert story.ended == (State.RECOVERED, "paid_elsewhere"), "no sum can be made of two currencies"


@pytest.mark.parametrize("due", [1, 2500])
def test_only_what_is_open_is_charged(due: int) -> None:
    story = Story().fails().until_due()
    assert story.charges(invoice(amount_due=due)) == ["invoice.paid_elsewhere"]
    assert story.charges(invoice(amount_due=due)) == ["charge.requested"]
    assert story.last(EventType.CHARGE_REQUESTED).data["amount"] == due


def test_an_invoice_that_was_credited_to_nothing_is_not_charged() -> None:
    story = Story().fails().until_due()
    story.charges(invoice(amount_due=0, amount_paid=0))
    assert story.ended == (State.RECOVERED, "paid_elsewhere")


def test_a_charge_that_brought_a_part_leaves_the_rest_open() -> None:
    story = in_flight()
    story.answered(ChargeResult(outcome=Outcome.SUCCEEDED, charge_id="ch_part", amount=1000))
    assert (story.recovery.amount, story.recovery.paid, story.step()) == (3900, 1000, Read())


def test_a_returned_part_is_owed_again() -> None:
    story = Story().fails()
    story.hears(EventKind.INVOICE_PAID, paid_amount=1900, currency="EUR")
    word = {"returned_amount": 1900, "returned_kind": "returned_debit", "currency": "EUR"}
    assert story.hears(EventKind.PAYMENT_REVERSED, **word) == ["payment.reversed"]
    assert (story.recovery.amount, story.recovery.paid, story.step()) == (4900, 0, Read())


# --- money after the end --------------------------------------------------------------------------


def test_what_goes_back_after_the_win_is_a_row_with_its_amount() -> None:
    story = in_flight()
    story.answered(SUCCEED)
    rows = [
        (EventKind.PAYMENT_REFUNDED, "refund", "payment.refunded"),
        (EventKind.PAYMENT_REVERSED, "failed_capture", "payment.reversed"),
        (EventKind.DISPUTE_OPENED, "chargeback", "payment.reversed"),
    ]
    for number, (kind, what, row) in enumerate(rows, start=1):
        assert story.hears(kind, event_id=f"e{number}", returned_amount=100, returned_kind=what) == [row]
        assert story.recovery.returned == 100 * number
    assert story.ended == (State.RECOVERED, "charged")


def test_a_dispute_counts_once_and_what_is_won_back_counts_no_more() -> None:
    story = in_flight()
    story.answered(SUCCEED)
    money = {"returned_amount": 4900, "returned_kind": "chargeback", "payment_id": "pay_1"}
    story.hears(EventKind.DISPUTE_OPENED, event_id="first", **money)
    assert story.hears(EventKind.DISPUTE_OPENED, event_id="second", **money) == ["event.late"]
    assert story.recovery.returned == 4900
    assert story.hears(EventKind.PAYMENT_RESTORED, **money | {"returned_kind": "restored"}) == ["payment.late"]
    assert (story.recovery.returned, story.recovery.paid_late) == (0, 0)
    assert story.hears(EventKind.DISPUTE_OPENED, event_id="again", **money) == ["payment.reversed"]
    assert story.recovery.returned == 4900, "after a won dispute another one takes the money anew"


def test_a_debit_that_came_back_opens_a_recovery() -> None:
    failure = Failure(code="AM04", method_id="pm_bank")
    event = a_failure_event(kind=EventKind.PAYMENT_REVERSED, failure=failure, returned_amount=4900)
    story = Story()
    assert story.hears(event) == ["payment.failed"]
    assert story.recovery.amount == 4900
    assert opening(event.model_copy(update={"amount": None})).data["amount"] == 4900, "what came back is owed again"


def test_money_that_went_back_without_a_banks_reason_opens_nothing() -> None:
    assert Story().hears(EventKind.PAYMENT_REVERSED, returned_amount=4900, returned_kind="failed_capture") == []


def test_a_bank_that_only_asks_blocks_nothing() -> None:
    story = Story().fails()
    assert story.hears(EventKind.DISPUTE_INQUIRY) == ["dispute.opened"]
    assert story.state() is State.WAITING


# --- whose claim ----------------------------------------------------------------------------------


TERMS = [
    ({"subscription_status": SubscriptionStatus.CANCELED}, (State.CANCELED, "subscription_ended")),
    ({"customer_deleted": True}, (State.CANCELED, "customer_deleted")),
]


@pytest.mark.parametrize(("terms", "end"), TERMS)
def test_what_an_event_that_never_came_would_have_told_is_read(terms: dict[str, Any], end: tuple[State, str]) -> None:
    story = Story().fails().until_due()
    assert "charge.requested" not in story.charges(invoice(terms=CollectionTerms(**terms)))
    assert story.ended == end


def test_what_is_out_of_scope_ends_with_the_rule() -> None:
    story = Story().fails().until_due()
    story.charges(invoice(out_of_scope="send_invoice"))
    assert story.ended == (State.CANCELED, "out_of_scope")
    assert story.last(EventType.RETRY_SKIPPED).data["reason"] == "send_invoice"


def test_while_collection_is_paused_nothing_is_charged_and_the_window_goes_on() -> None:
    paused = invoice(terms=CollectionTerms(collection_paused=True))
    story = Story().fails().until_due()
    assert story.charges(paused) == ["retry.skipped"]
    assert story.later(HOUR).step() == Read()
    story.reads(paused)
    story.now = story.recovery.window_ends_at or story.now
    story.looks(paused)
    assert story.ended == (State.EXHAUSTED, "window")


RESTS = [{"terms": CollectionTerms(collection_paused=True)}, {"written_off": True}]


@pytest.mark.parametrize("rests", RESTS)
def test_an_operator_hears_that_collection_rests(rests: dict[str, Any]) -> None:
    """Whether it is known before or found right at the charge: the wish isn't kept for some later day."""
    story = Story().fails()
    story.asked(Action.RETRY)
    story.charges(invoice(**rests))
    assert story.last(EventType.RETRY_SKIPPED).data["action"] == "refuse"
    assert story.recovery.trigger is None
    story.reads(invoice(**rests))
    with pytest.raises(Refused) as refused:
        story.asked(Action.RETRY)
    assert refused.value.code == "paused"


def test_under_the_old_rules_a_payment_on_its_way_is_no_reason_to_stand_back() -> None:
    old = Story().fails().recovery.having(rules=1)
    assert observe(old, PROCESSING, old.opened_at or Story().now) == ()


# --- a provider that refuses ----------------------------------------------------------------------


def test_a_refused_key_is_told_once_and_mends_itself() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.write(provider_refuses(story.recovery, "Stripe refuses this key: HTTP 401.", story.now))
    assert story.state() is State.IN_REVIEW
    assert isinstance(story.step(), Wait)
    assert story.later(FIRST_LOOK).step() == Read()
    story.write(provider_refuses(story.recovery, "still", story.now))
    assert story.last(EventType.RETRY_SKIPPED).data["again"]
    story.later(LATEST_LOOK).decides(Cause.INSUFFICIENT_FUNDS)
    assert story.state() is State.WAITING


def test_a_key_that_is_refused_in_mid_charge_is_told_and_the_charge_is_still_found_out() -> None:
    story = in_flight()
    story.answered(ChargeResult(outcome=Outcome.UNKNOWN, reason="timeout"))
    story.write(provider_refuses(story.recovery, "Stripe refuses this key: HTTP 401.", story.now))
    assert (story.state(), story.step(), story.recovery.refusal_known) == (State.CHARGING, Settle(), True)
    story.answered(SUCCEED, by_reading=True)
    assert story.ended == (State.RECOVERED, "charged")


def test_an_approval_asks_the_provider_again_at_once() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.write(provider_refuses(story.recovery, "Stripe refuses this key: HTTP 401.", story.now))
    story.asked(Action.REVIEW, decision="approve")
    assert story.step() == Read()


def test_an_approval_counts_also_while_money_is_on_its_way() -> None:
    """The hold is lifted, and what is on its way is waited for all the same."""
    story = reviewed()
    story.reads(PROCESSING)
    story.asked(Action.REVIEW, decision="approve")
    assert (story.recovery.fraud_hold, story.state()) == (False, State.AWAITING_CUSTOMER)
    assert isinstance(story.step(), Wait)


def test_a_key_that_is_never_mended_ends_with_the_review() -> None:
    story = Story()
    story.write(opening(a_failure_event()))
    story.write(provider_refuses(story.recovery, "Stripe refuses this key: HTTP 401.", story.now))
    step = story.later(timedelta(days=7)).step()
    assert step == Close(state=State.EXHAUSTED, reason="review_overdue", look=True)
