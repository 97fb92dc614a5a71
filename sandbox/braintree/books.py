"""What happens to the money at the fake Braintree: subscriptions, orders, their transactions, and the ledger."""

import secrets
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.braintree.codes import by_amount, refusal
from sandbox.braintree.models import FailedPayment
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import World

NO_DECIMALS = ("CLP", "ISK", "JPY", "KRW", "VND", "XAF", "XOF")
PAID = "submitted_for_settlement"
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
        "token": body.payment_method_id or fresh("tok"),
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
    }
    one |= held | period | refusal(_decline(body))
    made: Document = {"method": {"id": held["token"], **held}, "transaction": one, "customer": _customer(body, held)}
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


def execute(world: World, before: Document, amount: str, outcome: Outcome, **changes: Any) -> Document:
    """Try again as scripted, or as the amount of Braintree's sandbox asks; gives the new transaction."""
    code = by_amount(amount) if outcome.text == "succeed" else None
    declined = Decline(decline_code=code) if code else outcome.decline or Decline(decline_code="2099")
    refused = code is not None or outcome.effect is not Effect.SUCCEED
    answer = refusal(declined) if refused else {"status": PAID, "code": "1000", "text": "Approved"}
    plain = {"code": "", "text": "", "rejection": None, "network_code": None, "mac": None, "upcoming_retry_date": None}
    one = {**before, **plain, "disputed": False, "source": "api", "id": fresh("tx"), "amount": amount, **changes}
    one |= {"created": world.clock.now(), **answer}
    world.store.put("bt_transaction", one)
    if not refused:
        book(world, one, "pay_call")
    return one


def book(world: World, one: Document, origin: str) -> None:
    """One more line in the ledger, and the subscription behind it is active again."""
    world.store.insert(
        "ledger",
        invoice=one["invoice"],
        charge=one["id"],
        payment_intent="",
        payment_method=one["token"],
        amount=minor(one["amount"], one["currency"]),
        currency=one["currency"],
        at=world.clock.now(),
        origin=origin,
        idempotency_key=None,
    )
    if found := world.store.get("bt_subscription", one["subscription"]):
        world.store.put("bt_subscription", found | {"status": "Active", "balance": "0.00"})
