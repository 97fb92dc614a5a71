"""Errors when the database refuses access: one line with the server's own message, and no secret."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.postgres import OWNER, WRITER, Cluster
from tests.commands.conftest import Pri
from tests.db.conftest import Addresses, run_as_superuser
from tests.support.pooler import run_pooler

LOCKED = "locked"
TEMPORAL_AWAY = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
Fresh = Callable[..., Addresses]


@pytest.fixture(scope="module")
def locked(cluster: Cluster) -> Iterator[str]:
    """A database role that needs a password."""
    rules = Path(cluster.folder) / "pg_hba.conf"
    before = rules.read_text()
    run_as_superuser(cluster, f"CREATE ROLE {LOCKED} LOGIN PASSWORD 'hunter2'")
    rules.write_text(f"local all {LOCKED} scram-sha-256\n{before}")
    run_as_superuser(cluster, "SELECT pg_reload_conf()")
    yield LOCKED
    rules.write_text(before)
    run_as_superuser(cluster, "SELECT pg_reload_conf()")


def address_at(cluster: Cluster, role: str, database: str = "pri", query: str = "") -> str:
    return f"postgresql://{role}@/{database}?host={cluster.sockets}{query}"


def test_database_refusal_shows_the_servers_message(
    pri: Pri, cluster: Cluster, locked: str, fresh_database: Fresh
) -> None:
    full = fresh_database(name="full")
    run_as_superuser(cluster, "ALTER DATABASE {name} CONNECTION LIMIT 0", name="full")
    expected = {
        address_at(cluster, f"{locked}:swordfish"): f'password authentication failed for user "{locked}"',
        address_at(cluster, "nobody_known"): 'role "nobody_known" does not exist',
        address_at(cluster, WRITER, "no_such"): 'database "no_such" does not exist',
        full.writer: 'too many connections for database "full"',
        address_at(cluster, WRITER, query="&options=-c no.such%3D1 -c nonsense%3D1"): '"nonsense"',
        "postgresql://u:swordfish@127.0.0.1:1/n": "Connection refused",
        "postgresql://u:swordfish@no-such-host.invalid/n": "no-such-host.invalid",
        f"postgresql://u:swordfish@{'x' * 70}/n": "label",
    }  # fmt: skip
    for address, words in expected.items():
        for complaint in (
            pri("audit", "verify", DATABASE_URL=address).error_line(),
            pri(
                "migrate", DATABASE_URL=address_at(cluster, WRITER), DATABASE_OWNER_URL=address, **TEMPORAL_AWAY
            ).error_line(),
        ):
            assert words.lower() in complaint.lower()
            assert "swordfish" not in complaint


@pytest.mark.parametrize(("setting", "command"), [("DATABASE_URL", "rebuild"), ("DATABASE_OWNER_URL", "migrate")])
@pytest.mark.parametrize("address", ["postgresql://u:swordfish@h:port/n", "mysql://u:swordfish@h/n"])
def test_invalid_database_address_names_its_setting(setting: str, command: str, address: str, pri: Pri) -> None:
    settings = {"DATABASE_URL": "postgresql://u@h/n"} | {setting: address}
    complaint = pri(command, **settings, **TEMPORAL_AWAY).error_line()
    assert complaint.startswith(f"pri: {setting}: ")
    assert "swordfish" not in complaint


def test_api_and_worker_refuse_an_invalid_address(pri_process: Pri) -> None:
    for command in ("api", "worker"):
        answer = pri_process(command, DATABASE_URL="postgresql://u:swordfish@h:port/n", **TEMPORAL_AWAY)
        assert "DATABASE_URL: the port of h is no number" in answer.err if command == "api" else answer.code == 1
        assert "Traceback" not in answer.err
        assert "swordfish" not in answer.err


def test_database_of_another_release_is_a_one_line_error(pri: Pri, fresh_database: Fresh) -> None:
    empty = fresh_database()
    assert "run `pri migrate`" in pri("audit", "verify", DATABASE_URL=empty.writer).error_line()


def test_database_with_another_schema(pri: Pri, cluster: Cluster, fresh_database: Fresh) -> None:
    database_addresses = fresh_database()
    name = database_addresses.owner.partition("@/")[2].partition("?")[0]
    settings = {
        "DATABASE_URL": address_at(cluster, WRITER, name, "&options=-c search_path=billing"),
        "DATABASE_OWNER_URL": address_at(cluster, OWNER, name, "&options=-c search_path=billing"),
    }
    assert "no schema has been selected" in pri("migrate", **settings, **TEMPORAL_AWAY).error_line()
    run_as_superuser(cluster, f"CREATE SCHEMA billing AUTHORIZATION {OWNER}", name)
    assert pri("migrate", **settings, **TEMPORAL_AWAY).code == 0
    assert "0 recoveries" in pri("audit", "verify", DATABASE_URL=settings["DATABASE_URL"]).out
    [[tables]] = run_as_superuser(cluster, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name)
    assert tables == 0
    assert "run `pri migrate`" in pri("audit", "verify", DATABASE_URL=database_addresses.writer).error_line()


def test_pooler_without_the_database_is_a_one_line_error(pri: Pri, cluster: Cluster) -> None:
    with run_pooler(cluster, {}) as port:
        complaint = pri("audit", "verify", DATABASE_URL=f"postgresql://{WRITER}@127.0.0.1:{port}/no_such").error_line()
        error = pri("audit", "verify", DATABASE_URL=f"postgresql://who:x@127.0.0.1:{port}/pri").error_line()
    assert "no_such" in complaint
    assert "authentication failed" in error


@pytest.mark.quiet
def test_unresponsive_server_is_a_one_line_error(pri: Pri) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://u:swordfish@127.0.0.1:{silent.getsockname()[1]}/n"
        complaint = pri("audit", "verify", DATABASE_URL=address).error_line()
    assert "timeout" in complaint
