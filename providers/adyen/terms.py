"""Whether the shopper was there: what a checkout refused is not the merchant's to collect.

Sources: docs.adyen.com/api-explorer/Checkout/72/post/payments (shopperInteraction, recurringProcessingModel); Adyen's
OpenAPI, Webhooks v1, additionalData (`shopperInteraction`, one of the webhook's additional settings). Left out of a
*request* it means Ecommerce; left out of a *webhook* it only means that the setting is off, so other fields must tell.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from core.payments import MethodKind
from core.terms import CollectionTerms
from providers.adyen.failures import TOKEN, first
from providers.adyen.item import Item
from providers.adyen.methods import by_own_hand, kind_of

LONGEST_RESCUE: Final = timedelta(days=48)
"""`maxDaysToRescue` goes no further; Adyen doesn't tell when its next try is, but tells when it has stopped."""
_INTERACTIONS: Final[Mapping[str, bool]] = {"ecommerce": True, "moto": True, "pos": True, "contauth": False}
_MODELS: Final[Mapping[str, bool]] = {"subscription": False, "unscheduledcardonfile": False}
"""CardOnFile says both: one click of the shopper, or a subscription without a fixed schedule."""
_CVC_GIVEN: Final = ("1", "2")
"""`1 Matches`, `2 Doesn't match`: nobody may store a CVC, so somebody has just typed it."""

_RESCUES: Final = frozenset({"AUTORESCUE", "CANCEL_AUTORESCUE"})


def terms_of(item: Item) -> CollectionTerms | None:
    """What an item says of whose payment it was; None where it says nothing."""
    present = _present(item)
    return None if present is None else CollectionTerms(shopper_present=present)


def _present(item: Item) -> bool | None:
    """The fields that say it go before the ones that show it; our own payments say nothing else."""
    additional = item.additional
    if additional.own_key:
        return False
    told = (_INTERACTIONS.get(additional.plain("shopperInteraction")), _MODELS.get(_model(item)), _rescued(item))
    found = next((one for one in told if one is not None), None)
    return found if found is not None else _shown(item)


def _rescued(item: Item) -> bool | None:
    """Auto Rescue takes ContAuth alone (docs.adyen.com/online-payments/auto-rescue/cards, "Enable Auto Rescue")."""
    return False if item.code in _RESCUES or item.additional.flagged("retry.rescueScheduled") else None


def _model(item: Item) -> str:
    return item.additional.plain("recurringProcessingModel").replace(" ", "")


def _shown(item: Item) -> bool | None:
    """Signs of a person: a typed CVC, a challenge, a terminal, or a method that only a person pays by."""
    additional, method = item.additional, item.method
    signs = (
        additional.plain("cvcResult").startswith(_CVC_GIVEN),
        additional.flagged("threeDAuthenticated"),
        bool(additional.plain("terminalId") or additional.plain("tenderReference")),
        kind_of(method) is MethodKind.BANK_TRANSFER,
        by_own_hand(method) and first(additional.fields, TOKEN) is None,
    )
    return True if any(signs) else None
