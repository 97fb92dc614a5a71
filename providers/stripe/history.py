"""Failed invoices of the past with all their charges, read page by page for `pri import stripe`.

It only reads, so a restricted key is enough: invoices, charges, payment intents and customers. Names, addresses and
card numbers are not taken over.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pydantic import ValidationError

from core.errors import InvalidInput, ProviderUnavailable
from core.events import Trigger
from core.payment_history import InvoiceEnding, PastAttempt, PastInvoice
from core.payments import Outcome
from core.segmentation.rules import CustomerProfile
from providers.fields import Fields
from providers.stripe.api import Answer, StripeApi, api_path
from providers.stripe.cards import card_of_charge
from providers.stripe.config import StripeConfig
from providers.stripe.failures import failure_of_charge, risk_of_charge
from providers.stripe.invoices import recurring_revenue

PAGE_SIZE: Final = 100
"""The largest page that Stripe's lists allow (docs.stripe.com/api/pagination)."""
CALLS_PER_SECOND: Final = 10
"""A tenth of what Stripe allows a live key (docs.stripe.com/rate-limits): the merchant's own calls need the rest."""
MAX_TRIES: Final = 6
"""Tries of one call; the wait between them doubles, beginning with a second."""
AT_ONCE_SECONDS: Final = 60
"""An invoice paid within these seconds of being finalised counts as paid at the first attempt."""
_OUTCOMES: Final = {"succeeded": Outcome.SUCCEEDED, "failed": Outcome.DECLINED}


class InvoicePage(NamedTuple):
    """One page of invoices, the newest first."""

    failed_invoices: tuple[PastInvoice, ...]
    invoice_count: int
    unclear_count: int
    """Unpaid invoices that were attempted, but whose declined charge can't be read."""
    last_invoice_id: str | None
    """The invoice after which the next page begins; None: this is the last page."""
    oldest_created_at: datetime | None
    """When the oldest invoice of the page was created, in UTC."""


class StripeHistory:
    """Reads one account's past invoices, at most `calls_per_second`. Raises InvalidInput without an API key."""

    def __init__(self, config: StripeConfig, calls_per_second: float = CALLS_PER_SECOND) -> None:
        if not config.api_key:
            raise InvalidInput("STRIPE_API_KEY is not set; a restricted key that may read is enough.")
        self._api = StripeApi(config)
        self._gap = 1 / calls_per_second
        self._next = 0.0

    async def read_page(self, since: datetime | None, until: datetime, after: str | None) -> InvoicePage:
        """The invoices created from `since` on and before `until`, newest first, older than the invoice `after`.

        Raises InvalidInput if Stripe refuses a read, and ProviderUnavailable after MAX_TRIES calls without an answer.
        """
        made = {"lt": int(until.timestamp())} | ({"gte": int(since.timestamp())} if since else {})
        more = {"starting_after": after} if after else {}
        expand = ["data.payments", "data.customer"]
        answer = await self._get_patiently("invoices", limit=PAGE_SIZE, created=made, expand=expand, **more)
        listed = Fields(answer.body or {}, lenient=True)
        invoices = listed.items("data")
        asked = [one for one in invoices if _may_have_failed(one)]
        found = [await self._read_past_invoice(one) for one in asked]
        return InvoicePage(
            failed_invoices=tuple(one for one in found if one),
            invoice_count=len(invoices),
            unclear_count=sum(
                told is None and one.code("status") != "paid" for one, told in zip(asked, found, strict=True)
            ),
            last_invoice_id=invoices[-1].id("id") if invoices and listed.flag("has_more") else None,
            oldest_created_at=invoices[-1].unix_time("created") if invoices else None,
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()

    async def _read_past_invoice(self, invoice: Fields) -> PastInvoice | None:
        charges = sorted(await self._read_charges(invoice), key=lambda one: one.integer("created") or 0)
        ended = [one for one in charges if one.code("status") in _OUTCOMES]
        if not ended or ended[0].code("status") != "failed":
            return None
        try:
            return parse_past_invoice(invoice, _until_paid(ended))
        except ValidationError:
            return None

    async def _read_charges(self, invoice: Fields) -> list[Fields]:
        """Every charge of the invoice, over all its payments; of its own intent or charge in the older shape."""
        found: list[Fields] = []
        for payment in invoice.items("payments") or (invoice,):
            link = payment.child("payment") or payment
            if intent := link.id("payment_intent"):
                found += await self._read_intent_charges(intent)
            elif charge := link.id("charge"):
                found.append(Fields((await self._get_patiently("charges", charge)).body or {}, lenient=True))
        return found

    async def _read_intent_charges(self, intent: str) -> list[Fields]:
        """All charges of an intent, oldest first."""
        found: list[Fields] = []
        more: dict[str, str] = {}
        while True:
            answer = await self._get_patiently("charges", payment_intent=intent, limit=PAGE_SIZE, **more)
            listed = Fields(answer.body or {}, lenient=True)
            found += listed.items("data")
            last = found[-1].id("id") if found else None
            if not listed.flag("has_more") or last is None:
                # Reversed rather than sorted: Stripe's order, newest first, holds also for charges of one second.
                return found[::-1]
            more = {"starting_after": last}

    async def _get_patiently(self, *parts: str, **params: object) -> Answer:
        """One read, tried up to MAX_TRIES times while Stripe limits our rate or is away."""
        for turn in range(1, MAX_TRIES + 1):
            await self._await_turn()
            try:
                answer = await self._api.get(api_path(*parts), **params)
            except ProviderUnavailable as away:
                if turn == MAX_TRIES:
                    raise
                await asyncio.sleep((away.retry_after or timedelta(seconds=2 ** (turn - 1))).total_seconds())
                continue
            if answer.is_refused:
                raise InvalidInput(_refusal_message(answer, parts[0]))
            return answer
        raise AssertionError("the last turn answers or raises")

    async def _await_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        # The slot is taken before the sleep, so that reads in parallel queue up instead of sharing one.
        self._next = max(self._next + self._gap, now)
        await asyncio.sleep(self._next - now)


def parse_past_invoice(invoice: Fields, charges: Sequence[Fields]) -> PastInvoice:
    """An invoice with its charges, oldest first and the first of them declined, as a case for a dry run.

    Raises ValidationError if it lacks a field that a case needs, and InvalidField without an id.
    """
    first = charges[0]
    card = card_of_charge(first)
    others = [one for one in charges if _is_another_card(card.fingerprint, one)]
    attempts = tuple(_to_attempt(one, other=one in others) for one in charges)
    customer = invoice.expanded_object("customer")
    return PastInvoice.model_validate(
        {
            "invoice_id": invoice.require_id("id"),
            "customer_id": invoice.id("customer"),
            "amount": first.integer("amount"),
            "currency": first.currency("currency"),
            "card": card.model_copy(update={"last4": None}),
            "risk": risk_of_charge(first, None),
            "country": customer.child("address").code("country"),
            "time_zone": customer.child("metadata").code("time_zone"),
            "profile": _customer_profile(invoice, customer, first),
            "attempts": attempts,
            "method_at": others[0].unix_time("created") if others else None,
            **_invoice_end(invoice, attempts),
        }
    )


def _until_paid(charges: Sequence[Fields]) -> Sequence[Fields]:
    """The charges up to the first success, with which the recovery ended."""
    won = [number for number, one in enumerate(charges) if one.code("status") == "succeeded"]
    return charges[: won[0] + 1] if won else charges


def _may_have_failed(invoice: Fields) -> bool:
    """Whether its charges must be read to know whether the first one failed.

    Saves a call for invoices that were paid at once, which are most of them.
    """
    tries, status = invoice.integer("attempt_count") or 0, invoice.code("status")
    # Stripe counts only its own attempts: an invoice that failed and was then paid by hand also reads 1. Only the time
    # between its finalisation and its payment distinguishes it from one that was paid at once.
    if status != "paid" or tries != 1:
        return tries > 0 and status != "draft"
    when = invoice.child("status_transitions")
    began, paid = when.integer("finalized_at"), when.integer("paid_at")
    return began is None or paid is None or paid - began > AT_ONCE_SECONDS


def _is_another_card(fingerprint: str | None, charge: Fields) -> bool:
    found = card_of_charge(charge).fingerprint
    return bool(fingerprint and found and found != fingerprint)


def _to_attempt(charge: Fields, *, other: bool) -> PastAttempt:
    outcome = _OUTCOMES[charge.code("status") or ""]
    failure = failure_of_charge(charge).model_copy(update={"charge_id": None, "method_id": None})
    return PastAttempt.model_validate(
        {
            "at": charge.unix_time("created"),
            "outcome": outcome,
            "trigger": Trigger.METHOD_CHANGE if other else Trigger.SCHEDULED,
            **({"failure": failure} if outcome is Outcome.DECLINED else {}),
        }
    )


def _customer_profile(invoice: Fields, customer: Fields, first: Fields) -> CustomerProfile:
    known, failed_at = customer.unix_time("created"), first.unix_time("created")
    return CustomerProfile(
        invoice_amount=first.integer("amount"),
        currency=first.currency("currency"),
        recurring_revenue=recurring_revenue(invoice),
        country=customer.child("address").code("country"),
        card_country=card_of_charge(first).country,
        time_zone=customer.child("metadata").code("time_zone"),
        tenure_days=max((failed_at - known).days, 0) if failed_at and known else None,
    )


def _invoice_end(invoice: Fields, attempts: Sequence[PastAttempt]) -> dict[str, object]:
    """How and when the invoice ended; an open one that Stripe won't try again counts as lost."""
    when = invoice.child("status_transitions")
    match invoice.code("status"):
        case "paid" if attempts[-1].outcome is Outcome.SUCCEEDED:
            return {"end": InvoiceEnding.PAID, "ended_at": attempts[-1].at}
        case "paid":
            paid_at = when.unix_time("paid_at") or attempts[-1].at
            return {"end": InvoiceEnding.PAID, "ended_at": paid_at, "paid_at": paid_at}
        case "void":
            return {"end": InvoiceEnding.CANCELED, "ended_at": when.unix_time("voided_at")}
        case "uncollectible":
            return {"end": InvoiceEnding.LOST, "ended_at": when.unix_time("marked_uncollectible_at")}
        case _ if invoice.unix_time("next_payment_attempt"):
            return {"end": InvoiceEnding.OPEN}
        case _:
            return {"end": InvoiceEnding.LOST, "ended_at": attempts[-1].at}


def _refusal_message(answer: Answer, what: str) -> str:
    said = f"Stripe refuses to show {what}: HTTP {answer.status}."
    if answer.status in {401, 403}:
        return f"{said} The key needs the right to read invoices, charges, payment intents and customers."
    return said
