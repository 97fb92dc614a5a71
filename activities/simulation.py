"""The process that computes one dry run: a task on stdin, progress and the outcome on stdout, one JSON object a line.

Ends when its stdin closes, so that it never outlives the worker that wants its result.
"""

import asyncio
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from activities.simulation_lines import Line, Task
from core.errors import RecoveryError
from core.simulations import SimulationOutcome, SourceKind
from db.session import Database
from providers.base import installed
from simulator import assumptions, history, report
from simulator.checked import Checked, checked
from simulator.past import History
from simulator.population import USUAL, SyntheticSource
from simulator.result import Result
from simulator.runner import Watch, simulate
from simulator.world import World, world_of

NICE = 10
"""Charges come first."""


def main() -> None:
    """Compute one task."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a plug-in prints must not stand between our lines
    os.nice(NICE)
    task = Task.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="pri-simulation-") as folder:
        os.chdir(folder)
        outcome = computed(task, out)
    _tell(out, Line(outcome=outcome))


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


def _tell(out: IO[str], line: Line) -> None:
    out.write(line.model_dump_json(exclude_defaults=True) + "\n")
    out.flush()


def computed(task: Task, out: IO[str]) -> SimulationOutcome:
    """The result, or what is wrong with the order."""
    try:
        result = _result(task, Watch(progress=lambda done, total: _tell(out, Line(done=done, total=total))))
    except RecoveryError as error:
        return SimulationOutcome(problem=str(error))
    return SimulationOutcome(result=result.model_dump_json(indent=2) + "\n", report=report.rendered(result))


def _result(task: Task, watch: Watch) -> Result:
    order = task.order
    believed = assumptions.load(_file("assumptions.toml", order.assumptions))
    codes = {one: provider.decline_codes for one, provider in installed({}).items()}
    baseline = world_of("baseline", order.baseline, "baseline.toml", codes)
    candidate = world_of("candidate", order.policy, "candidate.toml", codes)
    source, calibration = _checked(task, believed, baseline)
    sweep = [(one.soft, one.hard) for one in believed.sweep.points]
    result = simulate(source, baseline, candidate, seed=order.seed, sweep=sweep, watch=watch)
    return result.model_copy(update={"calibration": calibration})


def _file(name: str, text: str | None) -> Path | None:
    """In the process's own folder, so that messages name it without a path."""
    if text is None:
        return None
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def _checked(task: Task, believed: assumptions.Assumptions, baseline: World) -> Checked:
    order = task.order
    if order.source is SourceKind.SYNTHETIC:
        return Checked(SyntheticSource(believed, order.recoveries or USUAL, order.seed))
    found = asyncio.run(_recorded(task.address))
    return checked(found, believed, baseline, recoveries=order.recoveries, seed=order.seed)


async def _recorded(address: str) -> History:
    database = Database(address)
    try:
        return await history.read(database)
    finally:
        await database.close()


if __name__ == "__main__":
    main()
