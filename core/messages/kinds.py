"""Kinds of messages to customers, and the causes of failure that each kind is right for."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from core.classification.taxonomy import Cause, Chargeability


class MessageKind(StrEnum):
    """Kind of a message; each has one text per language."""

    PAYMENT_FAILED = "payment_failed"
    """The payment will be tried again; as far as we know the card is fine."""
    CARD_DATA = "card_data"
    """The card is expired, or its data is wrong."""
    AUTHENTICATION = "authentication"
    """The bank wants the customer to authenticate."""
    NO_METHOD = "no_method"
    """No payment method on file works any more."""
    NO_CARD = "no_card"
    """A debit, transfer or wallet payment failed: this service can't retry it, the customer can pay."""
    LAST_WARNING = "last_warning"
    """The last message before the recovery ends."""
    RECOVERED = "recovered"
    ENDED = "ended"


_RETRIED_CAUSES: Final = frozenset(
    {
        Cause.GENERIC,
        Cause.INSUFFICIENT_FUNDS,
        Cause.TECHNICAL,
        Cause.VELOCITY,
        Cause.API_LIMIT,
        Cause.UNKNOWN,
        Cause.DUPLICATE,
    }
)
CAUSES_BY_KIND: Final[Mapping[MessageKind, frozenset[Cause]]] = {
    MessageKind.PAYMENT_FAILED: _RETRIED_CAUSES,
    MessageKind.CARD_DATA: frozenset({Cause.CARD_DATA}),
    MessageKind.AUTHENTICATION: frozenset({Cause.AUTHENTICATION_REQUIRED}),
    MessageKind.NO_METHOD: frozenset({Cause.PERMANENT, Cause.FRAUD}),
    MessageKind.LAST_WARNING: _RETRIED_CAUSES
    | {Cause.CARD_DATA, Cause.AUTHENTICATION_REQUIRED, Cause.PERMANENT, Cause.FRAUD},
}
"""Kinds that a campaign may choose, with the causes for which the text is true."""
ABILITIES_BY_KIND: Final[Mapping[MessageKind, frozenset[Chargeability]]] = {
    MessageKind.NO_METHOD: frozenset({Chargeability.NO_METHOD}),
    MessageKind.NO_CARD: frozenset({Chargeability.NOT_A_CARD}),
    MessageKind.LAST_WARNING: frozenset({Chargeability.NO_METHOD, Chargeability.NOT_A_CARD}),
}
"""The same for failures after which nothing can be charged, whatever their cause."""
