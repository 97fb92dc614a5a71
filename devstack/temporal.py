"""Temporal's development server: found or fetched, and how to run it. `python -m devstack.temporal` prints its path."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from devstack import _sdk, cache
from devstack.console import say, show_path
from devstack.errors import DevstackError
from devstack.processes import Program

MODULE = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
PRAGMAS = ("journal_mode=wal", "synchronous=normal", "busy_timeout=10000")


def executable() -> Path:
    """On PATH, cached, downloaded by the SDK, built with Go, in this order; DevstackError when nothing works."""
    on_path, cached = shutil.which("temporal"), cache.bin_dir() / "temporal"
    if on_path:
        return Path(on_path)
    return cached if cache.is_program(cached) else _fetched(cached)


def _fetched(target: Path) -> Path:
    try:
        return _downloaded(target)
    except DevstackError as no_download:
        say(f"no download of the Temporal server ({no_download})")
    try:
        return cache.go_install(MODULE, "temporal", "temporal")
    except DevstackError as no_build:
        raise DevstackError(
            f"no Temporal server: {no_build}. Install the `temporal` command or set TEMPORAL_ADDRESS"
        ) from no_build


def _downloaded(target: Path) -> Path:
    with cache.workshop("temporal-download") as folder:
        if not cache.is_program(target):
            found = _sdk.fetch("dev", folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            found.replace(target)
    return target


@dataclass(frozen=True)
class Ports:
    """Where the server listens on 127.0.0.1: gRPC and web UI."""

    frontend: int
    ui: int


def program(server: Path, data_dir: Path, ports: Ports, namespace: str = "default") -> Program:
    """The server as a child that keeps its data in DATA_DIR/temporal.db."""
    argv = (
        str(server), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(ports.frontend),
        "--ui-port", str(ports.ui), "--db-filename", str(data_dir / "temporal.db"),
        "--namespace", namespace, "--log-level", "warn",
    )  # fmt: skip
    pragmas = [word for pragma in PRAGMAS for word in ("--sqlite-pragma", pragma)]
    return Program("temporal", (*argv, *pragmas), data_dir / "logs" / "temporal.log")


def main() -> int:
    """Prints the path of the server, fetching it first where needed."""
    return show_path(executable)


if __name__ == "__main__":
    sys.exit(main())
