"""How often somebody may fail to sign in."""

from datetime import datetime, timedelta
from typing import Final

LOGIN_WINDOW: Final = timedelta(minutes=15)
MAX_FAILURES_PER_NAME: Final = 5
"""Wrong passwords for one name within the window."""
MAX_FAILURES_PER_ADDRESS: Final = 20
"""And from one address, whatever the names."""


def login_delay(count: int, first_at: datetime | None, most: int, now: datetime) -> timedelta:
    """How long until one more is allowed, after so many failures since the first in the window; zero: at once."""
    return max(timedelta(), first_at + LOGIN_WINDOW - now) if first_at and count >= most else timedelta()
