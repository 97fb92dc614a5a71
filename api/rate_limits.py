"""Rate limits of this process: token buckets by key and by address, and the throttle of wrong bearer keys."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from core.errors import TooManyRequests
from core.operators import LOGIN_WINDOW, MAX_FAILURES_PER_ADDRESS

MINUTE: Final = timedelta(minutes=1)
MOST_REMEMBERED: Final = 20_000
"""Names that a limiter remembers; beyond, the one that was silent longest begins anew."""


class RateLimiter:
    """A token bucket for each name: `most` at once, refilled evenly over `period`; 0 is no limit.

    `clock` returns seconds that never run backwards.
    """

    def __init__(self, most: int, period: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._period, self._clock = most, period.total_seconds(), clock
        self._interval = self._period / most if most else 0.0
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When each bucket is full again: all that a bucket is."""

    def take(self, name: str) -> timedelta:
        """Takes a token; zero if there was one, otherwise the wait until there is, and nothing is taken."""
        wait = self.wait_of(name)
        if wait or not self._most:
            return wait
        self._full_at[name] = max(self._full_at.get(name, 0.0), self._clock()) + self._interval
        self._full_at.move_to_end(name)
        if len(self._full_at) > MOST_REMEMBERED:
            self._full_at.popitem(last=False)
        return wait

    def wait_of(self, name: str) -> timedelta:
        """The wait until a token is there; zero: now."""
        now = self._clock()
        empty_for = self._full_at.get(name, now) - now - (self._period - self._interval)
        # A nanosecond of rounding is no wait.
        return timedelta(seconds=math.ceil(empty_for * 1e6) / 1e6) if empty_for > 1e-9 else timedelta()

    def __len__(self) -> int:
        return len(self._full_at)


class BearerThrottle:
    """Counts wrong bearer keys by address, twenty at once and as many per quarter of an hour, as sign-ins are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = RateLimiter(MAX_FAILURES_PER_ADDRESS, LOGIN_WINDOW, clock)
        self._known: set[str] = set()

    def record_failure(self, address: str) -> None:
        """Counts one. Raises TooManyRequests beyond the limit, with the wait until one more is answered."""
        if wait := self._failures.take(address):
            raise TooManyRequests("Too many wrong API keys came from this address.", wait)

    def may_use_bootstrap(self, address: str) -> bool:
        """Whether the bootstrap key is looked at: not while the address is throttled, unless it gave the key before."""
        # Keys of `pri keys create` can't be guessed, so they always work. This one may have eight characters: were it
        # accepted in the middle of a flood of guesses, the throttle would slow nobody down.
        return address in self._known or not self._failures.wait_of(address)

    def record_bootstrap(self, address: str) -> None:
        """The bootstrap key came from here."""
        self._known.add(address)


class RequestLimits:
    """All limits of one API process; another process counts on its own."""

    def __init__(self, per_key: int, per_address: int) -> None:
        self._per_key, self._per_address = RateLimiter(per_key, MINUTE), RateLimiter(per_address, MINUTE)
        self.bearers = BearerThrottle()

    def check_key(self, key_id: str) -> None:
        """Counts a request of this key. Raises TooManyRequests."""
        if wait := self._per_key.take(key_id):
            raise TooManyRequests("Too many requests with this API key.", wait)

    def check_address(self, address: str) -> None:
        """Counts a request from this address. Raises TooManyRequests."""
        if wait := self._per_address.take(address):
            raise TooManyRequests("Too many requests from this address.", wait)
