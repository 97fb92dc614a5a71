"""Programs fetched once per user, in ~/.cache/pri; a partial program never appears there."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from devstack.console import Progress, show_progress
from devstack.errors import DevstackError
from devstack.processes import launch_prefix, signal_group, waiting_lock
from settings import read_environment

STALL_SECONDS = 20.0


def cache_dir() -> Path:
    """The user's cache folder of this project, below XDG_CACHE_HOME if that is set."""
    home = read_environment().get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "pri"


def bin_dir() -> Path:
    """The folder of fetched programs."""
    return cache_dir() / "bin"


def is_program(path: Path) -> bool:
    """Whether it is a file that this user may execute."""
    return path.is_file() and os.access(path, os.X_OK)


@contextmanager
def build_folder(name: str) -> Iterator[Path]:
    """An empty folder in the cache for building `name`, for one process at a time; removed afterwards.

    It is in the cache itself, so that the result can be moved to its place by a rename, which is atomic.
    """
    with waiting_lock(cache_dir() / f"{name}.lock"):
        for abandoned in cache_dir().glob(f".{name}.*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache_dir()))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def install_with_go(module: str, built: str, name: str) -> Path:
    """The path of bin/NAME, built by `go install MODULE` if it isn't there; `built` is the module's name for it.

    Raises DevstackError without Go, or if the build fails.
    """
    target = bin_dir() / name
    if is_program(target):
        return target
    if shutil.which("go") is None:
        raise DevstackError(f"{name} is neither installed nor cached, and there is no Go to build it with")
    with build_folder(name) as folder:
        # Another process may have built it while this one waited for the lock.
        if not is_program(target):
            _build_with_go(module, folder, name)
            bin_dir().mkdir(parents=True, exist_ok=True)
            (folder / built).replace(target)
    return target


def _build_with_go(module: str, folder: Path, name: str) -> None:
    settings = {"GOBIN": str(folder), "CGO_ENABLED": "0"}
    with show_progress(f"building {name} with Go, once; some minutes when Go's own cache is cold") as line:
        run_helper(["go", "install", module], line, folder / "output", env=settings)


def run_helper(
    command: Sequence[str],
    line: Progress,
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    watched: Path | None = None,
) -> None:
    """Runs a slow helper under a progress line. Raises DevstackError with its last output line if it fails.

    With `watched` it is ended, and fails, if that folder hasn't grown for STALL_SECONDS: a download without a network.
    """
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [*launch_prefix(None, signal.SIGTERM), *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**read_environment(), **(env or {})}, start_new_session=True,
        )  # fmt: skip
    try:
        code = _watch_helper(popen, line, watched)
    finally:
        if popen.poll() is None:
            signal_group(popen.pid, signal.SIGKILL)
            popen.wait()
    if code != 0:
        raise DevstackError(f"`{' '.join(command[:3])}` failed: {_last_line(log)}")


def _watch_helper(popen: subprocess.Popen[bytes], line: Progress, watched: Path | None) -> int | None:
    """The exit code; None if the watched folder stopped growing."""
    size, grown = 0, time.monotonic()
    while (code := popen.poll()) is None:
        line.tick()
        time.sleep(0.1)
        if watched and (now := _folder_size(watched)) != size:
            size, grown = now, time.monotonic()
        if watched and time.monotonic() - grown > STALL_SECONDS:
            return None
    return code


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _last_line(log: Path) -> str:
    written = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return written[-1][-300:] if written else "it said nothing"


PROJECT_ROOT = Path(__file__).parent.parent


def fetch_sdk_server(kind: str, folder: Path) -> Path:
    """The path of Temporal's `dev` or `test` server, downloaded into `folder`. Raises DevstackError if offline."""
    with show_progress(f"downloading Temporal's {kind} server") as line:
        command = [sys.executable, "-m", "devstack.sdk_download", kind, str(folder)]
        log = folder.with_name(folder.name + ".log")
        try:
            run_helper(command, line, log, env={"PYTHONPATH": str(PROJECT_ROOT)}, watched=folder)
        finally:
            log.unlink(missing_ok=True)
    found = [path for path in folder.iterdir() if is_program(path)]
    if not found:
        raise DevstackError("the SDK's download left no program")
    return found[0]
