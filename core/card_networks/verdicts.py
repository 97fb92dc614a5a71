"""A network verdict as a sentence for people and as `data` of an event."""

from datetime import datetime
from typing import Any

from core.card_networks.rules import Credential, LimitUsage, NetworkRules, Verdict, fee_of
from core.events import format_timestamp
from core.formatting import spell_duration


def forbidden_attempt_data(rules: NetworkRules, card: Credential, verdict: Verdict, at: datetime) -> dict[str, Any]:
    """The event data of an attempt that a rule forbids: card, rule, and the avoided fee if one is published."""
    fee = fee_of(rules, card, verdict, at)
    priced = {"amount": fee.amount, "currency": fee.currency, "source": fee.source} if fee else None
    return rule_usage(verdict) | {
        "fingerprint": card.fingerprint,
        "network": card.network,
        "counted_by": "card" if card.fingerprint else "recovery",
        "fee": priced,
        "never": verdict.never,
        "source": verdict.binding.source if verdict.binding else None,
    }


def rule_usage(verdict: Verdict) -> dict[str, Any]:
    """The event data of the binding rule: its name, attempts used and allowed; a stop rule allows 0."""
    binding = verdict.binding
    allowed = 0 if verdict.never else binding.allowed if binding else None
    return {"rule": verdict.rule, "used": binding.used if binding else None, "allowed": allowed}


def explain_verdict(verdict: Verdict, free_at: datetime | None) -> str:
    """Why an attempt is not allowed now, as a sentence; only for a verdict that forbids one."""
    if verdict.never:
        return f"The card network forbids any further try of this card: {verdict.never.replace('_', ' ')}."
    assert verdict.binding is not None, "an allowed try needs no sentence"
    again = f"; the next one is possible at {format_timestamp(free_at)}" if free_at else ""
    return f"{_describe_usage(verdict.binding)}{again}."


def _describe_usage(window: LimitUsage) -> str:
    of = "one card and amount" if window.per_amount else "one card"
    length = spell_duration(window.seconds)
    return f"The card network allows {window.allowed} tries of {of} in {length}, and {window.used} are used"
