"""`pri demo` for real, once: everything starts, every story ends as it should, nothing is left behind."""

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

from commands.demo_stories import STORIES
from devstack import cache
from devstack.postgres import Cluster
from devstack.processes import started
from tests.commands.conftest import ROOT, Answer, run
from tests.support import stacks

PATIENCE = 240.0
KEPT = "it all runs until Ctrl-C"
STEPS = (
    "starting PostgreSQL and Temporal",
    "migrating the database",
    "starting the services",
    "playing 9 stories",
    KEPT,
)
NOT_LOOKED_AT = {"DATABASE_URL": "postgresql://real", "TEMPORAL_ADDRESS": "real:1", "STRIPE_API_KEY": "sk_live_real"}

pytestmark = pytest.mark.skipif(
    not cache.is_program(cache.bin_dir() / "temporal"), reason="no Temporal server is cached: `make tools`"
)


class Demo:
    """`pri demo --keep` in a process of its own, and what it wrote so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        env = stacks.surroundings() | NOT_LOOKED_AT | {"TMPDIR": str(folder)}
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            command = [sys.executable, str(ROOT / "cli.py"), "demo", "--keep"]
            self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=err)

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def data(self) -> Path:
        """Its temporary data directory."""
        return next(self.folder.glob("pri-demo-*"))

    @property
    def api(self) -> str:
        found = re.search(r"API docs +(\S+)/docs", self.out)
        assert found
        return found[1]

    def play(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while KEPT not in self.err and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.2)
        assert KEPT in self.err, self.err

    def end(self) -> Answer:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(90)
        return Answer(code, self.out, self.err)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with stacks.folder() as folder:
        running = Demo(folder)
        try:
            yield running
        finally:
            running.process.kill()
            running.process.wait()


def test_the_demo(demo: Demo) -> None:
    demo.play()
    notes = [json.loads(note.read_text()) for note in (demo.data / "run").glob("*.json")]
    assert len(notes) == 5
    _others_work_meanwhile(demo)
    answer = demo.end()
    assert answer.code == 0, answer.err
    _tells_every_story(answer.out)
    _is_plain(answer.out)
    assert [step for step in STEPS if step not in answer.err] == []
    assert [note["argv"] for note in notes if started(note["pid"])] == []
    assert [path.name for path in demo.folder.glob("pri-demo-*")] == []


def _tells_every_story(out: str) -> None:
    timelines, summary = out[: out.index("+--")], out[out.index("+--") :]
    for number, story in enumerate(STORIES, start=1):
        told = timelines[timelines.index(f"{number}. {story.plot}") :].partition("\n\n")[0]
        assert [event for event in story.shows if f"  {event.value} " not in told] == []
        assert told.count("payment.failed") == 1
        [row] = [line for line in summary.splitlines() if line.startswith(f"| {story.name} ")]
        assert f"| {story.ending.value} " in row
        assert row.rstrip().endswith("| ok      |")
    assert re.search(
        r"\+3 h( \d+ min)?  charge\.requested +waiting -> charging +attempt 1, scheduled, key pri-", timelines
    )
    assert "bootstrap: the order was taken back" in timelines
    assert "recoveries: every hash fits" in out
    assert re.search(r"hard decline +Jenny Rosen <jenny.rosen@example.com> +Please check your card: EUR 49.00", out)
    assert re.search(r"hard decline .*Your payment of EUR 49.00 has gone through", out)
    assert re.search(r"Temporal UI +http://127\.0\.0\.1:\d+", summary)


def _is_plain(out: str) -> None:
    assert out.isascii()
    assert "\x1b" not in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def _others_work_meanwhile(demo: Demo) -> None:
    """The other commands, against the stack that is kept running."""
    to, settings = ("--data-dir", str(demo.data)), {"DATABASE_URL": Cluster(demo.data).writer_url}
    made = run(demo.folder, "trigger", "stripe", "--invoice", "in_by_hand", "--decline-code", "lost_card", *to)
    assert (made.code, made.err) == (0, "")
    assert made.out.startswith("in_by_hand failed in the sandbox; the webhook got 202")
    assert "nonsense" in run(demo.folder, "trigger", "stripe", "--outcome", "nonsense", *to).complaint()
    key = run(demo.folder, "keys", "create", "--scope", "recoveries:read", **settings).out.strip()
    found = httpx.get(
        f"{demo.api}/v1/recoveries/stripe/in_by_hand", headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    assert (found.status_code, found.json()["invoice_id"]) == (200, "in_by_hand")
    assert ", 0 problems\n" in run(demo.folder, "audit", "verify", **settings).out
    assert "another `pri dev` uses" in run(demo.folder, "demo", *to).err
