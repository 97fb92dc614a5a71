"""How values are written: the edges of each kind."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formatting import (
    format_amount,
    format_day,
    format_duration,
    format_moment,
    format_percent,
    format_points,
    format_short_amount,
    spell_duration,
)
from providers.stripe.amounts import to_iso_amounts

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "EUR", "0.00 EUR"), (1, "EUR", "0.01 EUR"), (-5, "usd", "-0.05 USD"), (123_456, "EUR", "1,234.56 EUR"),
        (0, "JPY", "0 JPY"), (1, "JPY", "1 JPY"), (10**9, "JPY", "1,000,000,000 JPY"), (5_000, "ugx", "5,000 UGX"),
        (1, "ISK", "1 ISK"), (0, "KWD", "0.000 KWD"), (1, "KWD", "0.001 KWD"), (4_900, "KWD", "4.900 KWD"),
        (1, "CLF", "0.0001 CLF"), (4_900, "", "4,900"), (0, "", "0"),
    ],
)  # fmt: skip
def test_amounts(amount: int, currency: str, text: str) -> None:
    assert format_amount(amount, currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(500_000, "ugx", "5,000 UGX"), (500_000, "isk", "5,000 ISK"), (4_900, "mga", "4,900.00 MGA")],
)
def test_an_amount_of_stripe_is_converted_before_it_is_written(amount: int, currency: str, text: str) -> None:
    invoice: dict[str, Any] = to_iso_amounts({"currency": currency, "amount_due": amount})
    assert format_amount(invoice["amount_due"], currency) == text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "EUR", "0.00 EUR"), (1, "KWD", "0.001 KWD"), (9_999_999, "EUR", "99,999.99 EUR"),
        (10_000_000, "EUR", "100K EUR"), (25_050_000, "EUR", "250.5K EUR"), (99_999_999, "EUR", "1M EUR"),
        (123_456_789, "USD", "1.23M USD"), (-123_500_000, "USD", "-1.24M USD"), (123_456, "JPY", "123.46K JPY"),
        (2 * 10**14, "JPY", "200,000B JPY"),
    ],
)  # fmt: skip
def test_amounts_that_fit_a_tile(amount: int, currency: str, text: str) -> None:
    assert format_short_amount(amount, currency) == text


@pytest.mark.parametrize(
    ("seconds", "short", "long"),
    [
        (0, "0 s", "0 seconds"), (1, "1 s", "1 second"), (59, "59 s", "59 seconds"), (MINUTE, "1 min", "1 minute"),
        (61, "1 min 1 s", "61 seconds"), (90 * MINUTE, "1 h 30 min", "90 minutes"), (HOUR, "1 h", "1 hour"),
        (3 * HOUR + 59, "3 h", "10,859 seconds"), (DAY, "1 d", "24 hours"), (25 * HOUR, "1 d 1 h", "25 hours"),
        (DAY + MINUTE, "1 d", "1,441 minutes"), (2 * DAY, "2 d", "2 days"), (45 * DAY, "45 d", "45 days"),
        (-90 * MINUTE, "-1 h 30 min", "-90 minutes"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds: int, short: str, long: str) -> None:
    assert format_duration(seconds) == format_duration(timedelta(seconds=seconds)) == short
    assert spell_duration(seconds) == spell_duration(timedelta(seconds=seconds)) == long


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min"), (-0.4, "0 s"), (3_599.7, "1 h")])
def test_parts_of_a_second_are_rounded_first(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


UNITS = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY}


@given(st.integers(0, 10**6), st.sampled_from([1, MINUTE, HOUR, DAY]))
def test_a_length_that_is_spelled_out_is_exact(count: int, unit: int) -> None:
    number, name = spell_duration(count * unit).replace(",", "").split()
    assert int(number) * UNITS[name.removesuffix("s")] == count * unit


@pytest.mark.parametrize(
    ("share", "none", "one", "two"),
    [
        (0, "0%", "0.0%", "0.00%"), (0.0004, "0%", "0.0%", "0.04%"), (-0.0004, "0%", "0.0%", "-0.04%"),
        (0.0005, "0%", "0.1%", "0.05%"), (0.145, "15%", "14.5%", "14.50%"), (-0.145, "-15%", "-14.5%", "-14.50%"),
        (2 / 3, "67%", "66.7%", "66.67%"), (0.9996, "100%", "100.0%", "99.96%"), (1, "100%", "100.0%", "100.00%"),
        (12.5, "1,250%", "1,250.0%", "1,250.00%"), (1e-300, "0%", "0.0%", "0.00%"),
    ],
)  # fmt: skip
def test_percentages(share: float, none: str, one: str, two: str) -> None:
    assert (format_percent(share, 0), format_percent(share), format_percent(share, 2)) == (none, one, two)


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0, "0.00"), (0.0014, "+0.14"), (-0.0014, "-0.14"), (0.00005, "+0.01"), (-0.00004, "0.00"), (1, "+100.00")],
)
def test_percentage_points(difference: float, text: str) -> None:
    assert format_points(difference) == text


@pytest.mark.parametrize("at", [
    datetime(2026, 11, 24, 23, 5, 9, 999_999, tzinfo=UTC),
    datetime(2026, 11, 25, 1, 5, 9, tzinfo=timezone(timedelta(hours=2))),
])  # fmt: skip
def test_moments_are_in_utc(at: datetime) -> None:
    assert (format_day(at), format_moment(at)) == ("2026-11-24", "2026-11-24 23:05 UTC")
    assert format_moment(at, seconds=True) == "2026-11-24 23:05:09 UTC"
