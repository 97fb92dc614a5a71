"""The bodies of webhooks."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from core.errors import InvalidInput


def parse_json_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in it. Raises InvalidInput."""
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise InvalidInput("The body is JSON, but not an object.")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON's."""
    raise ValueError(constant)
