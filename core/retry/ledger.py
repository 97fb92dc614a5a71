"""The tries that a recovery's rows tell of, as the networks count them.

Pure, so that the ledger can be made again from the log. One row of it is the failure that the provider announced, or
one charge of ours; a try that a rule forbade is a row too, which counts nothing and keeps the fee that it would have
cost.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from core.events import EventType, Record, Trigger
from core.events.data import ChargeEnd, ChargeReconciled, ChargeRequested, FailureClassified, RetryPlanned, RetrySkipped
from core.payments import Card, Failure, Outcome
from core.retry.machine import apply
from core.retry.network_rules import Credential, LedgerEntry, Spent
from core.retry.recovery import Recovery

NOT_SENT: Final = frozenset({"blocked", "invalid"})
"""Outcomes of a provider that refused by itself."""


def entries(before: Recovery, records: Sequence[Record]) -> Iterator[LedgerEntry]:
    """What these rows, written behind `before`, change in the ledger; the same key twice: the later one counts."""
    recovery = before
    for record in records:
        if not record.data.get("refused") and (entry := _entry(recovery, record)):
            yield entry
        recovery = apply(recovery, record)


def _entry(recovery: Recovery, record: Record) -> LedgerEntry | None:
    match record.type:
        case EventType.FAILURE_CLASSIFIED if recovery.unread:
            return told(recovery, record.read(FailureClassified))
        case EventType.CHARGE_REQUESTED:
            return _requested(recovery, record)
        case EventType.CHARGE_SUCCEEDED:
            return _landed(recovery, record, Spent.APPROVED)
        case EventType.CHARGE_DECLINED:
            return _landed(recovery, record, _refused(record.read(ChargeEnd).failure or Failure()))
        case EventType.CHARGE_RECONCILED:
            return _landed(recovery, record, _found(record.read(ChargeReconciled)))
        case EventType.RETRY_SKIPPED | EventType.RETRY_PLANNED:
            return _held(recovery, record)
    return None


def told(recovery: Recovery, data: FailureClassified) -> LedgerEntry | None:
    """The failure that the provider announced; None for the echo of a charge of ours, which is there already."""
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
        outcome=_refused(failure),
        fee_amount=fee.amount if fee else None,
        fee_currency=fee.currency if fee else None,
        **_codes(failure),
    )


def _requested(recovery: Recovery, record: Record) -> LedgerEntry:
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
        outcome=Spent.REQUESTED,
    )


def _landed(recovery: Recovery, record: Record, outcome: Spent) -> LedgerEntry | None:
    """The charge in flight with its end; the card is told only where the answer named it."""
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
        **_codes(data.failure or Failure()),
    )


def _held(recovery: Recovery, record: Record) -> LedgerEntry | None:
    """A try that was not made; `network` in the row says of which card, and what it would have cost."""
    data = record.data
    held = data.network if isinstance(data, RetryPlanned | RetrySkipped) else None
    if held is None:
        return None
    trigger = data.trigger if isinstance(data, RetrySkipped) else None
    return LedgerEntry(
        recovery_id=recovery.recovery_id,
        key=f"held-{record.sequence}",
        provider=recovery.provider,
        fingerprint=held.fingerprint,
        network=held.network,
        amount=recovery.amount,
        currency=recovery.currency,
        at=record.occurred_at,
        attempt=record.attempt,
        trigger=(trigger or Trigger.SCHEDULED).value,
        outcome=Spent.HELD,
        fee_amount=held.fee.amount if held.fee else None,
        fee_currency=held.fee.currency if held.fee else None,
    )


def _codes(failure: Failure) -> dict[str, str | None]:
    return failure.model_dump(include={"code", "network_code", "network_advice"})


def _refused(failure: Failure) -> Spent:
    """A decline, or what the provider refused before it reached any network."""
    kept = failure.outcome in NOT_SENT or failure.network_status == "not_sent_to_network"
    return Spent.NOT_SENT if kept else Spent.DECLINED


def _found(data: ChargeReconciled) -> Spent:
    match data.outcome:
        case Outcome.SUCCEEDED:
            return Spent.APPROVED
        case Outcome.DECLINED:
            return _refused(data.failure or Failure())
        case _:
            return Spent.RELEASED


def credential_of(recovery: Recovery) -> Credential:
    """The card that failed last, as far as it is known, and what it would be charged."""
    return Credential(
        provider=recovery.provider,
        recovery_id=recovery.recovery_id,
        fingerprint=recovery.fingerprint,
        network=recovery.network,
        amount=recovery.amount,
        currency=recovery.currency,
    )
