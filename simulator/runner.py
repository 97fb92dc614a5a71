"""A dry run: chunks of cases through both arms, on as many processes as wanted, added up in whole numbers."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, Protocol

import numpy as np

from core.errors import InvalidInput
from simulator.cases import Cases, Integers
from simulator.comparison import arm_result, difference
from simulator.exact import Exact
from simulator.fast import Fast
from simulator.fate import Fates
from simulator.journeys import Journeys
from simulator.processes import spread_over
from simulator.result import ArmResult, Result, Sensitivity
from simulator.sharing import learns, unshared
from simulator.source import Source
from simulator.tally import Paired, Tally, paired, tallied
from simulator.world import World

CHUNK: Final = 50_000
"""Cases that are simulated together: few enough for the processor's cache, and for 10 million to need no memory."""
SLOW_CHUNK: Final = 250
"""The same event by event, so that progress is seen and a run can be broken off."""
SWEPT: Final = 200_000
"""Cases that each point of the sensitivity sweep looks at, at most."""


class Canceled(Exception):
    """Somebody doesn't want the result any more."""


class Engine(Protocol):
    """Simulates cases."""

    def run(self, cases: Cases) -> Journeys:
        """What becomes of them."""


@dataclass
class Sums:
    """What is known of both arms so far."""

    baseline: Tally = field(default_factory=Tally)
    candidate: Tally = field(default_factory=Tally)
    pairs: Paired = field(default_factory=Paired)

    def add(self, other: "Sums") -> None:
        """Take another chunk in."""
        self.baseline.add(other.baseline)
        self.candidate.add(other.candidate)
        self.pairs.add(other.pairs)


class Job(NamedTuple):
    """All that a process needs."""

    source: Source
    baseline: World
    candidate: World
    seed: int

    @property
    def slow(self) -> bool:
        """Whether recoveries are simulated one by one."""
        return bool(unshared(self.baseline) or unshared(self.candidate))

    def believing(self, soft: float, hard: float) -> "Job":
        """The same, if so many paid by themselves."""
        return self._replace(source=self.source.with_baseline(soft, hard))


class Both:
    """Two arms over the same cases with the same luck."""

    def __init__(self, job: Job) -> None:
        self._source = job.source
        fates = Fates(job.source.outcomes, job.seed)
        self._baseline, self._candidate = engine(job.baseline, fates), engine(job.candidate, fates)

    def __call__(self, first: int, count: int) -> Sums:
        """The sums over these cases."""
        cases = self._source.cases(first, count)
        amounts = _amounts(cases, self._source.currency)
        before, after = self._baseline.run(cases), self._candidate.run(cases)
        return Sums(tallied(cases, before, amounts), tallied(cases, after, amounts), paired(before, after, amounts))


def engine(world: World, fates: Fates) -> Engine:
    """The quick one where the policy allows it."""
    return Exact(world, fates) if unshared(world) else Fast(world, fates)


class Watch(NamedTuple):
    """Who looks on while it runs."""

    progress: Callable[[int, int], None] | None = None
    """Told how many of how many cases are done."""
    canceled: Callable[[], bool] | None = None
    """Asked between chunks."""


def simulate(
    source: Source,
    baseline: World,
    candidate: World,
    *,
    seed: int,
    jobs: int = 1,
    sweep: Sequence[tuple[float, float]] = (),
    watch: Watch = Watch(),  # noqa: B008
) -> Result:
    """Both policies over all cases of the source. The same for every number of jobs.

    `sweep`: shares of soft and hard declines that are paid by themselves, at which the difference is asked for again;
    left out where recoveries are simulated one by one. Raises InvalidInput for a source without cases, Canceled.
    """
    if len(source) == 0:
        raise InvalidInput("There is nothing to simulate: the source has no recoveries.")
    job = Job(source, baseline, candidate, seed)
    points = () if job.slow else sweep
    swept = min(len(source), SWEPT)
    run = _Run(jobs, watch, len(source) + swept * len(points))
    sums = run.summed(job, len(source))
    found = [_point(one, run.summed(job.believing(*one), swept), swept) for one in points]
    return _result(job, sums, tuple(found))


class _Run:
    """The chunks of a whole dry run, one part after the other."""

    def __init__(self, jobs: int, watch: Watch, whole: int) -> None:
        self._jobs, self._watch, self._whole, self._done = jobs, watch, whole, 0

    def summed(self, job: Job, cases: int) -> Sums:
        """The sums over the first cases. Whole numbers: their order doesn't matter. Raises Canceled."""
        size = SLOW_CHUNK if job.slow else CHUNK
        ranges = [(first, min(size, cases - first)) for first in range(0, cases, size)]
        sums = Sums()
        with spread_over(partial(Both, job), ranges, self._jobs) as parts:
            for part in parts:
                sums.add(part)
                self._tell(part.pairs.cases)
        return sums

    def _tell(self, cases: int) -> None:
        self._done += cases
        if self._watch.progress:
            self._watch.progress(self._done, self._whole)
        if self._watch.canceled and self._watch.canceled():
            raise Canceled


def _amounts(cases: Cases, currency: str) -> Integers:
    """Of each case, nought where it is in another currency."""
    payers = cases.book.payers
    known = np.array([one.amount if one.currency == currency else 0 for one in payers], dtype=np.int64)
    return np.asarray(known[cases.payer])


def _point(shares: tuple[float, float], sums: Sums, cases: int) -> Sensitivity:
    gap = difference(sums.pairs)
    return Sensitivity(
        soft=shares[0],
        hard=shares[1],
        recoveries=cases,
        recovery_rate=gap.recovery_rate,
        ci_low=gap.ci_low,
        ci_high=gap.ci_high,
    )


def _result(job: Job, sums: Sums, points: tuple[Sensitivity, ...]) -> Result:
    return Result(
        seed=job.seed,
        source=job.source.name,
        recoveries=len(job.source),
        currency=job.source.currency,
        arms=(_arm(job.baseline, sums.baseline), _arm(job.candidate, sums.candidate)),
        difference=difference(sums.pairs),
        sensitivity=points,
        notes=(*job.source.notes, *_notes(job)),
        assumptions=job.source.rests_on,
        policy_diff=_diff(job.baseline, job.candidate),
    )


def _arm(world: World, tally: Tally) -> ArmResult:
    return arm_result(world.name, world.policy.version, tally, event_by_event=bool(unshared(world)))


def _notes(job: Job) -> Iterator[str]:
    for world in (job.baseline, job.candidate):
        if names := unshared(world):
            yield (
                f"{world.name}: {', '.join(names)} can't be asked once for many invoices, so every recovery was "
                "simulated event by event."
            )
        if learns(world) and not unshared(world):
            yield f"{world.name}: the adaptive strategy has learnt nothing here, so it climbs its ladder."
        if world.policy.fraud.scorer:
            yield f"{world.name}: the fraud scorer {world.policy.fraud.scorer} is not asked in a dry run."


def _diff(baseline: World, candidate: World) -> str:
    before, after = (world.text.splitlines(keepends=True) for world in (baseline, candidate))
    return "".join(difflib.unified_diff(before, after, baseline.policy.name, candidate.policy.name))
