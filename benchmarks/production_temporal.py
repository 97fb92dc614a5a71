"""A production Temporal server with its own PostgreSQL, without containers: 16 shards, fsync on.

    with production_temporal(folder) as server:
        connect(server.address)

Its programs are built once with Go, into the user's cache. Its PostgreSQL listens on a port of this machine without a
password, which is for benchmarks only.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path
from typing import Any, Final, NamedTuple

from devstack._postgres_files import open_parents, service_account
from devstack.errors import DevstackError
from devstack.ports import free_port, is_listening
from devstack.processes import Child, Program, last_log_line, launch_prefix, spawn, wait_until
from devstack.program_cache import install_with_go
from devstack.programs import PROJECT_ROOT
from devstack.temporal import find_temporal_server

VERSION: Final = "v1.29.1"
SERVER_MODULE: Final = f"go.temporal.io/server/cmd/server@{VERSION}"
SCHEMA_MODULE: Final = f"go.temporal.io/server/cmd/tools/sql@{VERSION}"
SHARDS: Final = 16
SERVICES: Final = ("frontend", "history", "matching", "worker")
STORES: Final = {"temporal": "postgresql/v12/temporal", "visibility": "postgresql/v12/visibility"}
PLUGIN: Final = "postgres12"
START_SECONDS: Final = 90.0


class ProductionServer(NamedTuple):
    """A running server: its frontend, and the processes that its work is done by."""

    address: str
    processes: Mapping[str, int]
    """The numbers of the server's process and of its PostgreSQL's, by name."""


@contextmanager
def production_temporal(folder: Path) -> Iterator[ProductionServer]:
    """The server for as long as the block runs, with the namespace `default`. Raises DevstackError."""
    server, schema_tool = build_programs()
    with ExitStack() as exits:
        database_port = free_port()
        database = _start_database(folder, database_port)
        exits.callback(database.stop)
        for store, schema in STORES.items():
            _create_store(schema_tool, database_port, store, schema)
        ports = {name: (free_port(), free_port()) for name in SERVICES}
        program = _server_program(server, folder, ports, database_port)
        child = spawn(program)
        exits.callback(child.stop)
        address = f"127.0.0.1:{ports['frontend'][0]}"
        _wait_until_serving(child, program, address)
        yield ProductionServer(address, {"temporal": child.pid, "temporal's postgres": database.pid})


def build_programs() -> tuple[Path, Path]:
    """The server and the tool for its schemas, built once; some minutes. Raises DevstackError without Go."""
    return (
        install_with_go(SERVER_MODULE, "server", f"temporal-server-{VERSION}"),
        install_with_go(SCHEMA_MODULE, "sql", f"temporal-sql-tool-{VERSION}"),
    )


def _start_database(folder: Path, port: int) -> Child:
    programs, data = _find_postgres(), folder / "temporal-postgres"
    user = service_account(data)
    data.mkdir(mode=0o700)
    open_parents(data)
    if user:
        os.chown(data, *user)
    _run(*launch_prefix(user), str(programs / "initdb"), "--auth=trust", "--username=postgres", "--encoding=UTF8",
         "--locale=C", "-D", str(data))  # fmt: skip
    # Without a socket: Temporal connects by TCP only.
    settings = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "max_connections=200")
    argv = (str(programs / "postgres"), "-D", str(data), *(word for one in settings for word in ("-c", one)))
    log = folder / "logs" / "temporal-postgres.log"
    child = spawn(Program("temporal-postgres", argv, log, cwd=Path("/"), stop_signal=signal.SIGINT, user=user))
    if not wait_until(lambda: child.exit_code() is not None or is_listening(port), START_SECONDS):
        child.stop()
        raise DevstackError(f"Temporal's PostgreSQL did not start: {last_log_line(log)}")
    return child


def _find_postgres() -> Path:
    """The folder of the programs of the system's PostgreSQL. Raises DevstackError without one.

    The wheel that `pri dev` uses lacks the extension btree_gin, which Temporal's schema needs.
    """
    found = shutil.which("postgres") or max(glob("/usr/lib/postgresql/*/bin/postgres"), default=None)
    if found is None:
        raise DevstackError("Temporal's store needs PostgreSQL with its contrib modules: install it")
    return Path(found).resolve().parent


def _create_store(tool: Path, port: int, store: str, schema: str) -> None:
    given = ("--plugin", PLUGIN, "--ep", "127.0.0.1", "-p", str(port), "-u", "postgres", "--db", store)
    for step in (("create",), ("setup", "-v", "0.0"), ("update", "--schema-name", schema)):
        _run(str(tool), *given, *step)


def _server_program(server: Path, folder: Path, ports: dict[str, tuple[int, int]], database_port: int) -> Program:
    config = folder / "temporal-config"
    config.mkdir()
    (config / "dynamic.yaml").write_text((PROJECT_ROOT / "deploy" / "temporal" / "dynamicconfig.yaml").read_text())
    # JSON is YAML.
    (config / "benchmark.yaml").write_text(json.dumps(_server_config(ports, database_port, config / "dynamic.yaml")))
    argv = (str(server), "--root", "/", "--config", str(config), "--env", "benchmark", "--allow-no-auth", "start")
    return Program("temporal-server", argv, folder / "logs" / "temporal-server.log")


def _server_config(ports: dict[str, tuple[int, int]], database_port: int, dynamic: Path) -> dict[str, Any]:
    rpc = {
        name: {"rpc": {"grpcPort": grpc, "membershipPort": membership, "bindOnLocalHost": True}}
        for name, (grpc, membership) in ports.items()
    }
    frontend = f"127.0.0.1:{ports['frontend'][0]}"
    cluster = {"enabled": True, "initialFailoverVersion": 1, "rpcName": "frontend", "rpcAddress": frontend}
    return {
        "log": {"stdout": True, "level": "warn"},
        "persistence": {
            "defaultStore": "temporal",
            "visibilityStore": "visibility",
            "numHistoryShards": SHARDS,
            "datastores": {name: {"sql": _datastore(name, database_port)} for name in STORES},
        },
        "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"}},
        "services": rpc,
        "clusterMetadata": {
            "enableGlobalNamespace": False,
            "failoverVersionIncrement": 10,
            "masterClusterName": "active",
            "currentClusterName": "active",
            "clusterInformation": {"active": cluster},
        },
        "publicClient": {"hostPort": frontend},
        "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "60s"},
    }


def _datastore(name: str, port: int) -> dict[str, Any]:
    return {
        "pluginName": PLUGIN,
        "databaseName": name,
        "connectAddr": f"127.0.0.1:{port}",
        "connectProtocol": "tcp",
        "user": "postgres",
        "maxConns": 20,
        "maxIdleConns": 20,
        "maxConnLifetime": "1h",
    }


def _wait_until_serving(child: Child, program: Program, address: str) -> None:
    """Creates the namespace, which succeeds as soon as the server serves."""
    command = [
        str(find_temporal_server()), "operator", "namespace", "create", "-n", "default", "--address", address
    ]  # fmt: skip

    def is_created() -> bool:
        if child.exit_code() is not None:
            raise DevstackError(f"Temporal's server ended: {last_log_line(program.log)}")
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0

    if not wait_until(is_created, START_SECONDS, every=0.5):
        raise DevstackError(f"Temporal's server did not start: {last_log_line(program.log)}")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DevstackError(f"`{' '.join(command)}` failed: {(done.stdout + done.stderr).strip()[-300:]}")
