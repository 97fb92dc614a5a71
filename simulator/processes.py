"""Work on several processors: each process builds its own tools and takes every so-many-th piece."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TypeVar

T = TypeVar("T")
Piece = tuple[int, int]
Worker = Callable[[int, int], T]


class ProcessFailed(Exception):
    """A process could not do its work; says which error it met."""


@contextmanager
def run_in_processes(build: Callable[[], Worker[T]], pieces: Sequence[Piece], jobs: int) -> Iterator[Iterator[T]]:
    """The parts that a worker makes of the pieces, in any order. With one job, in this process.

    `build` and the parts travel between processes by pickle. Leaving ends processes that are still at work.
    """
    if min(jobs, len(pieces)) <= 1:
        yield _run_inline(build, pieces)
        return
    context = multiprocessing.get_context("spawn")
    connections, processes = [], []
    for number in range(min(jobs, len(pieces))):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work_pieces, args=(build, pieces[number::jobs], theirs), daemon=True)
        process.start()
        theirs.close()
        connections.append(mine)
        processes.append(process)
    try:
        yield _receive_parts(connections, len(pieces))
    finally:
        _end_processes(processes)


def _run_inline(build: Callable[[], Worker[T]], pieces: Sequence[Piece]) -> Iterator[T]:
    worker = build()
    return (worker(*piece) for piece in pieces)


def _work_pieces(build: Callable[[], Worker[T]], pieces: Sequence[Piece], out: "Connection[object, object]") -> None:
    """In a process of its own: sends a part for each piece, or the error."""
    try:
        worker = build()
        for piece in pieces:
            out.send(worker(*piece))
    except KeyboardInterrupt:
        return
    except Exception as error:  # told to whoever waits for the parts
        out.send(ProcessFailed(f"{type(error).__name__}: {error}"))
    finally:
        out.close()


def _receive_parts(connections: list["Connection[T | ProcessFailed, object]"], expected: int) -> Iterator[T]:
    """Whatever comes, until every process has closed its end. Raises Failed, also for a part that never came."""
    while connections:
        for ready in wait(connections):
            assert isinstance(ready, Connection)
            try:
                part = ready.recv()
            except EOFError:
                connections.remove(ready)
                continue
            if isinstance(part, ProcessFailed):
                raise part
            expected -= 1
            yield part
    if expected:
        raise ProcessFailed("A process of the simulation ended before its work was done.")


def _end_processes(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
