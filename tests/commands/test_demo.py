"""`pri demo` for real, once: everything starts, every scenario ends as expected, nothing is left behind."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from commands.demo.scenarios import SCENARIOS
from devstack import program_cache
from devstack.postgres import Cluster
from devstack.processes import start_mark
from tests.commands.conftest import ROOT, Answer, run_command
from tests.support import stacks

PATIENCE = 240.0
KEPT_MESSAGE = "it all runs until Ctrl-C"
STEPS = (
    "starting PostgreSQL and Temporal",
    "migrating the database",
    "starting the services",
    "playing 9 scenarios",
    KEPT_MESSAGE,
)
IGNORED_SETTINGS = {"DATABASE_URL": "postgresql://real", "TEMPORAL_ADDRESS": "real:1", "STRIPE_API_KEY": "sk_live_real"}

pytestmark = pytest.mark.skipif(
    not program_cache.is_program(program_cache.bin_dir() / "temporal"),
    reason="no Temporal server is cached: `make tools`",
)


class DemoProcess:
    """`pri demo --keep` as a process, with its output so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        env = stacks.clean_environment() | IGNORED_SETTINGS | {"TMPDIR": str(folder)}
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            command = [sys.executable, str(ROOT / "cli.py"), "demo", "--keep"]
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=err)

    @property
    def stdout_text(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def stderr_text(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def data_folder(self) -> Path:
        """The temporary data directory."""
        return next(self.folder.glob("pri-demo-*"))

    @property
    def api_address(self) -> str:
        match = re.search(r"API docs +(\S+)/docs", self.stdout_text)
        assert match
        return match[1]

    def wait_until_played(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while KEPT_MESSAGE not in self.stderr_text and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.2)
        assert KEPT_MESSAGE in self.stderr_text, self.stderr_text

    def stop(self) -> Answer:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(90)
        return Answer(code, self.stdout_text, self.stderr_text)


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoProcess]:
    with stacks.short_folder() as folder:
        running = DemoProcess(folder)
        try:
            yield running
        finally:
            running.process.kill()
            running.process.wait()


def test_demo_runs_every_scenario(demo: DemoProcess) -> None:
    demo.wait_until_played()
    notes = [json.loads(note.read_text()) for note in (demo.data_folder / "run").glob("*.json")]
    assert len(notes) == 5
    _assert_other_commands_work(demo)
    answer = demo.stop()
    assert answer.code == 0, answer.err
    _assert_every_scenario_is_shown(answer.out)
    _assert_plain_text(answer.out)
    assert [step for step in STEPS if step not in answer.err] == []
    assert [note["argv"] for note in notes if start_mark(note["pid"])] == []
    assert [path.name for path in demo.folder.glob("pri-demo-*")] == []


def _assert_every_scenario_is_shown(out: str) -> None:
    timelines, summary = out[: out.index("+--")], out[out.index("+--") :]
    for number, scenario in enumerate(SCENARIOS, start=1):
        timeline_text = timelines[timelines.index(f"{number}. {scenario.description}") :].partition("\n\n")[0]
        assert [event for event in scenario.expected_rows if f"  {event.value} " not in timeline_text] == []
        assert timeline_text.count("payment.failed") == 1
        [row] = [line for line in summary.splitlines() if line.startswith(f"| {scenario.name} ")]
        assert f"| {scenario.ending.value} " in row
        assert row.rstrip().endswith("| ok      |")
    assert re.search(
        r"\+3 h( \d+ min)?  charge\.requested +waiting -> charging +attempt 1, scheduled, key pri-", timelines
    )
    assert "bootstrap: the order was taken back" in timelines
    assert "recoveries: every hash is right" in out
    assert re.search(r"hard decline +Jenny Rosen <jenny.rosen@example.com> +Please check your card: EUR 49.00", out)
    assert re.search(r"hard decline .*Your payment of EUR 49.00 has gone through", out)
    assert re.search(r"Temporal UI +http://127\.0\.0\.1:\d+", summary)


def _assert_plain_text(out: str) -> None:
    assert out.isascii()
    assert "\x1b" not in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def _assert_other_commands_work(demo: DemoProcess) -> None:
    """Asserts that other commands work against the running stack."""
    to, settings = ("--data-dir", str(demo.data_folder)), {"DATABASE_URL": Cluster(demo.data_folder).writer_url}
    command = run_command(
        demo.folder, "trigger", "stripe", "--invoice", "in_by_hand", "--decline-code", "lost_card", *to
    )
    assert (command.code, command.err) == (0, "")
    assert command.out.startswith("in_by_hand failed in the sandbox; the webhook got 202")
    assert "nonsense" in run_command(demo.folder, "trigger", "stripe", "--outcome", "nonsense", *to).error_line()
    key = run_command(demo.folder, "keys", "create", "--scope", "recoveries:read", **settings).out.strip()
    response = httpx.get(
        f"{demo.api_address}/v1/recoveries/stripe/in_by_hand", headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    assert (response.status_code, response.json()["invoice_id"]) == (200, "in_by_hand")
    assert ", 0 problems\n" in run_command(demo.folder, "audit", "verify", **settings).out
    assert "another `pri dev` uses" in run_command(demo.folder, "demo", *to).err
