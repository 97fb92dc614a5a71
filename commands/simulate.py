"""`pri simulate`: a candidate policy and the one it would replace, over the same failures with the same luck."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from commands.histories import loaded
from core.errors import InvalidInput
from providers.base import installed
from settings import Settings
from simulator import assumptions, report, table
from simulator.checked import Checked
from simulator.population import USUAL, SyntheticSource
from simulator.result import Result
from simulator.runner import Watch, simulate
from simulator.world import World, world_of

SYNTHETIC = "synthetic"


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    policy: Path
    baseline: Path | None
    recoveries: int | None
    """None: as many as are usual for the source."""
    seed: int
    source: str
    jobs: int
    out: Path
    assumptions: Path | None
    sweep: bool


def run(settings: Settings, wanted: Wanted) -> Result:
    """Simulates, prints the table and writes the files. Raises InvalidPolicy, InvalidInput, StoreUnavailable."""
    baseline = world("baseline", wanted.baseline or settings.policy_file)
    candidate = world("candidate", wanted.policy)
    believed = assumptions.load(wanted.assumptions)
    source, calibration = _checked(settings, wanted, believed, baseline)
    with _watched() as watch:
        sweep = [(one.soft, one.hard) for one in believed.sweep.points] if wanted.sweep else ()
        result = simulate(source, baseline, candidate, seed=wanted.seed, jobs=wanted.jobs, sweep=sweep, watch=watch)
    result = result.model_copy(update={"calibration": calibration})
    write(result, wanted.out)
    Console().print(table.comparison(result))
    return result


def world(name: str, file: Path) -> World:
    """Everything that a policy file is carried out with. Raises InvalidPolicy, InvalidInput for a missing file."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The policy file {file} can't be read: {error}") from error
    return world_of(name, text, str(file), {one: provider.decline_codes for one, provider in installed({}).items()})


def _checked(settings: Settings, wanted: Wanted, believed: assumptions.Assumptions, baseline: World) -> Checked:
    if wanted.source != SYNTHETIC:
        return loaded(settings, wanted.source, baseline, believed, recoveries=wanted.recoveries, seed=wanted.seed)
    return Checked(SyntheticSource(believed, wanted.recoveries or USUAL, wanted.seed))


@contextmanager
def _watched() -> Iterator[Watch]:
    """A progress bar on stderr."""
    columns = (TextColumn("simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield Watch(progress=lambda done, of: bar.update(task, completed=done, total=of))


def write(result: Result, folder: Path) -> None:
    """`result.json` and `report.html`, each whole or not at all. Raises InvalidInput where that can't be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replaced(folder / "report.html", report.rendered(result))
        _replaced(folder / "result.json", result.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise InvalidInput(f"The result can't be written to {folder}: {error}") from error


def _replaced(file: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as draft:
        draft.write(text)
    Path(draft.name).chmod(0o644)
    os.replace(draft.name, file)
