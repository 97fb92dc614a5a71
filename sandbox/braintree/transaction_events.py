"""What Braintree tells of by itself: its own tries, settlements, money that goes back, disputes, ends."""

from sandbox.braintree import transactions, webhooks
from sandbox.braintree.models import TransactionEvent
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import SandboxWorld

MONEY_KINDS = frozenset({"subscription_charged_successfully", "subscription_went_active", "transaction_settled"})
FAILURE_KINDS = frozenset({"subscription_charged_unsuccessfully", "transaction_retried"})
END_STATUSES = {"subscription_canceled": "Canceled", "subscription_expired": "Expired"}
SUCCESSFUL_STATUSES = frozenset(
    {transactions.SUBMITTED_FOR_SETTLEMENT, transactions.SETTLEMENT_PENDING, transactions.SETTLED}
)
"""A transaction that has not failed."""


def apply_event(world: SandboxWorld, newest: Document, body: TransactionEvent) -> Document:
    """It happens to the newest transaction, or to a new one; gives the recorded webhook."""
    one = _apply_to_transaction(world, newest, body)
    if body.kind.startswith("dispute_"):
        one = world.store.put("bt_transaction", one | {"dispute": _dispute_fields(one, body)})
    subscription = world.store.get("bt_subscription", newest["subscription"])
    if body.kind in END_STATUSES and subscription:
        world.store.put("bt_subscription", subscription | {"status": END_STATUSES[body.kind]})
    return webhooks.record_notification(world, body.kind, one)


def _apply_to_transaction(world: SandboxWorld, newest: Document, body: TransactionEvent) -> Document:
    """The transaction that the webhook is about, after what happened to it."""
    if body.kind == "transaction_settlement_declined":
        code = body.decline_code if body.decline_code[:1] in "R4" else "4001"
        return transactions.return_debit(
            world, _successful_transaction(world, newest, body), code, reads_settled=body.reads_settled
        )
    if body.kind in MONEY_KINDS:
        paid = _successful_transaction(world, newest, body)
        return transactions.settle_transaction(world, paid) if body.kind == "transaction_settled" else paid
    if body.kind in FAILURE_KINDS:
        decline = Decline(decline_code=body.decline_code)
        return _retry_transaction(world, newest, body, Outcome("elsewhere", Effect.DECLINE, decline=decline))
    if body.kind == "transaction_disbursed" and newest["status"] in SUCCESSFUL_STATUSES and body.amount is not None:
        return transactions.refund_transaction(
            world, newest, transactions.to_decimal_text(body.amount, newest["currency"])
        )
    return newest


_PROVIDER_SUCCESS = Outcome("elsewhere", Effect.SUCCEED)


def _successful_transaction(world: SandboxWorld, newest: Document, body: TransactionEvent) -> Document:
    """What was taken already, or a try that takes it; an amount asks for a try of its own."""
    again = newest["status"] not in SUCCESSFUL_STATUSES or body.amount is not None
    return _retry_transaction(world, newest, body, _PROVIDER_SUCCESS) if again else newest


def _retry_transaction(world: SandboxWorld, before: Document, body: TransactionEvent, outcome: Outcome) -> Document:
    """Tries of Braintree's own are transactions of their own."""
    amount = transactions.to_decimal_text(body.amount, before["currency"]) if body.amount else before["amount"]
    source = "recurring" if before["subscription"] else "api"
    return transactions.execute_transaction(world, before, amount, outcome, source=source)


def _dispute_fields(one: Document, body: TransactionEvent) -> Document:
    """A dispute's status is the word behind `dispute_`, but for one that was just opened."""
    status = body.kind.removeprefix("dispute_").replace("opened", "open")
    amount = transactions.to_decimal_text(body.amount, one["currency"]) if body.amount else one["amount"]
    return {"reason": body.reason, "kind": body.dispute_kind, "status": status, "amount": amount}
