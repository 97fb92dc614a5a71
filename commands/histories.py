"""A recorded history as a source of `pri simulate`: read, fitted, and held against what really happened."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from commands.database import opened
from core.classifier.taxonomy import Cause
from core.payments import Card, Failure
from settings import Settings
from simulator import files, history
from simulator.assumptions import Assumptions
from simulator.checked import Checked, checked
from simulator.past import History
from simulator.world import World

EVENT_LOG: Final = history.NAME


def loaded(
    settings: Settings, name: str, baseline: World, believed: Assumptions, *, recoveries: int | None, seed: int
) -> Checked:
    """The event log where it is called `history`, else the file of that name.

    Raises InvalidInput for an empty or too short history and for a file that is none, NotFound for no file,
    StoreUnavailable.
    """
    with _counting() as progress:
        found = _event_log(settings, progress) if name == EVENT_LOG else _file(Path(name), baseline, progress)
    return checked(found, believed, baseline, recoveries=recoveries, seed=seed)


def _event_log(settings: Settings, progress: Callable[[int], None]) -> History:
    async def read() -> History:
        async with opened(settings) as database:
            return await history.read(database, progress=progress)

    return asyncio.run(read())


def _file(path: Path, baseline: World, progress: Callable[[int], None]) -> History:
    def classify(provider: str, failure: Failure, card: Card) -> Cause:
        return baseline.classified(provider, failure, card).cause

    return files.read(path, classify, progress)


@contextmanager
def _counting() -> Iterator[Callable[[int], None]]:
    """How many recoveries have been read, on stderr: nobody knows beforehand how many there are."""
    columns = (TextColumn("{task.completed:.0f} recoveries read"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done: bar.update(task, completed=done)
