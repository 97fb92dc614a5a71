"""Thousands asleep, all workers killed and restarted, and a tenth of them due within a minute.

Memory stays bounded by the worker's cache, every due charge is made once at the paced rate, and operators get their
answers meanwhile. The whole service runs on the embedded stack in real time; a fake Stripe in this process answers it.
"""

import asyncio
import contextlib
import itertools
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from uvicorn.loops.auto import auto_loop_factory

from benchmarks.asleep_operators import Operators
from benchmarks.asleep_stage import CHARGING_PACE, Stage, settings_of, write_policy
from benchmarks.measures import Measure, Size
from benchmarks.recovery_rate_load import BenchmarkFailed, ServiceLoad
from benchmarks.recovery_rate_stack import listen_as_stripe, service_stack
from benchmarks.recovery_rate_stripe import FastStripe
from devstack.stack import DevStack
from tests.support.stacks import short_folder
from workflows.options import MOST_CACHED

RESTART_AHEAD: Final = 14.0
"""Seconds before the first is due at which the worker is killed: Temporal keeps tasks for a dead one for ten."""
SLOWER: Final = 1.4
"""How much longer than before opening may take: from that follows when the first is due."""
CLOSE_SECONDS: Final = 120.0
OPEN_DUE: Final = "SELECT count(*) FROM recovery WHERE closed_at IS NULL AND invoice_id = ANY(%s)"
CHARGED: Final = (
    "SELECT extract(epoch FROM recorded_at)::float8 FROM event_log WHERE type = 'charge.succeeded' AND"
    " recorded_at >= to_timestamp(%s) ORDER BY recorded_at"
)


class Plan(NamedTuple):
    """How many, and how long."""

    asleep: int
    due: int
    due_within: float
    """Seconds from the first moment at which one is due to the last."""
    commanded: int
    """Recoveries of each kind, asleep and due, that operators turn to."""


PLANS: Final = {Size.SMALL: Plan(2_000, 200, 6.0, 30), Size.FULL: Plan(20_000, 2_000, 55.0, 60)}


class Run:
    """One run on one service."""

    def __init__(self, runner: asyncio.Runner, stage: Stage, plan: Plan) -> None:
        self._runner, self._stage, self._plan = runner, stage, plan
        self._memory: dict[str, Mapping[str, float]] = {}
        self._opened_per_second = 0.0
        self._cpu: dict[str, float] = {}

    def measure(self) -> Iterator[Measure]:
        """All figures; the checks come last. Raises BenchmarkFailed."""
        first = self._runner.run(self._stage.open_charged())
        asleep = self._open_sleepers()
        due, first_due = self._open_due()
        yield from self._measure_memory()
        restart = self._restart(first_due)
        yield Measure("restart of all workers, thousands asleep", [restart], "s", at_most=20)
        operators = Operators(self._stage.stack, [*map(self._stage.fake.invoice_id, range(due.stop))])
        self._runner.run(self._charge_due(operators, asleep, due, first_due))
        yield self._pace_measure(first_due)
        yield from self._operator_measures(operators)
        yield self._memory_after()
        yield from self._check(operators, [first, *due])

    def _open_sleepers(self) -> range:
        """Opens those that sleep on, and notes the memory on the way."""
        count, half = self._plan.asleep - self._plan.due, self._plan.asleep // 2
        steps = sorted({0, MOST_CACHED, half, count})
        self._note_memory("none")
        for before, after in itertools.pairwise(steps):
            began = time.monotonic()
            opened = self._runner.run(self._stage.open_asleep([None] * (after - before)))
            self._opened_per_second = len(opened) / (time.monotonic() - began)
            _note(f"{after} asleep, {self._opened_per_second:.1f} opened per second")
            self._note_memory(f"{after}")
        return range(opened.stop - count, opened.stop)

    def _open_due(self) -> tuple[range, float]:
        """Opens those that will be due; their numbers, and when the first is, in seconds since 1970."""
        plan = self._plan
        opening = plan.due / self._opened_per_second * SLOWER
        first_due = float(int(time.time() + opening + RESTART_AHEAD + 3))
        moments = [first_due + plan.due_within * index / plan.due for index in range(plan.due)]
        due = self._runner.run(self._stage.open_asleep(moments))
        self._note_memory(f"{plan.asleep}")
        if time.time() > first_due - RESTART_AHEAD:
            raise BenchmarkFailed("the last were opened too slowly to be asleep before they are due")
        return due, first_due

    def _restart(self, first_due: float) -> float:
        time.sleep(first_due - RESTART_AHEAD - time.time())
        return self._runner.run(self._stage.restart_workers())

    async def _charge_due(self, operators: Operators, asleep: range, due: range, first_due: float) -> None:
        """Returns when all that were due are closed; operators are at work from the first due moment on."""
        await asyncio.sleep(max(0.0, first_due - time.time()))
        looking = asyncio.create_task(operators.look_around(due))
        paced, before = max(self._plan.due_within, len(due) / CHARGING_PACE), self._stage.read_cpu()
        # Those due are turned to while their charge waits in the queue, or a little before, or a little after.
        turned_to = [*_spread(asleep, self._plan.commanded)], [*_spread(due, self._plan.commanded)]
        await asyncio.gather(*(operators.command_over(paced * 0.8, numbers) for numbers in turned_to))
        await self._wait_until_closed([self._stage.fake.invoice_id(number) for number in due])
        self._cpu = {name: used - before[name] for name, used in self._stage.read_cpu().items()}
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        await operators.close()

    async def _wait_until_closed(self, invoices: list[str]) -> None:
        until = time.monotonic() + CLOSE_SECONDS + self._plan.due / CHARGING_PACE
        while left := int(self._stage.query(OPEN_DUE, invoices)[0][0]):
            if time.monotonic() > until:
                raise BenchmarkFailed(f"{left} of {len(invoices)} that were due are still open")
            await asyncio.sleep(0.1)

    def _note_memory(self, asleep: str) -> None:
        found = self._memory[asleep] = self._runner.run(self._stage.read_memory())
        _note(f"memory, {asleep} asleep: {', '.join(f'{name} {size:.0f} MB' for name, size in found.items())}")

    def _measure_memory(self) -> Iterator[Measure]:
        """What a thousand more asleep add to the worker, beside the thousand that fill its cache."""
        held = {int(name) if name.isdigit() else 0: found["worker"] for name, found in self._memory.items()}
        half, whole = self._plan.asleep // 2, self._plan.asleep
        cached = (held[MOST_CACHED] - held[0]) / MOST_CACHED * 1_000
        beyond = (held[whole] - held[half]) / (whole - half) * 1_000
        raw = {f"worker, {name} asleep, MB": [found["worker"]] for name, found in self._memory.items()}
        raw |= {f"temporal, {name} asleep, MB": [found["temporal"]] for name, found in self._memory.items()}
        raw |= {"within the cache, MB per 1,000": [cached], "beyond it, MB per 1,000": [beyond]}
        yield Measure(
            "worker's memory per 1,000 asleep beyond its cache",
            [beyond / cached],
            "of that within",
            at_most=0.2,
            raw=raw,
        )

    def _memory_after(self) -> Measure:
        """The worker that was restarted has only what was due in its cache."""
        before = self._memory[f"{self._plan.asleep}"]["worker"]
        self._note_memory("after the charges, fewer")
        after = self._memory["after the charges, fewer"]["worker"]
        raw = {"before, MB": [before], "after, MB": [after]}
        name = "worker's memory after restart and charges"
        return Measure(name, [after / before], "of that before", at_most=1.1, raw=raw)

    def _pace_measure(self, first_due: float) -> Measure:
        charged = [row[0] for row in self._stage.query(CHARGED, first_due)]
        paced = max(self._plan.due_within, len(charged) / CHARGING_PACE)
        took = charged[-1] - first_due
        raw = {"charges": [float(len(charged))], "took, s": [took], "paced, s": [paced]}
        # With what operators do. Processors that are too few for the pace show here, whatever else they have to do.
        raw |= {
            f"{name}, ms of processor time per charge": [used / len(charged) * 1_000]
            for name, used in self._cpu.items()
        }
        return Measure("time to charge all that are due", [took / paced], "of the paced time", at_most=1.25, raw=raw)

    def _operator_measures(self, operators: Operators) -> Iterator[Measure]:
        raw: dict[str, Sequence[float]] = {f"{name}, slowest s": [took] for name, took in operators.slowest()}
        raw |= {f"{name}, answers": [count] for name, count in sorted(operators.count_statuses().items())}
        slowest = max(answer.seconds for answer in operators.answers)
        yield Measure("slowest operator command while charges are due", [slowest], "s", at_most=2, raw=raw)
        looks = statistics.quantiles(operators.looks, n=20)[-1]
        raw = {"slowest, s": [max(operators.looks)], "looks": [len(operators.looks)]}
        yield Measure("a recovery's view while charges are due, p95", [looks], "s", at_most=0.5, raw=raw)

    def _check(self, operators: Operators, due: Sequence[int]) -> Iterator[Measure]:
        """Raises BenchmarkFailed unless who was due, or was to be charged now, was charged once, and nobody else."""
        fake, states = self._stage.fake, self._stage.load_states()
        canceled = {a.number for a in operators.answers if a.action.value == "cancel" and a.status in (200, 202)}
        retried = {a.number for a in operators.answers if a.action.value == "retry" and a.status in (200, 202)}
        wanted = (set(due) | retried) - canceled
        by_state = {n for n in range(len(states)) if states[fake.invoice_id(n)] == "recovered"}
        wrong = {
            "questions that the fake didn't know": fake.problems[:3],
            "charged more than once": [n for n, times in fake.paid.items() if times != 1],
            "recovered without a charge, or the reverse": sorted(by_state ^ set(fake.paid)),
            "due and not charged": sorted(wanted - set(fake.paid)),
            "charged and not due": sorted(set(fake.paid) - wanted - canceled.intersection(due)),
            "deadlocks in the worker's log": self._stage.find_deadlocks(),
        }
        if found := {what: which for what, which in wrong.items() if which}:
            raise BenchmarkFailed(str(found))
        yield Measure("recoveries asleep, restarted and checked", [len(states)], "")


def _spread(numbers: range, count: int) -> Iterator[int]:
    return (numbers[len(numbers) * index // count] for index in range(count))


@asynccontextmanager
async def open_stage(stack: DevStack, fake: FastStripe) -> AsyncIterator[Stage]:
    """The service of this stack, with a connection to its database."""
    port, secret = int(stack.addresses.api.rpartition(":")[2]), stack.options.environment["STRIPE_WEBHOOK_SECRETS"]
    load = ServiceLoad(fake, port, secret)
    with psycopg.connect(stack.addresses.owner_url.replace("+psycopg", ""), autocommit=True) as database:
        yield Stage(stack, fake, load, database)
    load.close()


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def measure_in(data: Path, plan: Plan) -> Iterator[Measure]:
    """The figures of a service whose data is in this folder."""
    with ExitStack() as exits:
        runner = exits.enter_context(asyncio.Runner(loop_factory=auto_loop_factory()))
        fake = FastStripe()
        listening = runner.run(listen_as_stripe(fake))
        exits.callback(listening.close)
        port = listening.sockets[0].getsockname()[1]
        stack = exits.enter_context(service_stack(data, port, extra=settings_of(write_policy(data))))
        opened = open_stage(stack, fake)
        stage = runner.run(opened.__aenter__())
        exits.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        yield from Run(runner, stage, plan).measure()


def measure(size: Size = Size.SMALL) -> Iterator[Measure]:
    """Memory, restart, charges at the paced rate and operators' answers with thousands asleep."""
    with short_folder() as data:
        yield from measure_in(data, PLANS[size])
