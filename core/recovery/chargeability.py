"""Whether a recovery has a payment method that can be charged; independent of the decline's cause."""

from collections.abc import Mapping
from typing import Final

from core.classification.taxonomy import Chargeability
from core.payments import Card, FailureFacts, InvoiceView, MethodKind
from core.recovery.state import Recovery


def is_not_card(card: Card) -> bool:
    """Whether the method is known to be no card; an unknown kind counts as a card."""
    return card.kind not in {None, MethodKind.CARD}


def assess_ability(recovery: Recovery, facts: FailureFacts) -> Chargeability:
    """Whether the next charge's method can be charged: the one in use, else the default, else the failed one."""
    invoice, named = facts.invoice, intended_method(recovery, facts.invoice)
    if recovery.no_method and invoice.method is None and not named:
        return Chargeability.NO_METHOD
    if invoice.methods_known and not named:
        return default_ability(recovery, invoice)
    if named is None and _is_unreadable(facts) and not (facts.failure.method_id or recovery.failure.method_id):
        return Chargeability.NO_METHOD
    return Chargeability.NOT_A_CARD if is_not_card(facts.card) else Chargeability.CHARGEABLE


def intended_method(recovery: Recovery, invoice: InvoiceView) -> str | None:
    """The id of the method that a charge names; None: the provider's default.

    If the default was refused for good or can't be charged, the method that failed before is named instead.
    """
    default, failed, useless = invoice.method, recovery.failure.method_id, _unusable_methods(recovery)
    spare = default is not None and default.method_id in useless and failed not in useless
    return recovery.named_method or (failed if spare else None)


def _unusable_methods(recovery: Recovery) -> set[str | None]:
    """Ids of methods that are not charged again without new data; None (no method) is one of them."""
    return {None, *recovery.dead_methods, *recovery.unfit_methods}


def default_ability(recovery: Recovery, invoice: InvoiceView) -> Chargeability:
    """Whether the provider's default method, as read, can be charged.

    A default that was refused for good, or that the provider couldn't charge, counts as NO_METHOD.
    """
    method = invoice.method
    if method and is_not_card(method.card):
        return Chargeability.NOT_A_CARD
    return (
        Chargeability.NO_METHOD
        if (method and method.method_id) in _unusable_methods(recovery)
        else Chargeability.CHARGEABLE
    )


def _is_unreadable(facts: FailureFacts) -> bool:
    """Whether the provider can't be read: a method that its event doesn't name is not stored there."""
    return UNREADABLE_PROVIDER in facts.missing


UNREADABLE_PROVIDER: Final = "no_invoices"
"""In `FailureFacts.missing`: the provider can't be read, and its event held all there is."""
ABILITY_SENTENCES: Final[Mapping[Chargeability, str]] = {
    Chargeability.NO_METHOD: "no payment method is stored: we wait for one",
    Chargeability.NOT_A_CARD: "what is stored is no card: it is left to the customer and the provider",
}
