"""A merchant's own order id as the name of an invoice: taken as it is, to the last blank, or refused with a reason."""

from typing import Final

from core.ids import unusable

_STEPS: Final = frozenset({".", ".."})
"""In an address they mean another page, also percent-encoded."""


def refusal(order_id: str) -> str | None:
    """Why this order id can't name an invoice; None for one that can: any script, blanks at its ends included."""
    return unusable(order_id) or ("it is a step in a path" if order_id in _STEPS else None)
