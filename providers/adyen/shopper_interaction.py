"""Whether the shopper was present at a payment: a payment refused at a checkout is not collected by this service.

Sources: docs.adyen.com/api-explorer/Checkout/72/post/payments (shopperInteraction, recurringProcessingModel); Adyen's
OpenAPI, Webhooks v1, additionalData (`shopperInteraction`, one of the webhook's additional settings). Left out of a
*request* it means Ecommerce; left out of a *webhook* it only means that the setting is off, and other fields decide.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from core.collection_terms import CollectionTerms
from core.payments import MethodKind
from providers.adyen.failures import TOKEN, first_reference
from providers.adyen.methods import is_paid_by_shopper, kind_of_method
from providers.adyen.notification import NotificationItem

LONGEST_RESCUE: Final = timedelta(days=48)
"""The largest `maxDaysToRescue`. Adyen doesn't announce its next attempt, but reports when it has stopped."""
_INTERACTIONS: Final[Mapping[str, bool]] = {"ecommerce": True, "moto": True, "pos": True, "contauth": False}
_MODELS: Final[Mapping[str, bool]] = {"subscription": False, "unscheduledcardonfile": False}
"""Processing models without the shopper. CardOnFile is left out: the shopper may or may not have been present."""
_CVC_GIVEN: Final = ("1", "2")
"""`1 Matches`, `2 Doesn't match`: a CVC may not be stored, so the shopper has just entered it."""

_RESCUE_CODES: Final = frozenset({"AUTORESCUE", "CANCEL_AUTORESCUE"})


def shopper_terms(item: NotificationItem) -> CollectionTerms | None:
    """The collection terms with the shopper's presence; None if the item doesn't say. Raises InvalidField."""
    present = _is_shopper_present(item)
    return None if present is None else CollectionTerms(shopper_present=present)


def _is_shopper_present(item: NotificationItem) -> bool | None:
    """Explicit fields decide before indirect signs; our own payments are always without the shopper."""
    additional = item.additional
    if additional.own_key:
        return False
    told = (
        _INTERACTIONS.get(additional.lower_text("shopperInteraction")),
        _MODELS.get(_processing_model(item)),
        _presence_by_rescue(item),
    )
    found = next((one for one in told if one is not None), None)
    return found if found is not None else _presence_by_signs(item)


def _presence_by_rescue(item: NotificationItem) -> bool | None:
    """Auto Rescue takes ContAuth alone (docs.adyen.com/online-payments/auto-rescue/cards, "Enable Auto Rescue")."""
    return False if item.event_code in _RESCUE_CODES or item.additional.is_true("retry.rescueScheduled") else None


def _processing_model(item: NotificationItem) -> str:
    return item.additional.lower_text("recurringProcessingModel").replace(" ", "")


def _presence_by_signs(item: NotificationItem) -> bool | None:
    """True for a sign of the shopper (CVC, 3-D Secure, a terminal, a method paid by hand); None without any."""
    additional, method = item.additional, item.method
    signs = (
        additional.lower_text("cvcResult").startswith(_CVC_GIVEN),
        additional.is_true("threeDAuthenticated"),
        bool(additional.lower_text("terminalId") or additional.lower_text("tenderReference")),
        kind_of_method(method) is MethodKind.BANK_TRANSFER,
        is_paid_by_shopper(method) and first_reference(additional.fields, TOKEN) is None,
    )
    return True if any(signs) else None
