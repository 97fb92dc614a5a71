"""Hooks for the whole suite."""

import gc
import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

from settings import read_environment
from tests.support import xdist_groups

_STATUS = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --recoveries, for more comparisons of workflow and engines, and --pictures."""
    parser.addoption("--recoveries", type=int, default=200, help="of tests/workflows/test_simulator.py")
    parser.addoption("--pictures", default="", help="folder for the pictures of docs/admin.md")


def pytest_configure(config: pytest.Config) -> None:
    """Registers our markers."""
    config.addinivalue_line(
        "markers", "quiet: measures time; no other process runs a test meanwhile, except those of the shared stack"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sorts the longest groups first where several processes share the tests."""
    if hasattr(config, "workerinput"):
        xdist_groups.sort_longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> xdist_groups.GroupScheduling:
    """The scheduler that keeps groups together."""
    return xdist_groups.GroupScheduling(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Runs a `quiet` test alone; the wait for it is not part of its time."""
    with xdist_groups.quiet_turn(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Reports a skipped test as failed under CI, where everything it needs must be installed."""
    report = yield
    if report.skipped and read_environment().get("CI"):
        report.outcome, report.longrepr = "failed", f"skipped under CI: {report.longrepr}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Stores the exit code for pytest_unconfigure."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Exits without the interpreter's shutdown, in which temporalio 1.33 to 1.35 may crash (sdk-python issue 300).

    Only after a session that used it; the exit code stays what the tests earned.
    """
    if "temporalio" in sys.modules and _STATUS in config.stash:
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])
