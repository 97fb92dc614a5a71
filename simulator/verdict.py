"""What a result says in one sentence, with its interval."""

from enum import StrEnum
from typing import Final

from core.base import Value
from simulator.result import Difference, Result
from simulator.wording import between, decimal, money, percent, signed

PAID_ELSEWHERE: Final = "recovered: paid_elsewhere"
"""In `ArmResult.ends`: the customer paid, and no charge of ours."""


class Finding(StrEnum):
    """How the candidate compares."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    """In every single case."""
    UNDECIDED = "undecided"


class Verdict(Value):
    """The answer to whether the candidate is worth it."""

    finding: Finding
    sentence: str
    amount: str
    """The same in money."""
    cautions: tuple[str, ...] = ()
    """What speaks against trusting it."""


def verdict(result: Result) -> Verdict:
    """The sentence. A difference counts where its interval lies on one side of nought."""
    found = finding(result.difference)
    return Verdict(
        finding=found, sentence=_SENTENCES[found](result), amount=_amount(result), cautions=tuple(_cautions(result))
    )


def finding(gap: Difference) -> Finding:
    """Which way it goes, as far as can be told."""
    if not any(
        (gap.recovery_rate, gap.ci_low, gap.ci_high, gap.amount_recovered, gap.amount_ci_low, gap.amount_ci_high)
    ):
        return Finding.SAME
    if gap.ci_low > 0:
        return Finding.BETTER
    return Finding.WORSE if gap.ci_high < 0 else Finding.UNDECIDED


def _better(result: Result) -> str:
    return _decided(result, "more")


def _worse(result: Result) -> str:
    return _decided(result, "fewer")


def _decided(result: Result, word: str) -> str:
    gap = result.difference
    low, high = sorted((abs(gap.ci_low), abs(gap.ci_high)))
    interval = between(decimal(low * 100), decimal(high * 100))
    return (
        f"The candidate wins back {decimal(abs(gap.recovery_rate) * 100)} {word} of every 100 failed payments than the "
        f"baseline (95 % interval: {interval})."
    )


def _amount(result: Result) -> str:
    gap, unit = result.difference, result.currency
    more = signed(money(gap.amount_recovered, unit))
    return (
        f"In money: {more} (95 % interval: {between(money(gap.amount_ci_low, unit), money(gap.amount_ci_high, unit))})."
    )


def _same(_: Result) -> str:
    return "Candidate and baseline win back exactly the same of these payments: the difference is exactly zero."


def _undecided(result: Result) -> str:
    gap = result.difference
    low, high = decimal(gap.ci_low * 100), decimal(gap.ci_high * 100)
    return (
        f"Whether the candidate wins back more can't be told from {result.recoveries:,} recoveries: the difference per "
        f"100 failed payments lies between {low} and {high} (95 % interval), at best estimate "
        f"{decimal(gap.recovery_rate * 100)}."
    )


_SENTENCES = {
    Finding.BETTER: _better,
    Finding.WORSE: _worse,
    Finding.SAME: _same,
    Finding.UNDECIDED: _undecided,
}


def _cautions(result: Result) -> tuple[str, ...]:
    known = result.calibration.warnings if result.calibration else ()
    return (*known, *_turning(result), *_waited(result), *_guessed(result))


def _turning(result: Result) -> tuple[str, ...]:
    """Where another belief about customers who pay by themselves would say something else."""
    here = finding(result.difference)
    others = [one for one in result.sensitivity if _sign(one.ci_low, one.ci_high) not in {here, Finding.SAME}]
    if not others or here is Finding.SAME:
        return ()
    return (
        f"At {len(others)} of {len(result.sensitivity)} assumed shares of customers who pay by themselves the verdict "
        "would be another one; see the sweep.",
    )


def _sign(low: float, high: float) -> Finding:
    if low == high == 0:
        return Finding.SAME
    return Finding.BETTER if low > 0 else Finding.WORSE if high < 0 else Finding.UNDECIDED


def _waited(result: Result) -> tuple[str, ...]:
    """Where most of what the candidate wins more is what customers paid by themselves: a longer window does that."""
    before, after = result.arms[0], result.arms[-1]
    more = after.recovered - before.recovered
    paid = after.ends.get(PAID_ELSEWHERE, 0) - before.ends.get(PAID_ELSEWHERE, 0)
    if finding(result.difference) is not Finding.BETTER or 2 * paid <= more:
        return ()
    return (
        f"{paid:,} more customers paid by themselves while the candidate kept their recoveries open, which is most of "
        f"the {more:,} recoveries that it wins more: waiting for longer does that without any retry.",
    )


def _guessed(result: Result) -> tuple[str, ...]:
    """Where much of the candidate's success comes from delays that nobody ever tried."""
    arm = result.arms[-1]
    share = arm.extrapolated_recoveries / arm.recovered if arm.recovered else 0.0
    if share < 0.05:
        return ()
    return (f"{percent(share)} of the candidate's recoveries come from charges after delays that nobody ever tried.",)
