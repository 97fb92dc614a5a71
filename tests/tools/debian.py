"""Programs of the distribution that only tests use."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from devstack.console import print_status
from devstack.errors import DevstackError

TIMEOUT_SECONDS: Final = 900
SEARCH_PATH: Final = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin"))
"""Beside PATH, which often lacks the programs of the administrator."""


def ensure_program(names: Sequence[str], package: str) -> Path:
    """The first of them that is installed here; as root on Debian it is installed first. Raises DevstackError."""
    installed = _find_installed(names)
    if installed is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print_status(f"installing {package} for the tests")
        _run_command("apt-get", "update", "-qq")
        _run_command("apt-get", "install", "-qq", "-y", "--no-install-recommends", package)
        installed = _find_installed(names)
    if installed is None:
        raise DevstackError(f"there is no {package} here; install it (Debian: apt-get install {package})")
    return installed


def _find_installed(names: Sequence[str]) -> Path | None:
    paths = (shutil.which(name) or shutil.which(name, path=SEARCH_PATH) for name in names)
    return next((Path(path) for path in paths if path), None)


def _run_command(*command: str) -> None:
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DevstackError(f"{' '.join(command)} took longer than {TIMEOUT_SECONDS} s") from error
    if process.returncode:
        raise DevstackError(f"{' '.join(command)} failed: {process.stderr.strip()[-300:]}")
