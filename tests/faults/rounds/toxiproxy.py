"""toxiproxy between the parts of a stack, and its HTTP interface."""

import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx

from devstack.errors import DevstackError
from devstack.ports import free_port, is_listening
from devstack.postgres import DATABASE, WRITER
from devstack.processes import Program, wait_until
from devstack.program_cache import bin_dir
from devstack.stack import DevStack

PROGRAM: Final = "toxiproxy-server"
POSTGRES_PORT: Final = 5432


def find_toxiproxy() -> Path | None:
    """The program, where `python -m tests.tools.go_programs toxiproxy` or somebody else has installed it."""
    cached = bin_dir() / PROGRAM
    found = str(cached) if cached.exists() else shutil.which(PROGRAM)
    return Path(found) if found else None


def find_proxy_obstacle() -> str | None:
    """Why connections can't go through toxiproxy here; None if they can."""
    if sys.platform != "linux":
        return "PostgreSQL gets a loopback address of its own, which only Linux has"
    if find_toxiproxy() is None:
        return "toxiproxy isn't installed: `python -m tests.tools.go_programs toxiproxy` does that"
    return None


class Toxiproxy:
    """The proxies of one stack, by name: `api-postgres`, `worker-postgres`, `api-temporal` and so on."""

    def __init__(self, address: str) -> None:
        self._http = httpx.Client(base_url=address, trust_env=False, timeout=10)

    def create_proxy(self, name: str, upstream: str) -> str:
        """Where it listens."""
        wanted = {"name": name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": True}
        return str(self._post("/proxies", wanted)["listen"])

    def add_toxic(self, proxy: str, kind: str, toxicity: float = 1.0, **attributes: int) -> None:
        """Both what is sent and what is answered suffers; `toxicity` is the share of connections."""
        for stream in ("upstream", "downstream"):
            wanted = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
            self._post(f"/proxies/{proxy}/toxics", wanted)

    def reset(self) -> None:
        """All connections are good again."""
        self._http.post("/reset").raise_for_status()

    def close(self) -> None:
        """Closes the connection to it."""
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(path, json=body)
        return answer.raise_for_status().json()


def route_through_toxiproxy(stack: DevStack, workers: Sequence[str]) -> Toxiproxy:
    """Lets API and workers of a running stack reach the other parts by proxies; they start anew for that."""
    database = _open_postgres(stack)
    proxies = _start_toxiproxy(stack)
    for names in (("api",), workers):
        env = _create_proxies(stack, proxies, names[0], database)
        for name in names:
            stack.kill(name)
            program = stack.stop(name)
            stack.start_program(replace(program, env={**(program.env or {}), **env}))
    stack.wait_ready()
    return proxies


def _create_proxies(stack: DevStack, proxies: Toxiproxy, part: str, database: str) -> dict[str, str]:
    """The settings by which API or workers reach the others through proxies of their own."""
    address = proxies.create_proxy(f"{part}-postgres", database)
    temporal = proxies.create_proxy(f"{part}-temporal", stack.addresses.temporal)
    env = {"DATABASE_URL": f"postgresql+psycopg://{WRITER}@{address}/{DATABASE}", "TEMPORAL_ADDRESS": temporal}
    if part == "worker":
        gateway = proxies.create_proxy("worker-gateway", stack.addresses.sandbox.removeprefix("http://"))
        env["STRIPE_API_BASE"] = f"http://{gateway}"
    return env


def _open_postgres(stack: DevStack) -> str:
    """PostgreSQL's TCP address. The socket's name holds the port, so another server's is avoided by the address."""
    host = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
    program = stack.stop("postgres")
    argv = tuple(word.replace("listen_addresses=", f"listen_addresses={host}") for word in program.argv)
    stack.start_program(replace(program, argv=argv))
    return f"{host}:{POSTGRES_PORT}"


def _start_toxiproxy(stack: DevStack) -> Toxiproxy:
    path, port = find_toxiproxy(), free_port()
    argv = (str(path), "-host", "127.0.0.1", "-port", str(port))
    log, quiet = stack.data_dir / "logs" / "toxiproxy.log", {"LOG_LEVEL": "error"}
    stack.start_program(Program("toxiproxy", argv, log, quiet))
    if not wait_until(lambda: is_listening(port), 10):
        raise DevstackError(f"toxiproxy does not listen on port {port}")
    return Toxiproxy(f"http://127.0.0.1:{port}")
