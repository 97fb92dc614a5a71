"""Runs checks, which are tests, in a copy of the tree, and says how each of them ended."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from core.base import Value
from settings import read_environment

PYTEST: Final = (
    "-q",
    "-ra",
    "--no-header",
    "--tb=no",
    "-n",
    "0",
    "-p",
    "no:cacheprovider",
    "-p",
    "tests.mutants.outcomes",
)


class PhaseOutcome(Value):
    """How one phase of a test ended, as `tests.mutants.outcomes` writes it."""

    test: str
    outcome: str
    in_call: bool
    asserted: bool
    text: str


class CheckState(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    CAUGHT = "caught"
    """An assertion failed."""
    BROKEN = "broken"
    """It could not be set up, was skipped, raised another error, or did not end in time: that proves nothing."""


class CheckResult(Value):
    """How a check ended, and the first line of what it said."""

    check: str
    state: CheckState
    said: str = ""


def run_checks(tree: Path, checks: Sequence[str], seconds: float) -> list[CheckResult]:
    """The results of these checks, run in this tree by this interpreter, in their order."""
    with tempfile.TemporaryDirectory(prefix="pri-outcomes-") as folder:
        report = Path(folder) / "outcomes.jsonl"
        said = _run_pytest(tree, [*checks, f"--outcomes={report}"], seconds)
        lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
    outcomes = [PhaseOutcome.model_validate_json(line) for line in lines]
    return [_judge_check(check, outcomes, said) for check in checks]


def _run_pytest(tree: Path, arguments: Sequence[str], seconds: float) -> str:
    """What pytest said last. It imports from the tree: the editable install comes behind PYTHONPATH."""
    command = [sys.executable, "-m", "pytest", *PYTEST, *arguments]
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=read_environment() | {"PYTHONPATH": str(tree)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill_session(process)
        return f"no end after {seconds:g} seconds"
    except BaseException:
        _kill_session(process)
        raise
    return _last_word(printed)


def _last_word(printed: str) -> str:
    """The last line that names an error, else the last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()] or ["no output"]
    return next((line for line in reversed(lines) if line.startswith(("ERROR", "E "))), lines[-1])


def _kill_session(process: subprocess.Popen[str]) -> None:
    """Ends pytest and what it started."""
    with process, contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _judge_check(check: str, outcomes: Sequence[PhaseOutcome], said: str) -> CheckResult:
    mine = [one for one in outcomes if one.test == check or one.test.startswith((f"{check}[", f"{check}::"))]
    if asserted := next((one for one in mine if one.asserted), None):
        return CheckResult(check=check, state=CheckState.CAUGHT, said=_first_line(asserted.text))
    if wrong := next((one for one in mine if one.outcome != "passed"), None):
        where = "" if wrong.in_call else "not in the test itself: "
        return CheckResult(check=check, state=CheckState.BROKEN, said=where + _first_line(wrong.text))
    if not any(one.in_call for one in mine):
        return CheckResult(check=check, state=CheckState.BROKEN, said=said)
    return CheckResult(check=check, state=CheckState.PASSED)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
