"""`pri dev` ends or is killed with its whole tree: started again on the same data, recoveries go on.

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
from devstack.processes import started
from tests.support import laws, stacks
from tests.support.world import OPENING, Place, World, opened

CLI = Path(__file__).parents[2] / "cli.py"


class Dev:
    """`pri dev` from a shell."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.data, self.settings = folder / "data", {"BOOTSTRAP_API_KEY": "test-key-1", **stacks.FASTER, **settings}
        self._temporal_port = free_port()
        ports = ("--api-port", str(free_port()), "--temporal-port", str(self._temporal_port), "--temporal-ui-port", "0")
        self._argv = (sys.executable, str(CLI), "dev", "--data-dir", str(self.data), *ports, *options)
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The one that runs, or ran last."""
        assert self._process, "not started"
        return self._process

    def start(self) -> Place:
        """Returns when it says that it is ready."""
        env = stacks.surroundings() | self.settings
        with (self._folder / "dev.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self._folder, env=env
            )
        assert self._process.stdout
        with self._process.stdout as out:
            line = out.readline()
        assert line.startswith("ready http://127.0.0.1:"), (self._folder / "dev.log").read_text()
        self.place = Place(
            api=line.split()[1],
            sandbox=self.settings["STRIPE_API_BASE"],
            temporal=f"127.0.0.1:{self._temporal_port}",
            key=self.settings["BOOTSTRAP_API_KEY"],
            secret=self.settings["STRIPE_WEBHOOK_SECRETS"].split(",")[0],
        )
        return self.place

    def children(self) -> dict[str, int]:
        """The parts by name."""
        return {note.stem: json.loads(note.read_text())["pid"] for note in (self.data / "run").glob("*.json")}

    def end(self) -> int:
        """SIGTERM, as a service manager would; answers with the exit code."""
        left = self.children()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert [name for name, pid in left.items() if started(pid)] == []
        return code

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        for pid in [self.process.pid, *self.children().values()]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        """Whatever happened, nothing is left."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        if self._process.poll() is None:
            self.kill()


@contextmanager
def provider(port: int) -> Iterator[str]:
    """A Stripe-compatible server somewhere else; its address."""
    argv = (sys.executable, "-m", "sandbox", "--port", str(port))
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=CLI.parent)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def dev() -> Iterator[Dev]:
    """`pri dev --no-sandbox` against a provider that runs elsewhere, not started yet."""
    with stacks.folder() as folder, provider(free_port()) as elsewhere:
        account = {"STRIPE_API_KEY": "sk_test_elsewhere", "STRIPE_WEBHOOK_SECRETS": "whsec_newer,whsec_older"}
        made = Dev(folder, "--no-sandbox", STRIPE_API_BASE=elsewhere, **account)
        try:
            yield made
        finally:
            made.close()


async def test_recoveries_outlive_every_end_of_pri_dev(dev: Dev) -> None:
    sleeping, ended = await first_start(dev)
    assert dev.end() == 0
    killed = await goes_on(dev, ended)
    dev.kill()
    await goes_on(dev, killed)
    async with opened(dev.place) as world:
        asleep = world.known(sleeping)
        if (await asleep.view())["state"] == "waiting":
            await asleep.ask("retry")
        await asleep.recovered_once(within=60)
        assert (await asleep.story())[:5] == OPENING
        await laws.check_all(world)
    assert dev.end() == 0


async def first_start(dev: Dev) -> tuple[str, str]:
    """An invoice that sleeps for long, and one that falls due while nobody is there."""
    place = dev.start()
    assert "sandbox" not in dev.children()
    async with opened(place) as world:
        await world.sandbox.webhook_endpoint(f"{place.api}/webhooks/stripe", "whsec_older")
        sleeping = await world.fails("card_velocity_exceeded")
        await sleeping.until_event("retry.planned")
        return sleeping.invoice, await due_soon(world)


async def goes_on(dev: Dev, invoice: str) -> str:
    """Started again it charges what fell due meanwhile; answers with the next invoice to fall due."""
    async with opened(dev.start()) as world:
        recovery = world.known(invoice)
        await recovery.recovered_once(within=60)
        (call,) = await recovery.pay_calls()
        assert call.path == f"/v1/invoices/{invoice}/pay"
        return await due_soon(world)


async def due_soon(world: World) -> str:
    """An invoice whose recovery sleeps for three more seconds."""
    recovery = await world.fails("insufficient_funds")
    await recovery.until_event("retry.planned")
    return recovery.invoice
