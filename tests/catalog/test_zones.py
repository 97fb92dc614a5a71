"""One rule for the customer's clock: quiet hours in the main zone, dates never later than anywhere there."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as st

from catalog.calendars import MAIN_ZONES, clock_for, zone_of, zones_for_dates
from core.classification.taxonomy import Cause
from core.messages.campaigns import QuietHours
from core.messages.kinds import MessageKind
from notifications.composer import MessageComposer
from tests.notifications.conftest import JENNY, a_subject

DEADLINE = datetime(2026, 12, 1, 2, tzinfo=UTC)
COUNTRIES = sorted(code for code in get_global("territory_zones") if len(code) == 2 and code != "ZZ")
QUIET = QuietHours(begins=21 * 60, ends=8 * 60)


def render_deadline(deadline: datetime, country: str | None, zone: str | None = None, language: str = "en") -> str:
    """The text of a message that asks for an action until then."""
    fields = {"contact": JENNY, "deadline": deadline, "retry_at": None, "cause": Cause.CARD_DATA}
    about = a_subject(MessageKind.CARD_DATA, **fields, zones=zones_for_dates(country, zone))
    return MessageComposer("Acme").compose_message(about, language).text


@pytest.mark.parametrize(
    ("country", "zone", "deadline", "date"),
    [
        ("US", None, "2026-12-01T02:00", "November 30"),
        ("us", None, "2026-12-01T09:30", "November 30"),
        ("US", "America/New_York", "2026-12-01T09:30", "December 1"),
        ("CA", None, "2026-12-01T07:00", "November 30"),
        ("BR", None, "2026-12-01T04:30", "November 30"),
        ("AU", None, "2026-11-30T15:30", "November 30"),
        ("AU", "Australia/Adelaide", "2026-11-30T13:31", "December 1"),
        ("RU", None, "2026-11-30T21:30", "November 30"),
        ("DE", None, "2026-11-30T23:30", "December 1"),
        ("GB", None, "2026-11-30T23:30", "November 30"),
        ("IN", None, "2026-11-30T18:31", "December 1"),
        ("IN", None, "2026-11-30T18:29", "November 30"),
        ("NP", None, "2026-11-30T18:16", "December 1"),
        ("KR", None, "2026-11-30T15:30", "December 1"),
        (None, None, "2026-12-01T02:00", "November 30"),
        (None, "Asia/Tokyo", "2026-11-30T15:30", "December 1"),
        ("DE", "CET+1", "2026-11-30T23:30", "December 1"),
        # What ends at midnight ends with the day before.
        ("DE", None, "2026-11-30T23:00", "November 30"),
        # The night in which clocks are set back: 01:30 comes twice, the date is the same.
        ("DE", None, "2026-10-24T22:30", "October 25"),
    ],
)
def test_deadline_is_the_last_full_day_in_every_zone_of_the_country(
    country: str | None, zone: str | None, deadline: str, date: str
) -> None:
    assert f"by {date}, 2026" in render_deadline(datetime.fromisoformat(deadline).replace(tzinfo=UTC), country, zone)


@pytest.mark.parametrize(
    ("language", "date"),
    [
        ("en", "November 30, 2026"), ("de", "30. November 2026"), ("fr", "30 novembre 2026"),
        ("es", "30 de noviembre de 2026"), ("pt", "30 de novembro de 2026"),
    ],
)  # fmt: skip
def test_the_date_in_every_language(language: str, date: str) -> None:
    assert date in render_deadline(DEADLINE, "US", None, language)


@given(st.sampled_from(COUNTRIES), st.integers(0, 2 * 365 * 24 * 60))
def test_a_date_is_never_later_than_it_is_anywhere_in_the_country(country: str, minutes: int) -> None:
    instant = DEADLINE + timedelta(minutes=minutes)
    named = min(instant.astimezone(ZoneInfo(zone)).date() for zone in zones_for_dates(country, None))
    assert all(named <= instant.astimezone(ZoneInfo(zone)).date() for zone in get_global("territory_zones")[country])
    assert named <= instant.astimezone(zone_of(country, None)).date()
    assert min(instant.astimezone(ZoneInfo(zone)).date() for zone in zones_for_dates(None, None)) <= named


def test_a_country_with_several_clocks_has_a_main_one() -> None:
    winter, summer = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)
    for country in COUNTRIES:
        zones = [ZoneInfo(zone) for zone in get_global("territory_zones")[country]]
        clocks = {tuple(at.astimezone(zone).utcoffset() for at in (winter, summer)) for zone in zones}
        assert len(clocks) == 1 or country in MAIN_ZONES or country in {"AQ", "UM"}, country


@pytest.mark.parametrize(
    ("country", "zone", "morning"),
    [
        ("US", None, "14:00"), ("KR", None, "23:00"), ("IN", None, "02:30"), ("NP", None, "02:15"),
        ("RU", None, "05:00"), (None, None, "08:00"), ("US", "America/New_York", "13:00"),
    ],
)  # fmt: skip
def test_quiet_hours_end_by_the_same_rule(country: str | None, zone: str | None, morning: str) -> None:
    at = datetime.fromisoformat(f"2026-12-02T{morning}").replace(tzinfo=UTC)
    clock = clock_for(country, zone, at - timedelta(days=2))
    assert QUIET.next_allowed_time(at - timedelta(minutes=1), clock) == at
    assert QUIET.next_allowed_time(at, clock) == at


def test_clock_change_at_half_past_the_hour() -> None:
    before = datetime(2026, 10, 3, tzinfo=UTC)
    clock = clock_for("AU", "Australia/Adelaide", before)
    assert clock.offsets[1].since == datetime(2026, 10, 3, 16, 30, tzinfo=UTC)
