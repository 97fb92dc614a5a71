"""The array engine gives the same result for every case as the event engine, which runs the live code."""

import numpy as np
import pytest

from simulator.engines.array_engine import ArrayEngine
from simulator.engines.event_engine import EventEngine
from simulator.engines.results import RecoveryResults
from simulator.model.outcome_model import OutcomeModels
from tests.simulator.made_cases import (
    a_world,
    outcomes_with,
    policy_with_strategy,
    shipped_policy_text,
    some_cases,
    some_of,
)

LADDER = 'delays = ["3h", "24h", "72h", "168h"]'
EXPERIMENT = """
[experiments.sooner]
holdout = 10

[experiments.sooner.arms.quick]
share = 40
attempts_allowed = 2
strategies = { INSUFFICIENT_FUNDS = "short_ladder" }

[experiments.sooner.arms.slow]
share = 30
window_days = 40
strategies = { GENERIC = "patient_ladder" }
"""
OVERRIDES = """[overrides]
"stripe.do_not_honor" = "INSUFFICIENT_FUNDS"
"any.05" = "PERMANENT"
"stripe.testmode_decline" = "GENERIC"
"""
POLICIES = {
    "shipped": shipped_policy_text(),
    "lower limits of our own": shipped_policy_text() + "visa_30d = 3\nany_24h = 2\nmastercard_24h = 3\namex_30d = 6\n",
    "paydays": policy_with_strategy(f'use = "payday"\n{LADDER}\njitter_percent = 10'),
    "paydays, far ahead": policy_with_strategy('use = "payday"\npreset = "polar"\nlongest = "30d"'),
    "own paydays": policy_with_strategy(
        f'use = "payday"\n{LADDER}\npaydays = ["mon", "15"]\nfrom_hour = 0\nto_hour = 24'
    ),
    "backoff beyond the window": policy_with_strategy(
        'use = "exponential_backoff"\nbase = "30m"\ncap = "40d"\nfactor_percent = 1000\njitter_percent = 20'
    ),
    "another card only": policy_with_strategy('use = "new_method_only"'),
    "nothing learnt yet": policy_with_strategy(f'use = "adaptive"\n{LADDER}'),
    "advice": policy_with_strategy('use = "advice"\ndelays = ["1h", "1h", "1h"]'),
    "customers who may take longer than the window": shipped_policy_text().replace(
        "_deadline_days = 21", "_deadline_days = 60"
    ),
    "an experiment": shipped_policy_text() + EXPERIMENT,
    "other names for codes": shipped_policy_text().replace("[overrides]", OVERRIDES),
}
COLUMNS = ("state", "closed_at", "cause", "charges", "charged_at", "blocked", "fees", "fees_avoided", "untried")


def find_differences(by_event: RecoveryResults, by_array: RecoveryResults) -> list[str]:
    """The fields in which the two engines differ."""
    names = [name for name in COLUMNS if (getattr(by_event, name) != getattr(by_array, name)).any()]
    differing = [row for row in range(len(by_event)) if by_event.summary_at(row) != by_array.summary_at(row)]
    segments = [by_event.segments[index] for index in by_event.segment] != [
        by_array.segments[index] for index in by_array.segment
    ]
    return names + ["reasons"] * bool(differing) + ["segments"] * segments


@pytest.mark.parametrize("name", POLICIES)
def test_both_engines_give_equal_results(name: str) -> None:
    decision_world, outcome_models = a_world(POLICIES[name]), OutcomeModels(outcomes_with(), seed=7)
    cases = some_cases(300, seed=len(name))
    exact, fast = (
        EventEngine(decision_world, outcome_models).run(cases),
        ArrayEngine(decision_world, outcome_models).run(cases),
    )
    assert find_differences(exact, fast) == []
    assert len({exact.summary_at(row)[:2] for row in range(len(cases))}) > 5, "the cases must be of many kinds"


def test_network_limits_bind_in_these_cases() -> None:
    results = ArrayEngine(a_world(), OutcomeModels(outcomes_with(), seed=7)).run(some_cases(3_000, busy_cards=0.5))
    assert results.blocked.sum() > 50
    assert results.fees.sum() > 0
    assert results.fees_avoided.sum() > 0


def test_untried_delays_are_counted_by_both_engines() -> None:
    counts = np.zeros((13, 8, 8), dtype=np.int64)
    counts[:, 0, 0] = 5
    outcome_models, cases = OutcomeModels(outcomes_with(base=0.4, recorded_attempts=counts), seed=3), some_cases(200)
    exact, fast = EventEngine(a_world(), outcome_models).run(cases), ArrayEngine(a_world(), outcome_models).run(cases)
    assert find_differences(exact, fast) == []
    assert 0 < fast.untried.sum() < fast.charges.sum()
    assert (exact.won_untried == fast.won_untried).all()


def test_case_result_is_independent_of_other_cases() -> None:
    decision_world, outcome_models, cases = a_world(), OutcomeModels(outcomes_with(), seed=7), some_cases(500)
    all_results, odd_rows = ArrayEngine(decision_world, outcome_models).run(cases), np.arange(1, 500, 2)
    part = ArrayEngine(decision_world, outcome_models).run(some_of(cases, odd_rows))
    assert [all_results.summary_at(row) for row in odd_rows.tolist()] == [
        part.summary_at(row) for row in range(len(odd_rows))
    ]


def test_policy_overrides_do_not_change_the_banks_behaviour() -> None:
    """Another name for a code changes what is done about it, never how likely a charge is to succeed."""
    named = a_world(shipped_policy_text().replace("[overrides]", OVERRIDES)), a_world()
    cases = some_cases(2_000)
    results = [
        ArrayEngine(decision_world, OutcomeModels(outcomes_with(), seed=7)).run(cases) for decision_world in named
    ]
    assert (results[0].cause == results[1].cause).all()
    assert (results[0].charged_at != results[1].charged_at).any()
