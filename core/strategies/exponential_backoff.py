"""Retries after delays that grow by a factor up to a cap."""

from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.strategies.base import Proposal, Situation, check_jitter_percent, propose_with_jitter


class ExponentialBackoff:
    """`base = "30m"`, `factor_percent = 200` (doubles), `cap = "24h"`: the delay grows up to the cap and stays there.

    Raises InvalidPolicy for a cap below the base, or a factor or jitter outside its range.
    """

    shared = True

    def __init__(self, base: str, cap: str, factor_percent: int = 200, jitter_percent: int = 0) -> None:
        self._base, self._cap = parse_duration(base), parse_duration(cap)
        self._factor = _check_factor(factor_percent)
        self._jitter = check_jitter_percent(jitter_percent)
        if self._cap < self._base:
            raise InvalidPolicy(f"cap {cap!r} is shorter than base {base!r}")

    def propose(self, situation: Situation) -> Proposal | None:
        """The delay of this retry. The strategy itself has no last one; the policy's budget and window end it."""
        if situation.attempt < 1:
            return None
        plain = self._delay_without_jitter(situation.attempt)
        why = f"backs off: {plain} s after failure {situation.attempt}"
        return propose_with_jitter(plain, self._jitter, situation.invoice_id, situation.attempt, why)

    def _delay_without_jitter(self, attempt: int) -> int:
        """The delay in seconds, before jitter."""
        # Repeated integer multiplication instead of a power: the result is exact and the same on every machine.
        delay = self._base
        for _ in range(attempt - 1):
            grown = delay * self._factor // 100
            if grown == delay or delay >= self._cap:
                break
            delay = grown
        return min(delay, self._cap)


def _check_factor(percent: object) -> int:
    if type(percent) is not int or not 100 <= percent <= 1_000:
        raise InvalidPolicy(f"factor_percent is {percent!r}; it must be a whole number from 100 to 1000")
    return percent
