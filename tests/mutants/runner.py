"""Plants one bug after another and says by which check each was caught."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from core.base import Value
from tests.mutants.checks import CheckResult, CheckState, run_checks
from tests.mutants.mutant import Mutant
from tests.mutants.tree import EditError, planted

Say = Callable[[str], None]
"""Tells a person how far it is."""


class Verdict(Value):
    """What became of one mutant."""

    mutant: Mutant
    results: tuple[CheckResult, ...] = ()
    seconds: float = 0.0
    problem: str = ""
    """Why it could not be planted."""

    @property
    def is_caught(self) -> bool:
        """Whether it was planted and each of its checks caught it."""
        return bool(self.results) and all(result.state is CheckState.CAUGHT for result in self.results)


def find_unfit_checks(tree: Path, mutants: Sequence[Mutant], seconds: float) -> list[CheckResult]:
    """The checks of these mutants that don't pass without a bug: what they say of a mutant proves nothing."""
    checks = sorted({check for mutant in mutants for check in mutant.checks})
    return [result for result in run_checks(tree, checks, seconds) if result.state is not CheckState.PASSED]


def try_mutants(trees: Sequence[Path], mutants: Sequence[Mutant], seconds: float, say: Say) -> Iterator[Verdict]:
    """The verdict of each mutant, in their order; as many at a time as there are trees, each alone in its tree.

    `seconds` for the checks of one mutant at most.
    """
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def try_next(mutant: Mutant) -> Verdict:
        tree = free.get()
        try:
            verdict = _try_mutant(tree, mutant, seconds)
        finally:
            free.put(tree)
        say(f"{mutant.name}: {_describe(verdict)} in {verdict.seconds:.1f} s")
        return verdict

    with ThreadPoolExecutor(len(trees)) as pool:
        yield from pool.map(try_next, mutants)


def _describe(verdict: Verdict) -> str:
    if verdict.is_caught:
        return "caught"
    missed = [
        f"{one.check} {one.state.value} {one.said}" for one in verdict.results if one.state is not CheckState.CAUGHT
    ]
    return f"NOT CAUGHT ({verdict.problem or '; '.join(missed)})"


def _try_mutant(tree: Path, mutant: Mutant, seconds: float) -> Verdict:
    began = time.monotonic()
    try:
        with planted(tree, mutant.edits):
            results = tuple(_accept_error(mutant, one) for one in run_checks(tree, mutant.checks, seconds))
    except EditError as error:
        return Verdict(mutant=mutant, problem=str(error))
    return Verdict(mutant=mutant, results=results, seconds=time.monotonic() - began)


def _accept_error(mutant: Mutant, result: CheckResult) -> CheckResult:
    """The result; caught also by the error that the mutant names."""
    if mutant.error and result.state is CheckState.BROKEN and result.said.startswith(f"{mutant.error}:"):
        return result.model_copy(update={"state": CheckState.CAUGHT})
    return result
