"""What a customer can be told, and which failure each message fits: the right words or none."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from core.classification.taxonomy import Cause, Chargeability


class MessageKind(StrEnum):
    """One text, in every language."""

    PAYMENT_FAILED = "payment_failed"
    """It will be tried again; nothing is wrong with the card as far as we know."""
    CARD_DATA = "card_data"
    """The card is expired, or its data is wrong."""
    AUTHENTICATION = "authentication"
    """The bank wants the customer to confirm."""
    NO_METHOD = "no_method"
    """No payment method on file works any more."""
    NO_CARD = "no_card"
    """A debit, a transfer or a wallet brought no money: nothing of ours can try it again, the customer can pay."""
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
"""Kinds that a campaign may choose, and for which causes. Nobody is told to mend a card that isn't broken."""
ABILITIES_BY_KIND: Final[Mapping[MessageKind, frozenset[Chargeability]]] = {
    MessageKind.NO_METHOD: frozenset({Chargeability.NO_METHOD}),
    MessageKind.NO_CARD: frozenset({Chargeability.NOT_A_CARD}),
    MessageKind.LAST_WARNING: frozenset({Chargeability.NO_METHOD, Chargeability.NOT_A_CARD}),
}
"""The same for failures after which nothing can be charged, whatever the bank said."""
