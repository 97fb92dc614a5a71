"""One case in the nouns of the live service, and its rows back in ours."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from core.card_networks.rules import AttemptOutcome, LedgerEntry
from core.classification.taxonomy import Cause
from core.events import Record, Trigger
from core.events.decision_data import FailureClassified, RetryPlanned, RetrySkipped
from core.payments import (
    Card,
    CustomerView,
    EventKind,
    Failure,
    InvoiceStatus,
    InvoiceView,
    ProviderEvent,
)
from core.recovery.state import Recovery
from core.segmentation.rules import CustomerProfile
from simulator.engines.results import RecoveryResult, SimulatedCharge
from simulator.model.cases import NEVER, Case, Payer
from simulator.model.outcomes import OutcomeChances

FIRST_CARD: Final = "card-1"
SECOND_CARD: Final = "card-2"
"""The fingerprint of what a customer gives instead; every case has its own cards."""


def to_utc_datetime(at: int) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(at, UTC)


def list_provider_events(case: Case, provider: str) -> list[ProviderEvent]:
    """What the provider will say, in the order of time: the failure first."""
    words = [_failure_event(case, provider)]
    if case.paid_at != NEVER:
        words.append(_provider_event(case, provider, EventKind.INVOICE_PAID, case.paid_at))
    if case.method_at != NEVER:
        words.append(_provider_event(case, provider, EventKind.METHOD_UPDATED, case.method_at, method_id=SECOND_CARD))
    return sorted(words, key=lambda word: word.occurred_at)


def _failure_event(case: Case, provider: str) -> ProviderEvent:
    payer, failure = case.payer, case.kind.failure
    return _provider_event(
        case,
        provider,
        EventKind.PAYMENT_FAILED,
        case.failed_at,
        amount=payer.amount,
        currency=payer.currency,
        provider_attempt=1,
        failure=failure,
    )


def _provider_event(case: Case, provider: str, kind: EventKind, at: int, **more: object) -> ProviderEvent:
    return ProviderEvent.model_validate(
        {
            "provider": provider,
            "event_id": f"{kind.value}-{case.number}",
            "event_type": "simulated",
            "kind": kind,
            "occurred_at": to_utc_datetime(at),
            "invoice_id": case.invoice_id,
            "customer_id": case.customer_id,
            **more,
        }
    )


def to_invoice_view(case: Case, *, paid: bool = False) -> InvoiceView:
    """The invoice, open unless somebody has paid it."""
    return InvoiceView(
        invoice_id=case.invoice_id,
        status=InvoiceStatus.PAID if paid else InvoiceStatus.OPEN,
        amount_due=case.payer.amount,
        currency=case.payer.currency,
        customer_id=case.customer_id,
        recurring_revenue=case.payer.profile.recurring_revenue,
    )


def to_customer_profile(payer: Payer, card_country: str | None) -> CustomerProfile:
    """What a segment is decided from: the payer's profile, with what the invoice and the card add to it."""
    known = {"invoice_amount": payer.amount, "currency": payer.currency, "country": payer.country}
    return payer.profile.model_copy(update=known | {"time_zone": payer.time_zone, "card_country": card_country})


def customer_living_in(country: str | None) -> CustomerView:
    """Somebody who lives there."""
    return CustomerView(customer_id="cus_any", country=country)


def to_customer_view(case: Case) -> CustomerView:
    """Who pays it."""
    return CustomerView(customer_id=case.customer_id, country=case.payer.country, time_zone=case.payer.time_zone)


def list_earlier_entries(case: Case, provider: str, card: Card) -> Iterable[LedgerEntry]:
    """What the networks already count of its card."""
    for number, at in enumerate(case.earlier):
        yield LedgerEntry(
            recovery_id=f"before-{case.number}",
            key=f"try-{number}",
            provider=provider,
            fingerprint=card.fingerprint,
            network=card.network,
            amount=case.payer.amount,
            currency=case.payer.currency,
            at=to_utc_datetime(at),
            trigger=Trigger.PROVIDER.value,
            outcome=AttemptOutcome.DECLINED,
        )


def decline_charge(case: Case, card: Card, outcomes: OutcomeChances) -> Failure:
    """Why a charge fails: as it failed before, and another card for a reason of its own."""
    if card.fingerprint != SECOND_CARD:
        return case.kind.failure
    return Failure(code=outcomes.new_method_code, network=card.network)


def to_recovery_result(
    recovery: Recovery, records: Sequence[Record], made: Sequence[SimulatedCharge], cause: Cause
) -> RecoveryResult:
    """A finished recovery in short; `cause` is what was really the matter at first."""
    # A charge's row has a `network`, too: there it is the card's network in words.
    plans = (record.data for record in records if isinstance(record.data, RetryPlanned | RetrySkipped))
    limited_plans = [plan.network for plan in plans if plan.network]
    fees = [record.data.network_fee for record in records if isinstance(record.data, FailureClassified)]
    return RecoveryResult(
        state=recovery.stage,
        reason=recovery.close_reason or "",
        closed_at=int(recovery.closed_at.timestamp()) if recovery.closed_at else NEVER,
        segment=recovery.segment or "",
        cause=cause,
        charges=tuple(made),
        blocked=len(limited_plans),
        fees=sum(fee.amount for fee in fees if fee),
        fees_avoided=sum(network.fee.amount for network in limited_plans if network.fee),
    )
