"""Lengths of time as the policy file writes them: `90s`, `15m`, `3h`, `7d`."""

import re
from types import MappingProxyType

from core.errors import InvalidPolicy

_SECONDS_PER_UNIT = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": 86_400})
_DURATION_SHAPE = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


def parse_duration(text: object) -> int:
    """Whole seconds, 1 or more. Raises InvalidPolicy where the text is no such length."""
    found = _DURATION_SHAPE.fullmatch(text) if isinstance(text, str) else None
    length = int(found[1]) * _SECONDS_PER_UNIT[found[2]] if found else 0
    if not length:
        raise InvalidPolicy(f"{text!r} is no length of time; write it like 90s, 15m, 3h or 7d")
    return length
