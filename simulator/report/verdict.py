"""The verdict on a result: one sentence with its interval, and cautions against trusting it."""

from enum import StrEnum
from typing import Final

from core.base import Value
from simulator.report.result import Difference, Result
from simulator.report.wording import add_sign, format_decimal, format_interval, format_money, format_percent

PAID_ELSEWHERE: Final = "recovered: paid_elsewhere"
"""The key in `ArmResult.ends` of recoveries that the customer paid without a charge of ours."""


class Conclusion(StrEnum):
    """How the candidate compares with the baseline."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    """Equal in every single case."""
    UNDECIDED = "undecided"


class Verdict(Value):
    """The conclusion in words."""

    conclusion: Conclusion
    sentence: str
    amount: str
    """The difference in money, as a sentence."""
    cautions: tuple[str, ...] = ()
    """Reasons to trust it less, one sentence each."""


def build_verdict(result: Result) -> Verdict:
    """The verdict on a result. A difference counts only if its 95 percent interval excludes zero."""
    found = conclude_difference(result.difference)
    return Verdict(
        conclusion=found,
        sentence=_SENTENCES[found](result),
        amount=_amount_sentence(result),
        cautions=tuple(_list_cautions(result)),
    )


def conclude_difference(gap: Difference) -> Conclusion:
    """BETTER or WORSE if the rate's interval excludes zero, SAME if all differences are zero, else UNDECIDED."""
    if not any(
        (gap.recovery_rate, gap.ci_low, gap.ci_high, gap.amount_recovered, gap.amount_ci_low, gap.amount_ci_high)
    ):
        return Conclusion.SAME
    if gap.ci_low > 0:
        return Conclusion.BETTER
    return Conclusion.WORSE if gap.ci_high < 0 else Conclusion.UNDECIDED


def _better_sentence(result: Result) -> str:
    return _decided_sentence(result, "more")


def _worse_sentence(result: Result) -> str:
    return _decided_sentence(result, "fewer")


def _decided_sentence(result: Result, word: str) -> str:
    gap = result.difference
    low, high = sorted((abs(gap.ci_low), abs(gap.ci_high)))
    interval = format_interval(format_decimal(low * 100), format_decimal(high * 100))
    return (
        f"The candidate wins back {format_decimal(abs(gap.recovery_rate) * 100)} {word} "
        f"of every 100 failed payments than the "
        f"baseline (95% interval: {interval})."
    )


def _amount_sentence(result: Result) -> str:
    gap, unit = result.difference, result.currency
    more = add_sign(format_money(gap.amount_recovered, unit))
    interval = format_interval(format_money(gap.amount_ci_low, unit), format_money(gap.amount_ci_high, unit))
    return f"In money: {more} (95% interval: {interval})."


def _same_sentence(_: Result) -> str:
    return "Candidate and baseline win back exactly the same of these payments: the difference is exactly zero."


def _undecided_sentence(result: Result) -> str:
    gap = result.difference
    low, high = format_decimal(gap.ci_low * 100), format_decimal(gap.ci_high * 100)
    return (
        f"{result.recoveries:,} recoveries don't show whether the candidate wins back more: the difference per "
        f"100 failed payments lies between {low} and {high} (95% interval), at best estimate "
        f"{format_decimal(gap.recovery_rate * 100)}."
    )


_SENTENCES = {
    Conclusion.BETTER: _better_sentence,
    Conclusion.WORSE: _worse_sentence,
    Conclusion.SAME: _same_sentence,
    Conclusion.UNDECIDED: _undecided_sentence,
}


def _list_cautions(result: Result) -> tuple[str, ...]:
    known = result.calibration.warnings if result.calibration else ()
    return (*known, *_sweep_caution(result), *_self_payment_caution(result), *_extrapolation_caution(result))


def _sweep_caution(result: Result) -> tuple[str, ...]:
    """A caution if the verdict depends on the assumed share of customers who pay by themselves."""
    here = conclude_difference(result.difference)
    others = [
        one for one in result.sensitivity if _conclude_interval(one.ci_low, one.ci_high) not in {here, Conclusion.SAME}
    ]
    if not others or here is Conclusion.SAME:
        return ()
    return (
        f"At {len(others)} of {len(result.sensitivity)} assumed shares of customers who pay by themselves the verdict "
        "would be another; see the sensitivity sweep.",
    )


def _conclude_interval(low: float, high: float) -> Conclusion:
    if low == high == 0:
        return Conclusion.SAME
    return Conclusion.BETTER if low > 0 else Conclusion.WORSE if high < 0 else Conclusion.UNDECIDED


def _self_payment_caution(result: Result) -> tuple[str, ...]:
    """A caution if most of the gain is customers who paid by themselves, which a longer window alone achieves."""
    before, after = result.arms[0], result.arms[-1]
    more = after.recovered - before.recovered
    paid = after.ends.get(PAID_ELSEWHERE, 0) - before.ends.get(PAID_ELSEWHERE, 0)
    if conclude_difference(result.difference) is not Conclusion.BETTER or 2 * paid <= more:
        return ()
    return (
        f"{paid:,} more customers paid by themselves while the candidate kept their recoveries open, which is most of "
        f"the {more:,} recoveries that it wins more: waiting for longer does that without any retry.",
    )


def _extrapolation_caution(result: Result) -> tuple[str, ...]:
    """A caution if five percent or more of the candidate's recoveries come from delays without recorded attempts."""
    arm = result.arms[-1]
    share = arm.extrapolated_recoveries / arm.recovered if arm.recovered else 0.0
    if share < 0.05:
        return ()
    return (
        f"{format_percent(share)} of the candidate's recoveries come from charges after delays without a "
        "recorded attempt.",
    )
