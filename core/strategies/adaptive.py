"""Learns when retries succeed: Thompson sampling over blocks of the week; a ladder while there is too little data.

Thompson sampling draws a success rate for each option from what is known of it, and takes the best draw: options with
few trials vary more and so are tried now and then (Thompson, 1933).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.ids import spread_attempt
from core.strategies.base import Need, Proposal, Situation
from core.strategies.experience import BLOCK_HOURS, Experience, RetryTally, block_of, delay_class
from core.strategies.fixed_ladder import FixedLadder
from core.strategies.random_draws import MILLION, RandomDraws

PRIOR_STRENGTH: Final = 20
"""Weight of the wider group's rate in a narrower group's, counted in retries."""
LONGEST_DELAY: Final = 14 * 86_400


class Option(NamedTuple):
    """One moment to choose from; `delay_seconds` counts from the failure."""

    delay_seconds: int
    delay: int
    """Its delay class."""
    block: int
    """Its block of the week."""


class Adaptive:
    """Chooses among the six-hour blocks from `shortest` to `longest` after the failure.

    `explore_percent`: how often a block is chosen at random, so that one with bad results is tried again.
    `least_trials`: recorded retries of this cause and attempt below which the ladder (`delays` or `preset`,
    `jitter_percent`) decides. Raises InvalidPolicy for settings outside their ranges.
    """

    needs = frozenset({Need.EXPERIENCE})

    def __init__(
        self,
        delays: Sequence[str] | None = None,
        jitter_percent: int = 0,
        preset: str | None = None,
        shortest: str = "1h",
        longest: str = "7d",
        explore_percent: int = 10,
        least_trials: int = 200,
    ) -> None:
        self._ladder = FixedLadder(delays=delays, jitter_percent=jitter_percent, preset=preset)
        self._shortest, self._longest = _parse_delay_range(shortest, longest)
        self._explore_percent = _check_whole_number("explore_percent", explore_percent, 1, 100)
        self._least_trials = _check_whole_number("least_trials", least_trials, 1, 1_000_000)

    def propose(self, situation: Situation) -> Proposal | None:
        """The block with the best random draw, or one at random; the ladder's delay if there is too little data.

        Deterministic: the draws are seeded by the snapshot, the invoice and the attempt.
        """
        known = situation.experience
        tried = known.attempt[0] if known else 0
        options = self._list_options(situation)
        if known is None or tried < self._least_trials:
            return self._ladder_proposal(
                situation, f"{tried} recorded retries of this kind, {self._least_trials} are needed"
            )
        if not options:
            return self._ladder_proposal(situation, "no moment to choose is left in the window")
        draws = RandomDraws(_draw_seed(situation, known))
        if draws.draw_below(100) < self._explore_percent:
            return _to_proposal(options[draws.draw_below(len(options))], known, "by lot, to go on learning")
        # The draws run in the order of the options, one sequence for all: another order would choose another block.
        # Of equal draws the sooner option wins.
        attempt = _smoothed_rate(known.attempt, _smoothed_rate(known.cause, 0.5))
        scored = [(_draw_success(draws, option, known, attempt), -option.delay_seconds, option) for option in options]
        best, _, option = max(scored)
        # Recorded, and compared word for word when the decision is derived again: it stays as it is.
        return _to_proposal(option, known, f"drawn {best * 100 // MILLION} % from what {tried} such retries came to")

    def _ladder_proposal(self, situation: Situation, why: str) -> Proposal | None:
        rung = self._ladder.propose(situation)
        return rung.model_copy(update={"why": f"{why}; {rung.why}"}) if rung else None

    def _list_options(self, situation: Situation) -> list[Option]:
        """One moment in each block between the bounds, soonest first.

        All lie at the same place within their block, which the invoice and the attempt decide: the retries of many
        invoices are then spread over the block.
        """
        least = max(self._shortest, situation.earliest_seconds)
        most = self._longest if situation.window_seconds is None else min(self._longest, situation.window_seconds)
        width = BLOCK_HOURS * 3_600
        begin = situation.failed_at.replace(minute=0, second=0, microsecond=0)
        begin -= timedelta(hours=begin.hour % BLOCK_HOURS)
        place = begin + timedelta(seconds=spread_attempt(situation.invoice_id, situation.attempt) * width >> 32)
        # Negated floor division rounds up: a whole second, and never one before the place.
        first = -((situation.failed_at - place) // timedelta(seconds=1))
        delays = range(first + max(0, -((first - least) // width)) * width, most + 1, width)
        return [_option_at(situation, delay) for delay in delays]


def _option_at(situation: Situation, delay: int) -> Option:
    moment = situation.failed_at + timedelta(seconds=delay)
    return Option(delay, delay_class(delay // 3_600), block_of(moment))


def _draw_seed(situation: Situation, known: Experience) -> int:
    """The seed of the draws: the same for the same snapshot, invoice and attempt, and else another."""
    return (int(known.snapshot, 16) << 32) ^ spread_attempt(situation.invoice_id, situation.attempt)


def _draw_success(draws: RandomDraws, option: Option, known: Experience, attempt: float) -> int:
    """A draw of this option's success rate, in millionths; `attempt` is the rate of all such attempts.

    The rates are smoothed towards those of the wider group: the attempt towards the cause, delay class and block
    towards the attempt, and the combination of both towards their product. A combination that was seldom tried is
    thus judged by its delay and its block.
    """
    delay = _smoothed_rate(known.delays[option.delay], attempt)
    block = _smoothed_rate(known.blocks[option.block], attempt)
    mean = min(max(delay * block / attempt, 0.001), 0.999)
    tried, won = known.spot_tallies.get((option.delay, option.block), (0, 0))
    return draws.draw_beta(PRIOR_STRENGTH * mean + won, PRIOR_STRENGTH * (1 - mean) + tried - won)


def _smoothed_rate(tally: RetryTally, prior: float) -> float:
    """The rate of a tally, smoothed towards `prior` with the weight of PRIOR_STRENGTH retries."""
    tried, won = tally
    return (won + PRIOR_STRENGTH * prior) / (tried + PRIOR_STRENGTH)


def _to_proposal(option: Option, known: Experience, how: str) -> Proposal:
    day, hour = divmod(option.block * BLOCK_HOURS, 24)
    name = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day]
    where = f"{name} {hour:02}-{hour + BLOCK_HOURS:02} UTC, {option.delay_seconds // 3_600} h after the failure"
    return Proposal(delay_seconds=option.delay_seconds, why=f"{where}, {how} (snapshot {known.snapshot})")


def _parse_delay_range(shortest: str, longest: str) -> tuple[int, int]:
    least, most = parse_duration(shortest), parse_duration(longest)
    if most - least < BLOCK_HOURS * 3_600 or most > LONGEST_DELAY:
        raise InvalidPolicy(
            f"longest {longest!r} must be {BLOCK_HOURS}h or more above shortest {shortest!r}, 14d at most"
        )
    return least, most


def _check_whole_number(name: str, number: object, least: int, most: int) -> int:
    if type(number) is not int or not least <= number <= most:
        raise InvalidPolicy(f"{name} is {number!r}; it must be a whole number from {least} to {most}")
    return number
