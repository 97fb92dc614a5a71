"""Fitting: no data keeps the prior, much data replaces it, and known chances are recovered."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from core.classification.taxonomy import Cause
from core.events import State, Trigger
from core.payments import Failure
from simulator.history.columns import History, HistoryBuilder
from simulator.history.fit import CHANCE_STRENGTH, HAZARD_STRENGTH, FittedModel, Prior, fit_history
from simulator.history.fitted_numbers import list_fitted_assumptions
from simulator.history.recorded import RecordedAttempt, RecordedRecovery
from simulator.model.assumptions import load_shipped_assumptions
from simulator.model.behaviour import ENDS, behaviour_from_assumptions
from simulator.model.cases import FailureKind, Payer
from simulator.model.success_chances import CAUSE_INDEX, CAUSES, OutcomeChances
from simulator.population.synthetic import SyntheticSource
from tests.simulator.made_cases import BEGIN, DAY, a_world
from tests.simulator.simulated_history import simulated_history

FUNDS_INDEX = CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS]
GENERIC_INDEX = CAUSE_INDEX[Cause.GENERIC]
PRIOR = Prior(load_shipped_assumptions().to_outcome_chances(), behaviour_from_assumptions(load_shipped_assumptions()))
NOON = BEGIN + 2 * 3_600
"""Monday 12:00 UTC, no payday."""


def flat_prior(base: float = 0.3) -> Prior:
    """A prior with all factors 1, so that only chances by cause are left."""
    outcomes = replace(
        PRIOR.outcomes,
        base=np.full(len(CAUSES), base),
        attempts=np.ones(8),
        delays=np.ones(8),
        hours=np.ones(24),
        weekdays=np.ones(7),
        payday=1.0,
    )
    return Prior(outcomes, PRIOR.behaviour)


def a_recovery(number: int, *attempts: RecordedAttempt, **changes: object) -> RecordedRecovery:
    has_won = any(attempt.won for attempt in attempts)
    defaults: dict[str, object] = {
        "invoice_id": f"in_{number}",
        "customer_id": f"cus_{number}",
        "kind": FailureKind(failure=Failure(code="generic_decline")),
        "cause": Cause.GENERIC,
        "fingerprint": None,
        "payer": Payer(amount=4_900, currency="EUR"),
        "failed_at": NOON - 30 * 3_600,
        "attempts": attempts,
        "tries": (),
        "paid_at": None,
        "method_at": None,
        "closed_at": attempts[-1].at if attempts else NOON,
        "state": State.RECOVERED if has_won else State.EXHAUSTED,
        "reason": "charged" if has_won else "budget",
    }
    return RecordedRecovery(**(defaults | changes))  # type: ignore[arg-type]


def a_try(is_won: bool, cause: Cause = Cause.GENERIC, **changes: object) -> RecordedAttempt:
    defaults: dict[str, object] = {"at": NOON, "trigger": Trigger.SCHEDULED, "won": is_won, "cause": cause, "retry": 1}
    return RecordedAttempt(**(defaults | {"waited": 30 * 3_600, "fresh": False} | changes))  # type: ignore[arg-type]


def a_history(recoveries: Iterable[RecordedRecovery]) -> History:
    growing = HistoryBuilder("history", "stripe")
    growing.extend(recoveries)
    return growing.build_history()


def recoveries_with_tries(won_count: int, of: int) -> Iterator[RecordedRecovery]:
    return (a_recovery(number, a_try(number < won_count)) for number in range(of))


def test_fit_without_charges_returns_the_prior() -> None:
    fitted = fit_history(a_history([a_recovery(1, closed_at=NOON - 30 * 3_600)]), PRIOR)
    for name in ("base", "attempts", "delays", "hours", "weekdays"):
        assert (getattr(fitted.outcomes, name) == getattr(PRIOR.outcomes, name)).all()
    assert (fitted.outcomes.payday, fitted.outcomes.new_method) == (1.4, 0.8)
    assert fitted.outcomes.recorded_attempts is not None
    assert fitted.outcomes.recorded_attempts.sum() == 0


@pytest.mark.parametrize(("won_count", "of"), [(0, 1), (1, 1), (30, 50), (400, 1000)])
def test_chances_are_pooled_with_prior_attempts(won_count: int, of: int) -> None:
    fitted = fit_history(a_history(recoveries_with_tries(won_count, of)), flat_prior())
    assert fitted.outcomes.base[GENERIC_INDEX] == pytest.approx(
        (won_count + CHANCE_STRENGTH * 0.3) / (of + CHANCE_STRENGTH)
    )
    assert (np.delete(fitted.outcomes.base, GENERIC_INDEX) == 0.3).all()
    assert (fitted.counts.base[GENERIC_INDEX], fitted.counts.base.sum()) == (of, of)


def test_common_properties_of_all_attempts_move_no_factor() -> None:
    """All are first retries on a Monday noon, which says nothing about hours, days or attempt numbers."""
    outcomes = fit_history(a_history(recoveries_with_tries(6_000, 10_000)), PRIOR).outcomes
    for name in ("attempts", "delays", "hours", "weekdays"):
        assert getattr(outcomes, name) == pytest.approx(getattr(PRIOR.outcomes, name), rel=1e-3)
    believed_here = PRIOR.outcomes.attempts[0] * PRIOR.outcomes.delays[3] * PRIOR.outcomes.hours[12]
    assert outcomes.base[GENERIC_INDEX] * believed_here * PRIOR.outcomes.weekdays[0] == pytest.approx(0.6, abs=0.01)


def test_only_scheduled_retries_of_the_same_card_count() -> None:
    ignored_tries = [
        a_recovery(1, a_try(True, trigger=Trigger.MANUAL)),
        a_recovery(2, a_try(True, trigger=Trigger.METHOD_CHANGE, fresh=True), method_at=NOON - 1),
        a_recovery(3, a_try(False, trigger=Trigger.METHOD_CHANGE, fresh=True), method_at=NOON - 1),
    ]
    fitted = fit_history(a_history(ignored_tries), PRIOR)
    assert (fitted.outcomes.base == PRIOR.outcomes.base).all()
    assert fitted.counts.new_method == 2
    assert fitted.outcomes.new_method == pytest.approx((1 + 0.8 * CHANCE_STRENGTH) / (2 + CHANCE_STRENGTH))


def test_untried_delays_are_known_as_such() -> None:
    outcomes = fit_history(a_history(recoveries_with_tries(1, 3)), PRIOR).outcomes
    cause, first = np.array([GENERIC_INDEX] * 2), np.ones(2, dtype=np.int64)
    assert outcomes.is_extrapolated(cause, first, np.array([30, 200]) * 3_600).tolist() == [False, True]
    assert outcomes.is_extrapolated(cause, first + 1, np.array([30, 200]) * 3_600).tolist() == [True, True]


def different_outcomes(outcomes: OutcomeChances) -> OutcomeChances:
    """Outcome chances that differ from the prior in every way."""
    base = outcomes.base.copy()
    base[FUNDS_INDEX], base[GENERIC_INDEX] = 0.20, 0.40
    hours = np.where(np.arange(24) < 12, 0.7, 1.3)
    return replace(
        outcomes, base=base, attempts=np.linspace(1.0, 0.6, 8), delays=np.linspace(1.3, 0.7, 8), hours=hours, payday=2.0
    )


@pytest.fixture(scope="module")
def fitted_model() -> tuple[OutcomeChances, FittedModel]:
    """The true outcomes, and the model fitted to 60,000 recoveries of them."""
    true_outcomes = different_outcomes(PRIOR.outcomes)
    return true_outcomes, fit_history(
        simulated_history(
            SyntheticSource(load_shipped_assumptions(), 60_000, 3).cases(0, 60_000), true_outcomes, a_world()
        ),
        PRIOR,
    )


def test_fit_recovers_known_chances(fitted_model: tuple[OutcomeChances, FittedModel]) -> None:
    """Compares whole chances: how they are split into factors is a matter of scale."""
    true_outcomes, fitted = fitted_model
    counts = fitted.outcomes.recorded_attempts
    assert counts is not None
    cells = np.argwhere(counts > 1_500)
    assert len(cells) > 5
    for cause, attempt, delay in cells:
        true, fitted_chance = (
            outcomes.base[cause] * outcomes.attempts[attempt] * outcomes.delays[delay]
            for outcomes in (true_outcomes, fitted.outcomes)
        )
        assert fitted_chance == pytest.approx(true, rel=0.12)


def test_fit_recovers_known_factors(fitted_model: tuple[OutcomeChances, FittedModel]) -> None:
    true_outcomes, fitted = fitted_model
    fitted_outcomes, before = fitted.outcomes, PRIOR.outcomes
    night_to_day = [
        outcomes.hours[:12].mean() / outcomes.hours[12:].mean() for outcomes in (true_outcomes, fitted_outcomes, before)
    ]
    assert night_to_day[1] == pytest.approx(night_to_day[0], rel=0.1)
    assert abs(night_to_day[2] - night_to_day[0]) > 0.3, "the prior differs from the fit"
    assert fitted_outcomes.payday == pytest.approx(2.0, rel=0.12)


def test_fit_recovers_payment_shares_despite_censoring() -> None:
    """A charge often succeeds first: counting only observed payments would find far too few."""
    assumptions = load_shipped_assumptions().with_baseline(0.35, 0.02)
    cases = SyntheticSource(assumptions, 60_000, 4).cases(0, 60_000)
    history = simulated_history(cases, assumptions.to_outcome_chances(), a_world())
    shares = fit_history(history, PRIOR).behaviour.paid.cumulative_shares[:, -1]
    true = behaviour_from_assumptions(assumptions).paid.cumulative_shares[:, -1]
    observed_share = float(np.mean(history.paid_at[history.cause == FUNDS_INDEX] < 2**62))
    assert shares[FUNDS_INDEX] == pytest.approx(true[FUNDS_INDEX], abs=0.03)
    assert observed_share < true[FUNDS_INDEX] - 0.06
    permanent = CAUSE_INDEX[Cause.PERMANENT]
    assert shares[permanent] == pytest.approx(true[permanent], abs=0.03)


def test_customers_in_a_step_are_pooled() -> None:
    closed = [a_recovery(number, failed_at=BEGIN, closed_at=BEGIN + 40 * DAY) for number in range(20)]
    paid = [
        a_recovery(number, failed_at=BEGIN, paid_at=BEGIN + 3_600, state=State.RECOVERED, reason="paid_elsewhere")
        for number in range(20, 30)
    ]
    chances = fit_history(a_history([*closed, *paid]), PRIOR).behaviour.paid.chances[GENERIC_INDEX, 0]
    prior = PRIOR.behaviour.paid.chances[GENERIC_INDEX, 0]
    assert chances == pytest.approx((10 + HAZARD_STRENGTH * prior) / (30 + HAZARD_STRENGTH))


def test_censored_customers_count_half_in_their_step() -> None:
    won_recoveries = [a_recovery(number, a_try(True, at=BEGIN + 3_600), failed_at=BEGIN) for number in range(20)]
    later = [a_recovery(20, failed_at=BEGIN, closed_at=BEGIN + 40 * DAY)]
    chances = fit_history(a_history([*won_recoveries, *later]), PRIOR).behaviour.paid.chances[GENERIC_INDEX]
    prior = PRIOR.behaviour.paid.chances[GENERIC_INDEX]
    assert chances[0] == pytest.approx(HAZARD_STRENGTH * prior[0] / (20 / 2 + 1 + HAZARD_STRENGTH))
    assert chances[1] == pytest.approx(HAZARD_STRENGTH * prior[1] / (1 + HAZARD_STRENGTH))


def test_drawn_times_follow_the_fitted_shares() -> None:
    habit, size = PRIOR.behaviour.paid, 40_000
    draws = (np.arange(size) + 0.5) / size
    cause = np.full(size, GENERIC_INDEX)
    times = habit.draw_times(draws, cause, np.zeros(size, dtype=np.int64))
    for step, end in enumerate(ENDS):
        assert np.mean(times <= end) == pytest.approx(habit.cumulative_shares[GENERIC_INDEX, step], abs=1e-3)
    later = habit.draw_times(draws, cause, np.full(size, 72 * 3_600))
    open_share = 1 - habit.cumulative_shares[GENERIC_INDEX, 4]
    assert (later > 72 * 3_600).all()
    assert np.mean(later <= ENDS[-1]) == pytest.approx(
        (habit.cumulative_shares[GENERIC_INDEX, -1] - (1 - open_share)) / open_share, abs=1e-3
    )


def test_another_baseline_changes_who_pays_and_not_when() -> None:
    changed = PRIOR.behaviour.with_baseline(0.35, 0.10).paid.cumulative_shares
    assert changed[GENERIC_INDEX, -1] == pytest.approx(0.35)
    assert changed[CAUSE_INDEX[Cause.PERMANENT], -1] == pytest.approx(0.10)
    shares = PRIOR.behaviour.paid.cumulative_shares[GENERIC_INDEX]
    assert changed[GENERIC_INDEX] / changed[GENERIC_INDEX, -1] == pytest.approx(shares / shares[-1])


def test_every_number_says_how_many_attempts_stand_behind_it() -> None:
    rows = {
        assumption.name: assumption
        for assumption in list_fitted_assumptions(fit_history(a_history(recoveries_with_tries(3, 7)), PRIOR))
    }
    chance, untouched = rows["base.chances.GENERIC"], rows["base.chances.TECHNICAL"]
    assert (chance.attempts, chance.source) == (
        7,
        f"fitted to 7 recorded attempts, with {PRIOR.outcomes.base[GENERIC_INDEX]:.4g} believed before "
        "as if by 50 attempts",
    )
    assert (untouched.attempts, untouched.value) == (0, f"{PRIOR.outcomes.base[CAUSE_INDEX[Cause.TECHNICAL]]:.4g}")
    assert rows["delays.factors.24-48 h"].attempts == 7
    assert rows["paid_without_a_charge.GENERIC"].attempts == 7
