"""The SDK's own download of a server, into a folder of our choice, in bounded time."""

import sys
from pathlib import Path

from devstack import cache
from devstack.console import show_progress
from devstack.errors import DevstackError

PROJECT_ROOT = Path(__file__).parent.parent


def fetch_sdk_server(kind: str, folder: Path) -> Path:
    """The downloaded server (`dev` or `test`) inside `folder`; DevstackError when offline."""
    with show_progress(f"downloading Temporal's {kind} server") as line:
        command = [sys.executable, "-m", "devstack.sdk_download", kind, str(folder)]
        log = folder.with_name(folder.name + ".log")
        try:
            cache.run_helper(command, line, log, env={"PYTHONPATH": str(PROJECT_ROOT)}, watched=folder)
        finally:
            log.unlink(missing_ok=True)
    found = [path for path in folder.iterdir() if cache.is_program(path)]
    if not found:
        raise DevstackError("the SDK's download left no program")
    return found[0]
