"""`pri import`: a history from a table and from Stripe, also in two runs."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands.imports import ImportProgress, UnfinishedImport
from core.classification.taxonomy import Cause
from sandbox.config import SandboxConfig
from sandbox.stripe.client import StripeSandboxClient
from simulator.history import files
from simulator.history.columns import CHARGED, LOST, PAID, History
from tests.commands.conftest import ROOT, Answer, Pri
from tests.sandbox.harness import run_sandbox

SAMPLE = ROOT / "docs/samples/attempts.csv"
HEADER = "invoice,attempted_at,outcome,amount,currency"
ROW = "in_1,2026-03-02T09:30:00Z,declined,4900,EUR"
THEN, DAY = 1_772_445_600, 86_400


def load_history(path: Path) -> History:
    return files.read_history_file(path, lambda *_: Cause.GENERIC)


def test_documented_sample_is_imported(pri: Pri, tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "attempts.csv")
    answer = pri("import", "csv", "attempts.csv", "--out", "past.jsonl.gz")
    assert (answer.code, answer.out) == (0, "past.jsonl.gz: 4 failed invoices\n")
    history = load_history(tmp_path / "past.jsonl.gz")
    assert history.book.names == ("in_1002", "in_1001", "in_1003", "in_1004")
    assert history.end.tolist() == [CHARGED, CHARGED, PAID, LOST]
    assert history.charges.fresh.tolist() == [True, False, False, False]
    assert (len(history.charges), history.watched) == (4, True)
    assert history.book.payers[1].profile.tenure_days == 670


def test_minimal_table_is_imported(pri: Pri, tmp_path: Path) -> None:
    text = f"{HEADER}\n{ROW}\nin_1,2026-03-02T12:30:00,declined,4900,eur\nin_2,2026-03-02T12:30:00Z,succeeded,1,EUR\n"
    (tmp_path / "mine.csv").write_text(text)
    answer = pri("import", "csv", "mine.csv", "--out", "past.jsonl")
    assert answer.out == "past.jsonl: 1 failed invoices\n"
    assert "1 invoices were left out: their first attempt went through" in answer.err
    assert "without a column paid_at nothing is learnt of customers who pay by themselves" in answer.err
    history = load_history(tmp_path / "past.jsonl")
    assert ((history.charges.waited // 3_600).tolist(), history.watched) == ([3], False)


WRONG = {
    "no header": ("", "mine.csv:1: the columns invoice, attempted_at, outcome, amount, currency are missing"),
    "a missing column": ("invoice,outcome\n", "mine.csv:1: the columns attempted_at, amount, currency are missing"),
    "an unknown column": (f"{HEADER},colour\n", "mine.csv:1: unknown columns: colour; there are invoice, "),
    "too many cells": (f"{HEADER}\n{ROW},x\n", "mine.csv:2: the line has another number of cells than the header."),
    "too few cells": (f"{HEADER}\n{ROW}\nin_1\n", "mine.csv:3: the line has another number of cells"),
    "an empty cell": (f"{HEADER}\n{ROW.replace('in_1', '')}\n", "mine.csv:2: column invoice: there is nothing in it."),
    "a wrong outcome": (f"{HEADER}\n{ROW.replace('declined', 'lost')}\n", "mine.csv:2: column outcome: 'lost' is"),
    "a wrong amount": (f"{HEADER}\n{ROW.replace('4900', '49.00')}\n", "mine.csv:2: column amount: '49.00' is no whole"),
    "a wrong time": (f"{HEADER}\n{ROW.replace('2026-03-02T', '02.03.26 ')}\n", "mine.csv:2: column attempted_at: '0"),
    "a wrong currency": (f"{HEADER}\n{ROW.replace('EUR', 'euro')}\n", "mine.csv:2: column currency: 'EURO' is no ISO"),
    "a wrong end": (f"{HEADER},end\n{ROW},gone\n", "mine.csv:2: column end: 'gone' is none of open, paid"),
    "a wrong trigger": (f"{HEADER},trigger\n{ROW},me\n", "mine.csv:2: column trigger: 'me' is none of scheduled, "),
    "two amounts": (f"{HEADER}\n{ROW}\n{ROW.replace('4900', '1')}\n", "mine.csv:3: column amount: invoice in_1 has"),
    "paid twice": (
        f"{HEADER}\n{ROW}\n{ROW.replace('declined', 'succeeded').replace('09', '10')}\n{ROW.replace('09', '11')}\n",
        "mine.csv:2: invoice in_1: nothing is charged after an attempt that succeeded.",
    ),
    "an open quote": (f'{HEADER}\n"in_1', "mine.csv:2: unexpected end of data"),
    "nothing failed": (f"{HEADER}\n{ROW.replace('declined', 'succeeded')}\n", "mine.csv: there is no invoice"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_import_error_names_line_and_column(pri: Pri, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    assert pri("import", "csv", "mine.csv", "--out", "past.jsonl").error_line().startswith(f"pri: {problem}")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("csv", "none.csv", "--out", "past.jsonl"), "none.csv: there is no such file."),
        (("csv", "none.csv", "--out", "."), "this is a folder"),
        (("csv", "none.csv", "--out", "no/where/past.jsonl"), "there is no folder"),
        (("csv", "none.csv", "--out", "past.jsonl", "--provider", "nobody"), "No provider is called nobody"),
        (("stripe", "--out", "past.jsonl"), "STRIPE_API_KEY is not set"),
        (("stripe", "--out", "p", "--since", "2026-02-01", "--until", "2026-01-01"), "--since must be before --until."),
    ],
)
def test_other_import_mistakes_are_one_line_errors(pri: Pri, words: tuple[str, ...], problem: str) -> None:
    assert problem in pri("import", *words).error_line()


@pytest.fixture
def sandbox() -> Iterator[str]:
    with run_sandbox(SandboxConfig(echo=False)) as address:
        yield address


def create_failures(address: str, *, count: int = 1, **fields: Any) -> None:
    async def create_invoices() -> None:
        async with StripeSandboxClient(address) as box:
            for _ in range(count):
                await box.create_failed_invoice(**fields)

    asyncio.run(create_invoices())


def script_fault(address: str, path: str, times: int) -> None:
    async def set_fault() -> None:
        async with StripeSandboxClient(address) as box:
            await box.clear_faults()
            if times:
                await box.add_fault(path, "error:401", times=times)

    asyncio.run(set_fault())


def import_from_stripe(pri: Pri, address: str, *words: str) -> Answer:
    return pri("import", "stripe", "--out", "past.jsonl", *words, STRIPE_API_KEY="rk_test_1", STRIPE_API_BASE=address)


def test_failed_invoices_are_read_from_stripe(pri: Pri, tmp_path: Path, sandbox: str) -> None:
    create_failures(sandbox, count=3, created=THEN)
    create_failures(sandbox, created=THEN + 9 * DAY)
    answer = import_from_stripe(pri, sandbox, "--until", "2026-03-10")
    assert (answer.code, answer.out) == (0, "past.jsonl: 3 failed invoices of 3\n")
    assert [path.name for path in tmp_path.iterdir()] == ["past.jsonl"]
    assert len(load_history(tmp_path / "past.jsonl")) == 3


def test_interrupted_import_continues(pri: Pri, tmp_path: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.stripe.history.PAGE_SIZE", 2)
    for day in range(6):
        create_failures(sandbox, created=THEN + day * DAY)
    progress: list[ImportProgress] = []
    keep = UnfinishedImport.save_progress

    def write_and_break_off(unfinished: UnfinishedImport, progressed: ImportProgress) -> None:
        keep(unfinished, progressed)
        progress.append(progressed)
        if len(progress) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedImport, "save_progress", write_and_break_off)
        assert import_from_stripe(pri, sandbox).code != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["past.jsonl.part", "past.jsonl.state"]
    with (tmp_path / "past.jsonl.part").open("a") as file:
        file.write('{"half a li' * 1_000)
    answer = import_from_stripe(pri, sandbox)
    assert answer.out == "past.jsonl: 6 failed invoices of 6\n"
    assert [path.name for path in tmp_path.iterdir()] == ["past.jsonl"]
    names = load_history(tmp_path / "past.jsonl").book.names
    assert len(set(names)) == 6


def test_unfinished_import_of_another_period_is_refused(pri: Pri, tmp_path: Path, sandbox: str) -> None:
    create_failures(sandbox, created=THEN)
    (tmp_path / "past.jsonl.state").write_text('{"since": null, "until": "2026-04-01T00:00:00Z"}')
    error = import_from_stripe(pri, sandbox, "--since", "2026-01-01").error_line()
    assert "past.jsonl.state: an unfinished import of other days lies here" in error
    (tmp_path / "past.jsonl.state").write_text("nonsense")
    assert "remove it to begin anew" in import_from_stripe(pri, sandbox).error_line()


def test_empty_import_is_reported(pri: Pri, sandbox: str) -> None:
    assert "Stripe has 0 invoices of these days, and none" in import_from_stripe(pri, sandbox).error_line()


def test_refused_api_key_is_reported(pri: Pri, sandbox: str) -> None:
    script_fault(sandbox, "/v1/invoices", 1)
    assert "Stripe refuses to show invoices: HTTP 401. The key needs" in import_from_stripe(pri, sandbox).error_line()
