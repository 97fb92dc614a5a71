"""Converts a case to the live service's types, and a finished recovery's records to a result."""

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
from simulator.model.success_chances import OutcomeChances

FIRST_CARD: Final = "card-1"
SECOND_CARD: Final = "card-2"
"""The fingerprint of the card that a customer gives instead. Fingerprints are compared within one case only."""


def to_utc_datetime(at: int) -> datetime:
    """Seconds since 1970 as an aware datetime in UTC."""
    return datetime.fromtimestamp(at, UTC)


def list_provider_events(case: Case, provider: str) -> list[ProviderEvent]:
    """The provider's events of a case in order of time: the failure, then payment and new card where there are any."""
    words = [_failure_event(case, provider)]
    if case.paid_at != NEVER:
        words.append(_provider_event(case, provider, EventKind.INVOICE_PAID, case.paid_at))
    if case.method_at != NEVER:
        words.append(_provider_event(case, provider, EventKind.METHOD_UPDATED, case.method_at, method_id=SECOND_CARD))
    # The sort is stable: of events of one moment the failure comes first, and the payment before the new card.
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
    """The case's invoice: open, or paid. Amounts in minor units."""
    return InvoiceView(
        invoice_id=case.invoice_id,
        status=InvoiceStatus.PAID if paid else InvoiceStatus.OPEN,
        amount_due=case.payer.amount,
        currency=case.payer.currency,
        customer_id=case.customer_id,
        recurring_revenue=case.payer.profile.recurring_revenue,
    )


def to_customer_profile(payer: Payer, card_country: str | None) -> CustomerProfile:
    """The input of segmentation: the payer's profile, with amount, currency and places of invoice and card."""
    known = {"invoice_amount": payer.amount, "currency": payer.currency, "country": payer.country}
    return payer.profile.model_copy(update=known | {"time_zone": payer.time_zone, "card_country": card_country})


def customer_living_in(country: str | None) -> CustomerView:
    """A customer of whom only the country is known."""
    return CustomerView(customer_id="cus_any", country=country)


def to_customer_view(case: Case) -> CustomerView:
    """The case's customer, as the provider shows them."""
    return CustomerView(customer_id=case.customer_id, country=case.payer.country, time_zone=case.payer.time_zone)


def list_earlier_entries(case: Case, provider: str, card: Card) -> Iterable[LedgerEntry]:
    """The charges of the card before the failure, as ledger entries that the networks count."""
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
    """The failure of a declined charge: the first card repeats the opening failure, another card has its own code."""
    if card.fingerprint != SECOND_CARD:
        return case.kind.failure
    return Failure(code=outcomes.new_method_code, network=card.network)


def to_recovery_result(
    recovery: Recovery, records: Sequence[Record], made: Sequence[SimulatedCharge], cause: Cause
) -> RecoveryResult:
    """The result of a finished recovery; `cause` is the true cause of the opening failure."""
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
