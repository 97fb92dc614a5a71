"""`pri simulate`: compares a candidate policy with the one it would replace, on the same failures and random draws."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from commands.database import open_database
from core.classification.taxonomy import Cause
from core.errors import InvalidInput
from core.payments import Card, Failure
from providers.base import load_providers
from settings import Settings
from simulator import report
from simulator.calibrated_source import CalibratedSource, calibrate_history
from simulator.engines.arm import World, build_world
from simulator.history import event_log, files
from simulator.history.columns import History
from simulator.model import assumptions
from simulator.model.assumptions import Assumptions
from simulator.population.synthetic import DEFAULT_RECOVERIES, SyntheticSource
from simulator.report import figures
from simulator.report.result import Result
from simulator.runner import RunObserver, simulate_policies

SYNTHETIC_SOURCE = "synthetic"


class SimulationRequest(NamedTuple):
    """The options of `pri simulate`."""

    policy: Path
    baseline: Path | None
    recoveries: int | None
    """None: the source's default, 100,000 synthetic ones or the whole history."""
    seed: int
    source: str
    jobs: int
    out: Path
    assumptions: Path | None
    sweep: bool


def run_simulation(settings: Settings, wanted: SimulationRequest) -> Result:
    """Simulates, prints the table and writes the files. Raises InvalidPolicy, InvalidInput, StoreUnavailable."""
    baseline = load_policy_world("baseline", wanted.baseline or settings.policy_file)
    candidate = load_policy_world("candidate", wanted.policy)
    believed = assumptions.load_assumptions(wanted.assumptions)
    source, calibration = _load_source(settings, wanted, believed, baseline)
    with _watch_progress() as watch:
        sweep = [(one.soft, one.hard) for one in believed.sweep.points] if wanted.sweep else ()
        result = simulate_policies(
            source, baseline, candidate, seed=wanted.seed, jobs=wanted.jobs, sweep=sweep, watch=watch
        )
    result = result.model_copy(update={"calibration": calibration})
    write_result(result, wanted.out)
    Console().print(figures.render_comparison(result))
    return result


def load_policy_world(name: str, file: Path) -> World:
    """A policy file with the tables and strategies that it is simulated with.

    Raises InvalidPolicy for an invalid policy, InvalidInput for a file that can't be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The policy file {file} can't be read: {error}") from error
    return build_world(
        name, text, str(file), {one: provider.decline_codes for one, provider in load_providers({}).items()}
    )


def _load_source(
    settings: Settings, wanted: SimulationRequest, believed: assumptions.Assumptions, baseline: World
) -> CalibratedSource:
    if wanted.source != SYNTHETIC_SOURCE:
        return load_history(settings, wanted.source, baseline, believed, recoveries=wanted.recoveries, seed=wanted.seed)
    return CalibratedSource(SyntheticSource(believed, wanted.recoveries or DEFAULT_RECOVERIES, wanted.seed))


@contextmanager
def _watch_progress() -> Iterator[RunObserver]:
    """An observer that shows a progress bar on stderr."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield RunObserver(progress=lambda done, of: bar.update(task, completed=done, total=of))


def write_result(result: Result, folder: Path) -> None:
    """Writes `result.json` and `report.html`, each as a whole or not at all.

    Raises InvalidInput if the folder can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace_file(folder / "report.html", report.render_report(result))
        _replace_file(folder / "result.json", result.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise InvalidInput(f"The result can't be written to {folder}: {error}") from error


def _replace_file(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).chmod(0o644)
    os.replace(draft.name, file)


EVENT_LOG_SOURCE: Final = event_log.EVENT_LOG_SOURCE


def load_history(
    settings: Settings, name: str, baseline: World, believed: Assumptions, *, recoveries: int | None, seed: int
) -> CalibratedSource:
    """The calibrated history of the event log if `name` is `history`, else of the history file of that name.

    Raises InvalidInput for an empty or too short history or another kind of file, NotFound for a missing file,
    StoreUnavailable.
    """
    with _count_progress() as progress:
        found = (
            _read_event_log(settings, progress)
            if name == EVENT_LOG_SOURCE
            else _read_file(Path(name), baseline, progress)
        )
    return calibrate_history(found, believed, baseline, recoveries=recoveries, seed=seed)


def _read_event_log(settings: Settings, progress: Callable[[int], None]) -> History:
    async def read_log() -> History:
        async with open_database(settings) as database:
            return await event_log.read_event_log(database, progress=progress)

    return asyncio.run(read_log())


def _read_file(path: Path, baseline: World, progress: Callable[[int], None]) -> History:
    def classify_cause(provider: str, failure: Failure, card: Card) -> Cause:
        return baseline.classify_failure(provider, failure, card).cause

    return files.read_history_file(path, classify_cause, progress)


@contextmanager
def _count_progress() -> Iterator[Callable[[int], None]]:
    """A callback that shows the number of recoveries read, on stderr; the total is not known beforehand."""
    columns = (TextColumn("{task.completed:.0f} recoveries read"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done)
