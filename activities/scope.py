"""The policy's say in which invoices are ours, put into what was read: the workflow only sees the verdict."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from core.payments import InvoiceStatus, InvoiceView
from core.retry.pace import REAL_TIME, Pace
from core.retry.scope import Hold, ScopeRules, WrittenOff, out_of_scope
from core.terms import CollectionTerms


class Scope:
    """Judges invoices by the policy as it is now."""

    def __init__(self, rules: Callable[[], ScopeRules] = ScopeRules, pace: Pace = REAL_TIME) -> None:
        self._rules, self._pace = rules, pace

    @property
    def rules(self) -> ScopeRules:
        """The rules in force."""
        return self._rules()

    def judged(self, invoice: InvoiceView, now: datetime, *, opening: bool) -> InvoiceView:
        """The invoice with the rule by which it is not ours, and what the policy makes of pauses and write-offs."""
        rules = self._rules()
        rule = out_of_scope(invoice.terms, rules, now, opening=opening)
        held = _held(invoice.terms, rules)
        waits = invoice.status is InvoiceStatus.UNCOLLECTIBLE and rules.uncollectible is WrittenOff.WAIT
        return invoice.model_copy(
            update={
                "out_of_scope": rule.value if rule else None,
                "terms": invoice.terms.model_copy(update={"collection_paused": held or None}),
                "written_off": waits,
                "time_scale": self._pace.time_scale,
                "status": InvoiceStatus.OPEN if waits else invoice.status,
            }
        )


def _held(terms: CollectionTerms, rules: ScopeRules) -> bool:
    """Whether the policy has its collection wait."""
    paused = terms.collection_paused is True and rules.paused is Hold.WAIT
    return paused or (terms.ends_at_period_end is True and rules.ending is Hold.WAIT)


SHIPPED: Final = Scope()
"""By the shipped rules."""
