"""Scheduling of test processes: tests of one stack stay together, and time measurements run alone."""

import threading
from pathlib import Path

import pytest

from tests.support.xdist_groups import LONGEST_GROUPS, SHARED_STACK_TESTS, STACK, group_of, hold_turn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/e2e/test_1_reference.py::test_x", STACK),
        ("tests/e2e/test_8_notifications.py::test_x", "tests/e2e/test_8_notifications.py"),
        ("tests/faults/test_1_worker.py::test_x", STACK),
        ("tests/faults/test_4_restart.py::test_x", "tests/faults/test_4_restart.py"),
        ("tests/providers/contract/test_stack.py::test_x[stripe]", STACK),
        ("tests/core/test_money.py::test_x[a::b/c]", "tests/core/test_money.py"),
    ],
)
def test_group_of_a_test(nodeid: str, group: str) -> None:
    assert group_of(nodeid) == group


def test_every_path_with_a_group_exists() -> None:
    named = [path for path, _ in SHARED_STACK_TESTS] + [name for name in LONGEST_GROUPS if "/" in name]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_module_with_a_shared_stack_has_a_group() -> None:
    users = {
        path.parent
        for path in ROOT.glob("tests/**/conftest.py")
        if "stack_fixtures import service, stack" in path.read_text()
    }
    modules = [
        path for folder in users for path in folder.glob("test_*.py") if "service: RunningService" in path.read_text()
    ]
    assert len(modules) > 10
    names = [path.relative_to(ROOT).as_posix() for path in modules]
    assert [name for name in names if not any(name.startswith(start) for start, _ in SHARED_STACK_TESTS)] == []


class LockRecorder:
    """Records which thread held the lock when."""

    def __init__(self, folder: Path) -> None:
        self.queue_lock, self.test_lock = folder / "queue", folder / "test"
        self.queue_lock.touch()
        self.test_lock.touch()
        self.inside: list[str] = []

    def start_holder(self, name: str, leaves: threading.Event, *, quiet: bool = False) -> threading.Thread:
        """A thread that holds the lock until it is released."""

        def hold_lock() -> None:
            with hold_turn(self.queue_lock, self.test_lock, quiet=quiet):
                self.inside.append(name)
                leaves.wait(10)
                self.inside.remove(name)

        thread = threading.Thread(target=hold_lock, daemon=True)
        thread.start()
        thread.join(0.2)
        return thread


def test_quiet_test_runs_alone_and_is_not_starved(tmp_path: Path) -> None:
    recorder = LockRecorder(tmp_path)
    first, second, third = (threading.Event() for _ in range(3))
    one, two = recorder.start_holder("one", first), recorder.start_holder("two", first)
    assert sorted(recorder.inside) == ["one", "two"]
    quiet, late = recorder.start_holder("quiet", second, quiet=True), recorder.start_holder("late", third)
    assert sorted(recorder.inside) == ["one", "two"], "nobody else comes in while somebody waits to be alone"
    first.set()
    for thread in (one, two):
        thread.join(10)
    late.join(0.2)
    assert recorder.inside == ["quiet"]
    second.set()
    quiet.join(10)
    late.join(0.2)
    assert recorder.inside == ["late"]
    third.set()
    late.join(10)
