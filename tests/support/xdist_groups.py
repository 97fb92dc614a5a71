"""Several test processes side by side: which tests stay together, which begin first, and which must not be disturbed.

Most of the suite waits for servers, so that `make test` lets pytest-xdist run a few processes. Each has its own
PostgreSQL, its own time-skipping server and its own stacks. Without `-n` nothing here has any effect.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

STACK = "stack"
BROWSER = "browser"
SHARED_STACK_TESTS: Final = (
    ("tests/e2e/test_8_notifications.py", ""),
    ("tests/e2e/test_8_two_people.py", ""),
    ("tests/e2e/", STACK),
    ("tests/faults/test_4_restart.py", ""),
    ("tests/faults/test_7_round.py", ""),
    ("tests/faults/rounds/", ""),
    ("tests/faults/", STACK),
    ("tests/providers/contract/test_stack.py", STACK),
    ("tests/browser/", BROWSER),
)
"""Paths whose tests share one stack; without a name, the module stays alone."""
LONGEST_GROUPS: Final = (
    STACK,
    BROWSER,
    "tests/workflows/test_simulator.py",
    "tests/commands/test_demo.py",
    "tests/faults/test_7_round.py",
    "tests/faults/test_4_restart.py",
    "tests/simulator/test_engines.py",
    "tests/e2e/test_8_notifications.py",
    "tests/e2e/test_8_two_people.py",
    "tests/workflows/test_recoveries.py",
    "tests/workflows/test_simulation.py",
)
"""Groups of half a minute and more start first, so that none of them is left over at the end."""

QUEUE_LOCK, TEST_LOCK = Path(__file__), Path(__file__).with_name("__init__.py")
"""Two files of ours to lock: what is in them doesn't matter."""


def group_of(nodeid: str) -> str:
    """The group of a test, which runs in one process in order: its module, or all modules that share a stack."""
    path = nodeid.partition("::")[0]
    return next((name or path for start, name in SHARED_STACK_TESTS if path.startswith(start)), path)


def sort_longest_first(items: list[pytest.Item]) -> None:
    """Sorts long groups first; the order within a group stays."""
    items.sort(key=lambda item: _group_rank(group_of(item.nodeid)))


def _group_rank(group: str) -> int:
    return next((rank for rank, name in enumerate(LONGEST_GROUPS) if group.startswith(name)), len(LONGEST_GROUPS))


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out whole groups in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@contextmanager
def quiet_turn(item: pytest.Item) -> Iterator[None]:
    """Around one test: marked `quiet` it begins when the others have ended theirs, and they wait for it.

    Tests of the shared stack neither wait nor are waited for: their recoveries go on between the tests.
    """
    quiet = item.get_closest_marker("quiet") is not None
    alone = not hasattr(item.config, "workerinput")
    if alone or group_of(item.nodeid) == STACK:
        yield
        return
    with hold_turn(QUEUE_LOCK, TEST_LOCK, quiet=quiet):
        yield


@contextmanager
def hold_turn(queue_lock: Path, test_lock: Path, *, quiet: bool) -> Iterator[None]:
    """Holds the test lock, shared or (`quiet`) exclusive. Later callers wait for a waiting exclusive one."""
    with queue_lock.open() as entrance, test_lock.open() as inside:
        fcntl.flock(entrance, fcntl.LOCK_EX)
        fcntl.flock(inside, fcntl.LOCK_EX if quiet else fcntl.LOCK_SH)
        fcntl.flock(entrance, fcntl.LOCK_UN)
        yield
