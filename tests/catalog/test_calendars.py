"""A customer's calendar: holidays and clock changes of the country or zone, and UTC where neither is known."""

from datetime import UTC, date, datetime, timedelta

import pytest

from catalog.calendars import MAIN_ZONES, calendar_for

NOW = datetime(2026, 12, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=21)


def test_holidays_of_the_window_only() -> None:
    calendar = calendar_for("de", None, NOW, LATER)
    assert calendar.holidays == (date(2026, 12, 25), date(2026, 12, 26), date(2027, 1, 1))
    assert (calendar.country, calendar.zone) == ("DE", "Europe/Berlin")


def test_customers_own_zone_takes_precedence_over_the_countrys() -> None:
    assert calendar_for("US", "America/Los_Angeles", NOW, LATER).zone == "America/Los_Angeles"


@pytest.mark.parametrize("zone", ["Nowhere/Atall", "../../etc/passwd", "", "a\0b", None])
def test_unknown_country_and_zone_mean_utc_without_holidays(zone: str | None) -> None:
    calendar = calendar_for("XX", zone, NOW, LATER)
    assert (calendar.zone, calendar.holidays, len(calendar.offsets)) == ("UTC", (), 1)


def test_a_clock_change_is_found_at_its_moment() -> None:
    offsets = calendar_for("GB", None, datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)).offsets
    assert [offset.seconds for offset in offsets] == [3_600, 0]
    assert offsets[1].since == datetime(2026, 10, 25, 1, tzinfo=UTC)


def test_a_long_window_is_cut() -> None:
    offsets = calendar_for("GB", None, NOW, NOW + timedelta(days=365)).offsets
    assert len(offsets) == 1


def test_every_main_zone_exists() -> None:
    assert all(calendar_for(country, None, NOW, LATER).zone == zone for country, zone in MAIN_ZONES.items())
