"""How commands talk: results on stdout, everything else on stderr."""

import json
import sys
from typing import Any


def result(text: str) -> None:
    """What was asked for."""
    sys.stdout.write(f"{text}\n")


def as_json(value: Any) -> None:
    """What was asked for, for a program."""
    result(json.dumps(value, ensure_ascii=False, default=str))


def note(text: str) -> None:
    """What is good to know."""
    sys.stderr.write(f"{text}\n")
