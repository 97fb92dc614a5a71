"""The simulator's speed: recoveries per second of CPU on one core, compared with the same model in SimPy.

Both draw from the same tables with the same ladder. SimPy runs one process per invoice, the usual way without arrays.
The simulator's figure includes making the cases and summing the result. Each repeat measures SimPy and every mode in
turn, so that whatever else the machine does weighs on both.
"""

import gc
import random
import re
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import simpy

import catalog
from benchmarks.measures import Measure, Size
from core.classification.taxonomy import Cause
from core.policy.policy import parse_policy
from core.strategies.experience import RetryCell, RetryStatistics
from providers.base import load_providers
from settings import SHIPPED_POLICY
from simulator.engines.arm import World
from simulator.history.recorded_source import build_history_source
from simulator.model.assumptions import Assumptions, load_shipped_assumptions
from simulator.model.cases import Integers
from simulator.model.outcome_model import OutcomeModels
from simulator.model.source import Source
from simulator.model.success_chances import CAUSE_INDEX, LAST_ATTEMPT, OutcomeChances
from simulator.population.synthetic import SyntheticSource
from simulator.report.tally import tally_results
from simulator.runner import CHUNK, EVENT_CHUNK, Engine, choose_engine
from tests.simulator.simulated_history import simulated_history

TIMES_SIMPY: Final = 30
"""What every mode of the array engine must reach."""
PER_SECOND: Final = 1_000_000
REPEATS: Final = 5
CHUNKS: Final = 4
"""Chunks of a mode in each repeat, after one to warm up."""
INVOICES: Final = 20_000
"""Invoices simulated by SimPy: fewer, since it is slower."""
RECORDED: Final = 20_000
"""Recoveries of the recorded history; the replay draws from them again."""
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
EXPERIMENT: Final = """
[experiments.sooner]
holdout = 10

[experiments.sooner.arms.quick]
share = 40
attempts_allowed = 2

[experiments.sooner.arms.slow]
share = 30
window_days = 40
"""
LOWER_LIMITS: Final = "visa_30d = 14\nmastercard_24h = 7\n"
"""Limits of the merchant below the networks' own; Mastercard's is what Brazil counts."""


@dataclass(frozen=True)
class Mode:
    """One policy over one source."""

    name: str
    source: Source
    engine: Engine
    amounts: Integers
    size: int = CHUNK
    """Cases per chunk."""

    def run_all(self) -> None:
        """Simulates what a repeat measures."""
        self.run_chunks(range(1, 1 + CHUNKS))

    def run_chunks(self, numbers: range) -> None:
        """Simulates these chunks and sums their results."""
        for number in numbers:
            cases = self.source.cases(number * self.size, self.size)
            tally_results(cases, self.engine.run(cases), self.amounts[cases.payer])


def measure(_: Size = Size.SMALL) -> Iterator[Measure]:
    """How many recoveries each mode simulates in the CPU time that SimPy needs for one."""
    believed = load_shipped_assumptions()
    modes, chances = list(_list_modes(believed)), believed.to_outcome_chances()
    for one in modes:
        one.run_chunks(range(1))
    # SimPy makes so many objects that the garbage collector would search the modes' tables again and again.
    gc.collect()
    gc.freeze()
    rounds = [_measure_round(modes, chances) for _ in range(REPEATS)]
    gc.unfreeze()
    floor = [one[0] for one in rounds]
    yield Measure("SimPy, one process per invoice", floor, "recoveries per second of CPU")
    for place, mode in enumerate(modes, start=1):
        yield from _compare(mode, [one[place] for one in rounds], floor)


def _measure_round(modes: list[Mode], chances: OutcomeChances) -> list[float]:
    """Recoveries per second of CPU: SimPy's, then those of each mode."""
    simpy_rate = _measure_rate(INVOICES, lambda: _run_simpy(chances))
    return [simpy_rate, *(_measure_rate(CHUNKS * one.size, one.run_all) for one in modes)]


def _compare(mode: Mode, rates: list[float], floor: list[float]) -> Iterator[Measure]:
    """The mode in times SimPy and per second; the marks are those of the array engine."""
    on_arrays = mode.size == CHUNK
    raw = {"recoveries per second of CPU": rates, "SimPy": floor}
    times = [rate / simpy_rate for rate, simpy_rate in zip(rates, floor, strict=True)]
    least = TIMES_SIMPY if on_arrays else None
    yield Measure(f"simulator, {mode.name}, times SimPy", times, at_least=least, raw=raw)
    # What else runs on the machine slows this down: the best repeat is nearest to what a core can do.
    best = [max(rates)]
    yield Measure(f"simulator, {mode.name}", best, "per second of CPU", at_least=PER_SECOND if on_arrays else None)


def _list_modes(believed: Assumptions) -> Iterator[Mode]:
    """The shipped policy, its variants on arrays, a replay, and what only the event engine can simulate."""
    made_up = SyntheticSource(believed, (CHUNKS + 1) * CHUNK, seed=1)
    shipped = SHIPPED_POLICY.read_text(encoding="utf-8")
    yield _build_mode("shipped policy", shipped, made_up)
    for name, table in STRATEGIES.items():
        yield _build_mode(name, _with_strategy(table), made_up)
    yield _build_mode("shipped policy with an experiment", shipped + EXPERIMENT, made_up)
    yield _build_mode("shipped policy with lower limits", shipped + LOWER_LIMITS, made_up)
    yield _build_mode("shipped policy, recorded history replayed", shipped, _recorded_source(believed))
    learnt = _with_strategy(STRATEGIES["adaptive, nothing learnt"])
    yield _build_mode("adaptive that has learnt, event by event", learnt, made_up, _learnt_statistics(), EVENT_CHUNK)


def _build_mode(
    name: str,
    text: str,
    source: Source,
    learnt: RetryStatistics | None = None,
    size: int = CHUNK,
) -> Mode:
    world = _build_world(name, text, learnt)
    amounts = np.array([one.amount for one in source.cases(0, 1).book.payers], dtype=np.int64)
    return Mode(name, source, choose_engine(world, OutcomeModels(source.outcomes, seed=1)), amounts, size)


def _recorded_source(believed: Assumptions) -> Source:
    """What the event log would hold of recoveries under the shipped policy, replayed."""
    cases, chances = SyntheticSource(believed, RECORDED, seed=2).cases(0, RECORDED), believed.to_outcome_chances()
    world = _build_world("recorded", SHIPPED_POLICY.read_text(encoding="utf-8"))
    found = simulated_history(cases, chances, world)
    return build_history_source(found, believed, recoveries=(CHUNKS + 1) * CHUNK, seed=1)


def _learnt_statistics() -> RetryStatistics:
    causes = (Cause.GENERIC, Cause.INSUFFICIENT_FUNDS, Cause.TECHNICAL)
    cells = ((cause, attempt, hour) for cause in causes for attempt in (1, 2, 3) for hour in range(168))
    return RetryStatistics(RetryCell(cause.value, attempt, hour, hour, 20, 5) for cause, attempt, hour in cells)


def _measure_rate(count: int, work: Callable[[], object]) -> float:
    """`count` per second of CPU that this process needs for `work`."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def _with_strategy(table: str) -> str:
    """The shipped policy with this strategy in place of all its ladders."""
    ladders = rf"(\[strategies\.(?:{'|'.join(LADDERS)})\]\n)(?:\w.*\n)+"
    return re.sub(ladders, lambda found: f"{found[1]}{table}\n", SHIPPED_POLICY.read_text(encoding="utf-8"))


def _build_world(name: str, text: str, learnt: RetryStatistics | None = None) -> World:
    strategies = catalog.installed_strategies()
    codes = {one: provider.decline_codes for one, provider in load_providers({}).items()}
    policy, rules = parse_policy(text, name, strategies), catalog.network_rules()
    return World(name, policy, strategies, codes, rules, text, learnt or RetryStatistics())


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
