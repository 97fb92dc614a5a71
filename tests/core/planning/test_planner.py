"""The plan: never before now, never past the window, never short of an asked wait, whatever a strategy says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification.taxonomy import Cause
from core.durations import TimeScale
from core.planning.planner import Exhausted, ExhaustionReason, Plan, plan_next_retry
from core.policy.policy import Policy, StrategyFactory
from core.strategies.base import Proposal, Situation

FAILED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOW = FAILED_AT + timedelta(days=21)
REAL_TIME = TimeScale(factor=1)


def situation_with(**given: Any) -> Situation:
    known = {
        "provider": "stripe",
        "invoice_id": "in_1",
        "attempt": 1,
        "cause": Cause.GENERIC,
        "segment": "default",
        "amount": 1_000,
        "currency": "EUR",
        "failed_at": FAILED_AT,
        "now": FAILED_AT,
    }
    return Situation(**(known | given))


@dataclass
class ScriptedStrategy:
    """A strategy that answers what it is told to, or raises it."""

    answer: Any

    def propose(self, _: Situation) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def plan_with_answer(answer: Any, policy: Policy, **given: Any) -> Plan | Exhausted:
    """The plan when the strategy gives this answer."""
    return plan_next_retry(
        situation_with(**given),
        policy_with_plugin(policy),
        {"plugin": lambda: ScriptedStrategy(answer)},
        WINDOW,
        REAL_TIME,
    )


def policy_with_plugin(policy: Policy) -> Policy:
    """The policy with a plug-in in the place of its standard ladder."""
    spec = policy.strategies["standard_ladder"].model_copy(update={"use": "plugin", "options": {}})
    return policy.model_copy(update={"strategies": {**policy.strategies, "standard_ladder": spec}})


def odd_proposal(delay: Any, why: Any = "because") -> Proposal:
    return Proposal.model_construct(delay_seconds=delay, why=why)


def test_the_reference_case(shipped: Policy, strategies: Mapping[str, StrategyFactory]) -> None:
    answer = plan_next_retry(situation_with(), shipped, strategies, WINDOW, REAL_TIME)
    assert isinstance(answer, Plan)
    assert 3 * HOUR <= answer.at - FAILED_AT <= 3.3 * HOUR
    assert answer.at == FAILED_AT + timedelta(seconds=answer.delay_seconds)
    assert (answer.strategy, answer.policy_version) == ("standard_ladder", shipped.version)
    assert answer.why == "GENERIC in segment default: rung 1 of 4: 3 h after the last failure"
    assert answer.rejected == ()


def test_compressed_time_moves_the_moment_and_not_the_delay(
    shipped: Policy, strategies: Mapping[str, StrategyFactory]
) -> None:
    real = plan_next_retry(situation_with(), shipped, strategies, WINDOW, REAL_TIME)
    quick = plan_next_retry(situation_with(), shipped, strategies, WINDOW, TimeScale(factor=3_600))
    assert isinstance(real, Plan)
    assert isinstance(quick, Plan)
    assert quick.delay_seconds == real.delay_seconds
    assert quick.at - FAILED_AT == (real.at - FAILED_AT) // 3_600


def test_an_asked_wait_is_real_time_even_when_time_is_compressed(
    shipped: Policy, strategies: Mapping[str, StrategyFactory]
) -> None:
    asked = situation_with(asked_wait_seconds=172_800)
    answer = plan_next_retry(asked, shipped, strategies, WINDOW, TimeScale(factor=100_000))
    assert isinstance(answer, Plan)
    assert answer.at == FAILED_AT + timedelta(days=2)
    assert answer.delay_seconds == 172_800
    assert "earlier than the 172800 s that were asked for" in answer.rejected[0]


def test_a_shorter_asked_wait_changes_nothing(shipped: Policy, strategies: Mapping[str, StrategyFactory]) -> None:
    plain = plan_next_retry(situation_with(), shipped, strategies, WINDOW, REAL_TIME)
    assert plan_next_retry(situation_with(asked_wait_seconds=60), shipped, strategies, WINDOW, REAL_TIME) == plain


def test_a_cool_down_holds_for_every_strategy(shipped: Policy, strategies: Mapping[str, StrategyFactory]) -> None:
    hasty = shipped.model_copy(
        update={"strategies": {**shipped.strategies, "after_velocity": shipped.strategies["short_ladder"]}}
    )
    answer = plan_next_retry(situation_with(cause=Cause.VELOCITY), hasty, strategies, WINDOW, REAL_TIME)
    assert isinstance(answer, Plan)
    assert answer.delay_seconds == 86_400
    assert "cool-down" in answer.rejected[0]


def test_a_due_time_in_the_past_is_now(shipped: Policy, strategies: Mapping[str, StrategyFactory]) -> None:
    late = FAILED_AT + timedelta(days=2)
    answer = plan_next_retry(situation_with(now=late), shipped, strategies, WINDOW, REAL_TIME)
    assert isinstance(answer, Plan)
    assert answer.at == late


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"attempt": 5}, ExhaustionReason.BUDGET),
        ({"cause": Cause.PERMANENT}, ExhaustionReason.NO_RETRY),
        ({"cause": Cause.UNKNOWN, "attempt": 3}, ExhaustionReason.NO_RETRY),
        ({"asked_wait_seconds": 30 * 86_400}, ExhaustionReason.WINDOW),
        ({"asked_wait_seconds": 10**15}, ExhaustionReason.WINDOW),
        ({"now": WINDOW + HOUR}, ExhaustionReason.WINDOW),
        ({"failed_at": WINDOW - HOUR, "now": WINDOW - HOUR}, ExhaustionReason.WINDOW),
    ],
)
def test_no_retry_is_left(
    shipped: Policy, strategies: Mapping[str, StrategyFactory], given: dict[str, Any], reason: ExhaustionReason
) -> None:
    answer = plan_next_retry(situation_with(**given), shipped, strategies, WINDOW, REAL_TIME)
    assert isinstance(answer, Exhausted)
    assert (answer.reason, answer.policy_version) == (reason, shipped.version)
    assert answer.why


def test_a_strategy_may_have_none_left(shipped: Policy) -> None:
    answer = plan_with_answer(None, shipped)
    assert isinstance(answer, Exhausted)
    assert answer.reason is ExhaustionReason.NO_RETRY


def test_a_plug_in_is_followed(shipped: Policy) -> None:
    answer = plan_with_answer(Proposal(delay_seconds=7_200, why="I say\x00 so"), shipped)
    assert isinstance(answer, Plan)
    assert (answer.delay_seconds, answer.rejected) == (7_200, ())
    assert answer.why.endswith("I say  so"), "what the event log can't hold is taken out"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (RuntimeError("no\x00 model"), "it raised RuntimeError: no  model"),
        (odd_proposal(-1), "lies before the failure"),
        (odd_proposal(3_600.0), "no whole number of seconds"),
        (odd_proposal(True), "no whole number of seconds"),
        (odd_proposal(None), "no whole number of seconds"),
        (odd_proposal(22 * 86_400), "beyond the window"),
        (odd_proposal(10**30), "beyond any window"),
        ("tomorrow", "it raised AttributeError"),
    ],
)
def test_nonsense_lets_the_fallback_ladder_take_over(shipped: Policy, answer: Any, complaint: str) -> None:
    planned = plan_with_answer(answer, shipped)
    assert isinstance(planned, Plan)
    assert planned.strategy == "fallback"
    assert 3 * HOUR <= planned.at - FAILED_AT <= 3.3 * HOUR
    assert complaint in planned.rejected[0]
    assert "the fallback ladder takes over" in planned.rejected[0]


def test_a_strategy_that_is_not_installed_hurts_nobody(shipped: Policy) -> None:
    planned = plan_next_retry(situation_with(), shipped, {}, WINDOW, REAL_TIME)
    assert isinstance(planned, Plan)
    assert planned.strategy == "fallback"


def test_a_segment_that_is_gone_is_the_default(shipped: Policy, strategies: Mapping[str, StrategyFactory]) -> None:
    planned = plan_next_retry(situation_with(segment="gone"), shipped, strategies, WINDOW, REAL_TIME)
    assert isinstance(planned, Plan)
    assert planned.strategy == "standard_ladder"


situations = st.builds(
    situation_with,
    invoice_id=st.text(min_size=1, max_size=20),
    attempt=st.integers(1, 9),
    cause=st.sampled_from(Cause),
    segment=st.sampled_from(["high_value", "new_customer", "loyal", "default", "gone"]),
    now=st.timedeltas(timedelta(0), timedelta(days=40)).map(lambda later: FAILED_AT + later),
    asked_wait_seconds=st.none() | st.integers(-5, 3_000_000),
)
time_scales = st.integers(1, 1_000_000).map(lambda scale: TimeScale(factor=scale))
zones = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
answers = st.builds(odd_proposal, st.integers(-(10**9), 10**9) | st.floats() | st.none(), st.text() | st.none())


@given(situation=situations, pace=time_scales, zone=zones)
def test_every_plan_keeps_the_laws(
    shipped: Policy, strategies: Mapping[str, StrategyFactory], situation: Situation, pace: TimeScale, zone: timezone
) -> None:
    answer = plan_next_retry(situation, shipped, strategies, WINDOW.astimezone(zone), pace)
    assert answer == plan_next_retry(situation, shipped, strategies, WINDOW.astimezone(zone), pace)
    if isinstance(answer, Plan):
        assert_plan_keeps_laws(answer, situation)
        assert situation.attempt <= shipped.segment_named(situation.segment).attempts_allowed


@given(situation=situations, proposed=answers | st.just(ValueError("no")) | st.none() | st.text())
def test_no_strategy_can_break_the_laws(shipped: Policy, situation: Situation, proposed: Any) -> None:
    answer = plan_next_retry(
        situation, policy_with_plugin(shipped), {"plugin": lambda: ScriptedStrategy(proposed)}, WINDOW, REAL_TIME
    )
    if isinstance(answer, Plan):
        assert_plan_keeps_laws(answer, situation)


def assert_plan_keeps_laws(answer: Plan, situation: Situation) -> None:
    assert situation.now <= answer.at <= WINDOW
    assert answer.at.utcoffset() == timedelta(0)
    assert answer.at >= FAILED_AT + timedelta(seconds=situation.asked_wait_seconds or 0)
    assert type(answer.delay_seconds) is int
    assert answer.delay_seconds >= (situation.asked_wait_seconds or 0)
    assert answer.why.isprintable()
