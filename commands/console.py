"""Output of commands: results on stdout, everything else on stderr."""

import json
import sys
from typing import Any


def print_result(text: str) -> None:
    """Prints a result to stdout."""
    sys.stdout.write(f"{text}\n")


def print_json(value: Any) -> None:
    """Prints a result as one line of JSON to stdout."""
    print_result(json.dumps(value, ensure_ascii=False, default=str))


def print_note(text: str) -> None:
    """Prints a note to stderr."""
    sys.stderr.write(f"{text}\n")
