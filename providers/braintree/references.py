"""A merchant's own order id as the name of an invoice: taken as it is, to the last blank, or refused with a reason."""

import unicodedata
from typing import Final

LONGEST: Final = 255
"""Characters of an order id at Braintree (91501 OrderIdIsTooLong of the official client's error_codes.py)."""
LARGEST: Final = 900
"""Bytes in UTF-8: the id is part of a workflow id, of which Temporal takes 1000."""
UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that no log line and no page can show: controls, halves of characters, line breaks."""


def refusal(order_id: str) -> str | None:
    """Why this order id can't name an invoice; None for one that can.

    Marks, blanks at its ends and any script are part of the name. What a path or a line can't hold is not.
    """
    if not order_id.strip():
        return "the order id is blank"
    if order_id in {".", ".."}:
        return "the order id is a step in a path"
    if any(unicodedata.category(char) in UNSEEN for char in order_id):
        return "the order id holds control characters"
    too_long = len(order_id) > LONGEST or len(order_id.encode()) > LARGEST
    return f"the order id is longer than {LONGEST} characters or {LARGEST} bytes" if too_long else None
