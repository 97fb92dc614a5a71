"""The table of what rounds showed."""

from collections import Counter
from collections.abc import Sequence

from tests.faults.rounds.round import Injection, RoundResult

COLUMNS = ("fault", "injected", "in flight", "healthy after", "checked", "violations")


def is_clean(results: Sequence[RoundResult], healthy_within: float) -> bool:
    """Whether nothing was violated and every fault was over in time, in seconds."""
    return not any(result.violations for result in results) and not late_injections(results, healthy_within)


def late_injections(results: Sequence[RoundResult], healthy_within: float) -> list[tuple[int, Injection]]:
    """Seed and injection of the faults after which the service was not healthy within these seconds."""
    return [
        (result.seed, injection)
        for result in results
        for injection in result.injections
        if injection.healthy_seconds is None or injection.healthy_seconds > healthy_within
    ]


def format_report(results: Sequence[RoundResult], healthy_within: float) -> str:
    """The table by fault, what each check looked at, and everything that is wrong. A violation counts for its round's
    faults alike."""
    names = sorted({injection.name for result in results for injection in result.injections})
    lines = _align([COLUMNS, *(_fault_line(name, results) for name in names)])
    lines += ["", f"looked at: {_examined_counts(results)}; I8 is tests/replay"]
    recoveries, calls = sum(result.recoveries for result in results), sum(result.pay_calls for result in results)
    violations = [(result.seed, found) for result in results for found in result.violations]
    lines.append(f"{len(results)} rounds, {recoveries} recoveries, {calls} pay calls, {len(violations)} violations")
    lines += [f"seed {seed}: {found.invariant} {found.subject}: {found.what}" for seed, found in violations]
    lines += [f"seed {result.seed}: skipped {reason}" for result in results for reason in result.skipped]
    late = late_injections(results, healthy_within)
    lines += [f"seed {seed}: {late_one.name} not healthy within {healthy_within:g} s" for seed, late_one in late]
    return "\n".join(lines) + "\n"


def _examined_counts(results: Sequence[RoundResult]) -> str:
    counts: Counter[str] = Counter()
    for result in results:
        counts.update({name: finding.examined for name, finding in result.findings.items()})
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _fault_line(name: str, results: Sequence[RoundResult]) -> tuple[str, ...]:
    hit = [result for result in results if any(injection.name == name for injection in result.injections)]
    mine = [injection for result in hit for injection in result.injections if injection.name == name]
    checked = " ".join(next(iter(hit)).findings)
    violations = sum(len(result.violations) for result in hit)
    flight = _span([injection.in_flight for injection in mine], "{:.0f}")
    seconds = [injection.healthy_seconds for injection in mine if injection.healthy_seconds is not None]
    healthy = _span(seconds, "{:.1f}") + " s" if len(seconds) == len(mine) else "never"
    return name, str(len(mine)), flight, healthy, checked, str(violations)


def _span(numbers: Sequence[float], form: str) -> str:
    low, high = form.format(min(numbers)), form.format(max(numbers))
    return low if low == high else f"{low}-{high}"


def _align(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
