"""The card networks' limits, written down a second time, and a sliding window over the gateway's log."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tests.faults.rounds.evidence import PayCall

DAY: Final = 86_400.0
DECLINED, APPROVED = 402, 200


@dataclass(frozen=True)
class Limit:
    """At most `allowed` declined attempts of a card within `seconds`; an approval may begin the count anew."""

    network: str
    seconds: float
    allowed: int
    per_amount: bool = False
    approval_resets: bool = False


LIMITS: Final = (
    Limit("visa", 30 * DAY, 20, per_amount=True, approval_resets=True),
    Limit("mastercard", DAY, 10),
    Limit("mastercard", 30 * DAY, 35, per_amount=True),
    Limit("amex", 30 * DAY, 15),
    Limit("discover", 30 * DAY, 15),
)
"""As of 2026; the sources are those of core/card_networks/network_rules.csv."""


def find_excess_calls(calls: Iterable[PayCall]) -> list[tuple[str, str]]:
    """Invoice and description of each attempt that reached the network beyond a limit."""
    attempts = _attempts(calls)
    return [
        (
            attempt.invoice,
            f"pay call {attempt.sequence} is try {used + 1} of {limit.allowed} in {limit.seconds / DAY:g} d",
        )
        for attempt in attempts
        for limit in LIMITS
        if limit.network == attempt.network and (used := _count_before(attempt, attempts, limit)) >= limit.allowed
    ]


def _attempts(calls: Iterable[PayCall]) -> list[PayCall]:
    """The calls that reached the network, one per key: repeats and what the gateway refused by itself are none."""
    found: dict[str, PayCall] = {}
    for call in sorted(calls, key=lambda call: call.sequence):
        if call.status in {DECLINED, APPROVED} and not call.replayed:
            found.setdefault(call.key or f"call {call.sequence}", call)
    return list(found.values())


def _count_before(attempt: PayCall, attempts: list[PayCall], limit: Limit) -> int:
    """Declined attempts of the same card within the window that ends with this attempt."""
    earlier = [
        one
        for one in attempts
        if one.card == attempt.card
        and attempt.wall - limit.seconds < one.wall < attempt.wall
        and (one.amount == attempt.amount or not limit.per_amount)
    ]
    approved = max((one.wall for one in earlier if one.status == APPROVED), default=0.0)
    since = approved if limit.approval_resets else 0.0
    return sum(one.status == DECLINED and one.wall > since for one in earlier)
