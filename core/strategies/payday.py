"""Retries on the morning of the customer's payday; without one in range, by a ladder, also in the mornings."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from core.calendar import Calendar
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.ids import spread_attempt
from core.strategies.base import Need, Proposal, Situation
from core.strategies.fixed_ladder import FixedLadder
from core.strategies.payday_patterns import check_patterns, is_payday, patterns_for

SECONDS_PER_DAY: Final = 86_400
LONGEST_SEARCH_DAYS: Final = 45


class Payday:
    """The first payday morning from `shortest` to `longest` after the failure; without one the ladder's delay.

    `delays` or `preset`, and `jitter_percent`: the ladder. `from_hour`, `to_hour`: the morning, in the customer's
    time zone. `paydays`: patterns instead of the country's (core/strategies/payday_patterns.py). Raises InvalidPolicy
    for settings outside their ranges.
    """

    needs = frozenset({Need.CALENDAR})

    def __init__(
        self,
        delays: Sequence[str] | None = None,
        jitter_percent: int = 0,
        preset: str | None = None,
        shortest: str = "12h",
        longest: str = "16d",
        from_hour: int = 8,
        to_hour: int = 11,
        paydays: Sequence[str] | None = None,
    ) -> None:
        self.ladder = FixedLadder(delays=delays, jitter_percent=jitter_percent, preset=preset)
        self.shortest, self.longest = _parse_delay_range(shortest, longest)
        self.from_hour, self.to_hour = _check_hours(from_hour, to_hour)
        self.patterns = check_patterns(paydays) if paydays is not None else None

    def propose(self, situation: Situation) -> Proposal | None:
        """A payday morning, else the ladder's delay moved to a morning; unmoved if there is no calendar.

        None if there is no payday in range and the ladder is used up.
        """
        calendar = situation.calendar
        if calendar is None:
            return self._ladder_proposal(situation, "the customer's calendar is unknown")
        patterns = self.patterns or patterns_for(situation.country, situation.currency)
        if not patterns:
            return self._ladder_proposal(situation, "no paydays are known there", calendar)
        found = self._find_payday(situation, calendar, patterns)
        return found or self._ladder_proposal(situation, "no payday is near", calendar)

    def _find_payday(self, situation: Situation, calendar: Calendar, patterns: tuple[str, ...]) -> Proposal | None:
        least = max(self.shortest, situation.earliest_seconds)
        most = min(self.longest, self.longest if situation.window_seconds is None else situation.window_seconds)
        first = calendar.to_local_time(situation.failed_at + timedelta(seconds=least)).date() if least <= most else None
        for ahead in range(LONGEST_SEARCH_DAYS if first else 0):
            assert first is not None
            day = first + timedelta(days=ahead)
            if not is_payday(day, patterns, calendar):
                continue
            delay = self._morning_delay(day, situation, calendar)
            if least <= delay <= most:
                return Proposal(delay_seconds=delay, why=f"payday {day} in {calendar.zone}, in the morning there")
        return None

    def _ladder_proposal(self, situation: Situation, why: str, calendar: Calendar | None = None) -> Proposal | None:
        """The ladder's delay; one of a day or more is moved to the next morning if that is within the window."""
        rung = self.ladder.propose(situation)
        if rung is None:
            return None
        delay = rung.delay_seconds
        if calendar and delay >= SECONDS_PER_DAY:
            later = self._next_morning(situation, calendar, max(delay, situation.earliest_seconds))
            delay = later if situation.window_seconds is None or later <= situation.window_seconds else delay
        # A moved delay depends on the invoice, so it states no common delay that the simulator could share.
        moved = {"steady_seconds": None, "jitter_seconds": 0} if delay != rung.delay_seconds else {}
        return rung.model_copy(update={"delay_seconds": delay, "why": f"{why}; {rung.why}"} | moved)

    def _next_morning(self, situation: Situation, calendar: Calendar, least: int) -> int:
        day = calendar.to_local_time(situation.failed_at + timedelta(seconds=least)).date()
        mornings = (self._morning_delay(day + timedelta(days=ahead), situation, calendar) for ahead in range(3))
        return next((delay for delay in mornings if delay >= least), least)

    def _morning_delay(self, day: date, situation: Situation, calendar: Calendar) -> int:
        """Seconds from the failure to this invoice's own time in the morning of that day, rounded up."""
        width = (self.to_hour - self.from_hour) * 3_600
        into = spread_attempt(situation.invoice_id, situation.attempt) * width >> 32
        local = datetime.combine(day, time(self.from_hour)) + timedelta(seconds=into)
        return -((situation.failed_at - calendar.to_utc(local)) // timedelta(seconds=1))


def _parse_delay_range(shortest: str, longest: str) -> tuple[int, int]:
    least, most = parse_duration(shortest), parse_duration(longest)
    if most < least or most > LONGEST_SEARCH_DAYS * SECONDS_PER_DAY:
        raise InvalidPolicy(
            f"longest {longest!r} must be at least shortest {shortest!r} and at most {LONGEST_SEARCH_DAYS}d"
        )
    return least, most


def _check_hours(first: object, last: object) -> tuple[int, int]:
    if type(first) is not int or type(last) is not int or not 0 <= first < last <= 24:
        raise InvalidPolicy(f"from_hour {first!r} and to_hour {last!r} must be whole hours, 0 to 24, in their order")
    return first, last
