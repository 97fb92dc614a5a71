"""Extractors for events about a payment, refund, dispute or early fraud warning: money in transit or going back.

Each gets the event's object and its previous attributes; all raise InvalidField, naming the field. Amounts are in
minor units.
"""

from typing import Final

from core.payments import EventKind, MethodKind
from providers.fields import Fields
from providers.stripe import failures
from providers.stripe.actions import kind_of_intent
from providers.stripe.amounts import to_iso_amounts
from providers.stripe.cards import card_of_charge, card_of_error
from providers.stripe.invoice_extractors import EventFields, event_without_effect

_RETURN_REASONS: Final = frozenset(
    {"bank_cannot_process", "check_returned", "debit_not_authorized", "incorrect_account_details", "insufficient_funds"}
)
"""Dispute reasons that stand for a debit returned by its bank after it had succeeded
(docs.stripe.com/payments/sepa-debit, docs.stripe.com/payments/ach-direct-debit: failures after success)."""
_INQUIRY_PREFIX: Final = "warning_"
"""Prefix of the statuses of an inquiry, which moves no money (docs.stripe.com/api/disputes/object, `status`)."""
_PREVENTED_STATUS: Final = "prevented"
"""The payment was refunded instead of disputed; the refund has an event of its own."""


def extract_payment(found: Fields, _: Fields) -> EventFields:
    """The ids of a payment intent; only a fresh read says what became of it."""
    return {
        "payment_id": found.require_id("id"),
        "customer_id": found.id("customer"),
        "invoice_id": found.id("invoice"),
    }


def extract_failed_payment(found: Fields, before: Fields) -> EventFields:
    """No fields for a card, whose failure `invoice.payment_failed` reports; for other methods a reason to read again.

    A debit may fail days later. The invoice's event may then repeat a known `attempt_count`, since Stripe counts only
    its own attempts, and would be taken for old.
    """
    whole = found.leniently()
    tried = card_of_error(whole.child("last_payment_error")).kind or kind_of_intent(whole)
    if tried in {None, MethodKind.CARD}:
        return {}
    return extract_payment(found, before) | {"kind": EventKind.WAKE, "detail": "a payment that was on its way failed"}


def extract_failed_charge(found: Fields, _: Fields) -> EventFields:
    """No fields, except for a debit that failed after its money was credited: that money was reversed.

    `failure_balance_transaction` names the reversal then (docs.stripe.com/api/charges/object).
    """
    if found.id("failure_balance_transaction") is None:
        return {}
    whole = found.leniently()
    return _charge_fields(found) | {
        "kind": EventKind.PAYMENT_REVERSED,
        "detail": found.code("failure_code"),
        "returned_amount": found.integer("amount"),
        "returned_kind": "returned_debit",
        "failure": failures.failure_of_charge(whole),
        "card": card_of_charge(whole),
    }


def extract_refunded_charge(found: Fields, before: Fields) -> EventFields:
    """A refund of a charge, with the amount of this refund alone: the charge's total less the total before."""
    total, earlier = (
        found.integer("amount_refunded") or 0,
        _previous_in_iso(before, found).integer("amount_refunded") or 0,
    )
    returned = max(total - earlier, 0)
    return _charge_fields(found) | {"returned_amount": returned or None, "returned_kind": "refund"}


def _previous_in_iso(before: Fields, found: Fields) -> Fields:
    """The previous attributes in minor units of ISO 4217; they name no currency, so the charge's is put in."""
    return Fields(to_iso_amounts({**before.raw, "currency": found.raw.get("currency")}), before.path)


def _charge_fields(found: Fields) -> EventFields:
    return {
        "payment_id": found.id("payment_intent") or found.require_id("id"),
        "charge_id": found.id("id"),
        "invoice_id": found.id("invoice"),
        "customer_id": found.id("customer"),
        "currency": found.currency("currency"),
    }


def extract_refund(found: Fields, _: Fields) -> EventFields:
    """The ids of the refunded payment; the money is reported by `charge.refunded`."""
    return {"payment_id": found.id("payment_intent") or found.id("charge"), "charge_id": found.id("charge")}


def extract_failed_refund(found: Fields, _: Fields) -> EventFields:
    """A refund that failed: its money came back to the merchant."""
    detail = f"a refund failed: {found.code('failure_reason') or 'no reason given'}"
    return extract_refund(found, found) | _restored_money(found) | {"detail": detail}


def _restored_money(found: Fields) -> EventFields:
    """The fields of money that the merchant has again."""
    money = {"returned_amount": found.integer("amount"), "currency": found.currency("currency")}
    return {"kind": EventKind.PAYMENT_RESTORED, "returned_kind": "restored"} | money


def extract_dispute(found: Fields, _: Fields) -> EventFields:
    """The disputed payment with the bank's reason and the withdrawn amount; an inquiry has no amount."""
    taken = _disputed_payment(found) | {"detail": found.code("reason"), "currency": found.currency("currency")}
    status = found.code("status") or ""
    if status.startswith(_INQUIRY_PREFIX):
        return taken | {"kind": EventKind.DISPUTE_INQUIRY}
    if status == _PREVENTED_STATUS:
        return taken
    kind = "returned_debit" if found.code("reason") in _RETURN_REASONS else "chargeback"
    return taken | {"returned_amount": found.integer("amount"), "returned_kind": kind}


def extract_updated_dispute(found: Fields, before: Fields) -> EventFields:
    """An inquiry that became a dispute; other changes concern evidence and dates, and have no effect."""
    was, now = before.code("status") or "", found.code("status") or ""
    if was.startswith(_INQUIRY_PREFIX) and not now.startswith(_INQUIRY_PREFIX):
        return extract_dispute(found, before) | {"kind": EventKind.DISPUTE_OPENED}
    return _disputed_payment(found) | event_without_effect("nothing changed that matters here")


def extract_dispute_funds(found: Fields, _: Fields) -> EventFields:
    """The ids of the disputed payment, whose amount the dispute's creation reported."""
    return _disputed_payment(found)


def extract_reinstated_funds(found: Fields, before: Fields) -> EventFields:
    """A dispute whose money the merchant has again."""
    return extract_dispute_funds(found, before) | _restored_money(found)


def extract_closed_dispute(found: Fields, _: Fields) -> EventFields:
    """How the dispute ended, without effect: a person decides whether a hold is lifted."""
    return _disputed_payment(found) | {"detail": f"dispute closed: {found.code('status') or 'no status'}"}


def extract_fraud_warning(found: Fields, _: Fields) -> EventFields:
    """The payment that an issuer suspects of fraud; without effect once it was disputed or fully refunded."""
    taken = _disputed_payment(found) | {"detail": found.code("fraud_type")}
    return taken if found.flag("actionable") else taken | event_without_effect("the warning is not actionable")


def _disputed_payment(found: Fields) -> EventFields:
    """Intent and charge: the log names one of them, depending on what the invoice showed when it was charged."""
    return {"payment_id": found.id("payment_intent") or found.require_id("charge"), "charge_id": found.id("charge")}
