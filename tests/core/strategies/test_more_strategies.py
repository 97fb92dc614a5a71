"""Presets, payday, advice and new-method strategies: their proposals, and settings they refuse."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from catalog.calendars import calendar_for
from core.calendar import Calendar, ClockOffset
from core.classification.taxonomy import Cause
from core.durations import parse_duration
from core.errors import InvalidPolicy
from core.strategies.base import RetryStrategy, Situation
from core.strategies.fixed_ladder import PRESETS, AdviceDriven, FixedLadder
from core.strategies.new_method_only import NewMethodOnly
from core.strategies.payday import Payday
from core.strategies.payday_patterns import PAYDAY_PATTERNS, is_payday

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = 86_400


def situation_with(attempt: int = 1, failed_at: datetime = MONDAY, **more: Any) -> Situation:
    defaults: dict[str, Any] = {
        "provider": "stripe",
        "invoice_id": "in_1",
        "attempt": attempt,
        "cause": Cause.INSUFFICIENT_FUNDS,
        "segment": "default",
        "amount": 1_000,
        "currency": "EUR",
        "failed_at": failed_at,
        "now": failed_at,
    }
    return Situation(**(defaults | more))


def proposed_time(strategy: RetryStrategy, situation: Situation) -> datetime:
    answer = strategy.propose(situation)
    assert answer is not None
    return situation.failed_at + timedelta(seconds=answer.delay_seconds)


def situation_in(country: str, zone: str | None = None, failed_at: datetime = MONDAY, **more: Any) -> Situation:
    """A situation of a customer in this country, with a known calendar."""
    calendar = calendar_for(country, zone, failed_at, failed_at + timedelta(days=45))
    return situation_with(failed_at=failed_at, country=country, calendar=calendar, **more)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_a_ladder_with_a_source(name: str) -> None:
    ladder, preset = FixedLadder(preset=name), PRESETS[name]
    answers = [ladder.propose(situation_with(attempt)) for attempt in range(1, len(preset.delays) + 2)]
    assert [answer.delay_seconds for answer in answers[:-1] if answer] == [
        parse_duration(delay) for delay in preset.delays
    ]
    assert answers[-1] is None
    assert answers[0] is not None
    assert f"of {name}:" in answers[0].why
    assert preset.source
    assert len(preset.delays) <= 20


@pytest.mark.parametrize(
    ("name", "days"),
    [("polar", [2, 7, 14, 21]), ("kill_bill", [8, 16, 24]), ("braintree_design", [1, 2, 4, 8, 15, 22])],
)
def test_presets_add_up_to_the_published_days(name: str, days: list[int]) -> None:
    gaps = [parse_duration(delay) // DAY for delay in PRESETS[name].delays]
    assert [sum(gaps[: count + 1]) for count in range(len(gaps))] == days


def test_the_hours_of_yuno_are_counted_from_the_first_failure() -> None:
    gaps = [parse_duration(delay) for delay in PRESETS["yuno"].delays]
    assert [sum(gaps[: count + 1]) for count in range(6)] == [300, 3_600, 18_000, 86_400, 172_800, 345_600]


def test_advice_is_followed_to_the_second_and_without_jitter() -> None:
    strategy = AdviceDriven(delays=["3h"], jitter_percent=50)
    answers = [strategy.propose(situation_with(attempt, asked_wait_seconds=345_600)) for attempt in (1, 9)]
    assert [answer.delay_seconds for answer in answers if answer] == [345_600, 345_600]


@pytest.mark.parametrize("wait_seconds", [None, 0, -5])
def test_without_advice_there_is_a_ladder(wait_seconds: int | None) -> None:
    strategy = AdviceDriven(preset="polar")
    answers = [strategy.propose(situation_with(attempt, asked_wait_seconds=wait_seconds)) for attempt in range(1, 6)]
    assert [answer and answer.delay_seconds // DAY for answer in answers] == [2, 5, 7, 7, None]


def test_only_a_new_method_is_charged() -> None:
    assert NewMethodOnly().propose(situation_with()) is None


@pytest.mark.parametrize(
    ("country", "zone", "failed", "payday"),
    [
        ("US", "America/New_York", datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 3, 6)),
        ("US", "America/New_York", datetime(2026, 3, 9, 12, tzinfo=UTC), date(2026, 3, 13)),
        ("US", "America/New_York", datetime(2026, 6, 29, 12, tzinfo=UTC), date(2026, 7, 1)),
        ("US", "America/New_York", datetime(2026, 7, 1, 20, tzinfo=UTC), date(2026, 7, 2)),  # the 3rd is a holiday
        ("GB", "Europe/London", datetime(2026, 5, 20, 12, tzinfo=UTC), date(2026, 5, 29)),  # the 31st is a Sunday
        ("DE", None, datetime(2026, 10, 27, 12, tzinfo=UTC), date(2026, 10, 30)),
        ("DE", None, datetime(2026, 12, 27, 12, tzinfo=UTC), date(2026, 12, 31)),
        ("AU", "Australia/Sydney", datetime(2026, 1, 2, 12, tzinfo=UTC), date(2026, 1, 15)),
    ],
)
def test_the_payday_of_a_country_in_its_morning(country: str, zone: str | None, failed: datetime, payday: date) -> None:
    situation = situation_in(country, zone, failed)
    assert situation.calendar is not None
    local = situation.calendar.to_local_time(proposed_time(Payday(delays=["24h"]), situation))
    assert local.date() == payday
    assert 8 <= local.hour < 11


def test_without_a_payday_near_the_ladder_s_day_begins_in_the_morning() -> None:
    situation = situation_in("GB", "Europe/London", MONDAY)
    answer = Payday(delays=["24h"]).propose(situation)
    assert answer is not None
    assert situation.calendar is not None
    local = situation.calendar.to_local_time(MONDAY + timedelta(seconds=answer.delay_seconds))
    assert (local.date(), local.hour in {8, 9, 10}) == (date(2026, 3, 4), True)
    assert "no payday is near" in answer.why


def test_delay_of_hours_is_not_moved_to_the_morning() -> None:
    assert proposed_time(Payday(delays=["3h"]), situation_in("GB")) == MONDAY + timedelta(hours=3)


def test_the_morning_of_a_summer_day_is_an_hour_earlier_by_utc() -> None:
    failed = datetime(2026, 3, 27, 12, tzinfo=UTC)
    situation = situation_in("GB", "Europe/London", failed)
    assert situation.calendar is not None
    assert [offset.seconds for offset in situation.calendar.offsets] == [0, 3_600]
    proposed = proposed_time(Payday(delays=["24h"], from_hour=8, to_hour=9), situation)
    assert (proposed.date(), proposed.hour) == (date(2026, 3, 31), 7)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({}, "the customer's calendar is unknown"),
        ({"calendar": Calendar(), "currency": "XAF"}, "no paydays are known there"),
        ({"calendar": Calendar(), "window_seconds": 3 * DAY, "currency": "GBP"}, "no payday is near"),
    ],
)
def test_unknown_country_or_zone_keeps_the_ladders_delay(more: dict[str, Any], complaint: str) -> None:
    answer = Payday(delays=["3h"]).propose(situation_with(**more))
    assert answer is not None
    assert answer.delay_seconds == 3 * 3_600
    assert complaint in answer.why


def test_a_merchant_s_own_paydays_count_before_the_country_s() -> None:
    situation = situation_in("US", "America/New_York")
    proposed = proposed_time(Payday(delays=["3h"], paydays=["10"]), situation)
    assert proposed.date() == date(2026, 3, 10)


def test_customers_are_spread_over_the_morning() -> None:
    moments = {
        proposed_time(Payday(delays=["3h"]), situation_in("US", invoice_id=f"in_{number}")) for number in range(200)
    }
    assert len(moments) > 190
    assert max(moments) - min(moments) < timedelta(hours=3)


def test_payday_inside_an_asked_wait_is_skipped() -> None:
    situation = situation_in("US", "America/New_York", earliest_seconds=5 * DAY)
    assert proposed_time(Payday(delays=["3h"]), situation).date() == date(2026, 3, 13)


def test_payday_on_a_free_day_is_paid_before() -> None:
    calendar = Calendar(holidays=(date(2026, 5, 15),))
    paid = [day for day in range(1, 32) if is_payday(date(2026, 5, day), ("15",), calendar)]
    assert paid == [14]


def test_local_time_and_back() -> None:
    spring = datetime(2026, 3, 29, 1, tzinfo=UTC)
    since = spring - timedelta(days=9)
    calendar = Calendar(offsets=(ClockOffset(since=since, seconds=0), ClockOffset(since=spring, seconds=3_600)))
    for hours in range(-40, 40):
        instant = spring + timedelta(hours=hours)
        assert calendar.to_utc(calendar.to_local_time(instant)) == instant
    gap = datetime(2026, 3, 29, 1, 30)  # noqa: DTZ001 clocks there never show it
    assert abs(calendar.to_utc(gap) - spring) <= timedelta(minutes=30)


def test_the_patterns_are_well_formed() -> None:
    for patterns in PAYDAY_PATTERNS.values():
        assert Payday(delays=["1d"], paydays=patterns)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedLadder(),
        lambda: FixedLadder(["3h"], preset="polar"),
        lambda: FixedLadder(preset="nobody"),
        lambda: FixedLadder(preset=["polar"]),  # type: ignore[arg-type]
        lambda: AdviceDriven(),
        lambda: Payday(),
        lambda: Payday(delays=["1d"], paydays=[]),
        lambda: Payday(delays=["1d"], paydays=["32"]),
        lambda: Payday(delays=["1d"], paydays="fri"),
        lambda: Payday(delays=["1d"], paydays=["fortnight:2026-02-30"]),
        lambda: Payday(delays=["1d"], paydays=[15]),  # type: ignore[list-item]
        lambda: Payday(delays=["1d"], from_hour=11, to_hour=8),
        lambda: Payday(delays=["1d"], from_hour=8, to_hour=25),
        lambda: Payday(delays=["1d"], shortest="3d", longest="2d"),
        lambda: Payday(delays=["1d"], longest="60d"),
    ],
)
def test_invalid_settings_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidPolicy):
        make()
