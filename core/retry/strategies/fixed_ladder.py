"""Retries at fixed delays, each counted from the failure before it."""

from collections.abc import Sequence

from core.errors import InvalidPolicy
from core.retry.duration import seconds
from core.retry.strategies.base import Proposal, Situation
from core.retry.strategies.jitter import checked, jittered


class FixedLadder:
    """`delays = ["3h", "24h", …]`: one rung for each retry, none after the last."""

    def __init__(self, delays: Sequence[str], jitter_percent: int = 0) -> None:
        if isinstance(delays, str) or not isinstance(delays, Sequence) or not delays:
            raise InvalidPolicy("delays must be a list of at least one length of time")
        self._delays = tuple(seconds(delay) for delay in delays)
        self._jitter = checked(jitter_percent)

    def propose(self, situation: Situation) -> Proposal | None:
        """The rung of this retry; None above the last one."""
        attempt = situation.attempt
        if not 1 <= attempt <= len(self._delays):
            return None
        delay = jittered(self._delays[attempt - 1], self._jitter, situation.invoice_id, attempt)
        why = f"rung {attempt} of {len(self._delays)}: {_words(self._delays[attempt - 1])} after the last failure"
        return Proposal(delay_seconds=delay, why=why)


def _words(length: int) -> str:
    return f"{length // 3_600} h" if length % 3_600 == 0 else f"{length // 60} min" if length >= 60 else f"{length} s"
