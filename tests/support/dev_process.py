"""`pri dev` as a process of its own, and a provider outside of it, as a real one would be."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from devstack.ports import free_port
from devstack.processes import start_mark
from settings import read_environment
from tests.support import stacks
from tests.support.service import ServiceEndpoints

CLI = Path(__file__).parents[2] / "cli.py"


class DevProcess:
    """`pri dev` as a process."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.data, self.settings = (
            folder / "data",
            {"BOOTSTRAP_API_KEY": "test-key-1", **stacks.FAST_SETTINGS, **settings},
        )
        self.api_port, self.temporal_port = free_port(), free_port()
        ports = (
            *("--api-port", str(self.api_port)),
            *("--temporal-port", str(self.temporal_port), "--temporal-ui-port", "0"),
        )
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
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Starts `pri dev`."""
        env = stacks.clean_environment() | self.settings
        with (self._folder / "dev.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self._folder, env=env
            )

    def wait_ready(self) -> ServiceEndpoints:
        """Waits until `pri dev` says that it is ready."""
        assert self.process.stdout
        with self.process.stdout as out:
            line = out.readline()
        assert line.startswith("ready http://127.0.0.1:"), (self._folder / "dev.log").read_text()
        self.endpoints = ServiceEndpoints(
            api=line.split()[1],
            sandbox=self.settings["STRIPE_API_BASE"],
            temporal=f"127.0.0.1:{self.temporal_port}",
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
def run_provider(port: int, *options: str, secret: str = "") -> Iterator[str]:
    """The address of a Stripe-compatible server outside of the stack."""
    argv = (sys.executable, "-m", "sandbox", "--port", str(port), *options)
    env = {**read_environment(), "SANDBOX_WEBHOOK_SECRET": secret} if secret else None
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=CLI.parent, env=env)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
