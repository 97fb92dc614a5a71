"""Deliveries behind the answers: bounded, in order for each invoice, and quiet in an outage."""

import asyncio
import io
from collections.abc import Awaitable, Callable

import pytest

from api import deliveries as module
from api.background import Background
from api.deliveries import MOST_AT_ONCE, Deliveries


@pytest.fixture
def background() -> Background:
    return Background()


def slow_step(journal: list[str], name: str, seconds: float) -> Callable[[], Awaitable[None]]:
    """A delivery that takes so long, and writes into the journal when it begins and ends."""

    async def deliver() -> None:
        journal.append(f"{name} begins")
        await asyncio.sleep(seconds)
        journal.append(f"{name} ends")

    return deliver


async def test_deliveries_of_one_invoice_follow_each_other(background: Background) -> None:
    deliveries, journal = Deliveries(background), list[str]()
    for name, seconds in (("first", 0.05), ("second", 0)):
        deliveries.start("stripe in_1", slow_step(journal, name, seconds))
    deliveries.start("stripe in_2", slow_step(journal, "other", 0))
    await background.close()
    of_one = [line for line in journal if "other" not in line]
    assert of_one == ["first begins", "first ends", "second begins", "second ends"]
    assert journal.index("other ends") < journal.index("first ends"), "another invoice does not wait"


async def test_a_failed_delivery_lets_the_next_one_of_its_invoice_begin(background: Background) -> None:
    deliveries, journal = Deliveries(background), list[str]()

    async def fail() -> None:
        raise ZeroDivisionError

    deliveries.start("stripe in_1", fail)
    deliveries.start("stripe in_1", slow_step(journal, "next", 0))
    await background.close()
    assert journal == ["next begins", "next ends"]


async def test_only_so_many_are_delivered_at_once(background: Background) -> None:
    deliveries, running, most = Deliveries(background), 0, 0

    async def deliver() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    for number in range(3 * MOST_AT_ONCE):
        deliveries.start(f"stripe in_{number}", deliver)
    await background.close()
    assert (most, running) == (MOST_AT_ONCE, 0)


async def test_what_would_pile_up_is_left_to_the_relay(
    background: Background, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    deliveries, journal = Deliveries(background), list[str]()
    for name in ("a", "b", "c"):
        deliveries.start(f"stripe {name}", slow_step(journal, name, 0.01))
    await background.close()
    assert [line for line in journal if "ends" in line] == ["a ends", "b ends"]
    assert log_lines.getvalue().count("webhooks are left for the relay") == 1


def test_an_outage_is_reported_once_a_minute(
    background: Background, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    moment = 1_000.0
    monkeypatch.setattr("api.deliveries.time.monotonic", lambda: moment)
    deliveries = Deliveries(background)
    for second in range(150):
        moment = 1_000.0 + second
        deliveries.report_left("Temporal cannot be reached")
    lines = [line for line in log_lines.getvalue().splitlines() if "left for the relay" in line]
    assert len(lines) == 3
    assert '"count": 60' in lines[1]
