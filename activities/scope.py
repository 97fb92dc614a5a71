"""The policy's say in which invoices are ours, put into what was read: the workflow only sees the verdict."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from core.payments import InvoiceStatus, InvoiceView
from core.retry.pace import REAL_TIME, TimeScale
from core.retry.scope import CollectionHandling, ScopeRules, UncollectibleHandling, find_scope_rule
from core.terms import CollectionTerms


class InvoiceScope:
    """Judges invoices by the policy as it is now."""

    def __init__(self, rules: Callable[[], ScopeRules] = ScopeRules, time_scale: TimeScale = REAL_TIME) -> None:
        self._rules, self._time_scale = rules, time_scale

    @property
    def rules(self) -> ScopeRules:
        """The rules in force."""
        return self._rules()

    def judge_invoice(self, invoice: InvoiceView, now: datetime, *, opening: bool) -> InvoiceView:
        """The invoice with the rule by which it is not ours, and what the policy makes of pauses and write-offs."""
        rules = self._rules()
        rule = find_scope_rule(invoice.terms, rules, now, opening=opening)
        held = _is_on_hold(invoice.terms, rules)
        waits = invoice.status is InvoiceStatus.UNCOLLECTIBLE and rules.uncollectible is UncollectibleHandling.WAIT
        return invoice.model_copy(
            update={
                "out_of_scope": rule.value if rule else None,
                "terms": invoice.terms.model_copy(update={"collection_paused": held or None}),
                "written_off": waits,
                "time_scale": self._time_scale.factor,
                "status": InvoiceStatus.OPEN if waits else invoice.status,
            }
        )


def _is_on_hold(terms: CollectionTerms, rules: ScopeRules) -> bool:
    """Whether the policy has its collection wait."""
    paused = terms.collection_paused is True and rules.paused is CollectionHandling.WAIT
    return paused or (terms.ends_at_period_end is True and rules.ending is CollectionHandling.WAIT)


SHIPPED_SCOPE: Final = InvoiceScope()
"""By the shipped rules."""
