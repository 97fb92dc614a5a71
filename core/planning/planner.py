"""Plans the next retry: the strategy's delay, limited by budget, window, cool-downs and requested waits."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from core.base import Value
from core.durations import TimeScale
from core.errors import InvalidPolicy
from core.policy.policy import Policy, StrategyFactory, StrategySpec
from core.strategies.base import Situation
from core.strategies.fixed_ladder import FixedLadder

_MICROSECOND: Final = timedelta(microseconds=1)
LONGEST_DELAY_SECONDS = 10 * 366 * 86_400
"""Seconds, more than any window; a delay beyond it is invalid and could overflow a date."""


class Plan(Value):
    """The next scheduled retry."""

    at: datetime
    """Real due time, timezone-aware in UTC, not before the situation's `now`."""
    delay_seconds: int
    """Seconds from the failure to the retry, jitter included, in policy time: not shortened by TIME_SCALE."""
    strategy: str
    """Name of the policy's strategy that was followed."""
    policy_version: str
    why: str
    rejected: tuple[str, ...] = ()
    """Alternatives that were rejected, with the reason."""


class ExhaustionReason(StrEnum):
    """Why there is no further retry."""

    BUDGET = "budget"
    NEW_METHOD = "new_method"
    """The strategy leaves it to another payment method."""
    NO_RETRY = "no_retry"
    WINDOW = "window"


class Exhausted(Value):
    """No scheduled retry is left."""

    reason: ExhaustionReason
    strategy: str | None = None
    policy_version: str
    why: str
    rejected: tuple[str, ...] = ()


class _PlanContext(NamedTuple):
    """Arguments shared by all steps of one plan."""

    situation: Situation
    policy: Policy
    window_ends_at: datetime
    time_scale: TimeScale


class _StrategyAnswer(NamedTuple):
    """A strategy's checked answer; `delay_seconds` None: no retry left."""

    strategy: str
    delay_seconds: int | None
    why: str
    waits_for_method: bool = False


class _UnusableAnswer(Exception):
    """A strategy raised an error or gave an invalid answer; the text says which."""


def plan_next_retry(
    situation: Situation,
    policy: Policy,
    strategies: Mapping[str, StrategyFactory],
    window_ends_at: datetime,
    time_scale: TimeScale,
) -> Plan | Exhausted:
    """The next retry, or why there is none. Never raises for what a strategy does.

    `window_ends_at` is a real time, already shortened by the time scale. A strategy that raises, or answers beyond the
    window without `late_ends`, is replaced by the policy's fallback ladder, which `rejected` records.
    """
    context = _PlanContext(
        bound_situation(situation, policy, window_ends_at, time_scale), policy, window_ends_at, time_scale
    )
    spec = policy.strategy_for(situation.segment, situation.cause)
    if spec is None:
        return _build_exhausted(context, ExhaustionReason.NO_RETRY, f"{situation.cause} is not retried by itself")
    allowed = policy.segment_named(situation.segment).attempts_allowed
    if situation.attempt > allowed:
        return _build_exhausted(context, ExhaustionReason.BUDGET, f"all {allowed} retries of the policy are used")
    try:
        return _apply_limits(context, _ask_strategy(context, spec, strategies), ())
    except _UnusableAnswer as error:
        ladder = _ask_strategy(context, policy.fallback, {"fixed_ladder": FixedLadder})
        return _apply_limits(context, ladder, (f"{spec.name}: {error}; the fallback ladder takes over",))


def bound_situation(situation: Situation, policy: Policy, window_ends_at: datetime, time_scale: TimeScale) -> Situation:
    """The situation with its earliest delay and window length, in seconds of policy time."""
    asked = _asked_wait(situation) * time_scale.factor
    elapsed = _to_policy_seconds(situation.now - situation.failed_at, time_scale)
    window = _to_policy_seconds(window_ends_at - situation.failed_at, time_scale)
    earliest = max(asked, elapsed, policy.cool_down_seconds.get(situation.cause, 0), 0)
    return situation.model_copy(
        update={
            "earliest_seconds": min(earliest, LONGEST_DELAY_SECONDS),
            "window_seconds": min(window, LONGEST_DELAY_SECONDS),
        }
    )


def _to_policy_seconds(span: timedelta, time_scale: TimeScale) -> int:
    return span // _MICROSECOND * time_scale.factor // 1_000_000


def _ask_strategy(
    context: _PlanContext, spec: StrategySpec, strategies: Mapping[str, StrategyFactory]
) -> _StrategyAnswer:
    """The strategy's answer, checked. Raises _UnusableAnswer."""
    try:
        strategy = spec.build_strategy(strategies)
        proposal = strategy.propose(context.situation)
        if proposal is None:
            waits = getattr(strategy, "waits_for_method", False) is True
            return _StrategyAnswer(spec.name, None, f"{spec.name} has no further retry", waits)
        delay, why = _check_delay(proposal.delay_seconds), _clean_text(proposal.why)
    except (_UnusableAnswer, InvalidPolicy) as error:
        raise _UnusableAnswer(_clean_text(str(error))) from error
    except Exception as error:  # a plug-in may raise anything, and a recovery must go on
        raise _UnusableAnswer(_clean_text(f"it raised {type(error).__name__}: {error}")) from error
    # With `late_ends`, a delay beyond the window ends the retries; without it, the answer is a mistake.
    if proposal.late_ends is not True and _due_time(context, delay) > context.window_ends_at:
        raise _UnusableAnswer(f"its answer of {delay} s is beyond the window")
    return _StrategyAnswer(spec.name, delay, why)


def _check_delay(delay: object) -> int:
    if type(delay) is not int:
        raise _UnusableAnswer(f"its answer {delay!r} is no whole number of seconds")
    if delay < 0:
        raise _UnusableAnswer(f"its answer of {delay} s lies before the failure")
    if delay > LONGEST_DELAY_SECONDS:
        raise _UnusableAnswer("its answer is beyond any window")
    return delay


def _apply_limits(context: _PlanContext, answer: _StrategyAnswer, rejected: tuple[str, ...]) -> Plan | Exhausted:
    if answer.delay_seconds is None:
        reason = ExhaustionReason.NEW_METHOD if answer.waits_for_method else ExhaustionReason.NO_RETRY
        return _build_exhausted(context, reason, answer.why, answer.strategy, rejected)
    delay, asked = _apply_cool_down(context, answer.delay_seconds), _asked_wait(context.situation)
    at = max(_due_time(context, delay), context.situation.now, context.situation.failed_at + timedelta(seconds=asked))
    overruled = rejected + _list_overruled(context, answer, delay, asked)
    if at > context.window_ends_at:
        return _build_exhausted(
            context, ExhaustionReason.WINDOW, "the next retry is beyond the window", answer.strategy, overruled
        )
    return Plan(
        at=at.astimezone(UTC),
        delay_seconds=max(delay, asked),
        strategy=answer.strategy,
        policy_version=context.policy.version,
        why=f"{context.situation.cause} in segment {context.situation.segment}: {answer.why}",
        rejected=overruled,
    )


def _apply_cool_down(context: _PlanContext, delay: int) -> int:
    """The delay, at least the policy's cool-down for this cause."""
    return max(delay, context.policy.cool_down_seconds.get(context.situation.cause, 0))


def _asked_wait(situation: Situation) -> int:
    """The requested wait in seconds of real time: the time scale never shortens it."""
    return min(max(situation.asked_wait_seconds or 0, 0), LONGEST_DELAY_SECONDS)


def _due_time(context: _PlanContext, delay: int) -> datetime:
    """The real time at which a delay in policy seconds ends."""
    return context.situation.failed_at + context.time_scale.shorten(timedelta(seconds=delay))


def _list_overruled(context: _PlanContext, answer: _StrategyAnswer, delay: int, asked: int) -> tuple[str, ...]:
    """Why the strategy's own delay was lengthened; empty if it wasn't."""
    if delay == answer.delay_seconds and asked <= delay:
        return ()
    early = f"{answer.strategy}: {answer.delay_seconds} s is earlier than"
    cool_down = (f"{early} the cool-down of {delay} s after {context.situation.cause}",)
    advice = (f"{early} the {asked} s that were asked for",)
    return (cool_down if delay != answer.delay_seconds else ()) + (advice if asked > delay else ())


def _build_exhausted(
    context: _PlanContext,
    reason: ExhaustionReason,
    why: str,
    strategy: str | None = None,
    rejected: tuple[str, ...] = (),
) -> Exhausted:
    version = context.policy.version
    return Exhausted(reason=reason, strategy=strategy, policy_version=version, why=why, rejected=rejected)


def _clean_text(text: object) -> str:
    """A plug-in's text made fit for the event log: printable, one line, 300 characters at most."""
    words = str(text)[:300]
    return words if words.isprintable() else "".join(one if one.isprintable() else " " for one in words)
