"""Which invoices this service collects: named rules over the invoice's collection terms; the first that matches counts.

Pure: the facts come from a webhook's body or from a fresh read, the rules from the policy file's `[scope]`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from core.base import Value
from core.collection_terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from core.durations import REAL_TIME, TimeScale
from core.payments import InvoiceStatus, InvoiceView

MAX_SCOPE_WINDOW: Final = timedelta(days=365)
"""The longest window that a policy may have."""


class ScopeRule(StrEnum):
    """Why an invoice is out of scope."""

    SEND_INVOICE = "send_invoice"
    FIRST_INVOICE = "first_invoice"
    OTHER_APPLICATION = "other_application"
    SHOPPER_PRESENT = "shopper_present"
    TOO_OLD = "too_old"


class CollectionHandling(StrEnum):
    """How an open invoice is treated while its subscription is paused or about to end."""

    WAIT = "wait"
    """Meanwhile nothing is charged and no message is sent; a payment counts."""
    COLLECT = "collect"
    """The recovery goes on."""


class UncollectibleHandling(StrEnum):
    """How an invoice that was marked as uncollectible is treated. It is never charged."""

    STOP = "stop"
    """The merchant wrote it off: the recovery ends. A later payment is recorded after the end."""
    WAIT = "wait"
    """The provider's automation marked it: the customer may still pay until the window ends."""


class AttachedMethodHandling(StrEnum):
    """How a newly stored method that is not a default is used."""

    TRY = "try"
    """It counts as given for the open invoice, and is charged at once."""
    WAIT_FOR_DEFAULT = "wait_for_default"
    """It may be for another purchase: only a method that becomes a default is charged."""


class ScopeRules(Value):
    """A policy's scope. By default every rule of ScopeRule applies."""

    take: frozenset[ScopeRule] = frozenset()
    """Rules that the merchant has turned off: such invoices are collected."""
    oldest: timedelta = MAX_SCOPE_WINDOW
    """An invoice older than this when its failure arrives is out of scope: the policy's longest window."""
    paused: CollectionHandling = CollectionHandling.WAIT
    """The merchant paused the collection of the subscription."""
    ending: CollectionHandling = CollectionHandling.COLLECT
    """The customer has set the subscription to end with its period."""
    uncollectible: UncollectibleHandling = UncollectibleHandling.STOP
    attached: AttachedMethodHandling = AttachedMethodHandling.TRY


def find_scope_rule(
    terms: CollectionTerms | None, rules: ScopeRules, now: datetime, *, opening: bool = True
) -> ScopeRule | None:
    """The rule by which an invoice of these terms is out of scope, or None. An unknown fact matches no rule.

    The age matters only when a recovery is opened; a running one has its own window.
    """
    if terms is None:
        return None
    for rule, fits in _SCOPE_CHECKS.items():
        if rule not in rules.take and (opening or rule is not ScopeRule.TOO_OLD) and fits(terms, rules, now):
            return rule
    return None


def _is_sent_invoice(terms: CollectionTerms, _: ScopeRules, __: datetime) -> bool:
    return terms.collection_method is CollectionMethod.SENT


def _is_first_invoice(terms: CollectionTerms, _: ScopeRules, __: datetime) -> bool:
    """Whether it is the first invoice of an incomplete subscription, which the customer has 23 hours to pay
    (docs.stripe.com/billing/subscriptions/overview, subscription statuses)."""
    first = terms.billing_reason == "subscription_create"
    return first and terms.subscription_status in {SubscriptionStatus.INCOMPLETE, SubscriptionStatus.INCOMPLETE_EXPIRED}


def _is_from_other_application(terms: CollectionTerms, _: ScopeRules, __: datetime) -> bool:
    return terms.application is not None


def _is_shopper_present(terms: CollectionTerms, _: ScopeRules, __: datetime) -> bool:
    return terms.shopper_present is True


def _is_too_old(terms: CollectionTerms, rules: ScopeRules, now: datetime) -> bool:
    return terms.created_at is not None and now - terms.created_at > rules.oldest


_SCOPE_CHECKS: Final[Mapping[ScopeRule, Callable[[CollectionTerms, ScopeRules, datetime], bool]]] = {
    ScopeRule.SEND_INVOICE: _is_sent_invoice,
    ScopeRule.FIRST_INVOICE: _is_first_invoice,
    ScopeRule.OTHER_APPLICATION: _is_from_other_application,
    ScopeRule.SHOPPER_PRESENT: _is_shopper_present,
    ScopeRule.TOO_OLD: _is_too_old,
}

SCOPE_SENTENCES: Final[Mapping[str, str]] = {
    ScopeRule.SEND_INVOICE: "it was sent to be paid by the customer (collection_method send_invoice)",
    ScopeRule.FIRST_INVOICE: "the first invoice of a subscription that is still incomplete belongs to its checkout",
    ScopeRule.OTHER_APPLICATION: "another application made this invoice and collects it",
    ScopeRule.SHOPPER_PRESENT: "the shopper was present and paid by their own hand",
    ScopeRule.TOO_OLD: "it is older than the window of the policy",
}
"""Each rule in words, for event data, pages and the inbox."""


def describe_scope_rule(rule: str) -> str:
    """The rule's name with its sentence, as the inbox and `retry.skipped` store it."""
    return f"out of scope, {rule}: {SCOPE_SENTENCES.get(rule, rule)}"


class InvoiceScope:
    """Applies the scope rules of the current policy to invoices."""

    def __init__(self, rules: Callable[[], ScopeRules] = ScopeRules, time_scale: TimeScale = REAL_TIME) -> None:
        self._rules, self._time_scale = rules, time_scale

    @property
    def rules(self) -> ScopeRules:
        """The rules of the current policy."""
        return self._rules()

    def judge_invoice(self, invoice: InvoiceView, now: datetime, *, opening: bool) -> InvoiceView:
        """The invoice with the rule that puts it out of scope, if any, and pauses and write-offs as the policy treats
        them."""
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
    """Whether the policy makes its collection wait."""
    paused = terms.collection_paused is True and rules.paused is CollectionHandling.WAIT
    return paused or (terms.ends_at_period_end is True and rules.ending is CollectionHandling.WAIT)


SHIPPED_SCOPE: Final = InvoiceScope()
"""The scope of the shipped policy."""
