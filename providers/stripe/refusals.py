"""Whether Stripe refused a pay call for the sake of its payment method, before anything was charged.

Stripe has no code of its own for it. Sources: docs.stripe.com/error-codes (`resource_missing`, `missing`,
`payment_method_…`), docs.stripe.com/api/invoices/pay; the messages as people report them: "No such PaymentMethod", "The
customer does not have a payment method with the ID", "There is no default_payment_method set on this Customer or
Invoice", "This customer has no attached payment source or default payment method".
"""

import re
from typing import Final

from core.payments import ChargeOrder
from providers.fields import Fields

_METHOD_CODES: Final = frozenset(
    {
        "invalid_source_usage",
        "missing",
        "missing_payment_method",
        "payment_intent_incompatible_payment_method",
        "payment_method_currency_mismatch",
        "payment_method_customer_mismatch",
        "payment_method_not_available",
        "payment_method_restricted",
        "payment_method_unactivated",
        "payment_method_unexpected_state",
        "payment_method_unsupported_type",
        "resource_missing",
    }
)
"""The invoice was read after the refusal: so what is missing is the method."""
_NONE_ACTIVE: Final = "missing"
"""The one card error without a card: "Cannot charge a customer that has no active card", param `card`, HTTP 402."""
_METHOD_PARAMS: Final = frozenset({"card", "payment_method", "source", "default_payment_method", "default_source"})
_METHOD_WORDS: Final = re.compile(
    r"payment.?method|payment source|default_source|no active card|attached to (a|the|another) customer", re.IGNORECASE
)


def is_method_refusal(order: ChargeOrder, error: Fields) -> bool:
    """Whether it was the method: the named one, or that none is stored. A bank's decline names charge or reason."""
    code, param = error.code("code"), error.code("param")
    if error.id("charge") or error.code("decline_code"):
        return False
    if error.code("type") == "card_error":
        return code == _NONE_ACTIVE
    if param in _METHOD_PARAMS and order.method_id:
        return not (code or "").startswith("parameter_")
    if param not in {None, "id", *_METHOD_PARAMS}:
        return False
    if code in _METHOD_CODES:
        return True
    return code is None and bool(_METHOD_WORDS.search(str(error.raw.get("message") or "")))
