"""The adaptive strategy finds hours that work, keeps exploring, and is reproducible from its inputs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification.taxonomy import Cause
from core.errors import InvalidPolicy
from core.strategies.adaptive import Adaptive
from core.strategies.base import Situation
from core.strategies.experience import Experience, RetryCell, RetryStatistics, block_of, delay_class
from core.strategies.random_draws import MILLION, RandomDraws

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = 3_600
GOOD = 4 * 24 + 8
"""Friday 08:00: here retries succeed."""


def weekly_cells(tries: int = 40, good: int = 60, other: int = 5) -> list[RetryCell]:
    """Retry statistics for every hour of the week; `good` and `other` of a hundred succeed."""
    percent = {hour: good if hour // 6 == GOOD // 6 else other for hour in range(168)}
    return [
        RetryCell("INSUFFICIENT_FUNDS", 1, hour, hour % 160, tries, tries * percent[hour] // 100) for hour in range(168)
    ]


EXPERIENCE = RetryStatistics(weekly_cells()).experience_for(Cause.INSUFFICIENT_FUNDS, 1)


def situation_with(number: int = 1, experience: Experience | None = EXPERIENCE, **more: Any) -> Situation:
    defaults: dict[str, Any] = {
        "provider": "stripe",
        "invoice_id": f"in_{number}",
        "attempt": 1,
        "cause": Cause.INSUFFICIENT_FUNDS,
        "segment": "default",
        "amount": 1_000,
        "currency": "EUR",
        "failed_at": MONDAY,
        "now": MONDAY,
        "experience": experience,
    }
    return Situation(**(defaults | more))


def chosen_hours(strategy: Adaptive, *situations: Situation) -> list[int]:
    """The blocks of the week that the strategy chose."""
    answers = [(situation, strategy.propose(situation)) for situation in situations]
    return [
        block_of(situation.failed_at + timedelta(seconds=proposal.delay_seconds))
        for situation, proposal in answers
        if proposal
    ]


def test_adaptive_strategy_finds_working_hours_and_explores_others() -> None:
    blocks = chosen_hours(Adaptive(delays=["3h"]), *(situation_with(number) for number in range(600)))
    best = blocks.count(GOOD // 6) / len(blocks)
    assert 0.85 < best < 0.95, "one in ten goes elsewhere"
    assert len(set(blocks)) > 20


def test_pure_exploration_tries_all_hours_equally() -> None:
    blocks = chosen_hours(
        Adaptive(delays=["3h"], explore_percent=100), *(situation_with(number) for number in range(2_800))
    )
    assert all(60 < blocks.count(block) < 145 for block in range(28))


@pytest.mark.parametrize(
    "experience",
    [
        None,
        RetryStatistics().experience_for(Cause.GENERIC, 1),
        RetryStatistics(weekly_cells(1)).experience_for(Cause.GENERIC, 1),
    ],
)
def test_ladder_decides_where_data_is_thin(experience: Experience | None) -> None:
    answer = Adaptive(delays=["3h"]).propose(situation_with(experience=experience))
    assert answer is not None
    assert answer.delay_seconds == 3 * HOUR
    assert answer.late_ends
    assert "recorded retries of this kind" in answer.why


@given(
    number=st.integers(0, 10**6),
    earliest=st.integers(0, 20 * 24 * HOUR),
    window=st.none() | st.integers(-HOUR, 40 * 24 * HOUR),
    minutes=st.integers(0, 10**6),
)
def test_every_choice_is_within_bounds_and_reproducible(
    number: int, earliest: int, window: int | None, minutes: int
) -> None:
    failed_at = MONDAY + timedelta(minutes=minutes, microseconds=number)
    situation = situation_with(
        number, earliest_seconds=earliest, window_seconds=window, failed_at=failed_at, now=failed_at
    )
    answer = Adaptive(delays=["3h"]).propose(situation)
    assert answer == Adaptive(delays=["3h"]).propose(Situation.model_validate_json(situation.model_dump_json()))
    assert answer is not None
    if not answer.late_ends:
        assert max(HOUR, earliest) <= answer.delay_seconds <= (7 * 24 * HOUR if window is None else window)


def test_another_statistics_snapshot_draws_anew() -> None:
    other = RetryStatistics(weekly_cells(tries=41)).experience_for(Cause.INSUFFICIENT_FUNDS, 1)
    assert other.snapshot != EXPERIENCE.snapshot
    strategy = Adaptive(delays=["3h"], explore_percent=100)
    first = chosen_hours(strategy, *(situation_with(number) for number in range(50)))
    assert first != chosen_hours(strategy, *(situation_with(number, other) for number in range(50)))


def test_statistics_add_up_and_don_t_depend_on_order() -> None:
    assert RetryStatistics(reversed(weekly_cells())).experience_for(Cause.INSUFFICIENT_FUNDS, 1) == EXPERIENCE
    assert EXPERIENCE.cause == EXPERIENCE.attempt == (168 * 40, 6 * 24 + 162 * 2)
    assert [sum(total[0] for total in table) for table in (EXPERIENCE.delays, EXPERIENCE.blocks)] == [168 * 40] * 2
    assert sum(spot.tried for spot in EXPERIENCE.spots) == 168 * 40


def test_unseen_attempt_number_uses_the_experience_of_its_cause() -> None:
    experience = RetryStatistics(weekly_cells()).experience_for(Cause.INSUFFICIENT_FUNDS, 3)
    assert (experience.attempt, experience.cause) == ((0, 0), EXPERIENCE.cause)


def test_late_attempts_are_pooled() -> None:
    late = RetryStatistics([RetryCell("GENERIC", attempt, 0, 1, 1, 1) for attempt in (6, 7, 9)])
    assert late.experience_for(Cause.GENERIC, 8).attempt == (3, 3)


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, 0), (5, 0), (6, 1), (23, 2), (24, 3), (167, 6), (168, 7), (9_999, 7)]
)
def test_delay_classes(hours: int, expected: int) -> None:
    assert delay_class(hours) == expected


def test_draws_have_the_mean_and_spread_of_their_distribution() -> None:
    draws = RandomDraws(7)
    for alpha, beta in ((0.5, 0.5), (2.0, 6.0), (30.0, 10.0)):
        samples = [draws.draw_beta(alpha, beta) / MILLION for _ in range(4_000)]
        mean = sum(samples) / len(samples)
        spread = sum((sample - mean) ** 2 for sample in samples) / len(samples)
        expected = alpha / (alpha + beta)
        assert mean == pytest.approx(expected, abs=0.02)
        assert spread == pytest.approx(expected * (1 - expected) / (alpha + beta + 1), rel=0.15)


def test_draws_never_change_between_releases() -> None:
    """The reference values of SplitMix64 for this seed."""
    draws = RandomDraws(42)
    assert [draws.draw_below(1 << 64) for _ in range(3)] == [
        13679457532755275413, 2949826092126892291, 5139283748462763858,
    ]  # fmt: skip
    first, second = (RandomDraws(7) for _ in range(2))
    assert [first.draw_beta(3.0, 4.0) for _ in range(9)] == [second.draw_beta(3.0, 4.0) for _ in range(9)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"delays": ["3h"], "explore_percent": 0},
        {"delays": ["3h"], "explore_percent": 0.1},
        {"delays": ["3h"], "least_trials": 0},
        {"delays": ["3h"], "shortest": "3h", "longest": "4h"},
        {"delays": ["3h"], "longest": "15d"},
        {"preset": "nobody"},
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        Adaptive(**settings)
