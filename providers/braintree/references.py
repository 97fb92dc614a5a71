"""A merchant's own order id as the name of an invoice: taken as it is, to the last blank, or refused with a reason."""

from typing import Final

from core.ids import find_id_problem

_PATH_STEPS: Final = frozenset({".", ".."})
"""In an address they mean another page, also percent-encoded."""


def order_id_fault(order_id: str) -> str | None:
    """Why this order id can't name an invoice; None for one that can: any script, blanks at its ends included."""
    return find_id_problem(order_id) or ("it is a step in a path" if order_id in _PATH_STEPS else None)
