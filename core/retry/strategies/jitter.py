"""Keeps retries of one outage apart, the same way every time."""

from typing import Any

from core.errors import InvalidPolicy
from core.ids import spread_attempt
from core.retry.strategies.base import Proposal

MAX_JITTER_PERCENT = 50


def check_jitter_percent(percent: object) -> int:
    """A jitter of 0 to 50 percent. Raises InvalidPolicy for anything else."""
    if type(percent) is not int or not 0 <= percent <= MAX_JITTER_PERCENT:
        raise InvalidPolicy(f"jitter_percent is {percent!r}; it must be a whole number from 0 to {MAX_JITTER_PERCENT}")
    return percent


def propose_with_jitter(
    delay_seconds: int, percent: int, invoice_id: str, attempt: int, why: str, **more: Any
) -> Proposal:
    """The delay, later by 0 to `percent` of itself; never earlier. Whole seconds, the same for the same attempt."""
    widest = delay_seconds * percent // 100
    share = spread_attempt(invoice_id, attempt) * (widest + 1) >> 32
    parts = {"steady_seconds": delay_seconds, "jitter_seconds": widest}
    return Proposal(delay_seconds=delay_seconds + share, why=why, **parts, **more)
