"""The process that computes one dry run: task on stdin, progress and outcome on stdout, one JSON object per line.

It ends when its stdin closes, so that it never outlives the worker that started it.
"""

import asyncio
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from core.errors import RecoveryError
from core.simulations import DryRunLine, DryRunTask, SimulationOutcome, SourceKind
from db.session import Database
from providers.base import load_providers
from simulator import report
from simulator.calibrated_source import CalibratedSource, calibrate_history
from simulator.engines.arm import World, build_world
from simulator.history import event_log
from simulator.history.columns import History
from simulator.model import assumptions
from simulator.population.synthetic import DEFAULT_RECOVERIES, SyntheticSource
from simulator.report.result import Result
from simulator.runner import RunObserver, simulate_policies

NICE = 10
"""Niceness of the process, so that charges on the same machine take precedence."""


def main() -> None:
    """Computes the task on stdin and writes its outcome to stdout."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a plug-in prints goes to stderr, so that it does not mix with our lines
    os.nice(NICE)
    task = DryRunTask.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="pri-simulation-") as folder:
        os.chdir(folder)
        outcome = compute_outcome(task, out)
    _send_line(out, DryRunLine(outcome=outcome))


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


def _send_line(out: IO[str], line: DryRunLine) -> None:
    out.write(line.model_dump_json(exclude_defaults=True) + "\n")
    out.flush()


def compute_outcome(task: DryRunTask, out: IO[str]) -> SimulationOutcome:
    """The result and report, or the problem if the order can't be computed. Progress is written to `out`."""
    try:
        result = _run_comparison(
            task, RunObserver(progress=lambda done, total: _send_line(out, DryRunLine(done=done, total=total)))
        )
    except RecoveryError as error:
        return SimulationOutcome(problem=str(error))
    return SimulationOutcome(result=result.model_dump_json(indent=2) + "\n", report=report.render_report(result))


def _run_comparison(task: DryRunTask, watch: RunObserver) -> Result:
    order = task.order
    believed = assumptions.load_assumptions(_write_file("assumptions.toml", order.assumptions))
    codes = {one: provider.decline_codes for one, provider in load_providers({}).items()}
    baseline = build_world("baseline", order.baseline, "baseline.toml", codes)
    candidate = build_world("candidate", order.policy, "candidate.toml", codes)
    source, calibration = _load_source(task, believed, baseline)
    sweep = [(one.soft, one.hard) for one in believed.sweep.points]
    result = simulate_policies(source, baseline, candidate, seed=order.seed, sweep=sweep, watch=watch)
    return result.model_copy(update={"calibration": calibration})


def _write_file(name: str, text: str | None) -> Path | None:
    """Writes a file into the process's own folder, so that error messages name it without a path."""
    if text is None:
        return None
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def _load_source(task: DryRunTask, believed: assumptions.Assumptions, baseline: World) -> CalibratedSource:
    order = task.order
    if order.source is SourceKind.SYNTHETIC:
        return CalibratedSource(SyntheticSource(believed, order.recoveries or DEFAULT_RECOVERIES, order.seed))
    found = asyncio.run(_read_history(task.address))
    return calibrate_history(found, believed, baseline, recoveries=order.recoveries, seed=order.seed)


async def _read_history(address: str) -> History:
    database = Database(address)
    try:
        return await event_log.read_event_log(database)
    finally:
        await database.close()


if __name__ == "__main__":
    main()
