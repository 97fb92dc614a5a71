"""How long a login is locked after repeated failures."""

from datetime import UTC, datetime, timedelta

import pytest

from core.operators import LOGIN_WINDOW, login_delay

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "ago", "wait_seconds"),
    [
        (0, None, 0),
        (4, 60, 0),
        (5, 0, 900),
        (5, 60, 840),
        (9, 899, 1),
        (5, 900, 0),
        (5, 2000, 0),
    ],
)
def test_lockout_lasts_until_the_first_failure_is_fifteen_minutes_old(
    count: int, ago: int | None, wait_seconds: int
) -> None:
    first = None if ago is None else NOW - timedelta(seconds=ago)
    assert login_delay(count, first, 5, NOW) == timedelta(seconds=wait_seconds) <= LOGIN_WINDOW
