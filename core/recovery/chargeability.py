"""Whether anything can be charged at all: a fact of its own, beside why the bank said no."""

from collections.abc import Mapping
from typing import Final

from core.classification.taxonomy import Chargeability
from core.payments import Card, FailureFacts, InvoiceView, MethodKind
from core.recovery.state import Recovery


def is_not_card(card: Card) -> bool:
    """Whether this is surely something else than a card; what is not known is taken for a card."""
    return card.kind not in {None, MethodKind.CARD}


def assess_ability(recovery: Recovery, facts: FailureFacts) -> Chargeability:
    """What the next charge would take: the method in use, else the default, else the one that failed."""
    invoice, named = facts.invoice, intended_method(recovery, facts.invoice)
    if recovery.no_method and invoice.method is None and not named:
        return Chargeability.NO_METHOD
    if invoice.methods_known and not named:
        return default_ability(recovery, invoice)
    if named is None and _is_unreadable(facts) and not (facts.failure.method_id or recovery.failure.method_id):
        return Chargeability.NO_METHOD
    return Chargeability.NOT_A_CARD if is_not_card(facts.card) else Chargeability.CHARGEABLE


def intended_method(recovery: Recovery, invoice: InvoiceView) -> str | None:
    """The method that a charge names; None: the default.

    A new default that was refused for good, or is unfit, leaves the card that failed before it in its place.
    """
    default, failed, useless = invoice.method, recovery.failure.method_id, _unusable_methods(recovery)
    spare = default is not None and default.method_id in useless and failed not in useless
    return recovery.named_method or (failed if spare else None)


def _unusable_methods(recovery: Recovery) -> set[str | None]:
    """What is charged no more before there is new data of it."""
    return {None, *recovery.dead_methods, *recovery.unfit_methods}


def default_ability(recovery: Recovery, invoice: InvoiceView) -> Chargeability:
    """Of what a charge without a name would take, where that was read.

    One that was refused for good, or that the provider couldn't charge, is none: only another one, or new data, helps.
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
    """Whether a provider was asked that keeps no invoices: what its event left out is not stored."""
    return UNREADABLE_PROVIDER in facts.missing


UNREADABLE_PROVIDER: Final = "no_invoices"
"""In `FailureFacts.missing`: the provider can't be asked, and its event has said all there is."""
ABILITY_SENTENCES: Final[Mapping[Chargeability, str]] = {
    Chargeability.NO_METHOD: "no payment method is stored: we wait for one",
    Chargeability.NOT_A_CARD: "what is stored is no card: it is left to the customer and the provider",
}
