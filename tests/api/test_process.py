"""The API as a process of its own, without its dependencies."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
NOWHERE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "TEMPORAL_ADDRESS": "127.0.0.1:1"}


def start_api(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    """`python -m api.main` in an empty folder."""
    variables = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"} | environment
    return subprocess.Popen(
        [sys.executable, "-m", "api.main"],
        cwd=tmp_path,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_answer(address: str, process: subprocess.Popen[str]) -> httpx.Response:
    """The first answer of `/readyz`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return httpx.get(f"{address}/readyz", timeout=10)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_starts_without_dependencies_reports_them_and_ends_cleanly(
    number: signal.Signals, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = "whsec_never_to_be_shown"
    process = start_api(tmp_path, **NOWHERE, API_PORT=str(port), STRIPE_WEBHOOK_SECRETS=secret)
    try:
        answer = first_answer(f"http://127.0.0.1:{port}", process)
        assert answer.status_code == 503
        assert not any(check["ok"] for check in answer.json()["checks"].values())
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "Finished server process" in err
    assert secret not in out + err
