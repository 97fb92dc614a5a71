"""The simulator's speed: synthetic recoveries per second of CPU on one core, compared with the same model in SimPy.

Both draw from the same tables with the same ladder. SimPy runs one process per invoice, the usual way without arrays.
The simulator's figure includes drawing the population and summing the result.
"""

import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Final

import numpy as np
import simpy

import catalog
from benchmarks.measures import Measure, Size
from core.classification.taxonomy import Cause
from core.policy.policy import parse_policy
from providers.base import load_providers
from settings import SHIPPED_POLICY
from simulator.engines.arm import World
from simulator.model import assumptions
from simulator.model.cases import Integers
from simulator.model.outcome_model import OutcomeModels
from simulator.model.success_chances import CAUSE_INDEX, LAST_ATTEMPT, OutcomeChances
from simulator.population.synthetic import SyntheticSource
from simulator.report.tally import tally_results
from simulator.runner import CHUNK, choose_engine

TIMES_SIMPY: Final = 30
"""What each built-in strategy must reach."""
RECOVERIES: Final = 10 * CHUNK
INVOICES: Final = 20_000
"""Invoices simulated by SimPy: fewer, since it is slower."""
LADDER: Final = 'delays = ["3h", "24h", "72h", "168h"]'
STRATEGIES: Final = {
    "fixed ladder": f'use = "fixed_ladder"\n{LADDER}\njitter_percent = 10',
    "exponential backoff": 'use = "exponential_backoff"\nbase = "3h"\ncap = "168h"\nfactor_percent = 400',
    "payday": f'use = "payday"\n{LADDER}',
    "advice": f'use = "advice"\n{LADDER}',
    "new method only": 'use = "new_method_only"',
    "adaptive, nothing learnt": f'use = "adaptive"\n{LADDER}',
}
LADDERS: Final = ("standard_ladder", "patient_ladder", "loyal_ladder", "short_ladder")


def measure(_: Size = Size.SMALL) -> Iterator[Measure]:
    """How many recoveries each strategy simulates in the CPU time that SimPy needs for one."""
    believed = assumptions.load_shipped_assumptions()
    floor = _measure_rate(INVOICES, lambda: _run_simpy(believed.to_outcome_chances()))
    yield Measure("SimPy, one process per invoice", [floor], "recoveries per second of CPU")
    for name, table in STRATEGIES.items():
        rate = _measure_simulator(_world_with_strategy(name, table), believed)
        raw = {"recoveries per second of CPU": [rate]}
        yield Measure(f"simulator, {name}, times SimPy", [rate / floor], at_least=TIMES_SIMPY, raw=raw)


def _measure_simulator(world: World, believed: assumptions.Assumptions) -> float:
    source = SyntheticSource(believed, RECOVERIES + CHUNK, seed=1)
    running = choose_engine(world, OutcomeModels(source.outcomes, seed=1))
    amounts = _payer_amounts(source)

    def run_chunks(firsts: Iterable[int]) -> None:
        for first in firsts:
            cases = source.cases(first, CHUNK)
            tally_results(cases, running.run(cases), amounts[cases.payer])

    run_chunks([RECOVERIES])
    return _measure_rate(RECOVERIES, lambda: run_chunks(range(0, RECOVERIES, CHUNK)))


def _payer_amounts(source: SyntheticSource) -> Integers:
    return np.array([one.amount for one in source.book.payers], dtype=np.int64)


def _measure_rate(count: int, work: Callable[[], object]) -> float:
    """`count` per second of CPU that this process needs for `work`."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def _world_with_strategy(name: str, table: str) -> World:
    """The shipped policy with this strategy in place of all its ladders."""
    ladders = rf"(\[strategies\.(?:{'|'.join(LADDERS)})\]\n)(?:\w.*\n)+"
    text = re.sub(ladders, lambda found: f"{found[1]}{table}\n", SHIPPED_POLICY.read_text(encoding="utf-8"))
    strategies = catalog.installed_strategies()
    codes = {one: provider.decline_codes for one, provider in load_providers({}).items()}
    return World(name, parse_policy(text, name, strategies), strategies, codes, catalog.network_rules(), text)


def _run_simpy(outcomes: OutcomeChances) -> int:
    """Runs SimPy's model; the number of recovered invoices."""
    environment, won = simpy.Environment(), [0]
    dice = random.Random(1)
    for _ in range(INVOICES):
        environment.process(_simpy_invoice(environment, outcomes, dice, won))
    environment.run()
    return won[0]


def _simpy_invoice(
    environment: simpy.Environment, outcomes: OutcomeChances, dice: random.Random, won: list[int]
) -> Generator[simpy.Event, None, None]:
    """Four retries of one invoice."""
    base = outcomes.base[CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS]]
    for attempt, hours in enumerate((3, 24, 72, 168)):
        yield environment.timeout(hours * 3_600 * (1 + dice.random() / 10))
        now = int(environment.now)
        factor = outcomes.attempts[min(attempt, LAST_ATTEMPT - 1)] * outcomes.hours[now // 3_600 % 24]
        if dice.random() < base * factor * outcomes.weekdays[now // 86_400 % 7]:
            won[0] += 1
            return
