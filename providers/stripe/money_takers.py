"""What to take from the payment, refund, dispute or warning of an event: money that is on its way, or goes back."""

from typing import Final

from core.payments import EventKind, MethodKind
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent
from providers.stripe.cards import card_of_charge, card_of_error
from providers.stripe.minor import in_iso
from providers.stripe.takers import Taken, other

_RETURNS: Final = frozenset(
    {"bank_cannot_process", "check_returned", "debit_not_authorized", "incorrect_account_details", "insufficient_funds"}
)
"""Reasons of a bank that sends a debit back after it had succeeded, which Stripe tells as a dispute
(docs.stripe.com/payments/sepa-debit, docs.stripe.com/payments/ach-direct-debit: failures after success)."""
_INQUIRY: Final = "warning_"
"""Begins the statuses of an inquiry, which moves no money (docs.stripe.com/api/disputes/object, `status`)."""
_PREVENTED: Final = "prevented"
"""The money was refunded in place of a dispute, and that is told as a refund."""


def payment(found: Fields, _: Fields) -> Taken:
    """A payment intent, of which only a read says more."""
    return {"payment_id": found.need("id"), "customer_id": found.id("customer"), "invoice_id": found.id("invoice")}


def failed_payment(found: Fields, before: Fields) -> Taken:
    """Told by the invoice, except where the payment was on its way for days: that it is over counts as news.

    The invoice's event of it may name a try that is known, since Stripe counts only its own.
    """
    whole = Fields(found.raw, found.path, lenient=True)
    tried = card_of_error(whole.child("last_payment_error")).kind or kind_of_intent(whole)
    if tried in {None, MethodKind.CARD}:
        return {}
    return payment(found, before) | {"kind": EventKind.WAKE, "detail": "a payment that was on its way failed"}


def failed_charge(found: Fields, _: Fields) -> Taken:
    """Told elsewhere, except where money that counted as come went back: a debit that failed late.

    Then `failure_balance_transaction` names the reversal (docs.stripe.com/api/charges/object).
    """
    if found.id("failure_balance_transaction") is None:
        return {}
    whole = Fields(found.raw, found.path, lenient=True)
    return _of_charge(found) | {
        "kind": EventKind.PAYMENT_REVERSED,
        "detail": found.code("failure_code"),
        "returned_amount": found.whole("amount"),
        "returned_kind": "returned_debit",
        "failure": failures.of_charge(whole),
        "card": card_of_charge(whole),
    }


def refunded_charge(found: Fields, before: Fields) -> Taken:
    """What this refund gave back: the sum of the charge's refunds less what it was before."""
    total, earlier = found.whole("amount_refunded") or 0, _as_counted(before, found).whole("amount_refunded") or 0
    returned = max(total - earlier, 0)
    return _of_charge(found) | {"returned_amount": returned or None, "returned_kind": "refund"}


def _as_counted(before: Fields, found: Fields) -> Fields:
    """The attributes before the change in the same minor units: on their own they name no currency."""
    return Fields(in_iso({**before.raw, "currency": found.raw.get("currency")}), before.path)


def _of_charge(found: Fields) -> Taken:
    return {
        "payment_id": found.id("payment_intent") or found.need("id"),
        "charge_id": found.id("id"),
        "invoice_id": found.id("invoice"),
        "customer_id": found.id("customer"),
        "currency": found.currency("currency"),
    }


def refund(found: Fields, _: Fields) -> Taken:
    """The refunded payment, for what is told by `charge.refunded`."""
    return {"payment_id": found.id("payment_intent") or found.id("charge"), "charge_id": found.id("charge")}


def failed_refund(found: Fields, _: Fields) -> Taken:
    """A refund whose money came back to the merchant."""
    detail = f"a refund failed: {found.code('failure_reason') or 'no reason given'}"
    return refund(found, found) | _restored(found) | {"detail": detail}


def _restored(found: Fields) -> Taken:
    """The merchant has this money again."""
    money = {"returned_amount": found.whole("amount"), "currency": found.currency("currency")}
    return {"kind": EventKind.PAYMENT_RESTORED, "returned_kind": "restored"} | money


def dispute(found: Fields, _: Fields) -> Taken:
    """The disputed payment with the bank's reason; an inquiry moves no money."""
    taken = _payment(found) | {"detail": found.code("reason"), "currency": found.currency("currency")}
    status = found.code("status") or ""
    if status.startswith(_INQUIRY):
        return taken | {"kind": EventKind.DISPUTE_INQUIRY}
    if status == _PREVENTED:
        return taken
    kind = "returned_debit" if found.code("reason") in _RETURNS else "chargeback"
    return taken | {"returned_amount": found.whole("amount"), "returned_kind": kind}


def updated_dispute(found: Fields, before: Fields) -> Taken:
    """An inquiry that became a dispute; all other changes are evidence and dates."""
    was, now = before.code("status") or "", found.code("status") or ""
    if was.startswith(_INQUIRY) and not now.startswith(_INQUIRY):
        return dispute(found, before) | {"kind": EventKind.DISPUTE_OPENED}
    return _payment(found) | other("nothing changed that matters here")


def dispute_funds(found: Fields, _: Fields) -> Taken:
    """The disputed payment."""
    return _payment(found)


def reinstated_funds(found: Fields, before: Fields) -> Taken:
    """The money of a dispute is the merchant's again."""
    return dispute_funds(found, before) | _restored(found)


def closed_dispute(found: Fields, _: Fields) -> Taken:
    """How the dispute ended; lifting a hold is a person's decision."""
    return _payment(found) | {"detail": f"dispute closed: {found.code('status') or 'no status'}"}


def fraud_warning(found: Fields, _: Fields) -> Taken:
    """The payment that an issuer suspects. After a dispute or a full refund a warning is no news."""
    taken = _payment(found) | {"detail": found.code("fraud_type")}
    return taken if found.flag("actionable") else taken | other("the warning is not actionable")


def _payment(found: Fields) -> Taken:
    """Intent and charge: which of them our log names depends on what the invoice showed then."""
    return {"payment_id": found.id("payment_intent") or found.need("charge"), "charge_id": found.id("charge")}
