"""Whole recoveries per second, their processor time, and the time from the webhook to the plan, beside a bare workflow.

Ours: webhook, `payment.failed`, read, decision, a backoff of a second, charge, `recovery.closed`, every event recorded.
The floor (`benchmarks/bare_recovery.py`): the same steps in Temporal without their content and without a database.
Both run in turn on one server, in a closed loop; a fake Stripe in this process answers ours.
"""

import asyncio
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from uvicorn.loops.auto import auto_loop_factory

from benchmarks.measures import Measure, Size
from benchmarks.production_temporal import ProductionServer, production_temporal
from benchmarks.recovery_rate_load import run_closed_loop, run_open_loop
from benchmarks.recovery_rate_stack import (
    CLOSED_BETWEEN,
    LOAD,
    PLANNED,
    Bench,
    listen_as_stripe,
    open_bench,
    service_stack,
)
from benchmarks.recovery_rate_stripe import FastStripe
from tests.support.stacks import short_folder

IN_FLIGHT: Final = 60
WARM_UP_SECONDS: Final = 3.0


class Plan(NamedTuple):
    """How long a run takes: repeats of pairs, seconds of each turn."""

    pairs: int
    seconds: float
    latency_pairs: int
    latency_seconds: float


PLANS: Final = {Size.SMALL: Plan(3, 10.0, 2, 8.0), Size.FULL: Plan(7, 20.0, 5, 20.0)}


class Turn(NamedTuple):
    """One side under full load."""

    per_second: float
    cpu: Mapping[str, float]
    """Milliseconds of processor time per recovery, by process."""

    @property
    def total_cpu(self) -> float:
        """Milliseconds per recovery over all processes that do the work."""
        return sum(used for name, used in self.cpu.items() if name != LOAD)


async def run_ours(bench: Bench, seconds: float, in_flight: int = IN_FLIGHT) -> Turn:
    """The service under full load; what counts is what was closed within the window."""
    edges: list[dict[str, float]] = []
    window = await run_closed_loop(
        bench.ours, in_flight, WARM_UP_SECONDS, seconds, lambda: edges.append(bench.read_our_cpu())
    )
    await bench.wait_until_closed(len(bench.ours.sent_at))
    closed = int(bench.query(CLOSED_BETWEEN, window.start, window.end)[0][0])
    return _to_turn(closed, window.seconds, edges)


async def run_floor(bench: Bench, seconds: float, in_flight: int = IN_FLIGHT) -> Turn:
    """The floor under full load; what counts is what was charged within the window."""
    edges: list[dict[str, float]] = []
    window = await run_closed_loop(
        bench.floor, in_flight, WARM_UP_SECONDS, seconds, lambda: edges.append(bench.read_floor_cpu())
    )
    charged = bench.floor.done_at["charge"]
    done = sum(window.start <= charged[number] <= window.end for number in window.numbers)
    return _to_turn(done, window.seconds, edges)


def _to_turn(count: int, seconds: float, edges: Sequence[Mapping[str, float]]) -> Turn:
    before, after = edges
    return Turn(count / seconds, {name: (after[name] - before[name]) / count * 1_000 for name in after})


async def measure_our_latency(bench: Bench, per_second: float, seconds: float) -> list[float]:
    """Milliseconds from sending the webhook to the row `retry.planned`, at this rate."""
    numbers = await run_open_loop(bench.ours, per_second, seconds)
    await bench.wait_until_closed(len(bench.ours.sent_at))
    ids = {f"recovery-stripe-{bench.fake.invoice_id(number)}": number for number in numbers}
    planned: dict[str, float] = dict(bench.query(PLANNED, list(ids)))
    return [(planned[name] - bench.ours.sent_at[number]) * 1_000 for name, number in ids.items()]


async def measure_floor_latency(bench: Bench, per_second: float, seconds: float) -> dict[str, list[float]]:
    """Milliseconds from before the start until the first (local) activity was done, and until the read was."""
    numbers = await run_open_loop(bench.floor, per_second, seconds)
    done, sent = bench.floor.done_at, bench.floor.sent_at
    return {kind: [(done[kind][number] - sent[number]) * 1_000 for number in numbers] for kind in ("first", "read")}


class Run:
    """One run on one bench: turns of both sides, one after the other."""

    def __init__(self, runner: asyncio.Runner, bench: Bench, plan: Plan, label: str) -> None:
        self._runner, self._bench, self._plan, self._label = runner, bench, plan, label

    def measure(self) -> Iterator[Measure]:
        """All figures; the checks come last. Raises BenchmarkFailed."""
        self._warm_up()
        pairs = [self._run_pair(index) for index in range(self._plan.pairs)]
        yield from _rate_measures(self._label, pairs)
        yield from self._measure_latency(pairs)
        rows = self._runner.run(self._bench.check_everything())
        yield Measure(f"recoveries run and checked{self._label}", [rows["recovery.closed"]], "")
        yield Measure(f"rows in the log per recovery{self._label}", [sum(rows.values()) / rows["recovery.closed"]], "")

    def _warm_up(self) -> None:
        # One alone first: what it asks of Stripe is what the fake can answer afterwards.
        for in_flight in (1, 8):
            self._runner.run(run_closed_loop(self._bench.ours, in_flight, 0.0, 0.1, lambda: None))
            self._runner.run(run_closed_loop(self._bench.floor, in_flight, 0.0, 0.1, lambda: None))

    def _run_pair(self, index: int) -> tuple[Turn, Turn]:
        ours = self._runner.run(run_ours(self._bench, self._plan.seconds))
        floor = self._runner.run(run_floor(self._bench, self._plan.seconds))
        _note(f"pair {index + 1}: ours {_describe(ours)}; floor {_describe(floor)}")
        return ours, floor

    def _measure_latency(self, pairs: Sequence[tuple[Turn, Turn]]) -> Iterator[Measure]:
        half = [statistics.median(turn.per_second for turn in side) / 2 for side in zip(*pairs, strict=True)]
        seconds = self._plan.latency_seconds
        found = [
            (
                self._runner.run(measure_our_latency(self._bench, half[0], seconds)),
                self._runner.run(measure_floor_latency(self._bench, half[1], seconds)),
            )
            for _ in range(self._plan.latency_pairs)
        ]
        yield _latency_measure(self._label, found)


def _rate_measures(label: str, pairs: Sequence[tuple[Turn, Turn]]) -> Iterator[Measure]:
    rates = {"ours, per second": [ours.per_second for ours, _ in pairs]}
    rates |= {"floor, per second": [floor.per_second for _, floor in pairs]}
    ratios = [ours.per_second / floor.per_second for ours, floor in pairs]
    yield Measure(f"whole recoveries per second{label}", ratios, "of the floor's", at_least=0.7, raw=rates)
    cpu = {f"ours, {name}, ms": [ours.cpu[name] for ours, _ in pairs] for name in pairs[0][0].cpu}
    cpu |= {f"floor, {name}, ms": [floor.cpu[name] for _, floor in pairs] for name in pairs[0][1].cpu}
    costs = [ours.total_cpu / floor.total_cpu for ours, floor in pairs]
    yield Measure(f"processor time per recovery{label}", costs, "of the floor's", at_most=1.6, raw=cpu)


def _latency_measure(label: str, found: Sequence[tuple[list[float], dict[str, list[float]]]]) -> Measure:
    sides = {"ours, webhook to plan": [ours for ours, _ in found]}
    sides |= {"floor, start to local activity done": [floor["first"] for _, floor in found]}
    sides |= {"floor, start to read done": [floor["read"] for _, floor in found]}
    raw = {f"{name}, median ms": [*map(statistics.median, values)] for name, values in sides.items()}
    raw |= {f"{name}, p95 ms": [*map(_p95, values)] for name, values in sides.items()}
    ratios = [statistics.median(ours) / statistics.median(floor["first"]) for ours, floor in found]
    return Measure(
        f"webhook to plan at half load{label}", ratios, "of the floor's first activity", at_most=2.5, raw=raw
    )


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _describe(turn: Turn) -> str:
    parts = ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in turn.cpu.items())
    return f"{turn.per_second:.1f}/s at {turn.total_cpu:.1f} ms ({parts})"


def _note(text: str) -> None:
    sys.stderr.write(f"   {text}\n")
    sys.stderr.flush()


def measure_on(data: Path, plan: Plan, label: str, server: ProductionServer | None = None) -> Iterator[Measure]:
    """A run on a new stack in `data`, with a development server of Temporal or the one given."""
    with ExitStack() as exits:
        runner = exits.enter_context(asyncio.Runner(loop_factory=auto_loop_factory()))
        fake = FastStripe()
        listening = runner.run(listen_as_stripe(fake))
        exits.callback(listening.close)
        port = listening.sockets[0].getsockname()[1]
        stack = exits.enter_context(service_stack(data, port, server.address if server else ""))
        opened = open_bench(stack, fake, data, server.processes if server else None)
        bench = runner.run(opened.__aenter__())
        exits.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        yield from Run(runner, bench, plan, label).measure()


def measure(size: Size = Size.SMALL) -> Iterator[Measure]:
    """Rate, processor time and latency on the embedded development server."""
    with short_folder() as data:
        yield from measure_on(data, PLANS[size], "")


def measure_production(size: Size = Size.SMALL) -> Iterator[Measure]:
    """The same on a production server with a store on PostgreSQL; its programs are built by the first run."""
    with short_folder() as data, short_folder() as folder, production_temporal(folder) as server:
        yield from measure_on(data, PLANS[size], ", production server", server)
