"""A browser for the tests that use the desk as people do: `python -m devstack.browser` prints its path."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from devstack.console import say
from devstack.errors import DevstackError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE_SECONDS: Final = 900


def ensure() -> Path:
    """Chromium as it is installed here; as root on Debian it is installed first. Raises DevstackError."""
    found = _installed()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Chromium for the browser tests")
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-qq", "-y", "--no-install-recommends", "chromium")
        found = _installed()
    if found is None:
        raise DevstackError("there is no Chromium here; install it (Debian: apt-get install chromium)")
    return found


def _installed() -> Path | None:
    paths = (shutil.which(name) for name in NAMES)
    return next((Path(path) for path in paths if path), None)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DevstackError(f"{' '.join(command)} took longer than {PATIENCE_SECONDS} s") from error
    if done.returncode:
        raise DevstackError(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")


def main() -> int:
    """Prints the path; 1 where there is none."""
    try:
        sys.stdout.write(f"{ensure()}\n")
    except DevstackError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
