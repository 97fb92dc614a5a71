"""Temporal's development server: found or fetched, and how to run it. `python -m devstack.temporal` prints its path."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from devstack import program_cache
from devstack.console import print_path, print_status
from devstack.errors import DevstackError
from devstack.processes import Program

GO_MODULE = "github.com/temporalio/cli/cmd/temporal@v1.5.1"
SQLITE_PRAGMAS = ("journal_mode=wal", "synchronous=normal", "busy_timeout=10000")


def find_temporal_server() -> Path:
    """The server's path: on PATH, cached, downloaded by the SDK or built with Go, tried in this order.

    Raises DevstackError if all fail.
    """
    on_path, cached = shutil.which("temporal"), program_cache.bin_dir() / "temporal"
    if on_path:
        return Path(on_path)
    return cached if program_cache.is_program(cached) else _fetch_server(cached)


def _fetch_server(target: Path) -> Path:
    try:
        return _download_server(target)
    except DevstackError as no_download:
        print_status(f"no download of the Temporal server ({no_download})")
    try:
        return program_cache.install_with_go(GO_MODULE, "temporal", "temporal")
    except DevstackError as no_build:
        raise DevstackError(
            f"no Temporal server: {no_build}. Install the `temporal` command or set TEMPORAL_ADDRESS"
        ) from no_build


def _download_server(target: Path) -> Path:
    with program_cache.build_folder("temporal-download") as folder:
        if not program_cache.is_program(target):
            found = program_cache.fetch_sdk_server("dev", folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            found.replace(target)
    return target


@dataclass(frozen=True)
class TemporalPorts:
    """The server's ports on 127.0.0.1: gRPC and web UI."""

    frontend: int
    ui: int


def temporal_program(server: Path, data_dir: Path, ports: TemporalPorts, namespace: str = "default") -> Program:
    """The server as a program that keeps its data in DATA_DIR/temporal.db."""
    argv = (
        str(server), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(ports.frontend),
        "--ui-port", str(ports.ui), "--db-filename", str(data_dir / "temporal.db"),
        "--namespace", namespace, "--log-level", "warn",
    )  # fmt: skip
    # Without it the server ignores that charges go before reads (`workflows/options.py`).
    dynamic = ("--dynamic-config-value", "matching.useNewMatcher=true")
    pragmas = [word for pragma in SQLITE_PRAGMAS for word in ("--sqlite-pragma", pragma)]
    return Program("temporal", (*argv, *dynamic, *pragmas), data_dir / "logs" / "temporal.log")


def main() -> int:
    """Prints the server's path, fetching it first if needed; returns the exit code."""
    return print_path(find_temporal_server)


if __name__ == "__main__":
    sys.exit(main())
