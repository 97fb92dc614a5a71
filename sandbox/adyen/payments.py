"""`POST /payments`: books the money and builds Adyen's answer and webhooks."""

import time
from typing import Any

from sandbox import models
from sandbox.adyen import webhooks
from sandbox.adyen.models import FailedPayment, Rescue
from sandbox.adyen.webhooks import build_item, new_psp_reference
from sandbox.models import Decline, Document
from sandbox.outcomes import Effect, Outcome
from sandbox.world import SandboxWorld

REFUSAL_REASONS = {
    "2": "Refused", "3": "Referral", "4": "Acquirer Error", "5": "Blocked Card", "6": "Expired Card",
    "7": "Invalid Amount", "8": "Invalid Card Number", "9": "Issuer Unavailable", "10": "Not supported",
    "11": "3D Not Authenticated", "12": "Not enough balance", "14": "Acquirer Fraud", "15": "Cancelled",
    "16": "Shopper Cancelled", "17": "Invalid Pin", "18": "Pin tries exceeded", "19": "Pin validation not possible",
    "20": "FRAUD", "21": "Not Submitted", "22": "FRAUD-CANCELLED", "23": "Transaction Not Permitted",
    "24": "CVC Declined", "25": "Restricted Card", "26": "Revocation Of Auth", "27": "Declined Non Generic",
    "28": "Withdrawal amount exceeded", "29": "Withdrawal count exceeded", "31": "Issuer Suspected Fraud",
    "32": "AVS Declined", "33": "Card requires online pin", "34": "No checking account available on Card",
    "35": "No savings account available on Card", "36": "Mobile pin required", "37": "Contactless fallback",
    "38": "Authentication required", "39": "RReq not received from DS", "40": "Current AID is in Penalty Box",
    "41": "CVM Required Restart Payment", "42": "3DS Authentication Error", "43": "Online PIN required",
    "44": "Try another interface", "45": "Chip downgrade mode",
    "46": "Transaction blocked by Adyen to prevent excessive retry fees", "50": "Token Revoked",
}  # fmt: skip
COMMON_DECLINE_CODES = {
    "generic_decline": "2", "insufficient_funds": "12", "expired_card": "6", "lost_card": "5", "stolen_card": "5",
    "fraudulent": "20", "card_velocity_exceeded": "29", "processing_error": "4", "authentication_required": "38",
}  # fmt: skip
"""Decline codes that scripts and `pri trigger` use for every provider, as Adyen's refusals."""


def refusal_reason(text: str) -> tuple[str, str]:
    """Code and reason of what a script names: a code, a reason, or one of the common words; else as it is."""
    known = COMMON_DECLINE_CODES.get(text, text)
    if known in REFUSAL_REASONS:
        return known, REFUSAL_REASONS[known]
    code = next((code for code, reason in REFUSAL_REASONS.items() if reason.lower() == text.lower()), "")
    return code, REFUSAL_REASONS.get(code, text)


RAW_REASONS = {
    "51": "Insufficient funds",
    "05": "Do not honor",
    "54": "Expired card",
    "41": "Lost card",
    "59": "Suspected fraud",
}
ADVICE_TEXTS = {"01": "New account information available", "02": "Try again later", "03": "Do not try again"}


def adyen_script_id(invoice: str) -> str:
    """Where the script of an invoice is kept; the same name may be an invoice of another provider, too."""
    return f"adyen/{invoice}"


def payment_from_spec(body: FailedPayment) -> Document:
    """What is remembered of a refused payment."""
    name = body.invoice_id or models.new_object_id("order")
    return {
        "id": name,
        "invoice": name,
        "reference": name,
        "shopper": body.customer_id or models.new_object_id("shopper"),
        "token": body.payment_method_id or new_psp_reference(),
        "amount": body.amount,
        "currency": body.currency.upper(),
        "brand": body.payment_method,
        "country": body.country,
        "funding": body.funding,
        "last4": body.last4,
        "person": _shopper_fields(body),
        "interaction": body.shopper_interaction,
        "model": body.processing_model,
        "stored": body.stored,
        "authorises": body.authorises,
    }


def _shopper_fields(body: FailedPayment) -> Document:
    """As webhooks name it, with the setting "shopper details" switched on; what isn't known is left out."""
    told = {
        "shopperEmail": body.email,
        "cardHolderName": body.name,
        "shopperTelephone": body.phone,
        "shopperLocale": body.locale,
        "shopperCountry": body.shopper_country,
    }
    return {name: text for name, text in told.items() if text is not None}


def payment_for_order(world: SandboxWorld, order: Document) -> Document:
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


def execute_payment(
    world: SandboxWorld, order: Document, outcome: Outcome, key: str | None
) -> tuple[Document, list[Document]]:
    """Move the money as scripted: the answer, and the webhooks about it."""
    payment = payment_for_order(world, order)
    world.store.put("adyen_payment", payment)
    psp, extra = new_psp_reference(), {f"metadata.{name}": text for name, text in order.get("metadata", {}).items()}
    plain = {"pspReference": psp, "merchantReference": order["reference"], "amount": order["amount"]}
    if outcome.effect is Effect.SUCCEED:
        return _authorise_payment(world, payment, plain, extra, key)
    if outcome.effect is Effect.REQUIRES_ACTION:
        action = {"type": "redirect", "paymentMethodType": "scheme", "method": "GET", "url": "https://example.test/3ds"}
        return {**plain, "resultCode": "RedirectShopper", "action": action}, []
    return _refuse_payment(world, payment, plain, outcome.decline or Decline(), extra)


def _authorise_payment(
    world: SandboxWorld, payment: Document, plain: Document, extra: Document, key: str | None
) -> tuple[Document, list[Document]]:
    """All of it, or as much as the card's funds reach for: `PartiallyAuthorised`, with the amount that was.

    Source: Checkout v72, PaymentResponse.resultCode and amount.
    """
    limit = payment.get("authorises")
    part = limit if limit and limit < payment["amount"] else None
    came = {**payment, "amount": part or payment["amount"]}
    book_adyen_charge(world, came, plain["pspReference"], "pay_call", key)
    told = record_item(world, payment, "AUTHORISATION", True, psp=plain["pspReference"], additional=extra, amount=part)
    amount = {"value": came["amount"], "currency": came["currency"]}
    result = "PartiallyAuthorised" if part else "Authorised"
    return {**plain, "amount": amount, "resultCode": result, "additionalData": _answer_data(payment)}, [told]


def _refuse_payment(
    world: SandboxWorld, payment: Document, plain: Document, decline: Decline, extra: Document
) -> tuple[Document, list[Document]]:
    code, reason = refusal_reason(decline.decline_code)
    said = refusal_codes(decline.network_decline_code, decline.network_advice_code)
    told = record_item(
        world, payment, "AUTHORISATION", False, psp=plain["pspReference"], reason=reason, additional=extra | said
    )
    answer = {**plain, "resultCode": "Refused", "refusalReason": reason, "additionalData": _answer_data(payment) | said}
    return answer | ({"refusalReasonCode": code} if code else {}), [told]


def refusal_codes(raw: str | None, mac: str | None) -> Document:
    """The issuer's own words and Mastercard's advice, as Adyen writes them: `51 : Insufficient funds`."""
    found = {}
    if raw:
        found["refusalReasonRaw"] = raw if ":" in raw else f"{raw} : {RAW_REASONS.get(raw, 'Declined')}"
    if mac:
        found["merchantAdviceCode"] = mac if ":" in mac else f"{mac} : {ADVICE_TEXTS.get(mac, 'Advice')}"
    return found


def _answer_data(payment: Document) -> Document:
    return {
        "paymentMethod": payment["brand"],
        "recurring.recurringDetailReference": payment["token"],
        "cardSummary": payment["last4"],
        "fundingSource": payment["funding"],
        "cardIssuingCountry": payment["country"],
    }


def record_item(world: SandboxWorld, payment: Document, event_code: str, success: bool, **fields: Any) -> Document:
    """A webhook item that may be sent now, later, or again."""
    moment = fields.pop("moment", None) or world.clock.now()
    made = build_item(payment, event_code, success, moment, **fields)
    if event_code == "AUTHORISATION":
        world.store.put("adyen_payment", {**payment, "psp": made["pspReference"]})
    name = f"{made['pspReference']}:{event_code}"
    return world.store.put("adyen_event", {"id": name, "invoice": payment["reference"], "item": made})


def record_refusal(world: SandboxWorld, payment: Document, body: FailedPayment) -> Document:
    """The webhook item of a ready-made refused payment."""
    extra = refusal_codes(body.raw, body.mac) | ({"retry.rescueScheduled": "true"} if body.rescue_scheduled else {})
    reason = refusal_reason(body.decline_code)[1]
    return record_item(world, payment, "AUTHORISATION", False, moment=body.event_date, reason=reason, additional=extra)


def run_rescue_tries(world: SandboxWorld, payment: Document, wanted: Rescue) -> list[Document]:
    """Adyen's own tries and their end, oldest first.

    Source: docs.adyen.com/online-payments/auto-rescue/cards ("Receive Auto Rescue updates", "Rescue process ended"):
    each try comes as AUTHORISATION with `retry.orderAttemptNumber` and says whether another one is scheduled.
    """
    told = [_record_rescue_try(world, payment, wanted, number) for number in range(wanted.tries)]
    if wanted.success:
        told.append(_record_rescue_try(world, payment, wanted, wanted.tries, success=True))
    reason = "" if wanted.success else wanted.reason
    return [*told, record_item(world, payment, "AUTORESCUE", wanted.success, reason=reason)]


def _record_rescue_try(
    world: SandboxWorld, payment: Document, wanted: Rescue, number: int, *, success: bool = False
) -> Document:
    goes_on = not success and (number + 1 < wanted.tries or wanted.success)
    of = {"retry.orderAttemptNumber": str(number + 2), "retry.rescueScheduled": "true" if goes_on else "false"}
    reason = "" if success else refusal_reason(wanted.refusal)[1]
    told = of | webhooks.rescue_data(payment)
    again = build_item(payment, "AUTHORISATION", success, world.clock.now(), reason=reason, additional=told)
    if success:
        book_adyen_charge(world, payment, again["pspReference"], "elsewhere", None)
    name = f"{again['pspReference']}:AUTHORISATION"
    return world.store.put("adyen_event", {"id": name, "invoice": payment["reference"], "item": again})


def book_adyen_charge(world: SandboxWorld, payment: Document, psp: str, origin: str, key: str | None) -> None:
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


def sample_adyen_webhook(spec: FailedPayment, key: str, now: int | None = None) -> tuple[str, bytes, dict[str, str]]:
    """The merchantReference, and body and headers of a refused recurring payment."""
    payment = payment_from_spec(spec)
    told = webhooks.build_item(
        payment,
        "AUTHORISATION",
        False,
        int(time.time()) if now is None else now,
        reason=refusal_reason(spec.decline_code)[1],
        additional=refusal_codes(spec.raw, spec.mac),
    )
    body, headers = webhooks.sign_adyen_webhook(webhooks.webhook_body([told], live=spec.live), key, 0)
    return payment["reference"], body, headers
