"""`POST /payments`: what it does to the money, and what Adyen tells of it."""

from typing import Any

from sandbox import ids
from sandbox.adyen import items
from sandbox.adyen.items import item, reference
from sandbox.adyen.models import FailedPayment, Rescue
from sandbox.adyen.reasons import reason_of
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import World

RAW = {
    "51": "Insufficient funds",
    "05": "Do not honor",
    "54": "Expired card",
    "41": "Lost card",
    "59": "Suspected fraud",
}
ADVICE = {"01": "New account information available", "02": "Try again later", "03": "Do not try again"}


def control_id(invoice: str) -> str:
    """Where the script of an invoice is kept; the same name may be an invoice of another provider, too."""
    return f"adyen/{invoice}"


def of_spec(body: FailedPayment) -> Document:
    """What is remembered of a refused payment."""
    name = body.invoice_id or ids.new("order")
    return {
        "id": name,
        "invoice": name,
        "reference": name,
        "shopper": body.customer_id or ids.new("shopper"),
        "token": body.payment_method_id or reference(),
        "amount": body.amount,
        "currency": body.currency.upper(),
        "brand": body.payment_method,
        "country": body.country,
        "funding": body.funding,
        "last4": body.last4,
        "person": _person(body),
        "interaction": body.shopper_interaction,
        "model": body.processing_model,
        "stored": body.stored,
        "authorises": body.authorises,
    }


def _person(body: FailedPayment) -> Document:
    """As webhooks name it, with the setting "shopper details" switched on; what isn't known is left out."""
    told = {
        "shopperEmail": body.email,
        "cardHolderName": body.name,
        "shopperTelephone": body.phone,
        "shopperLocale": body.locale,
        "shopperCountry": body.shopper_country,
    }
    return {name: text for name, text in told.items() if text is not None}


def known(world: World, order: Document) -> Document:
    """The payment that an order is about; one that was never seen is made from the order."""
    found = world.store.get("adyen_payment", order["reference"])
    amount = {"amount": order["amount"]["value"], "currency": order["amount"]["currency"]}
    token = order["paymentMethod"]["storedPaymentMethodId"]
    fresh = {"brand": "visa", "country": "DE", "funding": "CREDIT", "last4": "1111"}
    return {
        **fresh,
        **(found or {}),
        **amount,
        "id": order["reference"],
        "invoice": order["reference"],
        "reference": order["reference"],
        "shopper": order["shopperReference"],
        "token": token,
        "stored": True,
        "interaction": order["shopperInteraction"],
        "model": order["recurringProcessingModel"],
        "account": order["merchantAccount"],
    }


def execute(world: World, order: Document, outcome: Outcome, key: str | None) -> tuple[Document, list[Document]]:
    """Move the money as scripted: the answer, and the webhooks about it."""
    payment = known(world, order)
    world.store.put("adyen_payment", payment)
    psp, extra = reference(), {f"metadata.{name}": text for name, text in order.get("metadata", {}).items()}
    plain = {"pspReference": psp, "merchantReference": order["reference"], "amount": order["amount"]}
    if outcome.effect is Effect.SUCCEED:
        return _authorised(world, payment, plain, extra, key)
    if outcome.effect is Effect.REQUIRES_ACTION:
        action = {"type": "redirect", "paymentMethodType": "scheme", "method": "GET", "url": "https://example.test/3ds"}
        return {**plain, "resultCode": "RedirectShopper", "action": action}, []
    return _refused(world, payment, plain, outcome.decline or Decline(), extra)


def _authorised(
    world: World, payment: Document, plain: Document, extra: Document, key: str | None
) -> tuple[Document, list[Document]]:
    """All of it, or as much as the card's funds reach for: `PartiallyAuthorised`, with the amount that was.

    Source: Checkout v72, PaymentResponse.resultCode and amount.
    """
    limit = payment.get("authorises")
    part = limit if limit and limit < payment["amount"] else None
    came = {**payment, "amount": part or payment["amount"]}
    book(world, came, plain["pspReference"], "pay_call", key)
    told = record(world, payment, "AUTHORISATION", True, psp=plain["pspReference"], additional=extra, amount=part)
    amount = {"value": came["amount"], "currency": came["currency"]}
    result = "PartiallyAuthorised" if part else "Authorised"
    return {**plain, "amount": amount, "resultCode": result, "additionalData": _seen(payment)}, [told]


def _refused(
    world: World, payment: Document, plain: Document, decline: Decline, extra: Document
) -> tuple[Document, list[Document]]:
    code, reason = reason_of(decline.decline_code)
    said = codes(decline.network_decline_code, decline.network_advice_code)
    told = record(
        world, payment, "AUTHORISATION", False, psp=plain["pspReference"], reason=reason, additional=extra | said
    )
    answer = {**plain, "resultCode": "Refused", "refusalReason": reason, "additionalData": _seen(payment) | said}
    return answer | ({"refusalReasonCode": code} if code else {}), [told]


def codes(raw: str | None, mac: str | None) -> Document:
    """The issuer's own words and Mastercard's advice, as Adyen writes them: `51 : Insufficient funds`."""
    found = {}
    if raw:
        found["refusalReasonRaw"] = raw if ":" in raw else f"{raw} : {RAW.get(raw, 'Declined')}"
    if mac:
        found["merchantAdviceCode"] = mac if ":" in mac else f"{mac} : {ADVICE.get(mac, 'Advice')}"
    return found


def _seen(payment: Document) -> Document:
    return {
        "paymentMethod": payment["brand"],
        "recurring.recurringDetailReference": payment["token"],
        "cardSummary": payment["last4"],
        "fundingSource": payment["funding"],
        "cardIssuingCountry": payment["country"],
    }


def record(world: World, payment: Document, event_code: str, success: bool, **fields: Any) -> Document:
    """A webhook item that may be sent now, later, or again."""
    moment = fields.pop("moment", None) or world.clock.now()
    made = item(payment, event_code, success, moment, **fields)
    if event_code == "AUTHORISATION":
        world.store.put("adyen_payment", {**payment, "psp": made["pspReference"]})
    name = f"{made['pspReference']}:{event_code}"
    return world.store.put("adyen_event", {"id": name, "invoice": payment["reference"], "item": made})


def rescue(world: World, payment: Document, wanted: Rescue) -> list[Document]:
    """Adyen's own tries and their end, oldest first.

    Source: docs.adyen.com/online-payments/auto-rescue/cards ("Receive Auto Rescue updates", "Rescue process ended"):
    each try comes as AUTHORISATION with `retry.orderAttemptNumber` and says whether another one is scheduled.
    """
    told = [_try(world, payment, wanted, number) for number in range(wanted.tries)]
    if wanted.success:
        told.append(_try(world, payment, wanted, wanted.tries, success=True))
    reason = "" if wanted.success else wanted.reason
    return [*told, record(world, payment, "AUTORESCUE", wanted.success, reason=reason)]


def _try(world: World, payment: Document, wanted: Rescue, number: int, *, success: bool = False) -> Document:
    goes_on = not success and (number + 1 < wanted.tries or wanted.success)
    of = {"retry.orderAttemptNumber": str(number + 2), "retry.rescueScheduled": "true" if goes_on else "false"}
    reason = "" if success else reason_of(wanted.refusal)[1]
    told = of | items.rescue_of(payment)
    again = item(payment, "AUTHORISATION", success, world.clock.now(), reason=reason, additional=told)
    if success:
        book(world, payment, again["pspReference"], "elsewhere", None)
    name = f"{again['pspReference']}:AUTHORISATION"
    return world.store.put("adyen_event", {"id": name, "invoice": payment["reference"], "item": again})


def book(world: World, payment: Document, psp: str, origin: str, key: str | None) -> None:
    """One more line in the ledger. Adyen knows no invoices: it would take the same money twice."""
    world.store.insert(
        "ledger",
        invoice=payment["reference"],
        charge=psp,
        payment_intent="",
        payment_method=payment["token"],
        amount=payment["amount"],
        currency=payment["currency"],
        at=world.clock.now(),
        origin=origin,
        idempotency_key=key,
    )
