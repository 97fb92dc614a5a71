"""What is read from the sandbox's file, and when a round counts as at rest."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.models import Document
from sandbox.store import Store
from sandbox.stripe.idempotency import IdempotencyKeys
from tests.faults.rounds import collect, round
from tests.faults.rounds.evidence import Charge, Evidence, InboxRow, KeyLifetime, PayCall
from tests.faults.rounds.plan import RoundPlan
from tests.faults.rounds.round import Round, RoundOptions

PATH = "/v1/invoices/in_1/pay"
PENDING, SETTLED = InboxRow("evt_1", None, None, None), InboxRow("evt_1", "ignored", "not ours", None)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Store]:
    """A sandbox's file with one customer, an invoice and two cards."""
    store = Store(tmp_path / "sandbox.db")
    store.put("invoice", {"id": "in_1", "customer": "cus_1", "amount_due": 2000})
    for name in ("first", "second"):
        card: Document = {"brand": "visa", "fingerprint": f"card_{name}"}
        store.put("payment_method", {"id": f"pm_{name}", "customer": "cus_1", "card": card})
    yield store
    store.close()


def log_call(store: Store, path: str = PATH, params: str = "{}", **columns: Any) -> None:
    """One request in the log."""
    known = {"at": 1, "wall": 1.5, "method": "POST", "invoice": "in_1", "idempotency_key": "key_1", "replayed": 0}
    store.insert("log", path=path, params=params, **known | columns)


def test_pay_calls_are_read_with_the_card_behind_them(books: Store, tmp_path: Path) -> None:
    log_call(books, status=402)
    log_call(books, path="/v1/invoices/in_1", method="GET", status=200)
    log_call(books, params='{"payment_method": "pm_second"}', idempotency_key=None, replayed=1)
    calls, _, _ = collect.read_gateway(tmp_path / "sandbox.db")
    assert calls == (
        PayCall(1, "in_1", "key_1", 1.5, 402, False, "card_first", "visa", 2000),
        PayCall(3, "in_1", None, 1.5, None, True, "card_second", "visa", 2000),
    )


def test_charges_and_delivered_events_are_read(books: Store, tmp_path: Path) -> None:
    books.insert("ledger", invoice="in_1", charge="ch_1", origin="pay_call")
    books.put("event", {"id": "evt_1", "delivered": True})
    books.put("event", {"id": "evt_2", "delivered": False})
    _, charges, accepted = collect.read_gateway(tmp_path / "sandbox.db")
    assert (charges, accepted) == ((Charge("in_1", "ch_1", "pay_call"),), ("evt_1",))
    assert collect.list_undelivered(tmp_path / "sandbox.db") == ["evt_2"]


def test_key_lifetime_is_a_day_until_it_is_shortened(books: Store, tmp_path: Path) -> None:
    assert collect.read_key_lifetime(tmp_path / "sandbox.db") == KeyLifetime()
    IdempotencyKeys(books).set_lifetime(25)
    found = collect.read_key_lifetime(tmp_path / "sandbox.db")
    assert (found.seconds, found.since > 1_700_000_000) == (25, True)


class StandingClock:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Passes at once."""
        self.seconds += seconds


async def drain(reads: Iterator[Evidence], patch: pytest.MonkeyPatch, folder: Path) -> tuple[list[str], float]:
    """What a round reports that reads this evidence, one after another, and how long it took."""

    async def read_next(*_: object) -> Evidence:
        return next(reads)

    clock = StandingClock()
    patch.setattr(round, "time", clock)
    patch.setattr(round, "asyncio", SimpleNamespace(sleep=clock.sleep, to_thread=_list_nothing))
    patch.setattr(collect, "collect_evidence", read_next)
    service: Any = SimpleNamespace(stack=SimpleNamespace(data_dir=folder))
    mail: Any = SimpleNamespace(mails=[])
    playing = Round(RoundPlan(1, 1.0, (), ()), RoundOptions(1.0, 15.0, 60.0), service, mail, None, lambda _: None)
    _, violations = await playing._drain()
    return [violation.what for violation in violations], clock.seconds - 1000.0


async def _list_nothing(*_: object) -> list[str]:
    return []


async def test_clean_round_rests_before_it_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, seconds = await drain(itertools.repeat(Evidence()), monkeypatch, tmp_path)
    assert (found, 15 < seconds < 20) == ([], True)


async def test_what_settles_in_time_is_no_violation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settled = replace(Evidence(), inbox=(SETTLED,))
    reads = itertools.chain([Evidence(inbox=(PENDING,))] * 20, itertools.repeat(settled))
    found, seconds = await drain(reads, monkeypatch, tmp_path)
    assert (found, 40 <= seconds < 60) == ([], True)


async def test_what_stays_wrong_is_reported_after_the_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, seconds = await drain(itertools.repeat(Evidence(inbox=(PENDING,))), monkeypatch, tmp_path)
    assert (found, 60 < seconds < 75) == (["has no outcome"], True)


async def test_what_is_wrong_once_and_right_again_is_not_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = Evidence(inbox=(replace(PENDING, event_id="evt_2"),))
    reads = itertools.chain([Evidence(inbox=(PENDING,))] * 32, itertools.repeat(other))
    found, _ = await drain(reads, monkeypatch, tmp_path)
    assert found == []


async def test_second_charge_at_the_last_moment_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    twice = Evidence(charges=(Charge("in_1", "ch_1", "pay_call"), Charge("in_1", "ch_2", "pay_call")))
    reads = itertools.chain([Evidence(inbox=(PENDING,))] * 32, itertools.repeat(twice))
    found, _ = await drain(reads, monkeypatch, tmp_path)
    assert found == ["2 charges"]
