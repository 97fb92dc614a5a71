"""Learns when retries succeed: Thompson sampling over the hours ahead, and a ladder where too little is known."""

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
"""How many retries what is known of a wider group is worth against what is known of a narrower one."""
LONGEST_DELAY: Final = 14 * 86_400


class Option(NamedTuple):
    """One moment to choose from."""

    delay_seconds: int
    delay: int
    """Its delay class."""
    block: int
    """Its block of the week."""


class Adaptive:
    """Chooses among the six-hour blocks from `shortest` to `longest` after the failure.

    `explore_percent`: how often one is chosen at random, so that a bad result is tried again. `least_trials`:
    recorded retries of this cause and attempt below which the ladder (`delays` or `preset`, `jitter_percent`) decides.
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
        """The block with the best random draw, or one at random; the ladder's delay where data is scarce."""
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
        scored = [(_draw_success(draws, option, known), -option.delay_seconds, option) for option in options]
        best, _, option = max(scored)
        return _to_proposal(option, known, f"drawn {best * 100 // MILLION} % from what {tried} such retries came to")

    def _ladder_proposal(self, situation: Situation, why: str) -> Proposal | None:
        rung = self._ladder.propose(situation)
        return rung.model_copy(update={"why": f"{why}; {rung.why}"}) if rung else None

    def _list_options(self, situation: Situation) -> list[Option]:
        """One moment in each block between the bounds, at this invoice's own place in the block."""
        least = max(self._shortest, situation.earliest_seconds)
        most = self._longest if situation.window_seconds is None else min(self._longest, situation.window_seconds)
        width = BLOCK_HOURS * 3_600
        begin = situation.failed_at.replace(minute=0, second=0, microsecond=0)
        begin -= timedelta(hours=begin.hour % BLOCK_HOURS)
        place = begin + timedelta(seconds=spread_attempt(situation.invoice_id, situation.attempt) * width >> 32)
        first = -((situation.failed_at - place) // timedelta(seconds=1))
        delays = range(first + max(0, -((first - least) // width)) * width, most + 1, width)
        return [_option_at(situation, delay) for delay in delays]


def _option_at(situation: Situation, delay: int) -> Option:
    moment = situation.failed_at + timedelta(seconds=delay)
    return Option(delay, delay_class(delay // 3_600), block_of(moment))


def _draw_seed(situation: Situation, known: Experience) -> int:
    """Another snapshot is another throw, another invoice too; the same of both is the same throw."""
    return (int(known.snapshot, 16) << 32) ^ spread_attempt(situation.invoice_id, situation.attempt)


def _draw_success(draws: RandomDraws, option: Option, known: Experience) -> int:
    """A draw of this option's success, in millionths.

    What is known of the cause is the prior of the attempt, that one's of delay and hour, and these together of the
    combination: a spot that was seldom tried is thought of as its delay and its hour are.
    """
    attempt = _smoothed_rate(known.attempt, _smoothed_rate(known.cause, 0.5))
    delay, block = (
        _smoothed_rate(known.delays[option.delay], attempt),
        _smoothed_rate(known.blocks[option.block], attempt),
    )
    mean = min(max(delay * block / attempt, 0.001), 0.999)
    tried, won = next(
        ((one.tried, one.won) for one in known.spots if (one.delay, one.block) == (option.delay, option.block)), (0, 0)
    )
    return draws.draw_beta(PRIOR_STRENGTH * mean + won, PRIOR_STRENGTH * (1 - mean) + tried - won)


def _smoothed_rate(tally: RetryTally, prior: float) -> float:
    """The rate, drawn towards what was thought before."""
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
