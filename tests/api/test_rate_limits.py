"""Rate limits by key and by address, and the throttle of wrong keys: buckets, answers, and who is never limited."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api import rate_limits
from api.rate_limits import BearerThrottle, RateLimiter
from core.errors import TooManyRequests
from core.operators import LOGIN_WINDOW, MAX_FAILURES_PER_ADDRESS
from db.session import Database
from tests.api.harness import ALL_SCOPES, ApiHarness, build_app, failed_event, open_harness, sign_headers
from tests.intake.fakes import FakeRecoveries, unique_id

MINUTE = timedelta(minutes=1)
LIMIT = 5
READ = "recoveries:read"
WRONG = {"Authorization": "Bearer wrong"}


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_bucket_gives_its_tokens_at_once_and_refills_evenly(watch: Watch) -> None:
    limiter = RateLimiter(4, MINUTE, watch)
    assert [limiter.take("a") for _ in range(4)] == [timedelta()] * 4
    assert limiter.take("a") == timedelta(seconds=15)
    watch.seconds += 14
    assert limiter.take("a") == timedelta(seconds=1)
    watch.seconds += 1
    assert limiter.take("a") == timedelta()
    assert limiter.take("a") == timedelta(seconds=15)
    watch.seconds += 3600
    assert [bool(limiter.take("a")) for _ in range(5)] == [False] * 4 + [True]


def test_refused_request_takes_no_token(watch: Watch) -> None:
    limiter = RateLimiter(1, MINUTE, watch)
    limiter.take("a")
    for _ in range(100):
        assert limiter.take("a") == MINUTE
    watch.seconds += 60
    assert not limiter.take("a")


def test_each_name_has_its_own_bucket(watch: Watch) -> None:
    limiter = RateLimiter(1, MINUTE, watch)
    assert (limiter.take("a"), limiter.take("b")) == (timedelta(), timedelta())
    assert limiter.take("a")


def test_zero_is_no_limit(watch: Watch) -> None:
    limiter = RateLimiter(0, MINUTE, watch)
    assert not any(limiter.take("a") for _ in range(1000))
    assert len(limiter) == 0


def test_sustained_rate_is_the_limit(watch: Watch) -> None:
    limiter, taken = RateLimiter(60, MINUTE, watch), 0
    for _ in range(6000):
        watch.seconds += 0.1
        taken += not limiter.take("a")
    assert 658 <= taken <= 660  # 600 seconds at one a second, and the 60 that were there


def test_limiter_forgets_the_longest_silent(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MOST_REMEMBERED", 3)
    limiter = RateLimiter(1, MINUTE, watch)
    for name in ("a", "b", "c", "d"):
        limiter.take(name)
    assert len(limiter) == 3
    assert not limiter.wait_of("a")
    assert limiter.wait_of("d")


def test_wrong_keys_are_counted_by_address(watch: Watch) -> None:
    throttle = BearerThrottle(watch)
    for _ in range(MAX_FAILURES_PER_ADDRESS):
        throttle.record_failure("1.2.3.4")
    with pytest.raises(TooManyRequests) as refused:
        throttle.record_failure("1.2.3.4")
    assert refused.value.retry_after == LOGIN_WINDOW / MAX_FAILURES_PER_ADDRESS
    throttle.record_failure("1.2.3.5")
    watch.seconds += LOGIN_WINDOW.total_seconds()
    throttle.record_failure("1.2.3.4")


_numbers: Iterator[int] = itertools.count(1)


def new_address() -> str:
    """An address that no other test uses."""
    return f"10.9.0.{next(_numbers)}"


@asynccontextmanager
async def client_at(harness: ApiHarness, address: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client at this address."""
    transport = httpx.ASGITransport(harness.app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


@asynccontextmanager
async def limited_service(db: Database, recoveries: FakeRecoveries, **settings: Any) -> AsyncIterator[ApiHarness]:
    """An application with these limits."""
    async with open_harness(build_app(db, recoveries, **settings), db, recoveries) as harness:
        yield harness


def assert_too_many(answer: httpx.Response, longest: int) -> None:
    """Asserts a 429 problem with a wait of at most so many seconds."""
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= longest


async def statuses(client: httpx.AsyncClient, headers: dict[str, str], count: int, path: str = "") -> list[int]:
    """The statuses of so many reads."""
    return [(await client.get(path or "/v1/recoveries", headers=headers)).status_code for _ in range(count)]


async def test_key_is_limited_whatever_its_address(database: Database, recoveries: FakeRecoveries) -> None:
    async with limited_service(database, recoveries, rate_limit_per_key=LIMIT) as harness:
        first, second = await harness.create_key(READ, name="ann"), await harness.create_key(READ, name="ann")
        async with client_at(harness, new_address()) as here, client_at(harness, new_address()) as there:
            assert await statuses(here, first, LIMIT) == [200] * LIMIT
            assert_too_many(await there.get("/v1/recoveries", headers=first), 12)
            assert await statuses(here, second, LIMIT) == [200] * LIMIT
            assert await statuses(here, ALL_SCOPES, LIMIT + 1) == [200] * LIMIT + [429]


async def test_address_is_limited_whatever_its_keys(database: Database, recoveries: FakeRecoveries) -> None:
    async with limited_service(database, recoveries, rate_limit_per_address=LIMIT) as harness:
        key = await harness.create_key(READ)
        async with client_at(harness, new_address()) as here, client_at(harness, new_address()) as there:
            assert await statuses(here, {}, 2) + await statuses(here, key, LIMIT - 2) == [401] * 2 + [200] * (LIMIT - 2)
            assert_too_many(await here.get("/v1/recoveries", headers=key), 12)
            assert_too_many(await here.post("/v1/simulations", headers=key, content=b"x" * 5000), 12)
            assert_too_many(await here.get("/v1/nothing"), 12)
            assert await statuses(there, key, 1) == [200]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/admin/login", "/v10"])
async def test_other_routes_are_not_limited(path: str, database: Database, recoveries: FakeRecoveries) -> None:
    async with (
        limited_service(database, recoveries, rate_limit_per_address=1, rate_limit_per_key=1) as harness,
        client_at(harness, new_address()) as client,
    ):
        assert 429 not in await statuses(client, {}, 4, path)


async def test_signed_webhooks_are_never_limited(database: Database, recoveries: FakeRecoveries) -> None:
    async with limited_service(database, recoveries, rate_limit_per_address=1, rate_limit_per_key=1) as harness:
        await statuses(harness.client, WRONG, 30)
        answers = [await harness.send_event(failed_event(unique_id("in"))) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {202}
        unsigned = [await harness.post_webhook(b"{}", sign_headers(b"{}", "whsec_wrong")) for _ in range(30)]
        assert {answer.status_code for answer in unsigned} == {400}


async def test_limits_see_through_a_trusted_proxy_only(database: Database, recoveries: FakeRecoveries) -> None:
    proxy, settings = new_address(), {"rate_limit_per_address": 1}
    async with limited_service(database, recoveries, **settings, trusted_proxies=proxy) as harness:
        key = await harness.create_key(READ)
        async with client_at(harness, proxy) as behind, client_at(harness, new_address()) as direct:
            for client, expected in ((behind, [200, 200]), (direct, [200, 429])):
                forged = [key | {"X-Forwarded-For": f"198.51.100.{number}"} for number in (1, 2)]
                assert [(await statuses(client, one, 1))[0] for one in forged] == expected


async def test_wrong_keys_are_throttled_and_right_ones_are_not(harness: ApiHarness) -> None:
    key = await harness.create_key(READ)
    async with client_at(harness, new_address()) as here, client_at(harness, new_address()) as there:
        assert await statuses(here, WRONG, MAX_FAILURES_PER_ADDRESS) == [401] * MAX_FAILURES_PER_ADDRESS
        for headers in (WRONG, {"Authorization": "Bearer " + "x" * 5000}):
            assert_too_many(await here.get("/v1/recoveries", headers=headers), 45)
        assert await statuses(here, key, 3) == [200] * 3
        assert await statuses(here, {}, 1) == [401]
        assert await statuses(there, WRONG, 1) == [401]


async def test_bootstrap_key_cannot_be_guessed_in_a_flood(harness: ApiHarness) -> None:
    async with client_at(harness, new_address()) as here, client_at(harness, new_address()) as there:
        await statuses(here, WRONG, MAX_FAILURES_PER_ADDRESS)
        assert_too_many(await here.get("/v1/recoveries", headers=ALL_SCOPES), 45)
        assert await statuses(there, ALL_SCOPES, 1) == [200]


async def test_bootstrap_key_known_from_an_address_keeps_working_there(harness: ApiHarness) -> None:
    async with client_at(harness, new_address()) as client:
        assert await statuses(client, ALL_SCOPES, 1) == [200]
        assert 429 in await statuses(client, WRONG, MAX_FAILURES_PER_ADDRESS + 1)
        assert await statuses(client, ALL_SCOPES, 2) == [200] * 2


async def test_request_without_a_key_is_no_failed_one(harness: ApiHarness) -> None:
    async with client_at(harness, new_address()) as client:
        assert set(await statuses(client, {}, MAX_FAILURES_PER_ADDRESS + 5)) == {401}
        assert set(await statuses(client, {"Authorization": "Basic YTpi"}, MAX_FAILURES_PER_ADDRESS + 5)) == {401}
        assert await statuses(client, WRONG, 1) == [401]
