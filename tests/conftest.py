"""What holds for every test."""

import gc
import os
import sys

import pytest

_STATUS = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember the real exit code for the very end."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without the interpreter's shutdown, in which temporalio 1.33 to 1.35 may crash (sdk-python issue 300).

    Only after a session that used it; the exit code stays what the tests earned.
    """
    if "temporalio" in sys.modules and _STATUS in config.stash:
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])
