"""Runs pieces of work in several processes: each builds its own worker and takes every n-th piece."""

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
    """A worker process failed; the message names its error."""


@contextmanager
def run_in_processes(build: Callable[[], Worker[T]], pieces: Sequence[Piece], jobs: int) -> Iterator[Iterator[T]]:
    """Yields an iterator over the worker's result for each piece, in any order. With one job, runs in this process.

    `build` and the results must be picklable. Leaving the context terminates processes that are still at work.
    The iterator raises ProcessFailed where a worker raises or dies.
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
        theirs.close()  # while our copy is open, the end of the process is not seen as EOF
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
    """The body of a worker process: sends a result for each piece, or ProcessFailed."""
    try:
        worker = build()
        for piece in pieces:
            out.send(worker(*piece))
    except KeyboardInterrupt:
        return
    except Exception as error:  # sent to the parent, which raises it: an error here would only end this process
        out.send(ProcessFailed(f"{type(error).__name__}: {error}"))
    finally:
        out.close()


def _receive_parts(connections: list["Connection[T | ProcessFailed, object]"], expected: int) -> Iterator[T]:
    """Results as they arrive, until every process has closed its end.

    Raises ProcessFailed for a worker's error, and where fewer than `expected` results came.
    """
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
        raise ProcessFailed("A process ended before its work was done.")


def _end_processes(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
