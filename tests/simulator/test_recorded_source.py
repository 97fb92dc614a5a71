"""Recorded recoveries as cases: observed events kept, unobserved ones drawn reproducibly."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from simulator.history.columns import CHARGED, STOPPED, History
from simulator.history.recorded_source import HistorySource, build_history_source
from simulator.model.assumptions import load_shipped_assumptions
from simulator.model.cases import NEVER, Cases, Payer
from simulator.model.success_chances import CAUSE_INDEX
from simulator.population.synthetic import SyntheticSource
from simulator.runner import simulate_policies
from tests.simulator.made_cases import BEGIN, COLUMNS, DAY, a_world
from tests.simulator.simulated_history import simulated_history
from tests.simulator.test_fit import a_history, a_recovery, a_try, recoveries_with_tries

SHIPPED_ASSUMPTIONS = load_shipped_assumptions()
WORLD = a_world(name="baseline")


@pytest.fixture(scope="module")
def history() -> History:
    return simulated_history(
        SyntheticSource(SHIPPED_ASSUMPTIONS, 4_000, 3).cases(0, 4_000),
        SHIPPED_ASSUMPTIONS.to_outcome_chances(),
        a_world(),
    )


def history_source(history: History, recoveries: int | None = None, seed: int = 1) -> HistorySource:
    return build_history_source(history, SHIPPED_ASSUMPTIONS, recoveries=recoveries, seed=seed)


def are_same(cases: Cases, other: Cases) -> bool:
    columns = all((getattr(cases, name) == getattr(other, name)).all() for name in COLUMNS)
    return columns and cases.earlier == other.earlier


def test_every_recovery_is_a_case_once(history: History) -> None:
    source = history_source(history)
    cases = source.cases(0, len(source))
    assert len(source) == len(history) == len(cases)
    assert [cases.case_at(row).invoice_id for row in range(len(cases))] == list(history.book.names)
    for name in ("failure", "payer", "failed_at"):
        assert (getattr(cases, name) == getattr(history, name)).all()


def test_observed_actions_are_kept_and_unobserved_ones_drawn_later(history: History) -> None:
    cases = history_source(history).cases(0, len(history))
    for observed, drawn in ((history.paid_at, cases.paid_at), (history.method_at, cases.method_at)):
        is_observed = observed != NEVER
        assert (drawn[is_observed] == observed[is_observed]).all()
        assert (drawn[~is_observed] > history.watched_until[~is_observed]).all()
        assert (drawn[~is_observed] != NEVER).sum() > 20, "somebody acts after we stopped to look"


def test_cases_are_independent_of_chunks(history: History) -> None:
    source = history_source(history, 9_000)
    all_cases = source.cases(0, 9_000)
    for first, count in ((0, 100), (3_950, 100), (8_990, 100)):
        part = source.cases(first, count)
        rows = slice(first, first + count)
        for name in COLUMNS:
            assert (getattr(part, name) == getattr(all_cases, name)[rows]).all()


def test_recorded_source_is_equal_in_another_process(history: History) -> None:
    source = history_source(history, 500)
    copy = pickle.loads(pickle.dumps(source))
    assert are_same(copy.cases(0, 500), source.cases(0, 500))
    assert (copy.name, copy.currency, copy.notes, copy.assumption_list) == (
        source.name, source.currency, source.notes, source.assumption_list,
    )  # fmt: skip


def test_fewer_cases_are_the_newest_and_more_are_resampled(history: History) -> None:
    newest = history_source(history, 50).cases(0, 50)
    assert newest.failed_at.min() >= np.sort(history.failed_at)[-50]
    more = history_source(history, 12_000).cases(0, 12_000)
    again = more.name[len(history) :]
    assert len(set(again.tolist())) > 0.8 * len(history) * (1 - np.exp(-2))
    assert len(set(more.number.tolist())) == 12_000
    other = history_source(history, 12_000, seed=2).cases(0, 12_000)
    assert (other.name[len(history) :] != again).mean() > 0.9


def test_recoveries_ended_by_the_merchant_are_excluded_and_reported(history: History) -> None:
    end = history.end.copy()
    end[:7] = STOPPED
    source = history_source(replace(history, end=end))
    assert len(source) == len(history) - 7
    assert any(note.startswith("7 recoveries that ended since the invoice was voided") for note in source.notes)


def test_amounts_in_other_currencies_are_reported() -> None:
    francs = [a_recovery(number, a_try(True), payer=Payer(amount=10, currency="CHF")) for number in range(120)]
    source = history_source(a_history([*recoveries_with_tries(10, 200), *francs]))
    assert source.currency == "EUR"
    assert "Amounts are of EUR only; recoveries in CHF (120) count in rates and not in amounts." in source.notes


def test_too_few_attempts_are_reported() -> None:
    with pytest.raises(InvalidInput, match=r"too few attempts: 99 recorded retries .* and 100 are needed, since"):
        history_source(a_history(recoveries_with_tries(9, 99)))
    assert len(history_source(a_history(recoveries_with_tries(9, 100)))) == 100
    empty = [a_recovery(number, reason="canceled", state="canceled") for number in range(3)]
    with pytest.raises(InvalidInput, match="too few attempts: 0"):
        history_source(a_history(empty))


def test_sweep_changes_only_unobserved_actions(history: History) -> None:
    source = history_source(history)
    few, many = (source.with_baseline(*shares).cases(0, len(history)).paid_at for shares in ((0.0, 0.0), (0.9, 0.9)))
    is_observed = history.paid_at != NEVER
    assert (few[is_observed] == many[is_observed]).all()
    assert (few[~is_observed] == NEVER).all()
    soft = history.cause == CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS]
    censored = ~is_observed & soft & (history.end == CHARGED)
    assert (many[censored] != NEVER).mean() > 0.7


def test_a_run_over_a_history_is_the_same_for_every_number_of_jobs(history: History) -> None:
    results = [
        simulate_policies(history_source(history, 6_000), WORLD, a_world(), seed=1, jobs=jobs) for jobs in (1, 2)
    ]
    assert results[0] == results[1]
    result = results[0]
    assert (result.source, result.recoveries, result.difference.recovery_rate) == ("history", 6_000, 0.0)
    assert result.assumptions[0].attempts is not None


def test_untried_delays_are_marked_as_extrapolated() -> None:
    """Only one delay was ever tried: whatever the policy does at another time is marked."""
    began: dict[str, Any] = {"failed_at": BEGIN, "closed_at": BEGIN + DAY}
    at: dict[str, Any] = {"at": BEGIN + 3 * 3_600, "waited": 3 * 3_600}
    source = history_source(a_history(a_recovery(number, a_try(number < 30, **at), **began) for number in range(150)))
    arm = simulate_policies(source, a_world(name="baseline"), a_world(), seed=1).arms[0]
    assert 0 < arm.extrapolated_attempts < arm.charge_attempts
    assert arm.extrapolated_recoveries > 0
