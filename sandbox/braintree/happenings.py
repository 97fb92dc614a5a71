"""What Braintree tells of by itself: its own tries, settlements, money that goes back, disputes, ends."""

from sandbox.braintree import books, notices
from sandbox.braintree.models import Happening
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import World

MONEY = frozenset({"subscription_charged_successfully", "subscription_went_active", "transaction_settled"})
FAILURES = frozenset({"subscription_charged_unsuccessfully", "transaction_retried"})
ENDS = {"subscription_canceled": "Canceled", "subscription_expired": "Expired"}
HELD = frozenset({books.PAID, books.PENDING, books.SETTLED})
"""A transaction that has not failed."""


def happen(world: World, newest: Document, body: Happening) -> Document:
    """It happens to the newest transaction, or to a new one; gives the recorded webhook."""
    one = _changed(world, newest, body)
    if body.kind.startswith("dispute_"):
        one = world.store.put("bt_transaction", one | {"dispute": _dispute(one, body)})
    subscription = world.store.get("bt_subscription", newest["subscription"])
    if body.kind in ENDS and subscription:
        world.store.put("bt_subscription", subscription | {"status": ENDS[body.kind]})
    return notices.record(world, body.kind, one)


def _changed(world: World, newest: Document, body: Happening) -> Document:
    """The transaction that the webhook is about, after what happened to it."""
    if body.kind == "transaction_settlement_declined":
        code = body.decline_code if body.decline_code[:1] in "R4" else "4001"
        return books.send_back(world, _held(world, newest, body), code, reads_settled=body.reads_settled)
    if body.kind in MONEY:
        paid = _held(world, newest, body)
        return books.settle(world, paid) if body.kind == "transaction_settled" else paid
    if body.kind in FAILURES:
        decline = Decline(decline_code=body.decline_code)
        return _tried(world, newest, body, Outcome("elsewhere", Effect.DECLINE, decline=decline))
    if body.kind == "transaction_disbursed" and newest["status"] in HELD and body.amount is not None:
        return books.refund(world, newest, books.decimal(body.amount, newest["currency"]))
    return newest


_SUCCESS = Outcome("elsewhere", Effect.SUCCEED)


def _held(world: World, newest: Document, body: Happening) -> Document:
    """What was taken already, or a try that takes it; an amount asks for a try of its own."""
    again = newest["status"] not in HELD or body.amount is not None
    return _tried(world, newest, body, _SUCCESS) if again else newest


def _tried(world: World, before: Document, body: Happening, outcome: Outcome) -> Document:
    """Tries of Braintree's own are transactions of their own."""
    amount = books.decimal(body.amount, before["currency"]) if body.amount else before["amount"]
    source = "recurring" if before["subscription"] else "api"
    return books.execute(world, before, amount, outcome, source=source)


def _dispute(one: Document, body: Happening) -> Document:
    """A dispute's status is the word behind `dispute_`, but for one that was just opened."""
    status = body.kind.removeprefix("dispute_").replace("opened", "open")
    amount = books.decimal(body.amount, one["currency"]) if body.amount else one["amount"]
    return {"reason": body.reason, "kind": body.dispute_kind, "status": status, "amount": amount}
