"""Webhooks accepted per second, against a bare FastAPI application that verifies and inserts them.

Both stand beside the same busy worker: the events that ours accepts start recoveries, more than the worker can take.
The two are loaded in turns of a few seconds, so that it is as busy beside the one as beside the other; `raw` has how
busy. Both use the same PostgreSQL server, with fsync. Ours also delivers behind its answers, in the floor's turns too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from benchmarks.measures import Measure, Size
from benchmarks.webhook_accept_stage import LoadedRun, Stage, resident_mib, running_stage
from tests.support.stacks import running_stack

RATE: Final = 0.8
P99_MS: Final = 100.0
GROWTH_MIB: Final = 8.0
"""Growth of the API process that counts as none: caches of statements and connections fill up, and Python's allocator
keeps what a peak has used. A leak of 100 bytes a request would be 9 MiB in 100,000."""


class _Scale(NamedTuple):
    """How much a run does."""

    repeats: int
    seconds: float
    requests: int
    """For the memory."""
    first: int
    """Requests after which the memory is read first."""


SCALES: Final[Mapping[Size, _Scale]] = {
    Size.SMALL: _Scale(4, 4.0, 10_000, 4_000),
    Size.FULL: _Scale(7, 10.0, 100_000, 10_000),
}


def measure(size: Size = Size.SMALL) -> Iterator[Measure]:
    """Rate and latency with Temporal and without, CPU per webhook, and growth of memory."""
    scale = SCALES[size]
    with running_stack() as stack, running_stage(stack) as stage:
        stage.load_ours(1.0)
        yield from _compare(stage, scale, "Temporal up, workers busy")
        stack.supervisor.stop("temporal")
        yield from _compare(stage, scale, "Temporal away")
        yield _measure_memory(stage, scale)


def _compare(stage: Stage, scale: _Scale, when: str) -> Iterator[Measure]:
    pairs = [(stage.load_ours(scale.seconds), stage.load_floor(scale.seconds)) for _ in range(scale.repeats)]
    runs = {"ours": [ours for ours, _ in pairs], "floor": [floor for _, floor in pairs]}

    def raw(unit: str, read: Callable[[LoadedRun], float]) -> dict[str, list[float]]:
        return {f"{name}, {unit}": [read(run) for run in found] for name, found in runs.items()}

    rates, latencies = raw("per second", lambda run: run.rate), raw("ms", lambda run: run.result.p99_ms)
    client = raw("share of a core used by the client", lambda run: run.result.cpu_seconds / run.result.seconds)
    ratios = [ours.rate / floor.rate for ours, floor in pairs]
    beside = raw("cores used by worker and Temporal", lambda run: run.beside) | raw("cores used by the API", _api_cores)
    yield Measure(f"webhook accept, {when}", ratios, at_least=RATE, raw=rates | client | beside)
    p99 = [run.result.p99_ms for run in runs["ours"]]
    yield Measure(f"webhook accept p99, {when}", p99, "ms", at_most=P99_MS, raw=latencies)
    cpu = raw("ms", lambda run: run.cpu_ms)
    yield Measure(f"CPU of the accepting process, {when}", [a.cpu_ms / b.cpu_ms for a, b in pairs], raw=cpu)


def _api_cores(run: LoadedRun) -> float:
    return run.api


def _measure_memory(stage: Stage, scale: _Scale) -> Measure:
    """Growth of the API process between the first requests and the last."""
    pid, port = stage.ours
    stage.client.send(port, requests=scale.first)
    first = resident_mib(pid)
    stage.client.send(port, requests=scale.requests - scale.first)
    name = f"memory of the API, growth from {scale.first:,} to {scale.requests:,} webhooks"
    last = resident_mib(pid)
    return Measure(name, [last - first], "MiB", at_most=GROWTH_MIB, raw={"resident, MiB": [first, last]})
