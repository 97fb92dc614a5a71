"""A browser for the tests that use the desk as people do: `python -m devstack.browser` prints its path."""

import sys
from pathlib import Path
from typing import Final

from devstack.console import say
from devstack.debian import program
from devstack.errors import DevstackError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def ensure() -> Path:
    """Chromium as it is installed here; as root on Debian it is installed first. Raises DevstackError."""
    return program(NAMES, "chromium")


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
