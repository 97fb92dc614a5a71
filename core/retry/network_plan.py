"""A decision held against the card networks' rules as far as they are known when it is taken.

The last word is said when the charge is about to be requested; this keeps plans from promising what can't be.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.events import Event, EventType, moment, stamp
from core.retry.decide import Findings
from core.retry.ledger import told
from core.retry.network_facts import counted, facts_of, sentence
from core.retry.network_rules import Credential, LedgerEntry, NetworkRules, fee_of, first_free, judge
from core.retry.recovery import Recovery


def found_card(findings: Findings) -> Credential:
    """The card that failed."""
    recovery, facts = findings.recovery, findings.facts
    return Credential(
        provider=recovery.provider,
        recovery_id=recovery.recovery_id,
        fingerprint=facts.card.fingerprint or recovery.fingerprint,
        network=facts.card.network or facts.failure.network or recovery.network,
        amount=facts.invoice.amount_due or recovery.amount,
        currency=facts.invoice.currency or recovery.currency,
    )


def within_network(
    recovery: Recovery, events: Sequence[Event], card: Credential, rules: NetworkRules, tries: Sequence[LedgerEntry]
) -> tuple[Event, ...]:
    """The same rows; a failure that was itself a try too many with its fee, a plan moved to where it is allowed."""
    failure = next((event for event in events if event.type is EventType.FAILURE_CLASSIFIED), None)
    new = told(recovery, failure.data) if failure and recovery.unread else None
    if new and any((one.recovery_id, one.key) == (new.recovery_id, new.key) for one in tries):
        new = None
    known = (*tries, new) if new else tuple(tries)
    ends = recovery.window_ends_at or next((_window(event) for event in events if _window(event)), None)
    priced = (_priced(event, card, rules, tries, new) for event in events)
    return tuple(_moved(event, card, rules, known, ends) for event in priced)


def _window(event: Event) -> datetime | None:
    return moment(event.data.get("window_ends_at")) if event.type is EventType.CUSTOMER_SEGMENTED else None


def _priced(
    event: Event, card: Credential, rules: NetworkRules, tries: Sequence[LedgerEntry], new: LedgerEntry | None
) -> Event:
    """With the fee that the provider's own try caused, if it was one too many."""
    if event.type is not EventType.FAILURE_CLASSIFIED or new is None or not new.outcome.counts:
        return event
    earlier = [one for one in tries if one.at <= new.at]
    fee = fee_of(rules, card, judge(rules, card, earlier, new.at), new.at)
    return _having(event, network_fee={"amount": fee.amount, "currency": fee.currency}) if fee else event


def _moved(
    event: Event, card: Credential, rules: NetworkRules, tries: Sequence[LedgerEntry], ends: datetime | None
) -> Event:
    """The plan where a try is allowed; what was planned stays in `network`, so that it can be derived again."""
    planned = moment(event.data["at"]) if event.type is EventType.RETRY_PLANNED else None
    if planned is None:
        return event
    verdict = judge(rules, card, tries, planned)
    if verdict.allowed:
        return event
    at = first_free(rules, card, tries, planned)
    first = {"planned_at": stamp(planned), "planned_why": event.data.get("why")}
    network = facts_of(rules, card, verdict, planned) | first
    if at and not (ends and at > ends):
        return _having(event, at=stamp(at), network=network)
    said = {"action": "give_up", "reason": "network_limit", "why": sentence(verdict, at), "network": network}
    known = {key: value for key, value in event.data.items() if key != "at"} | ({"until": stamp(ends)} if ends else {})
    return event.model_copy(update={"type": EventType.RETRY_SKIPPED, "data": known | counted(verdict) | said})


def _having(event: Event, **data: Any) -> Event:
    return event.model_copy(update={"data": {**event.data, **data}})
