"""The policy's say in which invoices are ours, put into what was read: the workflow only sees the verdict."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from core.payments import InvoiceView
from core.retry.scope import ScopeRules, WhenPaused, out_of_scope


class Scope:
    """Judges invoices by the policy as it is now."""

    def __init__(self, rules: Callable[[], ScopeRules] = ScopeRules) -> None:
        self._rules = rules

    @property
    def rules(self) -> ScopeRules:
        """The rules in force."""
        return self._rules()

    def judged(self, invoice: InvoiceView, now: datetime, *, opening: bool) -> InvoiceView:
        """The invoice with the rule by which it is not ours; a pause that the policy ignores is taken out of it."""
        rules = self._rules()
        rule = out_of_scope(invoice.terms, rules, now, opening=opening)
        collects = invoice.terms.collection_paused and rules.paused is WhenPaused.COLLECT
        terms = invoice.terms.model_copy(update={"collection_paused": None}) if collects else invoice.terms
        return invoice.model_copy(update={"out_of_scope": rule.value if rule else None, "terms": terms})


SHIPPED: Final = Scope()
"""By the shipped rules."""
