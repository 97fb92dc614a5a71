"""The sandbox as a process: its ready line, and its state after a kill."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stripe

from sandbox.stripe.client import StripeSandboxClient
from tests.sandbox.harness import stripe_client

ROOT = Path(__file__).parents[2]


@contextmanager
def run_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


async def test_everything_survives_a_kill(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "sandbox.db"))
    options = {"idempotency_key": "before-the-kill"}
    with run_process(*state) as (first, address):
        async with StripeSandboxClient(address) as box, stripe_client(address) as api:
            failed_invoice = await box.create_failed_invoice(script=("succeed_then_drop", "decline:lost_card"))
            with pytest.raises(stripe.APIConnectionError):
                await api.v1.invoices.pay_async(failed_invoice.invoice, options=options)  # type: ignore[arg-type]
            await box.advance_clock(3600)
        os.kill(first.pid, signal.SIGKILL)
    with run_process(*state) as (_, address):
        async with StripeSandboxClient(address) as box, stripe_client(address) as api:
            paid = await api.v1.invoices.pay_async(failed_invoice.invoice, options=options)  # type: ignore[arg-type]
            assert paid.status == "paid"
            assert [call.replayed for call in await box.pay_calls(failed_invoice.invoice)] == [False, True]
            assert len(await box.read_ledger(failed_invoice.invoice)) == 1
            assert await box.read_script(failed_invoice.invoice) == ["decline:lost_card"]
            seconds = await box.advance_clock() - (await box.read_log())[0].wall
            assert seconds > 3599  # the clock counts whole seconds


async def test_call_interrupted_by_a_kill_has_no_effect_and_may_be_repeated(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "sandbox.db"))
    options = {"idempotency_key": "cut"}
    with run_process(*state) as (first, address):
        async with StripeSandboxClient(address) as box, stripe_client(address) as api:
            failed_invoice = await box.create_failed_invoice(script=("hang:30",))
            call = asyncio.create_task(api.v1.invoices.pay_async(failed_invoice.invoice, options=options))  # type: ignore[arg-type]
            await asyncio.sleep(0.3)
            os.kill(first.pid, signal.SIGKILL)
            with pytest.raises(stripe.APIConnectionError):
                await call
    with run_process(*state) as (_, address):
        async with StripeSandboxClient(address) as box, stripe_client(address) as api:
            assert await box.read_ledger(failed_invoice.invoice) == []
            assert (await api.v1.invoices.pay_async(failed_invoice.invoice, options=options)).status == "paid"  # type: ignore[arg-type]
            assert len(await box.read_ledger(failed_invoice.invoice)) == 1


async def test_the_ledger_refuses_changes(tmp_path: Path) -> None:
    with run_process("--state", str(tmp_path / "sandbox.db")) as (_, address):
        async with StripeSandboxClient(address) as box, stripe_client(address) as api:
            failed_invoice = await box.create_failed_invoice()
            await api.v1.invoices.pay_async(failed_invoice.invoice)
    database = sqlite3.connect(tmp_path / "sandbox.db")
    for statement in ("DELETE FROM ledger", "UPDATE ledger SET amount = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)
    database.close()


def test_help_explains_the_sandbox() -> None:
    command = [sys.executable, "-m", "sandbox", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    for option in ("--port", "--state", "--webhook-url", "SANDBOX_WEBHOOK_SECRET", "--host"):
        assert option in text


def test_used_port_is_a_one_line_error() -> None:
    with run_process("--port", "0") as (_, address):
        port = address.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "sandbox", "--port", port]
        second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert port in second.stderr
