"""Which payment method a try names, what an unfit one costs, and what is no card."""

from typing import Any

import pytest

from core.classifier.taxonomy import Ability, Cause
from core.contracts import Action
from core.events import EventType, State, Trigger
from core.payments import (
    NO_METHOD,
    UNFIT_METHOD,
    Card,
    ChargeResult,
    EventKind,
    Failure,
    FailureFacts,
    InvoiceView,
    MethodKind,
    MethodRole,
    Outcome,
    PaymentMethod,
)
from core.retry.ability import UNREADABLE, ability
from core.retry.machine import Charge, Read
from core.retry.reactions import opening
from tests.support.builders import DAY, HOUR, a_failure_event
from tests.support.story import OPEN, SOFT, Story, in_flight

HARD = ChargeResult(outcome=Outcome.DECLINED, failure=Failure(code="lost_card"))
UNFIT = ChargeResult(outcome=Outcome.NOT_CHARGED, reason=UNFIT_METHOD)
NONE_STORED = ChargeResult(outcome=Outcome.NOT_CHARGED, reason=NO_METHOD)
DEBIT = PaymentMethod(method_id="pm_bank", card=Card(kind=MethodKind.DIRECT_DEBIT))
CARD = PaymentMethod(method_id="pm_card", card=Card(kind=MethodKind.CARD, fingerprint="fp_default"))


def invoice(**changes: Any) -> InvoiceView:
    """The invoice as it reads now."""
    return OPEN.model_copy(update=changes)


def another_card(story: Story, answer: ChargeResult, cause: Cause, method: str = "pm_2") -> Story:
    """A new card is given and tried at once, with this answer and its cause."""
    story.hears(EventKind.METHOD_UPDATED, event_id=f"evt_{method}", method_id=method, method_role=MethodRole.DEFAULT)
    assert story.charges() == ["charge.requested"]
    assert story.recovery.in_flight
    assert story.recovery.in_flight.method_id == method
    story.answered(answer)
    if story.recovery.undecided:
        story.decides(cause)
    return story


# --- which method ---------------------------------------------------------------------------------


def test_after_another_card_was_tried_every_later_try_names_it() -> None:
    story = another_card(Story().fails(Cause.CARD_DATA), SOFT, Cause.INSUFFICIENT_FUNDS)
    assert story.until_due().step() == Charge(trigger=Trigger.SCHEDULED)
    story.charges()
    assert story.last(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_2"


def test_what_is_known_of_one_card_does_not_count_for_another() -> None:
    story = Story().fails(Cause.PERMANENT)
    story.recovery = story.recovery.having(fingerprint="fp_lost", network="visa")
    another_card(story, SOFT, Cause.INSUFFICIENT_FUNDS)
    assert (story.recovery.fingerprint, story.recovery.network) == (None, None)
    assert story.recovery.cause is Cause.INSUFFICIENT_FUNDS


def test_an_unfit_method_costs_nothing_but_its_own_try() -> None:
    story = Story().fails()
    before = story.recovery
    another_card(story, UNFIT, Cause.UNKNOWN)
    kept = ("stage", "next_attempt_at", "attempts_used", "cause", "until", "method_in_use", "fingerprint")
    assert [getattr(story.recovery, name) for name in kept] == [getattr(before, name) for name in kept]
    assert story.recovery.unfit_methods == ("pm_2",)
    assert story.until_due().step() == Charge(trigger=Trigger.SCHEDULED)


def test_an_unfit_method_leaves_the_customers_deadline_alone() -> None:
    story = Story().fails(Cause.CARD_DATA)
    until = story.recovery.until
    another_card(story.later(DAY), UNFIT, Cause.UNKNOWN)
    assert (story.state(), story.recovery.until) == (State.AWAITING_CUSTOMER, until)


def test_the_method_in_use_that_is_gone_gives_its_place_to_the_default() -> None:
    story = another_card(Story().fails(Cause.CARD_DATA), SOFT, Cause.INSUFFICIENT_FUNDS).until_due()
    story.charges()
    used = story.recovery.attempts_used
    story.answered(UNFIT)
    assert story.recovery.method_in_use is None
    assert story.recovery.attempts_used == used - 1
    story.decides(Cause.INSUFFICIENT_FUNDS)
    story.until_due().charges()
    assert story.last(EventType.CHARGE_REQUESTED).data["method_id"] is None


@pytest.mark.parametrize("cause", [Cause.CARD_DATA, Cause.PERMANENT])
def test_a_new_card_that_is_refused_for_good_does_not_end_the_schedule_of_the_one_before(cause: Cause) -> None:
    story = Story().fails()
    planned = story.recovery.next_attempt_at
    another_card(story.later(HOUR), HARD, cause)
    assert (story.state(), story.recovery.next_attempt_at) == (State.WAITING, planned)
    assert (story.recovery.cause, story.recovery.method_in_use) == (Cause.INSUFFICIENT_FUNDS, None)
    assert "pm_2" in story.recovery.unfit_methods


@pytest.mark.parametrize("answer", [HARD, UNFIT])
def test_the_schedule_goes_on_with_the_card_before_although_the_useless_one_is_the_default_now(
    answer: ChargeResult,
) -> None:
    """A charge without a name would take the new default, which is of no use."""
    story = Story()
    story.write(opening(a_failure_event(failure=Failure(code="insufficient_funds", method_id="pm_1"))))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    another_card(story.later(HOUR), answer, Cause.PERMANENT)
    default = PaymentMethod(method_id="pm_2", card=Card(kind=MethodKind.CARD))
    assert ability(story.recovery, facts(method=default)) is Ability.CHARGEABLE
    assert story.until_due().charges(invoice(methods_known=True, method=default)) == ["charge.requested"]
    assert story.last(EventType.CHARGE_REQUESTED).data["method_id"] == "pm_1"


def test_without_a_schedule_a_new_card_that_is_refused_for_good_is_what_it_is_judged_by() -> None:
    story = another_card(Story().fails(Cause.CARD_DATA), HARD, Cause.PERMANENT)
    assert (story.state(), story.recovery.cause) == (State.AWAITING_CUSTOMER, Cause.PERMANENT)


def test_a_card_that_was_refused_for_good_is_not_named_again_when_the_provider_tries_another() -> None:
    """pm_2 is lost; then the provider's own try of the default fails softly: that one is retried, not the lost one."""
    story = another_card(Story().fails(Cause.CARD_DATA), HARD, Cause.PERMANENT)
    soft = Failure(code="insufficient_funds", method_id="pm_default")
    story.later(DAY).hears(a_failure_event(event_id="evt_2", provider_attempt=2, occurred_at=story.now, failure=soft))
    story.decides(Cause.INSUFFICIENT_FUNDS)
    story.until_due().charges()
    assert story.last(EventType.CHARGE_REQUESTED).data["method_id"] is None


ROLES = [
    (MethodRole.UPDATED, "pm_other", []),
    (MethodRole.UPDATED, "pm_1", ["payment_method.updated"]),
    (MethodRole.UPDATED, "pm_default", ["payment_method.updated"]),
    (MethodRole.DEFAULT, "pm_other", ["payment_method.updated"]),
    (MethodRole.ATTACHED, "pm_other", ["payment_method.updated"]),
    (MethodRole.DEFAULT, "pm_1", []),
    (MethodRole.ATTACHED, "pm_1", []),
]


@pytest.mark.parametrize(("role", "method", "rows"), ROLES)
def test_which_methods_trigger(role: MethodRole, method: str, rows: list[str]) -> None:
    """The card pm_1 was refused for good: new data of it helps, choosing it once more doesn't."""
    story = Story()
    story.write(opening(a_failure_event(failure=Failure(code="expired_card", method_id="pm_1"))))
    story.decides(Cause.CARD_DATA)
    story.recovery = story.recovery.having(default_methods=("pm_default",))
    assert story.hears(EventKind.METHOD_UPDATED, method_id=method, method_version="new", method_role=role) == rows


# --- what is no card, and what isn't there --------------------------------------------------------


def facts(**known: Any) -> FailureFacts:
    """What a provider that can be read says."""
    return FailureFacts(invoice=invoice(methods_known=True, **known), failure=Failure(code="insufficient_funds"))


@pytest.mark.parametrize(
    ("method", "able"), [(None, Ability.NO_METHOD), (DEBIT, Ability.NOT_A_CARD), (CARD, Ability.CHARGEABLE)]
)
def test_whether_anything_can_be_charged(method: PaymentMethod | None, able: Ability) -> None:
    assert ability(Story().fails().recovery, facts(method=method)) is able


def test_a_provider_that_cannot_be_read_has_said_all_there_is() -> None:
    asked = FailureFacts(invoice=OPEN, failure=Failure(code="x"), missing=(UNREADABLE,))
    assert ability(Story().fails().recovery, asked) is Ability.NO_METHOD
    named = asked.model_copy(update={"failure": Failure(code="x", method_id="token")})
    assert ability(Story().fails().recovery, named) is Ability.CHARGEABLE


@pytest.mark.parametrize(("method", "reason"), [(None, "no_method"), (DEBIT, "not_a_card")])
def test_what_is_no_card_is_never_charged(method: PaymentMethod | None, reason: str) -> None:
    """A fresh read finds it right before the charge, whatever was known when it was planned."""
    story = Story().fails().until_due()
    assert story.charges(invoice(methods_known=True, method=method)) == ["retry.skipped"]
    assert story.last(EventType.RETRY_SKIPPED).data["reason"] == reason
    assert story.step() == Read(), "it is decided anew, so that the customer is asked"


def test_a_default_that_is_chosen_once_more_is_tried_once_more() -> None:
    story = Story().fails(Cause.CARD_DATA)
    for number, method in enumerate(("pm_b", "pm_c", "pm_b", "pm_b")):
        rows = story.hears(
            EventKind.METHOD_UPDATED, event_id=f"e{number}", method_id=method, method_role=MethodRole.DEFAULT
        )
        assert rows == ([] if number == 3 else ["payment_method.updated"])


def test_an_operator_who_wants_it_charged_is_told_so() -> None:
    story = Story().fails()
    story.asked(Action.RETRY)
    assert story.charges(invoice(methods_known=True, method=DEBIT)) == ["retry.skipped"]
    assert story.last(EventType.RETRY_SKIPPED).data["reason"] == "hard_decline"
    assert story.recovery.next_attempt_at, "and the schedule stays"


def test_no_method_at_the_charge_costs_no_retry() -> None:
    story = in_flight()
    story.answered(NONE_STORED)
    assert story.step() == Read()
    assert story.recovery.attempts_used == 0
    story.decides(Cause.UNKNOWN)
    assert (story.state(), story.recovery.ability) == (State.AWAITING_CUSTOMER, Ability.NO_METHOD)


def test_a_default_that_cannot_be_charged_is_not_tried_again_and_again() -> None:
    """A detached default still reads as one, and a nameless charge of it is refused before any bank hears of it."""
    story = Story().fails()
    story.recovery = story.recovery.having(default_methods=("pm_card", "pm_other"))
    in_flight(story).answered(NONE_STORED)
    assert ability(story.recovery, facts(method=CARD)) is Ability.NO_METHOD
    other = PaymentMethod(method_id="pm_other", card=CARD.card)
    assert ability(story.recovery, facts(method=other)) is Ability.CHARGEABLE, "nothing is known against the next one"
    story.hears(EventKind.METHOD_UPDATED, method_id="pm_card", method_role=MethodRole.UPDATED)
    assert ability(story.recovery, facts(method=CARD)) is Ability.CHARGEABLE, "new data is worth a try"
