"""Checks one charge against the card networks' limits just before its request, and builds the row to write. Pure.

This is the binding check. `core.planning.network_limits` makes the same one at planning time, so that no plan names a
forbidden time; other recoveries of the card may have used up a limit since.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core.card_networks.rules import Credential, LedgerEntry, NetworkRules, Verdict, check_attempt, find_free_moment
from core.card_networks.verdicts import explain_verdict, forbidden_attempt_data, rule_usage
from core.events import Event, EventType, Trigger, format_timestamp
from core.events.money_data import ChargeRequested
from core.payments import Card
from core.recovery.network_ledger import credential_of
from core.recovery.state import Recovery


def credential_to_charge(recovery: Recovery, request: Event, card: Card | None, *, other: bool) -> Credential:
    """The card and amount that this request would charge; with `other`, nothing is taken from the card that failed."""
    known = credential_of(recovery)
    fingerprint = card.fingerprint if card else None
    network = card.network if card else None
    if not other:
        fingerprint, network = fingerprint or known.fingerprint, network or known.network
    said = {"fingerprint": fingerprint, "network": network}
    wanted = request.read(ChargeRequested)
    return known.model_copy(update=said | {"amount": wanted.amount, "currency": wanted.currency})


def is_other_card(recovery: Recovery, request: Event, read: Card | None) -> bool:
    """Whether the request charges another card than the one that failed; only that card's limits then apply."""
    method_id = request.read(ChargeRequested).method_id
    if method_id is not None:
        return bool(method_id != recovery.method_in_use)
    return bool(read and read.fingerprint and recovery.fingerprint not in {None, read.fingerprint})


def check_network_limits(
    recovery: Recovery, request: Event, card: Credential, rules: NetworkRules, tries: Sequence[LedgerEntry]
) -> Event:
    """The request with its card added, or `retry.skipped` where a network rule forbids it at `request.occurred_at`."""
    verdict = check_attempt(rules, card, tries, request.occurred_at)
    if not verdict.is_allowed:
        return _network_limit_event(recovery, request, card, verdict, rules, tries)
    counted = "card" if card.fingerprint else "recovery"
    known = {"fingerprint": card.fingerprint, "network": card.network, "counted_by": counted}
    return request.having(**known)


def _network_limit_event(
    recovery: Recovery,
    request: Event,
    card: Credential,
    verdict: Verdict,
    rules: NetworkRules,
    tries: Sequence[LedgerEntry],
) -> Event:
    """`retry.skipped`: a scheduled charge is postponed or given up; any other is refused, and the schedule stays."""
    at = find_free_moment(rules, card, tries, request.occurred_at)
    trigger = request.read(ChargeRequested).trigger
    facts = forbidden_attempt_data(rules, card, verdict, request.occurred_at)
    data: dict[str, Any] = {
        "reason": "network_limit",
        **rule_usage(verdict),
        "why": explain_verdict(verdict, at),
        "network": facts,
    }
    become = _postpone_or_give_up(recovery, at) if trigger is Trigger.SCHEDULED else _refusal_data(trigger, at)
    return Event(type=EventType.RETRY_SKIPPED, occurred_at=request.occurred_at, data=data | become)


def _postpone_or_give_up(recovery: Recovery, at: datetime | None) -> dict[str, Any]:
    if at is None or (recovery.window_ends_at and at > recovery.window_ends_at):
        until = {"until": format_timestamp(recovery.window_ends_at)} if recovery.window_ends_at else {}
        return {"action": "give_up", "free_at": format_timestamp(at) if at else None} | until
    return {"action": "postpone", "at": format_timestamp(at)}


def _refusal_data(trigger: Trigger, at: datetime | None) -> dict[str, Any]:
    return {"action": "refuse", "trigger": trigger.value, "free_at": format_timestamp(at) if at else None}
