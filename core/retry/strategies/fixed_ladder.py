"""Retries at fixed delays, each counted from the failure before it."""

from collections.abc import Sequence

from core.errors import InvalidPolicy
from core.retry.duration import parse_duration
from core.retry.strategies.base import Proposal, Situation
from core.retry.strategies.jitter import check_jitter_percent, propose_with_jitter
from core.retry.strategies.presets import preset_delays


class FixedLadder:
    """`delays = ["3h", "24h", …]`, or `preset = "polar"`: one rung for each retry, none after the last."""

    shared = True

    def __init__(self, delays: Sequence[str] | None = None, jitter_percent: int = 0, preset: str | None = None) -> None:
        if (delays is None) == (preset is None):
            raise InvalidPolicy("a ladder needs either delays or a preset")
        rungs = delays if preset is None else preset_delays(preset)
        if isinstance(rungs, str) or not isinstance(rungs, Sequence) or not rungs:
            raise InvalidPolicy("delays must be a list of at least one length of time")
        self._delays = tuple(parse_duration(delay) for delay in rungs)
        self._jitter = check_jitter_percent(jitter_percent)
        self._preset_suffix = f" of {preset}" if preset else ""

    def propose(self, situation: Situation) -> Proposal | None:
        """The rung of this retry; None above the last one."""
        attempt = situation.attempt
        if not 1 <= attempt <= len(self._delays):
            return None
        plain = self._delays[attempt - 1]
        why = f"rung {attempt} of {len(self._delays)}{self._preset_suffix}: {_duration_words(plain)} after the last failure"
        return propose_with_jitter(plain, self._jitter, situation.invoice_id, attempt, why, late_ends=True)


def _duration_words(length: int) -> str:
    return f"{length // 3_600} h" if length % 3_600 == 0 else f"{length // 60} min" if length >= 60 else f"{length} s"
