"""What happens to the money at the fake Braintree: subscriptions, orders, their transactions, and the ledger."""

import secrets
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.braintree.instruments import is_debit
from sandbox.braintree.models import FailedPayment
from sandbox.braintree.processor_responses import code_for_amount, refusal_fields
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import SandboxWorld

ZERO_DECIMAL_CURRENCIES = ("CLP", "ISK", "JPY", "KRW", "VND", "XAF", "XOF")
SUBMITTED_FOR_SETTLEMENT = "submitted_for_settlement"
AUTHORIZED = "authorized"
SETTLED = "settled"
SETTLEMENT_PENDING = "settlement_pending"
"""A debit that was taken: 4002, until its result comes days later (processor-responses/settlement-responses)."""
PAST_DUE = "Past Due"


def braintree_script_id(invoice: str) -> str:
    """Where the script of an invoice is kept; the same name may be an invoice of another provider, too."""
    return f"braintree/{invoice}"


def new_braintree_id(kind: str) -> str:
    """An id such as Braintree makes: short, lower case."""
    return f"{kind}{secrets.token_hex(4)}"


def to_decimal_text(minor: int, currency: str) -> str:
    """Minor units as Braintree writes amounts."""
    digits = 0 if currency in ZERO_DECIMAL_CURRENCIES else 2
    return f"{Decimal(minor).scaleb(-digits):.{digits}f}"


def to_minor_units(amount: str, currency: str) -> int:
    """The other way round."""
    return int(Decimal(amount).scaleb(0 if currency in ZERO_DECIMAL_CURRENCIES else 2))


def build_failed_transaction(body: FailedPayment, now: int) -> Document:
    """All documents of a failed payment: `method`, `transaction`, and `subscription` where there is one."""
    at = body.created or now
    name, subscription, start = _invoice_names(body, at)
    currency = body.currency.upper()
    held: Document = {
        "customer": body.customer_id or new_braintree_id("cus"),
        "token": (body.payment_method_id or new_braintree_id("tok")) if body.vaulted else None,
        "instrument": body.instrument.value,
        "card_type": body.card_type,
        "last4": body.last4,
        "fingerprint": body.fingerprint or secrets.token_hex(16),
    }
    period = {"start": start, "end": _period_end(start)} if start else {}
    one = {
        "id": new_braintree_id("tx"),
        "invoice": name,
        "order_id": None if subscription else name,
        "subscription": subscription,
        "amount": to_decimal_text(body.amount, currency),
        "currency": currency,
        "created": at,
        "source": "recurring" if subscription else "api",
        "upcoming_retry_date": body.upcoming_retry_date,
        "country": body.country,
    }
    one |= held | period | refusal_fields(_decline_of(body))
    made: Document = {"transaction": one, "customer": _build_customer(body, held)}
    if body.vaulted:
        made["method"] = {"id": held["token"], **held}
    if subscription:
        price = {"status": PAST_DUE, "price": one["amount"], "balance": one["amount"], "currency": currency}
        made["subscription"] = {"id": subscription, "invoice": name, **held, **period, **price}
    return made


def _build_customer(body: FailedPayment, method: Document) -> Document:
    told = body.model_dump(include={"email", "name", "phone", "country", "custom_fields"})
    return {"id": method["customer"], "token": method["token"], **told}


def _decline_of(body: FailedPayment) -> Decline:
    return Decline(decline_code=body.decline_code, network_decline_code=body.network_code, network_advice_code=body.mac)


def _invoice_names(body: FailedPayment, at: int) -> tuple[str, str | None, str | None]:
    """Invoice, subscription, and start of its period."""
    if not body.subscription:
        return body.invoice_id or new_braintree_id("order"), None, None
    today = datetime.fromtimestamp(at, UTC).date().isoformat()
    name = body.invoice_id or f"{new_braintree_id('sub')}-{today}"
    start = name[-10:]
    date.fromisoformat(start)
    return name, name[:-11], start


def _period_end(start: str) -> str:
    return (date.fromisoformat(start) + timedelta(days=29)).isoformat()


def store_failed_transaction(world: SandboxWorld, made: Document) -> None:
    """Store the documents of a failed payment."""
    for kind in ("customer", "method", "transaction", "subscription"):
        if kind in made:
            world.store.put(f"bt_{kind}", made[kind])


def transactions_of_invoice(world: SandboxWorld, invoice: str) -> list[Document]:
    """Of one invoice, newest first."""
    return world.store.find("bt_transaction", invoice=invoice)


def transactions_of_subscription(world: SandboxWorld, subscription: str) -> list[Document]:
    """Of all its periods, newest first."""
    found = world.store.find("bt_transaction")
    return [one for one in found if one["subscription"] == subscription]


def execute_transaction(
    world: SandboxWorld, before: Document, amount: str, outcome: Outcome, *, submitted: bool = True, **changes: Any
) -> Document:
    """Try again as scripted, or as the amount of Braintree's sandbox asks; gives the new transaction.

    What is not submitted for settlement is only authorised: no money comes of it by itself.
    """
    code = code_for_amount(amount) if outcome.text == "succeed" else None
    declined = Decline(decline_code=code) if code else outcome.decline or Decline(decline_code="2099")
    refused = code is not None or outcome.effect is not Effect.SUCCEED
    answer = refusal_fields(declined) if refused else acceptance_fields(before, submitted)
    one = {
        **before,
        **NEW_TRANSACTION_FIELDS,
        "source": "api",
        "id": new_braintree_id("tx"),
        "amount": amount,
        **changes,
    }
    one |= {"created": world.clock.now(), **answer}
    world.store.put("bt_transaction", one)
    if one["status"] == SUBMITTED_FOR_SETTLEMENT:
        book_braintree_charge(world, one, "pay_call")
    if not refused and submitted:
        clear_past_due(world, one)
    return one


NEW_TRANSACTION_FIELDS: Document = {
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


def acceptance_fields(before: Document, submitted: bool) -> Document:
    """A card is submitted, a debit waits for its bank."""
    if not submitted:
        return {"status": AUTHORIZED, "code": "1000", "text": "Approved"}
    if is_debit(before):
        return {"status": SETTLEMENT_PENDING, "code": "1000", "text": "Approved", "settlement_code": "4002"}
    return {"status": SUBMITTED_FOR_SETTLEMENT, "code": "1000", "text": "Approved"}


def capture_part(world: SandboxWorld, parent: Document, amount: str, order_id: str | None) -> Document:
    """A part of an authorisation is submitted, as a transaction of its own that names it.

    Source: developer.paypal.com/braintree/docs/reference/request/transaction/submit-for-partial-settlement. Its example
    passes the order id; whether a part without one inherits it, it doesn't say: here it does.
    """
    more = {"part_of": parent["id"], "order_id": order_id or parent["order_id"], "status": SUBMITTED_FOR_SETTLEMENT}
    one = {
        **parent,
        **NEW_TRANSACTION_FIELDS,
        **more,
        "id": new_braintree_id("tx"),
        "amount": amount,
        "created": world.clock.now(),
        "code": "1000",
    }
    world.store.put("bt_transaction", one)
    world.store.put("bt_transaction", parent | {"parts": [*parent["parts"], one["id"]]})
    book_braintree_charge(world, one, "pay_call")
    return one


def settle_transaction(world: SandboxWorld, one: Document) -> Document:
    """The money is there."""
    was, history = one["status"], [*one.get("history", ()), one["status"], SETTLED]
    now = world.store.put("bt_transaction", one | {"status": SETTLED, "history": history})
    if was == SETTLEMENT_PENDING:
        book_braintree_charge(world, now, "elsewhere")
    return now


def return_debit(world: SandboxWorld, one: Document, code: str, *, reads_settled: bool) -> Document:
    """A bank sends a debit back, or the processor declines to settle. A return of ACH has a code of Nacha.

    After `settled` the transaction may go on reading so: the control panel says "Failed After Settlement"
    (articles.braintreepayments.com/guides/payment-methods/ach), the API has the notification and the return code.
    """
    answer = {"return_code": code} if code.startswith("R") else {"settlement_code": code}
    status = SETTLED if reads_settled else "settlement_declined"
    return world.store.put("bt_transaction", one | answer | {"status": status})


def refund_transaction(world: SandboxWorld, sale: Document, amount: str) -> Document:
    """A credit: a transaction of its own that names the sale, and has an order id of its own or none."""
    more = {"type": "credit", "refund_of": sale["id"], "order_id": None, "invoice": f"refund-of-{sale['id']}"}
    one = {**sale, **NEW_TRANSACTION_FIELDS, **more, "id": new_braintree_id("tx"), "amount": amount, "status": SETTLED}
    return world.store.put("bt_transaction", one | {"created": world.clock.now(), "subscription": None})


def book_braintree_charge(world: SandboxWorld, one: Document, origin: str) -> None:
    """One more line in the ledger."""
    world.store.insert(
        "ledger",
        invoice=one["invoice"],
        charge=one["id"],
        payment_intent="",
        payment_method=one["token"] or "",
        amount=to_minor_units(one["amount"], one["currency"]),
        currency=one["currency"],
        at=world.clock.now(),
        origin=origin,
        idempotency_key=None,
    )


def clear_past_due(world: SandboxWorld, one: Document) -> None:
    """The subscription behind a success is active again; what a part left open stays in its balance.

    Source: developer.paypal.com/braintree/docs/guides/recurring-billing/overview, Past Due.
    """
    if found := world.store.get("bt_subscription", one["subscription"]):
        rest = max(Decimal(found["balance"]) - Decimal(one["amount"]), Decimal(0))
        balance = to_decimal_text(to_minor_units(str(rest), one["currency"]), one["currency"])
        world.store.put("bt_subscription", found | {"status": "Active", "balance": balance})


def delete_vaulted_method(world: SandboxWorld, token: str) -> bool:
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


def delete_vaulted_customer(world: SandboxWorld, name: str) -> bool:
    """Deleted for good with all that was stored for them; False where there is none."""
    found = world.store.get("bt_customer", name)
    if found is None or found.get("deleted"):
        return False
    for method in world.store.find("bt_method", customer=name):
        delete_vaulted_method(world, method["id"])
    world.store.put("bt_customer", found | {"deleted": True})
    return True
