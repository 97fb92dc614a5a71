"""A recovery without retries stays open until its window ends, in both engines."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pytest

from core.events import EventType, State
from core.payments import Card, Failure
from core.policy.policy import SegmentPolicy
from simulator.engines.arm import World
from simulator.engines.array_engine import ArrayEngine
from simulator.engines.event_engine import EventEngine, RecoverySimulation
from simulator.model import assumptions
from simulator.model.cases import NEVER, Cases, Codebook, FailureKind, Payer
from simulator.model.outcome_model import OutcomeModels
from simulator.model.success_chances import OutcomeChances
from simulator.population.synthetic import SyntheticSource
from simulator.report.tally import WAIT_STEP, tally_results
from simulator.report.verdict import Conclusion, build_verdict
from simulator.runner import simulate_policies
from tests.simulator.made_cases import BEGIN, DAY, a_world, outcomes_with, shipped_policy_text, some_cases

WINDOW: Final = 21 * DAY
"""Of the shipped `default` segment, whose last retry is due half a day after day 11."""
LAST_RETRY: Final = 12 * DAY
LONG_DEADLINE_POLICY: Final = shipped_policy_text().replace(
    "customer_deadline_days = 21", "customer_deadline_days = 60"
)
"""Customers may take longer than the window."""
NO_CHANCES: Final = outcomes_with(base=0.0, new_method=0.0)
NEW_CARD_CHANCES: Final = outcomes_with(base=0.0, new_method=1.0, cap=1.0)
"""Nothing but another card helps."""


class CaseEnd(NamedTuple):
    """How a case ended, and after how long."""

    state: State
    reason: str
    after_seconds: int
    charges: int


def a_case(code: str = "generic_decline", earlier_tries: int = 0, **acts: int) -> Cases:
    """A case of the default segment; `acts` is when the customer pays or adds a card."""
    book = Codebook(
        provider="stripe",
        failures=(FailureKind(failure=Failure(code=code), card=Card(network="visa", country="US")),),
        payers=(Payer(amount=4_900, currency="USD", country="US", time_zone="America/New_York"),),
        names=("in_1",),
        customers=("cus_1",),
    )
    zero = np.zeros(1, dtype=np.int64)
    times = {name: np.array([BEGIN + acts[name] if name in acts else NEVER]) for name in ("paid_at", "method_at")}
    earlier = {0: tuple(BEGIN - 60 * (number + 1) for number in range(earlier_tries))}
    return Cases(
        book=book,
        number=zero.astype(np.uint64),
        name=zero,
        failure=zero,
        payer=zero,
        failed_at=zero + BEGIN,
        earlier=earlier,
        **times,
    )


def end_of_case(cases: Cases, decision_world: World, chances: OutcomeChances = NO_CHANCES) -> CaseEnd:
    """The end of a case, on which both engines must agree."""
    outcome_models = OutcomeModels(chances, seed=7)
    summaries = [
        engine(decision_world, outcome_models).run(cases).summary_at(0) for engine in (EventEngine, ArrayEngine)
    ]
    assert summaries[0] == summaries[1]
    state, reason, closed_at, charges = summaries[0]
    return CaseEnd(state, reason, closed_at - BEGIN, len(charges))


def test_case_without_events_ends_with_its_window() -> None:
    assert end_of_case(a_case(), a_world()) == (State.EXHAUSTED, "budget", WINDOW, 4)


@pytest.mark.parametrize("after", [LAST_RETRY, WINDOW - 1, WINDOW])
def test_a_payment_before_the_window_is_over_counts_from_its_moment_on(after: int) -> None:
    assert end_of_case(a_case(paid_at=after), a_world()) == (State.RECOVERED, "paid_elsewhere", after, 4)


def test_payment_after_the_window_does_not_count() -> None:
    assert end_of_case(a_case(paid_at=WINDOW + 1), a_world()) == (State.EXHAUSTED, "budget", WINDOW, 4)


@pytest.mark.parametrize("after", [LAST_RETRY, WINDOW])
def test_another_card_before_the_window_is_over_is_charged_at_once(after: int) -> None:
    assert end_of_case(a_case(method_at=after), a_world(), NEW_CARD_CHANCES) == (State.RECOVERED, "charged", after, 5)


def test_another_card_that_is_declined_too_leaves_the_window_as_it_was() -> None:
    assert end_of_case(a_case(method_at=LAST_RETRY), a_world()) == (State.EXHAUSTED, "budget", WINDOW, 5)
    assert end_of_case(a_case(method_at=LAST_RETRY, paid_at=WINDOW), a_world()).reason == "paid_elsewhere"


def test_card_after_the_window_does_not_count() -> None:
    assert end_of_case(a_case(method_at=WINDOW + 1), a_world(), NEW_CARD_CHANCES) == (
        State.EXHAUSTED,
        "budget",
        WINDOW,
        4,
    )


def test_failed_charge_after_the_window_ends_the_recovery() -> None:
    """An expired card waits 60 days for another; that one fails on day 40, after the window of 21 days."""
    end = end_of_case(a_case("expired_card", method_at=40 * DAY), a_world(LONG_DEADLINE_POLICY))
    assert end == (State.EXHAUSTED, "window", 40 * DAY, 1)


def test_network_limit_ends_the_retries_and_not_the_recovery() -> None:
    decision_world = a_world(shipped_policy_text() + "visa_30d = 3\n")
    assert end_of_case(a_case(earlier_tries=5), decision_world)[:3] == (State.EXHAUSTED, "network_limit", WINDOW)
    assert end_of_case(a_case(earlier_tries=5, paid_at=WINDOW - 1), decision_world)[:2] == (
        State.RECOVERED,
        "paid_elsewhere",
    )
    assert end_of_case(a_case(earlier_tries=5, method_at=WINDOW - 1), decision_world, NEW_CARD_CHANCES) == (
        State.RECOVERED,
        "charged",
        WINDOW - 1,
        1,
    )


def test_cause_without_retries_waits_for_the_window() -> None:
    decision_world = a_world()
    quiet = decision_world.policy.model_copy(
        update={"segments": tuple(map(_without_strategies, decision_world.policy.segments))}
    )
    never = replace(decision_world, policy=quiet)
    assert end_of_case(a_case(), never) == (State.EXHAUSTED, "no_retry", WINDOW, 0)
    assert end_of_case(a_case(paid_at=WINDOW), never) == (State.RECOVERED, "paid_elsewhere", WINDOW, 0)


def _without_strategies(segment: SegmentPolicy) -> SegmentPolicy:
    return segment.model_copy(update={"strategies": {}})


def test_closing_row_follows_the_last_look_directly() -> None:
    """The give-up row names the end of the window, and the closing row follows it directly."""
    run = RecoverySimulation(a_world(), OutcomeModels(NO_CHANCES, 7).for_cases(a_case()), a_case(), 0)
    run.run_to_end()
    given_up, closed = run.records[-2:]
    assert (given_up.type, given_up.data["action"]) == (EventType.RETRY_SKIPPED, "give_up")
    assert given_up.to_state is State.AWAITING_CUSTOMER
    assert closed.type is EventType.RECOVERY_CLOSED
    assert (closed.occurred_at.timestamp() - BEGIN, closed.data["reason"]) == (WINDOW, "budget")


def test_the_time_to_the_money_counts_to_such_a_payment() -> None:
    cases = a_case(paid_at=20 * DAY)
    results = ArrayEngine(a_world(), OutcomeModels(NO_CHANCES, 7)).run(cases)
    sums = tally_results(cases, results, np.array([4_900]))
    assert (sums.whole.recovered, sums.waits) == (1, {20 * DAY // WAIT_STEP: 1})
    assert sums.ends == {"recovered: paid_elsewhere": 1}


def test_exhausted_cases_end_with_their_window() -> None:
    decision_world, cases = a_world(), some_cases(3_000)
    results = ArrayEngine(decision_world, OutcomeModels(outcomes_with(), 7)).run(cases)
    windows: Mapping[str, int] = {
        segment.name: int(segment.window.total_seconds()) for segment in decision_world.policy.segments
    }
    ends = cases.failed_at + np.array([windows[name] for name in results.segments])[results.segment]
    used_up = np.isin(np.array(results.reasons)[results.reason], ["budget", "window", "no_retry", "network_limit"])
    assert used_up.sum() > 500
    assert (results.closed_at[used_up] >= ends[used_up]).all()


def test_longer_window_wins_by_waiting_and_the_verdict_warns_of_it() -> None:
    """Few retries are added: the gain is what customers pay by themselves."""
    source, baseline = SyntheticSource(assumptions.load_shipped_assumptions(), 20_000, 5), a_world(None, "baseline")
    text = (
        shipped_policy_text()
        .replace("window_days = 28", "window_days = 60")
        .replace("window_days = 21", "window_days = 60")
    )
    longer = build_verdict(simulate_policies(source, baseline, a_world(text), seed=5))
    assert longer.conclusion is Conclusion.BETTER
    assert any("paid by themselves while the candidate kept" in caution for caution in longer.cautions)
    shorter = build_verdict(simulate_policies(source, a_world(text, "baseline"), a_world(), seed=5))
    assert shorter.conclusion is Conclusion.WORSE
    assert not any("paid by themselves while" in caution for caution in shorter.cautions)
