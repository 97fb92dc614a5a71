"""A pytest plugin that writes how each test ended, so that a failed assertion is told from an error."""

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --outcomes."""
    parser.addoption("--outcomes", required=True, help="file that gets one JSON object per phase of a test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Writes the outcome of a test's set-up, call or end at once: whoever kills the process loses none."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    line = {
        "test": item.nodeid,
        "outcome": report.outcome,
        "in_call": report.when == "call",
        "asserted": report.failed and report.when == "call" and error is not None and is_assertion(error),
        "text": f"{type(error).__name__}: {error}".strip() if error else "",
    }
    with Path(item.config.getoption("--outcomes")).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return report


def is_assertion(error: BaseException) -> bool:
    """Whether a check of the test failed, and nothing else went wrong; of a group, each of its errors."""
    return all(
        isinstance(one, AssertionError)
        or (isinstance(one, pytest.fail.Exception) and str(one).startswith("DID NOT RAISE"))
        for one in _single_errors(error)
    )


def _single_errors(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _single_errors(one)
    else:
        yield error
