"""A recorded history as a source of `pri simulate`: read, fitted, and held against what really happened."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from commands.database import open_database
from core.classifier.taxonomy import Cause
from core.payments import Card, Failure
from settings import Settings
from simulator import files, history
from simulator.assumptions import Assumptions
from simulator.checked import CalibratedSource, calibrate_history
from simulator.past import History
from simulator.world import World

EVENT_LOG_SOURCE: Final = history.EVENT_LOG_SOURCE


def load_history(
    settings: Settings, name: str, baseline: World, believed: Assumptions, *, recoveries: int | None, seed: int
) -> CalibratedSource:
    """The event log where it is called `history`, else the file of that name.

    Raises InvalidInput for an empty or too short history and for a file that is none, NotFound for no file,
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
            return await history.read_event_log(database, progress=progress)

    return asyncio.run(read_log())


def _read_file(path: Path, baseline: World, progress: Callable[[int], None]) -> History:
    def classify_cause(provider: str, failure: Failure, card: Card) -> Cause:
        return baseline.classify_failure(provider, failure, card).cause

    return files.read_history_file(path, classify_cause, progress)


@contextmanager
def _count_progress() -> Iterator[Callable[[int], None]]:
    """How many recoveries have been read, on stderr: nobody knows beforehand how many there are."""
    columns = (TextColumn("{task.completed:.0f} recoveries read"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done)
