"""The API as a process of its own on a loaded database, for the benchmark of its pages."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from argon2 import PasswordHasher

from api.auth import Scope
from db.repositories import api_keys
from db.session import Database
from devstack.postgres import Cluster

ROOT: Final = Path(__file__).parents[1]
NAME, PASSWORD = "ann", "correct horse battery"
TICKS: Final = os.sysconf("SC_CLK_TCK")


class ApiProcess(NamedTuple):
    """A running API."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time that it has used until now, in steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def running_api(server: Cluster) -> Iterator[ApiProcess]:
    """The API on this server's database, without Temporal; one viewer may sign in with PASSWORD."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.main"],
            cwd=folder,
            env=_environment(server, port),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_alive(address, process)
            yield ApiProcess(address, process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _environment(server: Cluster, port: int) -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": server.writer_url,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "API_PORT": str(port),
        "STRIPE_WEBHOOK_SECRETS": "whsec_of_this_benchmark",
        "SESSION_SECRET": "of this benchmark, and long enough",
        "LOCAL_USERS": f"{NAME}:viewer:{PasswordHasher().hash(PASSWORD)}",
        "RATE_LIMIT_PER_KEY": "0",
        "RATE_LIMIT_PER_ADDRESS": "0",
    }


def _wait_until_alive(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{address}/healthz").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("The API did not start.")


async def sign_in(client: httpx.AsyncClient) -> None:
    """Signs NAME in; the client keeps the session's cookie. Raises RuntimeError where that fails."""
    page = await client.get("/admin/login")
    token = re.search(r'name="token" value="([^"]+)"', page.text)
    form = {"token": token[1] if token else "", "username": NAME, "password": PASSWORD}
    await client.post("/admin/login", data=form)
    if (await client.get("/admin/recoveries")).status_code != httpx.codes.OK:
        raise RuntimeError("Nobody could sign in.")


async def create_key(database: Database) -> dict[str, str]:
    """The header with a new API key that may read."""
    async with database.begin() as session:
        _, plain = await api_keys.insert_key(session, "benchmark", (Scope.READ, Scope.SIMULATE), datetime.now(UTC))
    return {"Authorization": f"Bearer {plain}"}
