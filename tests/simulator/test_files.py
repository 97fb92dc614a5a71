"""History files: written and read back; mistakes are reported with file and line."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification.taxonomy import Cause
from core.errors import InvalidInput, NotFound
from core.events import Trigger
from core.payment_history import InvoiceEnding, PastAttempt, PastInvoice
from core.payments import Card, Failure, Outcome
from core.segmentation.rules import CustomerProfile
from simulator.history import files
from simulator.history.columns import CHARGED, LOST, OPEN, PAID, STOPPED, History
from simulator.model.cases import NEVER
from simulator.model.success_chances import CAUSE_INDEX
from tests.simulator.made_cases import a_world

THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORLD = a_world()
DECLINED, SUCCEEDED = Outcome.DECLINED, Outcome.SUCCEEDED


def classify_failure(provider: str, failure: Failure, card: Card) -> Cause:
    return WORLD.classify_failure(provider, failure, card).cause


def an_attempt(hours: float, outcome: Outcome = DECLINED, code: str = "insufficient_funds", **more: Any) -> PastAttempt:
    failure = Failure(code=code) if outcome is DECLINED else Failure()
    return PastAttempt(at=THEN + hours * HOUR, outcome=outcome, failure=failure, **more)


def an_invoice(*attempts: PastAttempt, **changes: Any) -> PastInvoice:
    defaults: dict[str, Any] = {
        "invoice_id": "in_1",
        "customer_id": "cus_1",
        "amount": 4_900,
        "currency": "EUR",
        "card": Card(network="visa", country="DE", fingerprint="card_a"),
        "attempts": attempts or (an_attempt(0),),
        "end": InvoiceEnding.LOST,
    }
    return PastInvoice(**(defaults | changes))


def write_history(path: Path, *invoices: PastInvoice, **header: Any) -> Path:
    files.write_history_file(
        path, files.build_history_header("stripe", "a test", **header), map(files.format_history_line, invoices)
    )
    return path


def read_history(path: Path) -> History:
    return files.read_history_file(path, classify_failure)


@pytest.mark.parametrize("name", ["past.jsonl", "past.jsonl.gz"])
def test_written_history_is_read_back(tmp_path: Path, name: str) -> None:
    attempts = (an_attempt(0), an_attempt(3, code="do_not_honor"), an_attempt(75, SUCCEEDED))
    path = write_history(tmp_path / name, an_invoice(*attempts, time_zone="Europe/Berlin", end=InvoiceEnding.PAID))
    history = read_history(path)
    assert (history.name, history.book.provider, len(history)) == (name, "stripe", 1)
    assert (history.book.names, history.book.customers) == (("in_1",), ("cus_1",))
    payer = history.book.payers[0]
    assert (payer.amount, payer.currency, payer.time_zone) == (4_900, "EUR", "Europe/Berlin")
    charges = history.charges
    assert charges.cause.tolist() == [CAUSE_INDEX[Cause.INSUFFICIENT_FUNDS], CAUSE_INDEX[Cause.GENERIC]]
    assert (charges.waited // 3_600).tolist() == [3, 72]
    assert (charges.retry.tolist(), charges.won.tolist()) == ([1, 2], [False, True])
    assert history.end.tolist() == [CHARGED]
    assert (path.read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")
    assert list(tmp_path.iterdir()) == [path]


def test_only_tries_that_the_networks_counted_are_tries_of_a_card(tmp_path: Path) -> None:
    blocked = PastAttempt(at=THEN + HOUR, outcome=DECLINED, failure=Failure(code="x", outcome="blocked"))
    first = an_invoice(an_attempt(0), blocked, an_attempt(2))
    second = an_invoice(an_attempt(48), invoice_id="in_2")
    dearer = an_invoice(an_attempt(49), invoice_id="in_3", amount=5_000)
    history = read_history(write_history(tmp_path / "past.jsonl", first, second, dearer))
    began = int(THEN.timestamp())
    assert history.earlier == {1: (began, began + 2 * 3_600)}


ENDS: list[tuple[dict[str, Any], int]] = [
    ({"end": InvoiceEnding.PAID, "paid_at": THEN + HOUR}, PAID),
    ({"end": InvoiceEnding.LOST}, LOST),
    ({"end": InvoiceEnding.OPEN}, OPEN),
    ({"end": InvoiceEnding.CANCELED}, STOPPED),
]


@pytest.mark.parametrize(("changes", "end"), ENDS, ids=[end["end"] for end, _ in ENDS])
def test_every_ending_is_read(tmp_path: Path, changes: dict[str, Any], end: int) -> None:
    history = read_history(write_history(tmp_path / "past.jsonl", an_invoice(**changes)))
    assert history.end.tolist() == [end]
    assert (history.paid_at != NEVER).tolist() == [end == PAID]


def test_another_card_is_a_new_method(tmp_path: Path) -> None:
    change = Trigger.METHOD_CHANGE
    attempts = (an_attempt(0), an_attempt(5, trigger=change), an_attempt(29), an_attempt(53, SUCCEEDED))
    history = read_history(
        write_history(tmp_path / "past.jsonl", an_invoice(*attempts, method_at=THEN + 5 * HOUR, end=InvoiceEnding.PAID))
    )
    assert history.charges.fresh.tolist() == [True, False, False]
    assert history.charges.scheduled.tolist() == [False, True, True]
    assert history.charges.retry.tolist() == [1, 1, 2]


def test_missing_payment_data_means_no_observation(tmp_path: Path) -> None:
    history = read_history(
        write_history(tmp_path / "past.jsonl", an_invoice(an_attempt(0), an_attempt(9)), watched=False)
    )
    assert (history.watched_until == history.failed_at).all()


GOOD_HEADER = '{"format":"pri-history","version":1,"provider":"stripe"}'
LINE = files.format_history_line(an_invoice())
WRONG = {
    "empty": ("", ":1: this is no history file"),
    "a table": ("invoice,amount\nin_1,3\n", ":1: this is no history file"),
    "another format": ('{"format":"x","version":1,"provider":"stripe"}\n', ":1: this is no history file"),
    "a later version": (
        GOOD_HEADER.replace("1,", "2,") + "\n",
        ":1: version 2 of the format isn't known here, only 1.",
    ),
    "no recoveries": (GOOD_HEADER + "\n", "there are no recoveries in this history"),
    "half a line": (f"{GOOD_HEADER}\n{LINE}\n{LINE[:50]}", ":3: Invalid JSON"),
    "no amount": (f"{GOOD_HEADER}\n{LINE.replace('4900', '0')}\n", ":2: amount: Input should be greater than 0"),
    "no time zone": (
        f"{GOOD_HEADER}\n{LINE.replace('30:00Z', '30:00')}\n",
        ":2: attempts.0.at: Input should have timezone",
    ),
    "never failed": (
        f"{GOOD_HEADER}\n{LINE.replace('declined', 'succeeded')}\n",
        ":2: the first attempt must be declined",
    ),
    "an endless line": (f"{GOOD_HEADER}\n{'x' * 1_000_001}\n", ":2: the line is too long"),
}


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_file_mistake_names_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "past.jsonl"
    path.write_text(text)
    with pytest.raises(InvalidInput) as excinfo:
        read_history(path)
    assert str(excinfo.value).startswith(str(path))
    assert problem in str(excinfo.value)


def test_missing_file_is_reported() -> None:
    with pytest.raises(NotFound, match="there is no such file"):
        read_history(Path("/nowhere/past.jsonl"))


NO_FILES = {"not gzip": b"not gzip", "cut off": gzip.compress(b"x" * 9_000)[:40], "no text": b"\xff\xfe\x00"}


@pytest.mark.parametrize("content", NO_FILES.values(), ids=NO_FILES)
def test_unreadable_file_is_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("past.jsonl" if content.startswith(b"\xff") else "past.jsonl.gz")
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        read_history(path)


def test_interrupted_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = write_history(tmp_path / "past.jsonl", an_invoice())
    before = path.read_bytes()

    def lines_broken_off() -> Iterator[str]:
        yield LINE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_history_file(path, files.build_history_header("stripe", "a test"), lines_broken_off())
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_lines_omit_unknown_fields() -> None:
    assert set(json.loads(LINE)) == {"invoice_id", "customer_id", "amount", "currency", "card", "attempts", "end"}


@given(
    profile=st.builds(
        CustomerProfile, tenure_days=st.none() | st.integers(0, 9_999), country=st.none() | st.just("DE")
    ),
    hours=st.lists(st.integers(0, 2_000), min_size=1, max_size=6).map(sorted),
    end=st.sampled_from(InvoiceEnding),
)
def test_every_invoice_round_trips_through_its_line(
    profile: CustomerProfile, hours: list[int], end: InvoiceEnding
) -> None:
    invoice = an_invoice(*(an_attempt(hour) for hour in hours), profile=profile, end=end)
    assert PastInvoice.model_validate_json(files.format_history_line(invoice)) == invoice
