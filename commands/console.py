"""How commands talk: results on stdout, everything else on stderr."""

import json
import sys
from typing import Any


def print_result(text: str) -> None:
    """What was asked for."""
    sys.stdout.write(f"{text}\n")


def print_json(value: Any) -> None:
    """What was asked for, for a program."""
    print_result(json.dumps(value, ensure_ascii=False, default=str))


def print_note(text: str) -> None:
    """What is good to know."""
    sys.stderr.write(f"{text}\n")
