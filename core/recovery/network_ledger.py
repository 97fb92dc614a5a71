"""Builds the ledger of charge attempts, as the card networks count them, from a recovery's rows.

Pure, so that the ledger can be rebuilt from the log. An entry is a failure that the provider reported or a charge of
ours. An attempt that a rule forbade has an entry that doesn't count and holds the fee avoided.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from core.card_networks.rules import AttemptOutcome, Credential, LedgerEntry
from core.events import EventType, Record, Trigger
from core.events.decision_data import FailureClassified, RetryPlanned, RetrySkipped
from core.events.money_data import ChargeEnd, ChargeReconciled, ChargeRequested
from core.payments import Card, Failure, Outcome
from core.recovery.machine import apply
from core.recovery.state import Recovery

NOT_SENT_OUTCOMES: Final = frozenset({"blocked", "invalid"})
"""Provider outcomes of a refusal that never reached the network."""


def build_ledger_entries(before: Recovery, records: Sequence[Record]) -> Iterator[LedgerEntry]:
    """Ledger entries of the rows written after `before`. A later entry with the same key replaces the earlier one."""
    recovery = before
    for record in records:
        if not record.is_refused and (entry := _build_entry(recovery, record)):
            yield entry
        recovery = apply(recovery, record)


def _build_entry(recovery: Recovery, record: Record) -> LedgerEntry | None:
    match record.type:
        case EventType.FAILURE_CLASSIFIED if recovery.unread:
            return provider_failure_entry(recovery, record.read(FailureClassified))
        case EventType.CHARGE_REQUESTED:
            return _requested_entry(recovery, record)
        case EventType.CHARGE_SUCCEEDED:
            return _answered_entry(recovery, record, AttemptOutcome.APPROVED)
        case EventType.CHARGE_DECLINED:
            return _answered_entry(recovery, record, _refusal_outcome(record.read(ChargeEnd).failure or Failure()))
        case EventType.CHARGE_RECONCILED:
            return _answered_entry(recovery, record, _reconciled_outcome(record.read(ChargeReconciled)))
        case EventType.RETRY_SKIPPED | EventType.RETRY_PLANNED:
            return _forbidden_entry(recovery, record)
    return None


def provider_failure_entry(recovery: Recovery, data: FailureClassified) -> LedgerEntry | None:
    """The entry of a failure the provider reported; None for the echo of our charge, which has its entry."""
    failure = data.failure or recovery.failure
    if failure.charge_id and failure.charge_id in recovery.charge_ids:
        return None
    card, fee = data.card or Card(), data.network_fee
    return LedgerEntry(
        recovery_id=recovery.recovery_id,
        key=f"failure-{failure.charge_id or recovery.provider_attempt or 0}",
        provider=recovery.provider,
        fingerprint=card.fingerprint,
        network=card.network or failure.network,
        amount=recovery.amount,
        currency=recovery.currency,
        at=recovery.failed_at,
        trigger=Trigger.PROVIDER.value,
        outcome=_refusal_outcome(failure),
        fee_amount=fee.amount if fee else None,
        fee_currency=fee.currency if fee else None,
        **_failure_codes(failure),
    )


def _requested_entry(recovery: Recovery, record: Record) -> LedgerEntry:
    data, attempt = record.read(ChargeRequested), record.attempt or recovery.attempt + 1
    return LedgerEntry(
        recovery_id=recovery.recovery_id,
        key=f"attempt-{attempt}",
        provider=recovery.provider,
        fingerprint=data.fingerprint,
        network=data.network,
        amount=data.amount,
        currency=data.currency,
        at=record.occurred_at,
        attempt=attempt,
        trigger=data.trigger.value,
        outcome=AttemptOutcome.REQUESTED,
    )


def _answered_entry(recovery: Recovery, record: Record, outcome: AttemptOutcome) -> LedgerEntry | None:
    """The entry of the charge in flight with its outcome; card fields only where the answer has them."""
    data, order = record.read(ChargeEnd), recovery.in_flight
    if order is None:
        return None
    card = data.card or Card()
    return LedgerEntry(
        recovery_id=recovery.recovery_id,
        key=f"attempt-{order.attempt}",
        provider=recovery.provider,
        fingerprint=card.fingerprint,
        network=card.network,
        amount=order.amount,
        currency=order.currency,
        at=order.requested_at,
        attempt=order.attempt,
        trigger=(recovery.in_flight_trigger or Trigger.SCHEDULED).value,
        outcome=outcome,
        **_failure_codes(data.failure or Failure()),
    )


def _forbidden_entry(recovery: Recovery, record: Record) -> LedgerEntry | None:
    """The entry of an attempt that a network rule forbade, with the fee avoided; None for any other row."""
    data = record.data
    blocked = data.network if isinstance(data, RetryPlanned | RetrySkipped) else None
    if blocked is None:
        return None
    trigger = data.trigger if isinstance(data, RetrySkipped) else None
    return LedgerEntry(
        recovery_id=recovery.recovery_id,
        key=f"held-{record.sequence}",
        provider=recovery.provider,
        fingerprint=blocked.fingerprint,
        network=blocked.network,
        amount=recovery.amount,
        currency=recovery.currency,
        at=record.occurred_at,
        attempt=record.attempt,
        trigger=(trigger or Trigger.SCHEDULED).value,
        outcome=AttemptOutcome.HELD,
        fee_amount=blocked.fee.amount if blocked.fee else None,
        fee_currency=blocked.fee.currency if blocked.fee else None,
    )


def _failure_codes(failure: Failure) -> dict[str, str | None]:
    return {
        "code": failure.code,
        "network_code": failure.network_code,
        "network_advice": failure.network_advice,
    }


def _refusal_outcome(failure: Failure) -> AttemptOutcome:
    """NOT_SENT if the provider refused before the network saw the attempt, else DECLINED."""
    kept = failure.outcome in NOT_SENT_OUTCOMES or failure.network_status == "not_sent_to_network"
    return AttemptOutcome.NOT_SENT if kept else AttemptOutcome.DECLINED


def _reconciled_outcome(data: ChargeReconciled) -> AttemptOutcome:
    match data.outcome:
        case Outcome.SUCCEEDED:
            return AttemptOutcome.APPROVED
        case Outcome.DECLINED:
            return _refusal_outcome(data.failure or Failure())
        case _:
            return AttemptOutcome.RELEASED


def credential_of(recovery: Recovery) -> Credential:
    """The card that failed last, as far as known, with the open amount (minor units)."""
    return Credential(
        provider=recovery.provider,
        recovery_id=recovery.recovery_id,
        fingerprint=recovery.fingerprint,
        network=recovery.network,
        amount=recovery.amount,
        currency=recovery.currency,
    )
