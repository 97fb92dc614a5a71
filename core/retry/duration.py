"""Lengths of time as the policy file writes them: `90s`, `15m`, `3h`, `7d`."""

import re
from types import MappingProxyType

from core.errors import InvalidPolicy

_UNITS = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": 86_400})
_SHAPE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


def seconds(text: object) -> int:
    """Whole seconds, 1 or more. Raises InvalidPolicy where the text is no such length."""
    found = _SHAPE.fullmatch(text) if isinstance(text, str) else None
    length = int(found[1]) * _UNITS[found[2]] if found else 0
    if not length:
        raise InvalidPolicy(f"{text!r} is no length of time; write it like 90s, 15m, 3h or 7d")
    return length
