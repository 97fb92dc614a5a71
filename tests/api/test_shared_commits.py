"""Shared transactions: what arrives meanwhile is stored together, and nobody pays for a neighbour."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import shared_commits as module
from api.background import Background
from api.shared_commits import MOST_TOGETHER, SharedCommits
from core.errors import StoreUnavailable

LIMIT = timedelta(seconds=2)
BAD, STUCK = "bad", "stuck"
"""Items that no transaction can store, and that wait for a lock for ever."""


class Table:
    """Rows in memory, each stored once; a transaction with a bad item stores nothing."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.rows: list[str] = []
        self.transactions: list[list[str]] = []
        self.seconds = seconds

    async def store(self, items: Sequence[str]) -> list[bool]:
        """Whether each item is new."""
        self.transactions.append(list(items))
        await asyncio.sleep(self.seconds)
        if any(item.startswith(STUCK) for item in items):
            await asyncio.sleep(60)
        if any(item.startswith(BAD) for item in items):
            raise ValueError("the row does not fit")
        return [self._insert(item) for item in items]

    def _insert(self, item: str) -> bool:
        is_new = item not in self.rows
        self.rows += [item] if is_new else []
        return is_new


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    made = Background()
    yield made
    await made.close(timedelta())


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", timedelta(seconds=0.1))


async def test_a_lone_item_is_stored_at_once(background: Background) -> None:
    table = Table()
    assert await SharedCommits(background, LIMIT, table.store).store("a")
    assert table.transactions == [["a"]]


async def test_what_arrives_meanwhile_shares_the_next_transaction(background: Background) -> None:
    table = Table(0.01)
    shared = SharedCommits(background, LIMIT, table.store)
    first = asyncio.create_task(shared.store("a"))
    await asyncio.sleep(0.005)
    answers = await asyncio.gather(shared.store("b"), shared.store("c"), shared.store("b"), first)
    assert [*answers] == [True, True, False, True]
    assert table.transactions == [["a"], ["b", "c", "b"]]


async def test_a_transaction_is_bounded(background: Background) -> None:
    table = Table()
    shared = SharedCommits(background, LIMIT, table.store)
    await asyncio.gather(*(shared.store(f"{n}") for n in range(3 * MOST_TOGETHER)))
    assert max(map(len, table.transactions)) == MOST_TOGETHER
    assert table.rows == [f"{n}" for n in range(3 * MOST_TOGETHER)], "in the order of arrival"


async def test_nobody_is_answered_before_the_transaction_is_over(background: Background) -> None:
    committed = asyncio.Event()

    async def store(items: Sequence[str]) -> list[bool]:
        await committed.wait()
        return [True] * len(items)

    shared = SharedCommits(background, LIMIT, store)
    asked = [asyncio.create_task(shared.store(name)) for name in "abc"]
    done, _ = await asyncio.wait(asked, timeout=0.03)
    assert not done
    committed.set()
    assert await asyncio.gather(*asked) == [True, True, True]


async def test_a_stuck_item_delays_its_neighbours_and_fails_alone(background: Background) -> None:
    table = Table()
    shared = SharedCommits(background, timedelta(seconds=0.4), table.store)
    answers = await asyncio.gather(*(shared.store(one) for one in ("a", STUCK, "b")), return_exceptions=True)
    assert answers[0] is answers[2] is True
    assert isinstance(answers[1], TimeoutError)
    assert await shared.store("c"), "nothing is held up any more"


async def test_a_lone_stuck_item_holds_up_nobody_for_long(background: Background) -> None:
    shared = SharedCommits(background, timedelta(seconds=0.4), Table().store)
    stuck = asyncio.create_task(shared.store(STUCK))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(0.25):
        assert await shared.store("a")
    with pytest.raises(TimeoutError):
        await stuck


async def test_what_waited_too_long_is_not_stored(background: Background) -> None:
    table = Table(0.05)
    shared = SharedCommits(background, timedelta(seconds=0.03), table.store)
    first = asyncio.create_task(shared.store("a"))
    await asyncio.sleep(0.005)
    with pytest.raises(TimeoutError):
        await shared.store("b")
    await asyncio.gather(first, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert "b" not in table.rows


async def test_one_request_that_ends_ends_no_other(background: Background) -> None:
    table = Table(0.02)
    shared = SharedCommits(background, LIMIT, table.store)
    first, gone, third = (asyncio.create_task(shared.store(name)) for name in ("a", "gone", "c"))
    await asyncio.sleep(0.005)
    gone.cancel()
    assert all(await asyncio.gather(first, third))
    assert gone.cancelled()


async def test_items_are_refused_when_the_process_stops(background: Background) -> None:
    shared = SharedCommits(background, LIMIT, Table(60).store)
    asked = [asyncio.create_task(shared.store(name)) for name in "abc"]
    await asyncio.sleep(0.01)
    asked.append(asyncio.create_task(shared.store("later")))
    await asyncio.sleep(0)
    await background.close(timedelta())
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40))
def test_each_request_gets_its_own_answer(requests: list[tuple[str, bool, int]]) -> None:
    """Whoever sends what at the same time: good items are stored once, bad ones fail, and only they."""
    asyncio.run(check_answers([(BAD + name if is_bad else name, turns) for name, is_bad, turns in requests]))


async def check_answers(requests: Sequence[tuple[str, int]]) -> None:
    background, table = Background(), Table(0.001)
    shared = SharedCommits(background, LIMIT, table.store)

    async def ask(item: str, turns: int) -> bool:
        await asyncio.sleep(turns * 0.001)
        return await shared.store(item)

    answers = await asyncio.gather(*(ask(*request) for request in requests), return_exceptions=True)
    await background.close()
    items = [item for item, _ in requests]
    assert sorted(table.rows) == sorted({item for item in items if not item.startswith(BAD)})
    for item in set(items):
        mine = [answer for answer, asked in zip(answers, items, strict=True) if asked == item]
        if item.startswith(BAD):
            assert {type(answer) for answer in mine} == {ValueError}
        else:
            assert sorted(map(bool, mine)) == [False] * (len(mine) - 1) + [True]
