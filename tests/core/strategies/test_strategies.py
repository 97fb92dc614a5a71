"""Fixed ladder and exponential backoff: their delays, their jitter, and settings they refuse."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification.taxonomy import Cause
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.strategies.base import RetryStrategy, Situation
from core.strategies.exponential_backoff import ExponentialBackoff
from core.strategies.fixed_ladder import FixedLadder

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def situation_at(attempt: int, invoice_id: str = "in_1") -> Situation:
    return Situation(
        provider="stripe",
        invoice_id=invoice_id,
        attempt=attempt,
        cause=Cause.GENERIC,
        segment="default",
        amount=1_000,
        currency="EUR",
        failed_at=NOW,
        now=NOW,
    )


def proposed_delays(strategy: RetryStrategy, attempts: range) -> list[int | None]:
    answers = (strategy.propose(situation_at(attempt)) for attempt in attempts)
    return [answer.delay_seconds if answer else None for answer in answers]


def test_ladder_follows_its_delays_and_then_ends() -> None:
    assert proposed_delays(FixedLadder(["90s", "3h", "2d"]), range(5)) == [None, 90, 10_800, 172_800, None]


def test_backoff_doubles_up_to_its_cap() -> None:
    backoff = ExponentialBackoff(base="30m", cap="3h")
    assert proposed_delays(backoff, range(6)) == [None, 1_800, 3_600, 7_200, 10_800, 10_800]


def test_backoff_without_growth_ends_its_search() -> None:
    assert proposed_delays(ExponentialBackoff(base="1h", cap="2h", factor_percent=100), range(10**9, 10**9 + 1)) == [
        3_600
    ]


@given(invoice_id=st.text(min_size=1, max_size=30), attempt=st.integers(1, 3), percent=st.integers(0, 50))
def test_jitter_only_adds_and_is_always_the_same(invoice_id: str, attempt: int, percent: int) -> None:
    ladder = FixedLadder(["3h", "24h", "72h"], jitter_percent=percent)
    answer = ladder.propose(situation_at(attempt, invoice_id))
    plain = (10_800, 86_400, 259_200)[attempt - 1]
    assert answer is not None
    assert plain <= answer.delay_seconds <= plain + plain * percent // 100
    assert answer == FixedLadder(["3h", "24h", "72h"], jitter_percent=percent).propose(
        situation_at(attempt, invoice_id)
    )


def test_jitter_spreads_simultaneous_failures() -> None:
    ladder = FixedLadder(["3h"], jitter_percent=10)
    answers = [ladder.propose(situation_at(1, f"in_{number}")) for number in range(1_000)]
    added = sorted(answer.delay_seconds - 10_800 for answer in answers if answer)
    assert added[0] < 20
    assert added[-1] > 1_060
    assert 450 < added[500] < 630
    assert len(set(added)) > 550


@pytest.mark.parametrize(
    "settings",
    [
        {"delays": []},
        {"delays": "3h"},
        {"delays": ["3 hours"]},
        {"delays": ["0h"]},
        {"delays": [3]},
        {"delays": ["3h"], "jitter_percent": 51},
        {"delays": ["3h"], "jitter_percent": True},
    ],
)
def test_ladder_refuses_invalid_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        FixedLadder(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"base": "3h", "cap": "1h"},
        {"base": "3h", "cap": "9h", "factor_percent": 99},
        {"base": "3h", "cap": "9h", "factor_percent": 1.5},
        {"base": None, "cap": "9h"},
    ],
)
def test_backoff_refuses_invalid_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        ExponentialBackoff(**settings)


@pytest.mark.parametrize(("text", "length"), [("90s", 90), ("15m", 900), ("3h", 10_800), ("7d", 604_800)])
def test_durations_are_parsed(text: str, length: int) -> None:
    assert parse_duration(text) == length
