"""Braintree documents some codes as a range (`2109-2999`): the file says it so, the classifier wants each code."""

import re
from typing import Final

_RANGE: Final = re.compile(r"^(decline_code),(\d{4})-(\d{4}),(.*)$", re.MULTILINE)


def expand_code_ranges(table: str) -> str:
    """The same CSV text with a row for each code of a range."""
    return _RANGE.sub(_range_rows, table)


def _range_rows(found: re.Match[str]) -> str:
    kind, first, last, rest = found.groups()
    return "\n".join(f"{kind},{code},{rest}" for code in range(int(first), int(last) + 1))
