"""`pri dev` from outside, with real PostgreSQL and Temporal and stand-ins for our own services."""

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack import ports, program_cache, temporal
from devstack.errors import DevstackError
from devstack.processes import command_line, start_mark, wait_until
from devstack.programs import Commands, Options
from devstack.stack import DevStack, http_status
from settings import Settings, read_environment

ROOT = Path(__file__).parents[2]
STANDIN = Path(__file__).with_name("standin.py")
PARTS = ("postgres", "temporal", "sandbox", "api", "worker")

pytestmark = pytest.mark.skipif(
    not program_cache.is_program(program_cache.bin_dir() / "temporal"),
    reason="no Temporal server is cached: `make tools`",
)


def standin_command(role: str) -> tuple[str, ...]:
    return (sys.executable, str(STANDIN), role)


COMMANDS = Commands(
    standin_command("migrate"), standin_command("sandbox"), standin_command("api"), standin_command("worker")
)


def stack_options(folder: Path, commands: Commands = COMMANDS, ready_seconds: float = 60.0) -> Options:
    env = {"STANDIN_DIR": str(folder)}
    return Options(folder / "data", 0, 0, 0, commands=commands, environment=env, ready_seconds=ready_seconds)


def recorded_calls(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


def recorded_pids(folder: Path) -> dict[str, int]:
    return {note.stem: json.loads(note.read_text())["pid"] for note in (folder / "data" / "run").glob("*.json")}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """Settings without any value set and without a .env file."""
    monkeypatch.chdir(folder)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return Settings()


def test_stack_starts_restarts_children_and_ends(folder: Path, settings: Settings) -> None:
    with DevStack(stack_options(folder), settings) as stack:
        pids = {name: stack.pid(name) for name in PARTS}
        assert http_status(stack.addresses.api, "/readyz") == 200
        calls = {call["role"]: call for call in recorded_calls(folder)}
        assert recorded_calls(folder)[0]["role"] == "migrate"
        assert calls["migrate"]["DATABASE_OWNER_URL"] == stack.addresses.owner_url
        assert calls["worker"]["DATABASE_URL"] == stack.addresses.writer_url
        assert not calls["worker"]["DATABASE_OWNER_URL"]
        assert calls["api"]["STRIPE_API_BASE"] == stack.addresses.sandbox
        assert calls["api"]["STRIPE_API_KEY"] == stack.secrets.stripe_key
        assert f"{stack.addresses.api}/webhooks/stripe" in calls["sandbox"]["argv"]
        assert "worker" in command_line(pids["worker"])
        stack.kill("worker")
        stack.wait_ready()
        assert stack.pid("worker") != pids["worker"]
        pids["second worker"] = stack.pid("worker")
    assert [name for name, pid in pids.items() if start_mark(pid)] == []
    assert stat.S_IMODE((folder / "data" / "dev.json").stat().st_mode) == 0o600


def test_a_live_key_is_never_given_to_the_sandbox(folder: Path, settings: Settings) -> None:
    live = settings.model_copy(update={"stripe_api_key": type(settings.stripe_api_key)("sk_live_real")})
    stack = DevStack(stack_options(folder), live)
    assert stack.environment["STRIPE_API_KEY"] == stack.secrets.stripe_key


def test_no_bootstrap_key_is_made_beside_live_settings(folder: Path, settings: Settings) -> None:
    live = settings.model_copy(update={"stripe_api_key": type(settings.stripe_api_key)("sk_live_real")})
    stack = DevStack(dataclasses.replace(stack_options(folder), sandbox=False), live)
    assert stack.environment["BOOTSTRAP_API_KEY"] == ""
    assert DevStack(stack_options(folder), live).environment["BOOTSTRAP_API_KEY"] == stack.secrets.bootstrap_key


def test_no_key_of_adyen_but_our_own_is_given_to_the_sandbox(folder: Path, settings: Settings) -> None:
    """An Adyen key doesn't show whether it is live."""
    secret = type(settings.adyen_api_key)
    settings_given = {
        "adyen_api_key": secret("AQE_real"),
        "adyen_merchant_account": "Real",
        "adyen_hmac_keys": (secret("ab"),),
    }
    stack = DevStack(stack_options(folder), settings.model_copy(update=settings_given))
    env, sandbox = stack.environment, stack.addresses.sandbox
    assert (env["ADYEN_API_KEY"], env["ADYEN_API_BASE"]) == (stack.secrets.adyen_key, f"{sandbox}/adyen")
    assert env["ADYEN_MERCHANT_ACCOUNT"] == "SandboxMerchant"
    assert env["ADYEN_HMAC_KEYS"] == "ab"


def test_secrets_and_the_sandbox_port_stay(folder: Path, settings: Settings) -> None:
    first, second = (DevStack(stack_options(folder), settings).secrets for _ in range(2))
    assert first == second


def test_a_failed_start_leaves_nothing_behind(folder: Path, settings: Settings) -> None:
    commands = Commands(
        standin_command("migrate"), standin_command("sandbox"), standin_command("api"), standin_command("fail")
    )
    with pytest.raises(DevstackError, match=r"worker ended .*it cannot be done"):
        DevStack(stack_options(folder, commands), settings).start()
    assert recorded_pids(folder) == {}
    assert [call["role"] for call in recorded_calls(folder) if start_mark(int(call["pid"]))] == []


def test_given_servers_are_used_and_none_is_started(folder: Path, settings: Settings) -> None:
    settings_given = {
        "database_url": type(settings.database_url)("postgresql+psycopg://a/b"),
        "temporal_address": "t:1",
    }
    stack = DevStack(stack_options(folder), settings.model_copy(update=settings_given))
    assert (stack.addresses.writer_url, stack.addresses.temporal) == ("postgresql+psycopg://a/b", "t:1")
    assert stack.addresses.owner_url == stack.addresses.writer_url


DRIVER = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from devstack.foreground import run_until_stopped
from test_stack import stack_options
run_until_stopped(stack_options(Path({folder!r})))
"""


@pytest.fixture
def dev(folder: Path, settings: Settings) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts `pri dev` with stand-ins as a process."""
    code = DRIVER.format(root=str(ROOT), here=str(Path(__file__).parent), folder=str(folder))
    running: list[subprocess.Popen[str]] = []

    assert settings.temporal_address == ""

    def start_dev() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=read_environment(),
            cwd=folder,
        )
        running.append(process)
        return process

    yield start_dev
    for process in running:
        process.kill()
        process.communicate()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    assert process.stderr
    return process.stdout.readline().strip() or process.stderr.read()


def test_after_kill_9_the_same_command_starts_again(folder: Path, dev: Callable[[], "subprocess.Popen[str]"]) -> None:
    current = dev()
    assert first_line(current).startswith("ready http://127.0.0.1:")
    for whole_tree in (False, True):
        pids = recorded_pids(folder)
        assert set(pids) == set(PARTS)
        for pid in [current.pid, *(pids.values() if whole_tree else ())]:
            os.kill(pid, signal.SIGKILL)
        current = dev()
        assert first_line(current).startswith("ready http://127.0.0.1:")
        assert [name for name, pid in pids.items() if start_mark(pid)] == []

    _, complaint = dev().communicate(timeout=30)
    assert "another `pri dev` uses" in complaint
    now = recorded_pids(folder)
    current.send_signal(signal.SIGTERM)
    rest, _ = current.communicate(timeout=60)
    assert (current.returncode, rest) == (0, "")
    assert [name for name, pid in now.items() if start_mark(pid)] == []


def test_a_signal_while_starting_ends_it_too(folder: Path, dev: Callable[[], "subprocess.Popen[str]"]) -> None:
    (folder / "unready").touch()
    process = dev()
    assert wait_until(lambda: (folder / "calls").exists() and len(recorded_calls(folder)) == 4, 60)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert recorded_pids(folder) == {}


def test_temporal_is_found_in_the_promised_order(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("PATH", str(folder / "path"))
    attempts: list[str] = []

    def failing_source(error_kind: str) -> Callable[..., Path]:
        def raise_failure(*_: object) -> Path:
            attempts.append(error_kind)
            raise DevstackError("not here")

        return raise_failure

    monkeypatch.setattr(temporal, "_download_server", failing_source("download"))
    monkeypatch.setattr(program_cache, "install_with_go", failing_source("go"))
    with pytest.raises(DevstackError, match="TEMPORAL_ADDRESS"):
        temporal.find_temporal_server()
    assert attempts == ["download", "go"]
    for folder_path in (program_cache.bin_dir(), folder / "path"):
        folder_path.mkdir(parents=True)
        (folder_path / "temporal").write_text("#!/bin/sh\n")
        (folder_path / "temporal").chmod(0o755)
        assert temporal.find_temporal_server() == folder_path / "temporal"


def test_loopback_only(folder: Path, settings: Settings) -> None:
    addresses = DevStack(stack_options(folder), settings).addresses
    assert {addresses.api[7:16], addresses.temporal[:9], addresses.sandbox[7:16]} == {ports.LOOPBACK}
