"""The process that computes one dry run: a task on stdin, progress and the outcome on stdout, one JSON object a line.

Ends when its stdin closes, so that it never outlives the worker that wants its result.
"""

import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

import catalog
from activities.simulation_lines import Line, Task
from core.errors import InvalidInput, RecoveryError
from core.retry.policy import parse
from core.simulations import SimulationOutcome, SourceKind
from providers.base import installed
from simulator import assumptions, report
from simulator.population import SyntheticSource
from simulator.result import Result
from simulator.runner import Watch, simulate
from simulator.source import Source
from simulator.world import World

USUAL = 100_000
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
    baseline, candidate = world("baseline", order.baseline), world("candidate", order.policy)
    source = _source(task, believed)
    sweep = [(one.soft, one.hard) for one in believed.sweep.points]
    return simulate(source, baseline, candidate, seed=order.seed, sweep=sweep, watch=watch)


def _file(name: str, text: str | None) -> Path | None:
    """In the process's own folder, so that messages name it without a path."""
    if text is None:
        return None
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def world(name: str, text: str) -> World:
    """Everything that a policy is carried out with. Raises InvalidPolicy."""
    strategies, rules = catalog.strategies(), catalog.network_rules()
    policy = parse(text, f"{name}.toml", strategies, rules.ceilings())
    codes = {one: provider.decline_codes for one, provider in installed({}).items()}
    return World(name, policy, strategies, codes, rules, text)


def _source(task: Task, believed: assumptions.Assumptions) -> Source:
    if task.order.source is SourceKind.SYNTHETIC:
        return SyntheticSource(believed, task.order.recoveries or USUAL, task.order.seed)
    raise InvalidInput("A dry run over the recorded history can't be asked for here yet.")


if __name__ == "__main__":
    main()
