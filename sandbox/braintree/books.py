"""What happens to the money at the fake Braintree: subscriptions, orders, their transactions, and the ledger."""

import secrets
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.braintree.codes import by_amount, refusal
from sandbox.braintree.instruments import is_debit
from sandbox.braintree.models import FailedPayment
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import World

NO_DECIMALS = ("CLP", "ISK", "JPY", "KRW", "VND", "XAF", "XOF")
PAID = "submitted_for_settlement"
AUTHORIZED = "authorized"
SETTLED = "settled"
PENDING = "settlement_pending"
"""A debit that was taken: 4002, until its result comes days later (processor-responses/settlement-responses)."""
PAST_DUE = "Past Due"


def control_id(invoice: str) -> str:
    """Where the script of an invoice is kept; the same name may be an invoice of another provider, too."""
    return f"braintree/{invoice}"


def fresh(kind: str) -> str:
    """An id such as Braintree makes: short, lower case."""
    return f"{kind}{secrets.token_hex(4)}"


def decimal(minor: int, currency: str) -> str:
    """Minor units as Braintree writes amounts."""
    digits = 0 if currency in NO_DECIMALS else 2
    return f"{Decimal(minor).scaleb(-digits):.{digits}f}"


def minor(amount: str, currency: str) -> int:
    """The other way round."""
    return int(Decimal(amount).scaleb(0 if currency in NO_DECIMALS else 2))


def failed_payment(body: FailedPayment, now: int) -> Document:
    """All documents of a failed payment: `method`, `transaction`, and `subscription` where there is one."""
    at = body.created or now
    name, subscription, start = _named(body, at)
    currency = body.currency.upper()
    held: Document = {
        "customer": body.customer_id or fresh("cus"),
        "token": (body.payment_method_id or fresh("tok")) if body.vaulted else None,
        "instrument": body.instrument.value,
        "card_type": body.card_type,
        "last4": body.last4,
        "fingerprint": body.fingerprint or secrets.token_hex(16),
    }
    period = {"start": start, "end": _later(start)} if start else {}
    one = {
        "id": fresh("tx"),
        "invoice": name,
        "order_id": None if subscription else name,
        "subscription": subscription,
        "amount": decimal(body.amount, currency),
        "currency": currency,
        "created": at,
        "source": "recurring" if subscription else "api",
        "upcoming_retry_date": body.upcoming_retry_date,
        "country": body.country,
    }
    one |= held | period | refusal(_decline(body))
    made: Document = {"transaction": one, "customer": _customer(body, held)}
    if body.vaulted:
        made["method"] = {"id": held["token"], **held}
    if subscription:
        price = {"status": PAST_DUE, "price": one["amount"], "balance": one["amount"], "currency": currency}
        made["subscription"] = {"id": subscription, "invoice": name, **held, **period, **price}
    return made


def _customer(body: FailedPayment, held: Document) -> Document:
    told = body.model_dump(include={"email", "name", "phone", "country", "custom_fields"})
    return {"id": held["customer"], "token": held["token"], **told}


def _decline(body: FailedPayment) -> Decline:
    return Decline(decline_code=body.decline_code, network_decline_code=body.network_code, network_advice_code=body.mac)


def _named(body: FailedPayment, at: int) -> tuple[str, str | None, str | None]:
    """Invoice, subscription, and start of its period."""
    if not body.subscription:
        return body.invoice_id or fresh("order"), None, None
    today = datetime.fromtimestamp(at, UTC).date().isoformat()
    name = body.invoice_id or f"{fresh('sub')}-{today}"
    start = name[-10:]
    date.fromisoformat(start)
    return name, name[:-11], start


def _later(start: str) -> str:
    return (date.fromisoformat(start) + timedelta(days=29)).isoformat()


def keep(world: World, made: Document) -> None:
    """Store the documents of a failed payment."""
    for kind in ("customer", "method", "transaction", "subscription"):
        if kind in made:
            world.store.put(f"bt_{kind}", made[kind])


def transactions(world: World, invoice: str) -> list[Document]:
    """Of one invoice, newest first."""
    return world.store.find("bt_transaction", invoice=invoice)


def of_subscription(world: World, subscription: str) -> list[Document]:
    """Of all its periods, newest first."""
    found = world.store.find("bt_transaction")
    return [one for one in found if one["subscription"] == subscription]


def execute(
    world: World, before: Document, amount: str, outcome: Outcome, *, submitted: bool = True, **changes: Any
) -> Document:
    """Try again as scripted, or as the amount of Braintree's sandbox asks; gives the new transaction.

    What is not submitted for settlement is only authorised: no money comes of it by itself.
    """
    code = by_amount(amount) if outcome.text == "succeed" else None
    declined = Decline(decline_code=code) if code else outcome.decline or Decline(decline_code="2099")
    refused = code is not None or outcome.effect is not Effect.SUCCEED
    answer = refusal(declined) if refused else accepted(before, submitted)
    one = {**before, **NEW, "source": "api", "id": fresh("tx"), "amount": amount, **changes}
    one |= {"created": world.clock.now(), **answer}
    world.store.put("bt_transaction", one)
    if one["status"] == PAID:
        book(world, one, "pay_call")
    if not refused and submitted:
        square(world, one)
    return one


NEW: Document = {
    "code": "",
    "text": "",
    "rejection": None,
    "network_code": None,
    "mac": None,
    "upcoming_retry_date": None,
    "settlement_code": "",
    "return_code": None,
    "dispute": None,
    "history": (),
    "parts": (),
}
"""What a new transaction doesn't take over from the one before."""


def accepted(before: Document, submitted: bool) -> Document:
    """A card is submitted, a debit waits for its bank."""
    if not submitted:
        return {"status": AUTHORIZED, "code": "1000", "text": "Approved"}
    if is_debit(before):
        return {"status": PENDING, "code": "1000", "text": "Approved", "settlement_code": "4002"}
    return {"status": PAID, "code": "1000", "text": "Approved"}


def capture_part(world: World, parent: Document, amount: str, order_id: str | None) -> Document:
    """A part of an authorisation is submitted, as a transaction of its own that names it.

    Source: developer.paypal.com/braintree/docs/reference/request/transaction/submit-for-partial-settlement. Its example
    passes the order id; whether a part without one inherits it, it doesn't say: here it does.
    """
    more = {"part_of": parent["id"], "order_id": order_id or parent["order_id"], "status": PAID}
    one = {**parent, **NEW, **more, "id": fresh("tx"), "amount": amount, "created": world.clock.now(), "code": "1000"}
    world.store.put("bt_transaction", one)
    world.store.put("bt_transaction", parent | {"parts": [*parent["parts"], one["id"]]})
    book(world, one, "pay_call")
    return one


def settle(world: World, one: Document) -> Document:
    """The money is there."""
    was, history = one["status"], [*one.get("history", ()), one["status"], SETTLED]
    now = world.store.put("bt_transaction", one | {"status": SETTLED, "history": history})
    if was == PENDING:
        book(world, now, "elsewhere")
    return now


def send_back(world: World, one: Document, code: str, *, reads_settled: bool) -> Document:
    """A bank sends a debit back, or the processor declines to settle. A return of ACH has a code of Nacha.

    After `settled` the transaction may go on reading so: the control panel says "Failed After Settlement"
    (articles.braintreepayments.com/guides/payment-methods/ach), the API has the notification and the return code.
    """
    answer = {"return_code": code} if code.startswith("R") else {"settlement_code": code}
    status = SETTLED if reads_settled else "settlement_declined"
    return world.store.put("bt_transaction", one | answer | {"status": status})


def refund(world: World, sale: Document, amount: str) -> Document:
    """A credit: a transaction of its own that names the sale, and has an order id of its own or none."""
    more = {"type": "credit", "refund_of": sale["id"], "order_id": None, "invoice": f"refund-of-{sale['id']}"}
    one = {**sale, **NEW, **more, "id": fresh("tx"), "amount": amount, "status": SETTLED}
    return world.store.put("bt_transaction", one | {"created": world.clock.now(), "subscription": None})


def book(world: World, one: Document, origin: str) -> None:
    """One more line in the ledger."""
    world.store.insert(
        "ledger",
        invoice=one["invoice"],
        charge=one["id"],
        payment_intent="",
        payment_method=one["token"] or "",
        amount=minor(one["amount"], one["currency"]),
        currency=one["currency"],
        at=world.clock.now(),
        origin=origin,
        idempotency_key=None,
    )


def square(world: World, one: Document) -> None:
    """The subscription behind a success is active again; what a part left open stays in its balance.

    Source: developer.paypal.com/braintree/docs/guides/recurring-billing/overview, Past Due.
    """
    if found := world.store.get("bt_subscription", one["subscription"]):
        rest = max(Decimal(found["balance"]) - Decimal(one["amount"]), Decimal(0))
        balance = decimal(minor(str(rest), one["currency"]), one["currency"])
        world.store.put("bt_subscription", found | {"status": "Active", "balance": balance})


def delete_method(world: World, token: str) -> bool:
    """Deleted for good, and what was paid with it is canceled; False where there is none.

    Source: developer.paypal.com/braintree/docs/guides/recurring-billing/manage, Payment methods.
    """
    found = world.store.get("bt_method", token)
    if found is None or found.get("deleted"):
        return False
    world.store.put("bt_method", found | {"deleted": True})
    for one in world.store.find("bt_subscription"):
        if one["token"] == token:
            world.store.put("bt_subscription", one | {"status": "Canceled"})
    return True


def delete_customer(world: World, name: str) -> bool:
    """Deleted for good with all that was stored for them; False where there is none."""
    found = world.store.get("bt_customer", name)
    if found is None or found.get("deleted"):
        return False
    for method in world.store.find("bt_method", customer=name):
        delete_method(world, method["id"])
    world.store.put("bt_customer", found | {"deleted": True})
    return True
