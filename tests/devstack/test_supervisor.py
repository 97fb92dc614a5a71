"""The supervisor restarts dead children and stops all of them in order."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.errors import DevstackError
from devstack.processes import Program, spawn, start_mark, wait_until
from devstack.supervisor import Supervisor, describe_exit

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


class SupervisorHarness:
    """A supervisor and its reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[str] = []
        self.supervisor = Supervisor(folder / "run", self.reports.append)
        self.supervisor.end_left_overs()

    def sleeping_program(self, name: str, argv: tuple[str, ...] = SLEEP) -> Program:
        return Program(name, argv, self.folder / "logs" / f"{name}.log")


@pytest.fixture
def harness(folder: Path) -> Iterator[SupervisorHarness]:
    supervisor_harness = SupervisorHarness(folder)
    yield supervisor_harness
    supervisor_harness.supervisor.close()


def test_a_killed_child_is_reported_and_started_again(harness: SupervisorHarness) -> None:
    first = harness.supervisor.start(harness.sleeping_program("worker"))
    harness.supervisor.watch()
    harness.supervisor.kill("worker")
    assert wait_until(lambda: harness.supervisor.child("worker").pid != first.pid, 5)
    assert harness.supervisor.child("worker").exit_code() is None
    assert harness.reports == [f"worker was killed by SIGKILL; starting it again in 0.5 s (log: {first.program.log})"]


def test_each_death_doubles_the_wait(harness: SupervisorHarness) -> None:
    harness.supervisor.start(harness.sleeping_program("api", (sys.executable, "-c", "raise SystemExit(3)")))
    harness.supervisor.watch()
    assert wait_until(lambda: len(harness.reports) >= 3, 10)
    assert [f"in {delay} s" in text for delay, text in zip(("0.5", "1", "2"), harness.reports, strict=False)] == [
        True
    ] * 3
    assert "ended with exit code 3" in harness.reports[0]


def test_a_stopped_child_stays_away(harness: SupervisorHarness) -> None:
    child = harness.supervisor.start(harness.sleeping_program("worker"))
    harness.supervisor.watch()
    harness.supervisor.stop("worker")
    assert not wait_until(lambda: harness.reports != [], 0.5)
    assert start_mark(child.pid) is None
    assert list((harness.folder / "run").iterdir()) == []


def test_before_the_watch_a_death_ends_the_start(harness: SupervisorHarness) -> None:
    child = harness.supervisor.start(
        harness.sleeping_program("api", (sys.executable, "-c", "raise SystemExit('no such table')"))
    )
    assert wait_until(lambda: child.exit_code() is not None, 5)
    with pytest.raises(DevstackError, match="api ended with exit code 1: no such table"):
        harness.supervisor.check_children()


def test_failed_one_shot_program_gives_its_reason(harness: SupervisorHarness) -> None:
    harness.supervisor.watch()
    harness.supervisor.run_to_end(harness.sleeping_program("good", (sys.executable, "-c", "")), 10, lambda: False)
    with pytest.raises(DevstackError, match="bad ended with exit code 1: wrong password"):
        harness.supervisor.run_to_end(
            harness.sleeping_program("bad", (sys.executable, "-c", "raise SystemExit('wrong password')")), 10, bool
        )
    with pytest.raises(DevstackError, match="slow took more than 0 s"):
        harness.supervisor.run_to_end(harness.sleeping_program("slow"), 0.2, bool)
    assert harness.reports == []


def test_children_are_stopped_in_reverse_order(harness: SupervisorHarness) -> None:
    code = "import signal, sys, pathlib\nfile = pathlib.Path(sys.argv[1]); print(1, flush=True)\n"
    code += "signal.sigwait([signal.SIGTERM]); file.open('a').write(sys.argv[2])"
    masked = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n" + code
    for name in ("a", "b", "c"):
        program = harness.sleeping_program(name, (sys.executable, "-c", masked, str(harness.folder / "order"), name))
        harness.supervisor.start(program)
        assert wait_until(lambda log=program.log: log.read_text() != "", 5)  # type: ignore[misc]
    harness.supervisor.watch()
    harness.supervisor.close()
    assert (harness.folder / "order").read_text() == "cba"


def test_leftovers_of_a_crash_are_stopped_and_nothing_else(harness: SupervisorHarness) -> None:
    leftover, other = (
        spawn(harness.sleeping_program("worker")),
        spawn(harness.sleeping_program("other", (*SLEEP, "other"))),
    )
    notes = harness.folder / "run"
    assert leftover.identity.started
    record = {"pid": leftover.pid, "started": leftover.identity.started, "argv": leftover.identity.argv}
    (notes / "worker.json").write_text(json.dumps(record))
    (notes / "api.json").write_text(json.dumps({**record, "pid": other.pid}))
    (notes / "torn.json").write_text("{")
    try:
        assert wait_until(lambda: start_mark(leftover.pid) is not None, 5)
        Supervisor(notes, harness.reports.append).end_left_overs()
        assert wait_until(lambda: leftover.exit_code() is not None, 5)
        assert other.exit_code() is None
        assert list(notes.iterdir()) == []
    finally:
        leftover.kill()
        other.kill()


def test_exit_reasons_in_words() -> None:
    assert describe_exit(-9) == "was killed by SIGKILL"
    assert describe_exit(0) == "ended with exit code 0"
