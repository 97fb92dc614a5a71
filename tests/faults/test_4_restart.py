"""`pri dev` ends or is killed with its whole tree: started again on the same data, recoveries continue.

The provider runs elsewhere, as a real one would.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from devstack.ports import free_port
from devstack.processes import start_mark
from tests.support import laws, stacks
from tests.support.service import OPENING_EVENTS, RunningService, ServiceEndpoints, open_service

CLI = Path(__file__).parents[2] / "cli.py"


class DevProcess:
    """`pri dev` as a process."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.data, self.settings = (
            folder / "data",
            {"BOOTSTRAP_API_KEY": "test-key-1", **stacks.FAST_SETTINGS, **settings},
        )
        self._temporal_port = free_port()
        ports = ("--api-port", str(free_port()), "--temporal-port", str(self._temporal_port), "--temporal-ui-port", "0")
        self._argv = (sys.executable, str(CLI), "dev", "--data-dir", str(self.data), *ports, *options)
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The process that runs, or ran last."""
        assert self._process, "not started"
        return self._process

    def start_stack(self) -> ServiceEndpoints:
        """Starts `pri dev` and waits until it is ready."""
        env = stacks.clean_environment() | self.settings
        with (self._folder / "dev.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self._folder, env=env
            )
        assert self._process.stdout
        with self._process.stdout as out:
            line = out.readline()
        assert line.startswith("ready http://127.0.0.1:"), (self._folder / "dev.log").read_text()
        self.endpoints = ServiceEndpoints(
            api=line.split()[1],
            sandbox=self.settings["STRIPE_API_BASE"],
            temporal=f"127.0.0.1:{self._temporal_port}",
            key=self.settings["BOOTSTRAP_API_KEY"],
            secret=self.settings["STRIPE_WEBHOOK_SECRETS"].split(",")[0],
        )
        return self.endpoints

    def child_pids(self) -> dict[str, int]:
        """The process ids of the parts by name."""
        return {note.stem: json.loads(note.read_text())["pid"] for note in (self.data / "run").glob("*.json")}

    def terminate(self) -> int:
        """Sends SIGTERM, as a service manager would. Returns the exit code."""
        children = self.child_pids()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert [name for name, pid in children.items() if start_mark(pid)] == []
        return code

    def kill_tree(self) -> None:
        """Sends SIGKILL to the process and all its children."""
        for pid in [self.process.pid, *self.child_pids().values()]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        """Kills everything that is left."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        if self._process.poll() is None:
            self.kill_tree()


@contextmanager
def run_provider(port: int) -> Iterator[str]:
    """The address of a Stripe-compatible server outside of the stack."""
    argv = (sys.executable, "-m", "sandbox", "--port", str(port))
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=CLI.parent)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def dev() -> Iterator[DevProcess]:
    """`pri dev --no-sandbox` with a provider elsewhere, not started yet."""
    with stacks.short_folder() as folder, run_provider(free_port()) as provider_address:
        account = {"STRIPE_API_KEY": "sk_test_elsewhere", "STRIPE_WEBHOOK_SECRETS": "whsec_newer,whsec_older"}
        dev_process = DevProcess(folder, "--no-sandbox", STRIPE_API_BASE=provider_address, **account)
        try:
            yield dev_process
        finally:
            dev_process.close()


async def test_recoveries_survive_every_stop_of_pri_dev(dev: DevProcess) -> None:
    sleeping, ended = await prepare_invoices(dev)
    assert dev.terminate() == 0
    killed = await check_goes_on(dev, ended)
    dev.kill_tree()
    await check_goes_on(dev, killed)
    async with open_service(dev.endpoints) as service:
        asleep = service.recovery_of(sleeping)
        if (await asleep.fetch_view())["state"] == "waiting":
            await asleep.submit_command("retry")
        await asleep.wait_for_one_payment(timeout_seconds=60)
        assert (await asleep.fetch_event_types())[:5] == OPENING_EVENTS
        await laws.check_all_recoveries(service)
    assert dev.terminate() == 0


async def prepare_invoices(dev: DevProcess) -> tuple[str, str]:
    """An invoice that sleeps for long, and one that is due while the stack is down."""
    stack = dev.start_stack()
    assert "sandbox" not in dev.child_pids()
    async with open_service(stack) as service:
        await service.sandbox.set_webhook_endpoint(f"{stack.api}/webhooks/stripe", "whsec_older")
        sleeping = await service.create_failure("card_velocity_exceeded")
        await sleeping.wait_for_event("retry.planned")
        return sleeping.invoice, await create_due_invoice(service)


async def check_goes_on(dev: DevProcess, invoice: str) -> str:
    """Asserts that the restarted stack charges what was due. Returns the next invoice to be due."""
    async with open_service(dev.start_stack()) as service:
        recovery = service.recovery_of(invoice)
        await recovery.wait_for_one_payment(timeout_seconds=60)
        (call,) = await recovery.fetch_pay_calls()
        assert call.path == f"/v1/invoices/{invoice}/pay"
        return await create_due_invoice(service)


async def create_due_invoice(service: RunningService) -> str:
    """An invoice whose recovery sleeps for three more seconds."""
    recovery = await service.create_failure("insufficient_funds")
    await recovery.wait_for_event("retry.planned")
    return recovery.invoice
