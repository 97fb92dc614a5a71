"""The comparison of two arms, line by line, as the report and the terminal show it."""

from collections.abc import Callable
from typing import Final, NamedTuple

from simulator.result import ArmResult, Result
from simulator.wording import NOTHING, between, count, decimal, money, percent, points, signed, span

FEES: Final = "USD"
"""Card networks publish their fees in it."""


class Cell(NamedTuple):
    """A figure, and its interval where it has one."""

    text: str
    interval: str = ""


class Line(NamedTuple):
    """One line of the comparison."""

    name: str
    baseline: Cell
    candidate: Cell
    change: Cell
    hint: str = ""
    """What it means, where that isn't plain."""
    strong: bool = False
    """Whether the verdict hangs on it."""


class _Kind(NamedTuple):
    """How a figure of both arms is shown."""

    name: str
    of: Callable[[ArmResult], float]
    shown: Callable[[float], str]
    hint: str = ""


def lines(result: Result) -> tuple[Line, ...]:
    """Every figure of both arms, and the candidate's change."""
    return (*_heading(result), *(_line(kind, result) for kind in _kinds()), _median(result))


def _heading(result: Result) -> tuple[Line, ...]:
    before, after = arms(result)
    gap, unit = result.difference, result.currency
    rate = Cell(f"{points(gap.recovery_rate)} points", between(points(gap.ci_low), points(gap.ci_high)))
    more, low, high = (signed(money(n, unit)) for n in (gap.amount_recovered, gap.amount_ci_low, gap.amount_ci_high))
    one, other = (Cell(money(arm.amount_recovered, unit)) for arm in (before, after))
    return (
        Line("Recovery rate", _rate(before), _rate(after), rate, "recovered, of all; 95 % intervals", True),
        Line("Amount recovered", one, other, Cell(more, between(low, high)), "of the cases in this currency", True),
    )


def _rate(arm: ArmResult) -> Cell:
    return Cell(percent(arm.recovery_rate), between(percent(arm.ci_low), percent(arm.ci_high)))


def _kinds() -> tuple[_Kind, ...]:
    def fees(amount: float) -> str:
        return money(int(amount), FEES)

    def whole(number: float) -> str:
        return count(int(number))

    return (
        _Kind("Recovered", lambda arm: arm.recovered, whole),
        _Kind("Charge attempts", lambda arm: arm.charge_attempts, whole),
        _Kind("Attempts per recovery", lambda arm: arm.attempts_per_recovery, decimal, "over all failed payments"),
        _Kind("Network fees caused", lambda arm: arm.network_fees, fees, "by tries beyond the networks' limits"),
        _Kind("Network fees avoided", lambda arm: arm.network_fees_avoided, fees, "by not trying where it would cost"),
        _Kind(
            "Held back by network rules", lambda arm: arm.blocked_by_network_rules, whole, "tries moved or forbidden"
        ),
        _Kind("Extrapolated attempts", lambda arm: arm.extrapolated_attempts, whole, "after delays nobody ever tried"),
        _Kind("Recovered by those", lambda arm: arm.extrapolated_recoveries, whole, "guessed, not known from records"),
    )


def _line(kind: _Kind, result: Result) -> Line:
    before, after = (kind.of(arm) for arm in arms(result))
    change = Cell(signed(kind.shown(after - before)))
    return Line(kind.name, Cell(kind.shown(before)), Cell(kind.shown(after)), change, kind.hint)


def _median(result: Result) -> Line:
    before, after = (arm.median_hours_to_recovery for arm in arms(result))
    change = NOTHING if before is None or after is None else signed(span(after - before))
    hint = "from the failure to the money"
    return Line("Median time to recovery", Cell(span(before)), Cell(span(after)), Cell(change), hint)


def arms(result: Result) -> tuple[ArmResult, ArmResult]:
    """Baseline and candidate."""
    before, after = result.arms
    return before, after
