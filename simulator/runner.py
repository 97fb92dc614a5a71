"""The dry run: simulates chunks of cases under both policies, in several processes, and adds up integer sums."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple, Protocol

import numpy as np

from core.errors import InvalidInput
from simulator.engines.arm import World, event_only_features, has_learning_strategy
from simulator.engines.array_engine import ArrayEngine
from simulator.engines.event_engine import EventEngine
from simulator.engines.results import RecoveryResults
from simulator.model.cases import Cases, Integers
from simulator.model.outcome_model import OutcomeModels
from simulator.model.source import Source
from simulator.processes import run_in_processes
from simulator.report.comparison import build_arm_result, estimate_difference
from simulator.report.result import ArmResult, Result, Sensitivity
from simulator.report.tally import PairedSums, Tally, pair_results, tally_results

CHUNK: Final = 50_000
"""Cases simulated together on arrays; bounds the memory, whatever the number of cases."""
EVENT_CHUNK: Final = 250
"""Cases per chunk of the event engine: small, so that progress shows and a run can be canceled."""
SWEEP_CASES: Final = 200_000
"""The most cases that each point of the sensitivity sweep simulates."""


class DryRunCanceled(Exception):
    """The run was canceled by its observer; there is no result."""


class Engine(Protocol):
    """Simulates cases under one policy. Both engines return equal results for equal cases."""

    def run(self, cases: Cases) -> RecoveryResults:
        """The result of each case, a row per case in the order of `cases`."""


@dataclass
class ArmSums:
    """Sums of both arms and of their paired differences over the chunks so far."""

    baseline: Tally = field(default_factory=Tally)
    candidate: Tally = field(default_factory=Tally)
    pairs: PairedSums = field(default_factory=PairedSums)

    def add(self, other: "ArmSums") -> None:
        """Adds the sums of another chunk to these."""
        self.baseline.add(other.baseline)
        self.candidate.add(other.candidate)
        self.pairs.add(other.pairs)


class DryRunJob(NamedTuple):
    """The inputs of a dry run; picklable, so that each process builds its engines from it."""

    source: Source
    baseline: World
    candidate: World
    seed: int

    @property
    def is_event_by_event(self) -> bool:
        """Whether any arm needs the event engine, so that chunks are small."""
        return bool(event_only_features(self.baseline) or event_only_features(self.candidate))

    def with_baseline(self, soft: float, hard: float) -> "DryRunJob":
        """The same job with other shares of customers who pay by themselves, after soft and hard declines."""
        return self._replace(source=self.source.with_baseline(soft, hard))


class PairedRun:
    """Simulates the same cases with the same random draws under both policies."""

    def __init__(self, job: DryRunJob) -> None:
        self._source = job.source
        models = OutcomeModels(job.source.outcomes, job.seed)
        self._baseline, self._candidate = choose_engine(job.baseline, models), choose_engine(job.candidate, models)

    def __call__(self, first: int, count: int) -> ArmSums:
        """The sums over `count` cases from number `first` on."""
        cases = self._source.cases(first, count)
        amounts = _case_amounts(cases, self._source.currency)
        before, after = self._baseline.run(cases), self._candidate.run(cases)
        return ArmSums(
            tally_results(cases, before, amounts),
            tally_results(cases, after, amounts),
            pair_results(before, after, amounts),
        )


def choose_engine(world: World, fates: OutcomeModels) -> Engine:
    """The array engine where the policy allows it, else the event engine."""
    return EventEngine(world, fates) if event_only_features(world) else ArrayEngine(world, fates)


class RunObserver(NamedTuple):
    """Callbacks of a running dry run."""

    progress: Callable[[int, int], None] | None = None
    """Called after each chunk with the cases done and all cases, the sweep's included."""
    is_canceled: Callable[[], bool] | None = None
    """Called after each chunk; True ends the run with DryRunCanceled."""


def simulate_policies(
    source: Source,
    baseline: World,
    candidate: World,
    *,
    seed: int,
    jobs: int = 1,
    sweep: Sequence[tuple[float, float]] = (),
    watch: RunObserver = RunObserver(),  # noqa: B008
) -> Result:
    """Simulates both policies over all cases of the source. The result doesn't depend on the number of jobs.

    `sweep`: pairs of shares (soft, hard declines) paid by themselves at which the difference is computed again; left
    out where an arm needs the event engine. Raises InvalidInput for a source without cases, DryRunCanceled, and
    ProcessFailed.
    """
    if len(source) == 0:
        raise InvalidInput("There is nothing to simulate: the source has no recoveries.")
    job = DryRunJob(source, baseline, candidate, seed)
    points = () if job.is_event_by_event else sweep
    swept = min(len(source), SWEEP_CASES)
    run = _ChunkedRun(jobs, watch, len(source) + swept * len(points))
    sums = run.sum_cases(job, len(source))
    found = [_to_sensitivity(one, run.sum_cases(job.with_baseline(*one), swept), swept) for one in points]
    return _build_result(job, sums, tuple(found))


class _ChunkedRun:
    """Runs the chunks of the main run and of each sweep point, with one progress count over all of them."""

    def __init__(self, jobs: int, watch: RunObserver, whole: int) -> None:
        self._jobs, self._watch, self._whole, self._done = jobs, watch, whole, 0

    def sum_cases(self, job: DryRunJob, cases: int) -> ArmSums:
        """The sums over the first `cases` cases. Raises DryRunCanceled and ProcessFailed."""
        size = EVENT_CHUNK if job.is_event_by_event else CHUNK
        ranges = [(first, min(size, cases - first)) for first in range(0, cases, size)]
        sums = ArmSums()
        # Chunks arrive in any order; integer sums are the same in every order, floats would not be.
        with run_in_processes(partial(PairedRun, job), ranges, self._jobs) as parts:
            for part in parts:
                sums.add(part)
                self._report_progress(part.pairs.cases)
        return sums

    def _report_progress(self, cases: int) -> None:
        self._done += cases
        if self._watch.progress:
            self._watch.progress(self._done, self._whole)
        if self._watch.is_canceled and self._watch.is_canceled():
            raise DryRunCanceled


def _case_amounts(cases: Cases, currency: str) -> Integers:
    """The amount of each case in minor units; 0 where it is in another currency."""
    payers = cases.book.payers
    known = np.array([one.amount if one.currency == currency else 0 for one in payers], dtype=np.int64)
    return np.asarray(known[cases.payer])


def _to_sensitivity(shares: tuple[float, float], sums: ArmSums, cases: int) -> Sensitivity:
    gap = estimate_difference(sums.pairs)
    return Sensitivity(
        soft=shares[0],
        hard=shares[1],
        recoveries=cases,
        recovery_rate=gap.recovery_rate,
        ci_low=gap.ci_low,
        ci_high=gap.ci_high,
    )


def _build_result(job: DryRunJob, sums: ArmSums, points: tuple[Sensitivity, ...]) -> Result:
    return Result(
        seed=job.seed,
        source=job.source.name,
        recoveries=len(job.source),
        currency=job.source.currency,
        arms=(_build_arm(job.baseline, sums.baseline), _build_arm(job.candidate, sums.candidate)),
        difference=estimate_difference(sums.pairs),
        sensitivity=points,
        notes=(*job.source.notes, *_list_notes(job)),
        assumptions=job.source.assumption_list,
        policy_diff=_policy_diff(job.baseline, job.candidate),
    )


def _build_arm(world: World, tally: Tally) -> ArmResult:
    return build_arm_result(world.name, world.policy.version, tally, event_by_event=bool(event_only_features(world)))


def _list_notes(job: DryRunJob) -> Iterator[str]:
    for world in (job.baseline, job.candidate):
        if names := event_only_features(world):
            yield (
                f"{world.name}: {', '.join(names)} must be called for each invoice, so every recovery was simulated "
                "event by event."
            )
        if has_learning_strategy(world) and not event_only_features(world):
            yield f"{world.name}: the adaptive strategy has no recorded retries here, so it uses its ladder."
        if world.policy.fraud.scorer:
            yield f"{world.name}: the fraud scorer {world.policy.fraud.scorer} is not called in a dry run."


def _policy_diff(baseline: World, candidate: World) -> str:
    before, after = (world.text.splitlines(keepends=True) for world in (baseline, candidate))
    return "".join(difflib.unified_diff(before, after, baseline.policy.name, candidate.policy.name))
