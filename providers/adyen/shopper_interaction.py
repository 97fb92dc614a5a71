"""Whether the shopper was there: what a checkout refused is not the merchant's to collect.

Sources: docs.adyen.com/api-explorer/Checkout/72/post/payments (shopperInteraction, recurringProcessingModel); Adyen's
OpenAPI, Webhooks v1, additionalData (`shopperInteraction`, one of the webhook's additional settings). Left out of a
*request* it means Ecommerce; left out of a *webhook* it only means that the setting is off, so other fields must tell.
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
"""`maxDaysToRescue` goes no further; Adyen doesn't tell when its next try is, but tells when it has stopped."""
_INTERACTIONS: Final[Mapping[str, bool]] = {"ecommerce": True, "moto": True, "pos": True, "contauth": False}
_MODELS: Final[Mapping[str, bool]] = {"subscription": False, "unscheduledcardonfile": False}
"""CardOnFile says both: one click of the shopper, or a subscription without a fixed schedule."""
_CVC_GIVEN: Final = ("1", "2")
"""`1 Matches`, `2 Doesn't match`: nobody may store a CVC, so somebody has just typed it."""

_RESCUE_CODES: Final = frozenset({"AUTORESCUE", "CANCEL_AUTORESCUE"})


def shopper_terms(item: NotificationItem) -> CollectionTerms | None:
    """What an item says of whose payment it was; None where it says nothing."""
    present = _is_shopper_present(item)
    return None if present is None else CollectionTerms(shopper_present=present)


def _is_shopper_present(item: NotificationItem) -> bool | None:
    """The fields that say it go before the ones that show it; our own payments say nothing else."""
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
    """Signs of a person: a typed CVC, a challenge, a terminal, or a method that only a person pays by."""
    additional, method = item.additional, item.method
    signs = (
        additional.lower_text("cvcResult").startswith(_CVC_GIVEN),
        additional.is_true("threeDAuthenticated"),
        bool(additional.lower_text("terminalId") or additional.lower_text("tenderReference")),
        kind_of_method(method) is MethodKind.BANK_TRANSFER,
        is_paid_by_shopper(method) and first_reference(additional.fields, TOKEN) is None,
    )
    return True if any(signs) else None
