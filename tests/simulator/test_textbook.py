"""Cases with a known answer: n tries with a constant chance p recover 1 - (1 - p)^n."""

from dataclasses import replace

import numpy as np
import pytest

from core.rates import wilson_interval
from simulator.engines.array_engine import ArrayEngine
from simulator.engines.event_engine import EventEngine
from simulator.model.cases import NEVER, Cases
from simulator.model.outcome_model import OutcomeModels
from simulator.model.success_chances import DELAY_CLASSES, LAST_ATTEMPT, OutcomeChances
from simulator.runner import Engine
from tests.simulator.made_cases import a_book, a_world, outcomes_with, shipped_policy_text, some_cases

FUNDS_ON_VISA_KIND = 0
NO_SEGMENT_PAYER = 3


def constant_outcomes(chance: float) -> OutcomeChances:
    """Outcomes with one chance for everything."""
    flat = {"attempts": LAST_ATTEMPT, "delays": DELAY_CLASSES, "hours": 24, "weekdays": 7}
    return outcomes_with(base=chance, payday=1.0, cap=1.0, **{name: np.ones(length) for name, length in flat.items()})


def plain_cases(count: int) -> Cases:
    """Cases of insufficient funds, default segment, no customer actions, and cards without earlier tries."""
    book, cases = a_book(), some_cases(count, busy_cards=0)
    assert book.failures[FUNDS_ON_VISA_KIND].failure.code == "insufficient_funds"
    never, kind, payer = (np.full(count, value) for value in (NEVER, FUNDS_ON_VISA_KIND, NO_SEGMENT_PAYER))
    return replace(cases, paid_at=never, method_at=never, failure=kind, payer=payer)


def policy_with_retries(count: int) -> str:
    """The shipped policy with so many retries."""
    return shipped_policy_text().replace("attempts_allowed = 4", f"attempts_allowed = {count}")


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("chance", [0.05, 0.2, 0.6])
def test_fixed_tries_with_a_constant_chance(chance: float, count: int) -> None:
    expected = wilson_interval(
        int(
            ArrayEngine(a_world(policy_with_retries(count)), OutcomeModels(constant_outcomes(chance), 3))
            .run(plain_cases(20_000))
            .is_recovered.sum()
        ),
        20_000,
    )
    assert expected
    assert expected.low <= 1 - (1 - chance) ** count <= expected.high


@pytest.mark.parametrize(("chance", "charges"), [(0.0, 4), (1.0, 1)])
@pytest.mark.parametrize("engine", [ArrayEngine, EventEngine])
def test_chances_of_zero_and_one(engine: type[Engine], chance: float, charges: int) -> None:
    results = engine(a_world(), OutcomeModels(constant_outcomes(chance), 3)).run(plain_cases(50))  # type: ignore[call-arg]
    assert set(results.charges.tolist()) == {charges}
    assert set(results.is_recovered.tolist()) == {bool(chance)}
