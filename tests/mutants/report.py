"""The table of what became of the mutants, for a terminal and for docs/reliability.md."""

from collections.abc import Iterator, Sequence

from tests.mutants.checks import CheckResult
from tests.mutants.mutant import Mutant
from tests.mutants.runner import Verdict

COLUMNS = ("mutant", "promise", "check", "state", "seconds", "what it said")
LONGEST = 60
"""Characters of what a check said."""


def format_report(verdicts: Sequence[Verdict]) -> str:
    """One line per mutant and check, and how many mutants were caught."""
    lines = _align([COLUMNS, *(line for verdict in verdicts for line in _report_lines(verdict))])
    caught = sum(verdict.is_caught for verdict in verdicts)
    lines += ["", f"{len(verdicts)} mutants, {caught} caught, {len(verdicts) - caught} not"]
    return "\n".join(lines) + "\n"


def format_unfit(results: Sequence[CheckResult]) -> str:
    """The checks that don't pass without a bug."""
    lines = [f"{one.check}: {one.state.value} without any bug: {one.said}" for one in results]
    return "\n".join(lines) + "\n"


def format_list(mutants: Sequence[Mutant]) -> str:
    """Name, promise and bug of each mutant."""
    return "\n".join(_align([(one.name, one.promise, one.bug) for one in mutants])) + "\n"


def format_markdown(mutants: Sequence[Mutant]) -> str:
    """The table of docs/reliability.md: each mutant, its promise, and the checks that catch it."""
    rows = [f"| {one.promise} | `{one.name}`: {one.bug} | {_code(one.checks)} |" for one in mutants]
    return "\n".join(["| | Planted bug | Caught by |", "|---|---|---|", *rows]) + "\n"


def _code(checks: Sequence[str]) -> str:
    return ", ".join(f"`{check.removeprefix('tests/')}`" for check in checks)


def _report_lines(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    mutant, seconds = verdict.mutant, f"{verdict.seconds:.1f}"
    if verdict.problem:
        yield mutant.name, mutant.promise, "", "does not apply", seconds, verdict.problem
    for number, result in enumerate(verdict.results):
        name = (mutant.name, mutant.promise) if number == 0 else ("", "")
        yield *name, result.check, _describe_state(result), seconds if number == 0 else "", result.said[:LONGEST]


def _describe_state(result: CheckResult) -> str:
    return "SURVIVED" if result.state.value == "passed" else result.state.value


def _align(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
