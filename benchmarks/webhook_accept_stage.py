"""The two applications that accept webhooks, the client that loads them, and what their processes use."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

from benchmarks.webhook_accept_floor import DATABASE_VARIABLE, SECRET_VARIABLE, TABLE
from benchmarks.webhook_accept_load import Order, Result
from devstack.ports import choose_port
from devstack.processes import wait_until
from devstack.stack import DevStack
from tests.support.stacks import clean_environment

FLOOR: Final = (sys.executable, "-m", "benchmarks.webhook_accept_floor")
LOAD: Final = (sys.executable, "-m", "benchmarks.webhook_accept_load")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int) -> float:
    """Memory that the process holds, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of those that it started and that run; 0 for one that has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return cpu_seconds(pid) + sum(family_cpu_seconds(int(child)) for child in children)
    except OSError:
        return 0.0


def _own_path() -> dict[str, str]:
    """The environment of a child that imports these benchmarks."""
    return {**clean_environment(), "PYTHONPATH": str(Path(__file__).parent.parent)}


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


class LoadedRun(NamedTuple):
    """One loaded application for one repeat."""

    result: Result
    cpu_ms: float
    """CPU of the application's process per accepted webhook, in milliseconds, with what it does behind its answers."""
    beside: float
    """Cores that the workers and Temporal used meanwhile."""
    api: float
    """Cores that the API used meanwhile; while the floor is loaded, for the deliveries that are left."""

    @property
    def rate(self) -> float:
        """Accepted webhooks per second."""
        return self.result.answers.get("202", 0) / self.result.seconds


class LoadClient:
    """The load client's process."""

    def __init__(self, secret: str) -> None:
        self._secret, self._orders = secret, 0
        self._process = subprocess.Popen(
            LOAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_own_path()
        )

    def send(self, port: int, *, requests: int = 0, seconds: float = 0.0) -> Result:
        """The answers to so many events, or to those of so many seconds. Raises RuntimeError unless all are 202."""
        self._orders += 1
        order = Order(port, self._secret, f"{os.getpid()}x{self._orders}x", requests, seconds)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(asdict(order)) + "\n")
        stdin.flush()
        result = Result(**json.loads(stdout.readline()))
        if set(result.answers) != {"202"}:
            raise RuntimeError(f"not every webhook was accepted: {result.answers}")
        return result

    def close(self) -> None:
        """Ends the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(10)


class Stage(NamedTuple):
    """The applications under load, and the client."""

    client: LoadClient
    ours: tuple[int, int]
    """Process id and port."""
    floor: tuple[int, int]
    beside: tuple[int, ...]
    """Process ids of the worker and Temporal."""

    def load_ours(self, seconds: float) -> LoadedRun:
        """Our API."""
        return self._load(self.ours, seconds)

    def load_floor(self, seconds: float) -> LoadedRun:
        """The floor."""
        return self._load(self.floor, seconds)

    def _load(self, application: tuple[int, int], seconds: float) -> LoadedRun:
        pid, port = application
        before, api, beside = cpu_seconds(pid), cpu_seconds(self.ours[0]), self._beside_seconds()
        result = self.client.send(port, seconds=seconds)
        return LoadedRun(
            result,
            (cpu_seconds(pid) - before) * 1000 / result.answers["202"],
            (self._beside_seconds() - beside) / result.seconds,
            (cpu_seconds(self.ours[0]) - api) / result.seconds,
        )

    def _beside_seconds(self) -> float:
        return sum(map(family_cpu_seconds, self.beside))


@contextmanager
def running_stage(stack: DevStack) -> Iterator[Stage]:
    """The floor beside the stack, and the client."""
    secret = stack.environment["STRIPE_WEBHOOK_SECRETS"].split(",")[0]
    with ExitStack() as closing:
        floor = closing.enter_context(running_floor(stack, secret))
        client = LoadClient(secret)
        closing.callback(client.close)
        api = int(stack.addresses.api.rpartition(":")[2])
        pids = {name: stack.supervisor.child(name).identity.pid for name in ("api", "worker", "temporal")}
        yield Stage(client, (pids["api"], api), floor, (pids["worker"], pids["temporal"]))


@contextmanager
def running_floor(stack: DevStack, secret: str) -> Iterator[tuple[int, int]]:
    """Process id and port of the floor, with a table of its own in the stack's database."""
    owner = stack.addresses.owner_url.replace("+psycopg", "")
    with psycopg.connect(owner, autocommit=True) as session:
        session.execute(TABLE)
    port = choose_port(0, "the floor")
    env = {**_own_path(), DATABASE_VARIABLE: owner, SECRET_VARIABLE: secret}
    process = subprocess.Popen([*FLOOR, str(port)], env=env)
    try:
        if not wait_until(lambda: _listens(port), 20):
            raise RuntimeError("the floor did not start")
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)
