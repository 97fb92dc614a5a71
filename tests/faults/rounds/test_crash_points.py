"""Points at which a worker dies once when it is asked to, and a later version of the code for a rolling deploy."""

import py_compile
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activities.messaging import StoredOutbox
from core.events import EventType
from core.payments import Outcome
from core.recovery.state import Recovery
from db.recovery_log import StoredRecoveryLog
from db.repositories import event_log
from db.repositories.messages import MessageName, MessageState
from devstack.programs import PROJECT_ROOT
from providers.stripe.gateway import StripeGateway
from tests.faults.rounds.crash_faults import CRASHES
from tests.faults.rounds.crash_flags import CrashFlags, CrashPoint
from tests.faults.rounds.crashing_worker import add_crash_points
from tests.faults.rounds.rolling_deploy import STEP, WORKFLOW, build_later_version
from workflows.handles import TemporalRecoveryRuns

ASK_TWICE = """
import sys
from pathlib import Path
from tests.faults.rounds.crash_flags import CrashFlags, CrashPoint
for _ in range(2):
    CrashFlags(Path(sys.argv[1])).die_if_armed(CrashPoint.IN_RELAY, "recovery-stripe-in_1")
"""
NAME = MessageName(recovery_id="recovery-stripe-in_1", step="payment_failed-1", channel="email")
BEFORE = Recovery(provider="stripe", invoice_id="in_1")
ORDER = SimpleNamespace(provider="stripe", invoice_id="in_1")
REQUESTED = (SimpleNamespace(type=EventType.CHARGE_REQUESTED),)
PLANNED = (SimpleNamespace(type=EventType.RETRY_PLANNED),)
CALLS: dict[CrashPoint, tuple[object, str, tuple[object, ...], Any, Any]] = {
    CrashPoint.BEFORE_REQUEST: (event_log, "write_rows", (None, SimpleNamespace(before=BEFORE)), REQUESTED, PLANNED),
    CrashPoint.BEFORE_CALL: (StoredRecoveryLog, "reserve_attempt", (None, BEFORE), REQUESTED, PLANNED),
    CrashPoint.BEFORE_RESULT: (
        *(StripeGateway, "charge", (None, ORDER)),
        *(SimpleNamespace(outcome=Outcome.SUCCEEDED), SimpleNamespace(outcome=Outcome.DECLINED)),
    ),
    CrashPoint.IN_RELAY: (TemporalRecoveryRuns, "start_recovery", (None, ORDER), None, None),
}
"""By point: what is called with what, and the results that are the point and that are not."""


def ask_twice(folder: Path) -> int:
    """The exit code of a process that comes to a point twice."""
    return subprocess.run([sys.executable, "-c", ASK_TWICE, str(folder)], cwd=PROJECT_ROOT, check=False).returncode


def test_process_dies_once_where_it_is_asked_to(tmp_path: Path) -> None:
    flags = CrashFlags(tmp_path)
    assert (ask_twice(tmp_path), flags.victim(CrashPoint.IN_RELAY)) == (0, None)
    flags.arm(CrashPoint.IN_RELAY)
    assert (ask_twice(tmp_path), flags.victim(CrashPoint.IN_RELAY)) == (-signal.SIGKILL, "recovery-stripe-in_1")
    assert ask_twice(tmp_path) == 0
    flags.arm(CrashPoint.IN_RELAY)
    assert flags.victim(CrashPoint.IN_RELAY) is None, "that was another crash"
    flags.disarm(CrashPoint.IN_RELAY)
    assert ask_twice(tmp_path) == 0


class NotedFlags(CrashFlags):
    """Notes who would die."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.victims: list[tuple[CrashPoint, str]] = []
        self.result: object = None

    async def call(self, *_: object) -> object:
        """What a wrapped method does: returns the result that a test has set."""
        return self.result

    def die_if_armed(self, point: CrashPoint, victim: str) -> None:
        """Lives."""
        self.victims.append((point, victim))


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> Iterator[NotedFlags]:
    """The points, around methods that only return a result."""
    noted = NotedFlags()
    with monkeypatch.context() as patch:
        for owner, name, *_ in CALLS.values():
            patch.setattr(owner, name, noted.call)
        patch.setattr(StoredOutbox, "conclude_message", noted.call)
        add_crash_points(noted, patch.setattr)
        yield noted


@pytest.mark.parametrize("point", CALLS)
async def test_point_is_where_its_name_says(flags: NotedFlags, point: CrashPoint) -> None:
    owner, name, arguments, at_point, elsewhere = CALLS[point]
    for flags.result in (elsewhere, at_point):
        assert await getattr(owner, name)(*arguments) == flags.result
    assert flags.victims == [(point, "recovery-stripe-in_1")] * (2 if at_point == elsewhere else 1)


async def test_message_is_the_point_once_it_is_sent(flags: NotedFlags) -> None:
    outbox: Any = StoredOutbox
    await outbox.conclude_message(None, NAME, MessageState.UNSENT)
    assert flags.victims == []
    await outbox.conclude_message(None, NAME, MessageState.SENT)
    assert flags.victims == [(CrashPoint.IN_MESSAGE, NAME.recovery_id)]


def test_every_point_has_its_fault() -> None:
    assert {crash.point for crash in CRASHES} == set(CrashPoint)


def test_later_version_is_this_one_with_a_step_more(tmp_path: Path) -> None:
    tree = build_later_version(tmp_path)
    assert (tree / WORKFLOW).read_text().replace(STEP, "") == (PROJECT_ROOT / WORKFLOW).read_text()
    assert STEP in (tree / WORKFLOW).read_text()
    py_compile.compile(str(tree / WORKFLOW), doraise=True)
    assert (tree / "cli.py").exists()
    assert not (tree / ".venv").exists()
