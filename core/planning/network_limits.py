"""Checks a decision against the card networks' rules at planning time, so that no plan names a forbidden time.

The same rules are checked once more, and bindingly, by `core.recovery.network_check` just before a charge is requested.
"""

from collections.abc import Sequence
from datetime import datetime

from core.card_networks.rules import (
    Credential,
    LedgerEntry,
    NetworkRules,
    check_attempt,
    fee_of,
    find_free_moment,
    is_attempt_allowed,
)
from core.card_networks.verdicts import explain_verdict, forbidden_attempt_data, rule_usage
from core.events import Event, EventType, format_timestamp
from core.events.decision_data import CustomerSegmented, FailureClassified, RetryPlanned
from core.payments import FailureFacts
from core.planning.decision_input import DecisionInput
from core.recovery.network_ledger import provider_failure_entry
from core.recovery.state import Recovery


def failed_credential(recovery: Recovery, facts: FailureFacts) -> Credential:
    """The credential that failed, with the open amount (minor units)."""
    return Credential(
        provider=recovery.provider,
        recovery_id=recovery.recovery_id,
        fingerprint=facts.card.fingerprint or recovery.fingerprint,
        network=facts.card.network or facts.failure.network or recovery.network,
        amount=facts.invoice.amount_due or recovery.amount,
        currency=facts.invoice.currency or recovery.currency,
    )


def apply_network_limits(
    events: Sequence[Event], decision_input: DecisionInput, rules: NetworkRules
) -> tuple[Event, ...]:
    """The rows, with the fee of a failure beyond a limit added and a plan moved to when an attempt is allowed."""
    recovery, tries = decision_input.recovery, decision_input.attempts
    card = failed_credential(recovery, decision_input.facts)
    failure = next((event for event in events if event.type is EventType.FAILURE_CLASSIFIED), None)
    new = provider_failure_entry(recovery, failure.read(FailureClassified)) if failure and recovery.unread else None
    if new and any((one.recovery_id, one.key) == (new.recovery_id, new.key) for one in tries):
        new = None
    known = (*tries, new) if new else tuple(tries)
    ends = recovery.window_ends_at or next(filter(None, map(_window_end, events)), None)
    priced = (_add_network_fee(event, card, rules, tries, new) for event in events)
    return tuple(_move_plan(event, card, rules, known, ends) for event in priced)


def _window_end(event: Event) -> datetime | None:
    return event.read(CustomerSegmented).window_ends_at if event.type is EventType.CUSTOMER_SEGMENTED else None


def _add_network_fee(
    event: Event, card: Credential, rules: NetworkRules, tries: Sequence[LedgerEntry], new: LedgerEntry | None
) -> Event:
    """The event with the fee of the provider's own attempt, if that was beyond a limit."""
    if event.type is not EventType.FAILURE_CLASSIFIED or new is None or not new.outcome.is_counted:
        return event
    earlier = [one for one in tries if one.at <= new.at]
    if is_attempt_allowed(rules, card, earlier, new.at):
        return event
    fee = fee_of(rules, card, check_attempt(rules, card, earlier, new.at), new.at)
    return event.having(network_fee={"amount": fee.amount, "currency": fee.currency}) if fee else event


def _move_plan(
    event: Event, card: Credential, rules: NetworkRules, tries: Sequence[LedgerEntry], ends: datetime | None
) -> Event:
    """The plan moved to when an attempt is allowed, or given up; `network` keeps the original for rederivation."""
    if event.type is not EventType.RETRY_PLANNED:
        return event
    planned = event.read(RetryPlanned)
    if is_attempt_allowed(rules, card, tries, planned.at):
        return event
    verdict = check_attempt(rules, card, tries, planned.at)
    at = find_free_moment(rules, card, tries, planned.at)
    first = {"planned_at": format_timestamp(planned.at), "planned_why": planned.why}
    network = forbidden_attempt_data(rules, card, verdict, planned.at) | first
    if at and not (ends and at > ends):
        return event.having(at=format_timestamp(at), network=network)
    change = {"action": "give_up", "reason": "network_limit", "why": explain_verdict(verdict, at), "network": network}
    known = {key: value for key, value in planned.stored.items() if key != "at"}
    known |= {"until": format_timestamp(ends)} if ends else {}
    return event.holding(EventType.RETRY_SKIPPED, known | rule_usage(verdict) | change)
