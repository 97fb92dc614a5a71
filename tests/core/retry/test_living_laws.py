"""No order of what happens in a living account makes a charge of what isn't ours, is on its way, or is too much.

Events may be lost or come late; only fresh reads tell. Machine, reactions, decision and attempt are the real ones.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from activities.scope import SHIPPED
from core.classifier.taxonomy import Cause
from core.contracts import Action, Charged, Command
from core.errors import NotAllowed, Refused
from core.events import EventType
from core.payments import (
    UNFIT_METHOD,
    Card,
    ChargeOrder,
    ChargeResult,
    EventKind,
    Failure,
    FailureFacts,
    InvoiceStatus,
    InvoiceView,
    MethodKind,
    MethodRole,
    Outcome,
    PaymentMethod,
    ProviderEvent,
    Risk,
)
from core.retry.fresh_look import last_word, observe, provider_refuses
from core.retry.machine import Charge, Close, Decide, Done, Read, Settle, Wait, fold, next_step
from core.retry.reactions import obey, opening
from core.terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from tests.support.builders import DAY, HOUR, a_failure_event, an_event
from tests.support.driver import Driver
from tests.support.story import NEW, OPEN
from tests.support.till import Execution, Pause, Till

TOTAL = 4900
DEAD, POOR, RICH, BANK = "lost_card", "insufficient_funds", "", "bank"
CAUSES = {DEAD: Cause.PERMANENT, POOR: Cause.INSUFFICIENT_FUNDS}
QUIET: dict[str, Any] = {"suppress_health_check": list(HealthCheck)}


@dataclass
class Account(Till):
    """One invoice in a living account: what it says when asked, and the laws held against every charge."""

    methods: dict[str, str] = field(default_factory=lambda: {"pm_1": POOR})
    """By id: what a charge of it comes to."""
    default: str | None = "pm_1"
    open: int = TOTAL
    on_its_way: bool = False
    refuses: bool = False
    terms: CollectionTerms = field(default_factory=CollectionTerms)
    disputed: bool = False
    taken: int = 0
    refused_for_good: set[str] = field(default_factory=set)

    def view(self) -> InvoiceView:
        """The invoice as it is; a missing permission hides it."""
        if self.refuses:
            raise NotAllowed("the key was revoked")
        known = self.default if self.default in self.methods else None
        method = PaymentMethod(method_id=known, card=self.card(known)) if known else None
        changes = {
            "status": InvoiceStatus.PAID if self.open == 0 else self.invoice.status,
            "amount_due": self.open,
            "amount_paid": TOTAL - self.open,
            "processing": self.on_its_way,
            "disputed": self.disputed,
            "terms": self.terms,
            "methods_known": True,
            "method": method,
            "default_methods": (known,) if known else (),
        }
        return OPEN.model_copy(update=changes)

    def card(self, method_id: str) -> Card:
        """What is known of a method."""
        kind = MethodKind.DIRECT_DEBIT if self.methods.get(method_id) == BANK else MethodKind.CARD
        return Card(kind=kind, fingerprint=f"fp_{method_id}", network="visa")

    async def read_invoice(self, _: str) -> InvoiceView:
        """As it is now."""
        await Pause()
        return self.view()

    async def read_card(self, _: str, method_id: str | None) -> Card | None:
        """Of the named method, or of the default."""
        found = method_id or self.default
        return self.card(found) if found in self.methods else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """The laws, then what the method comes to."""
        await Pause()
        self.sent.append(order)
        assert self.invoice.status is InvoiceStatus.OPEN, "a closed invoice"
        assert not self.disputed
        assert not self.on_its_way, "beside money on its way"
        assert order.amount <= self.open, "more than is open"
        assert self.terms.collection_method is not CollectionMethod.SENT, "not ours"
        assert not self.terms.collection_paused
        assert not self.terms.customer_deleted
        assert not (self.terms.subscription_status and self.terms.subscription_status.over)
        return self._comes_to(order, order.method_id or self.default)

    def _comes_to(self, order: ChargeOrder, method: str | None) -> ChargeResult:
        assert method, "nothing is stored"
        assert method not in self.refused_for_good, "a dead method"
        if method not in self.methods:
            return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=UNFIT_METHOD)
        assert self.methods[method] != BANK, "what is no card"
        charge_id = f"ch_{len(self.sent)}"
        if code := self.methods[method]:
            self.refused_for_good |= {method} if code == DEAD else set()
            failure = Failure(code=code, method_id=method, charge_id=charge_id)
            return ChargeResult(outcome=Outcome.DECLINED, failure=failure, card=self.card(method), charge_id=charge_id)
        self.open -= order.amount
        self.taken += order.amount
        return ChargeResult(outcome=Outcome.SUCCEEDED, card=self.card(method), charge_id=charge_id)

    async def settle(self, _: ChargeOrder) -> ChargeResult:
        """Never asked: every answer arrives here."""
        raise AssertionError("every charge had an answer")


class Living(Driver):
    """One recovery, driven by whatever happens to its invoice; `post` holds events that are not delivered yet."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account()
        self.till = self.account
        self.post: deque[ProviderEvent] = deque()

    @initialize(default=st.sampled_from([POOR, POOR, BANK]), allowed=st.sampled_from([(2, 3), (9, 20)]))
    def begin(self, default: str, allowed: tuple[int, int]) -> None:
        self.allowed, self.account.methods["pm_1"] = allowed, default
        failure = Failure(code=POOR, method_id="pm_1")
        self.write(opening(a_failure_event(failure=failure)))

    # --- the driver ----------------------------------------------------------------------------------------

    @rule(due=st.sampled_from([True, True, True, False]))
    def work(self, due: bool) -> None:
        """One step of the machine."""
        step = next_step(self.recovery, self.time)
        if due and isinstance(step, Wait) and step.until:
            self.time = max(self.time, step.until)
            step = next_step(self.recovery, self.time)
        before = self.recovery.sequence
        try:
            self._take(step)
        except NotAllowed as refused:
            self.write(provider_refuses(self.recovery, str(refused), self.time))
        assert isinstance(step, Wait | Done) or self.recovery.sequence > before, f"{step!r} again and again"

    def _take(self, step: Any) -> None:
        match step:
            case Read() | Decide():
                view = self._judged(opening=self.recovery.segment is None)
                if events := observe(self.recovery, view, self.time):
                    self.write(*events)
                else:
                    self._decided(view)
            case Close():
                view = OPEN if self.account.refuses else self._judged(opening=False)
                self.write(*last_word(self.recovery, step, view, self.time))
            case Charge() | Settle():
                written: Charged = self.attempt(step).finish()
                self.recovery = fold(self.recovery, written.records)

    def _judged(self, *, opening: bool) -> InvoiceView:
        return SHIPPED.judged(self.account.view(), self.time, opening=opening)

    def _decided(self, view: InvoiceView) -> None:
        self.cause = CAUSES.get(self.recovery.failure.code or "", Cause.INSUFFICIENT_FUNDS)
        self.view = view
        self.decide(Risk())

    def facts(self, risk: Risk) -> FailureFacts:
        method = self.recovery.failure.method_id
        card = self.account.card(method) if method else Card()
        return FailureFacts(invoice=self.view, failure=self.recovery.failure, risk=risk, card=card)

    # --- what happens at the provider ----------------------------------------------------------------------

    def tell(self, kind: EventKind, told: bool, **known: Any) -> None:
        """The event of what just happened: on its way, or lost."""
        self.events += 1
        if told:
            self.post.append(an_event(kind, event_id=f"evt_{self.events}", occurred_at=self.time, **known))

    @rule(back=st.booleans())
    def an_event_arrives(self, back: bool) -> None:
        """The oldest, or the newest before it."""
        if self.post:
            self.hear(self.post.pop() if back else self.post.popleft())

    @rule(part=st.sampled_from([100, 1900, TOTAL]), told=st.booleans())
    def somebody_pays(self, part: int, told: bool) -> None:
        paid = min(part, self.account.open)
        if paid and self.account.invoice.status is InvoiceStatus.OPEN:
            self.account.open -= paid
            if self.account.open == 0:
                self.tell(EventKind.INVOICE_PAID, told)

    @rule(part=st.sampled_from([100, 1900]), told=st.booleans(), owed=st.booleans())
    def a_part_goes_back(self, part: int, told: bool, owed: bool) -> None:
        """Given back by the merchant, or taken back by a bank, after which it is owed again."""
        if not 0 < TOTAL - self.account.open - self.account.taken >= part or not self.account.open:
            return
        self.account.open += part if owed else 0
        kind, what = (EventKind.PAYMENT_REVERSED, "returned_debit") if owed else (EventKind.PAYMENT_REFUNDED, "refund")
        self.tell(kind, told, returned_amount=part, returned_kind=what, currency="EUR")

    @rule(told=st.booleans())
    def money_gets_on_its_way(self, told: bool) -> None:
        self.account.on_its_way = self.account.open > 0
        self.tell(EventKind.WAKE, told)

    @rule(arrives=st.booleans(), told=st.booleans())
    def money_on_its_way_ends(self, arrives: bool, told: bool) -> None:
        if self.account.on_its_way:
            self.account.on_its_way = False
            self.account.open = 0 if arrives else self.account.open
            self.tell(EventKind.INVOICE_PAID if arrives else EventKind.WAKE, told)

    @rule(
        method=st.sampled_from(["pm_2", "pm_3"]),
        comes_to=st.sampled_from([DEAD, POOR, RICH, BANK]),
        role=st.sampled_from([MethodRole.ATTACHED, MethodRole.DEFAULT]),
        told=st.booleans(),
    )
    def a_method_is_given(self, method: str, comes_to: str, role: MethodRole, told: bool) -> None:
        if method in self.account.methods:
            return
        self.account.methods[method] = comes_to
        self.account.refused_for_good.discard(method)
        if role is MethodRole.DEFAULT:
            self.account.default = method
        self.tell(EventKind.METHOD_UPDATED, told, method_id=method, method_role=role, method_version=f"v{self.events}")

    @rule(method=st.sampled_from(["pm_1", "pm_2", "pm_3"]), told=st.booleans())
    def a_method_gets_new_data(self, method: str, told: bool) -> None:
        """Only where the event arrives: new data that nobody heard of may not be tried."""
        if method in self.account.methods and self.account.methods[method] != BANK and told:
            self.account.methods[method] = POOR
            self.account.refused_for_good.discard(method)
            known = {"method_id": method, "method_role": MethodRole.UPDATED, "method_version": f"v{self.events}"}
            self.tell(EventKind.METHOD_UPDATED, told, **known)

    @rule(method=st.sampled_from(["pm_1", "pm_2", "pm_3"]))
    def a_method_is_removed(self, method: str) -> None:
        if self.account.methods.pop(method, None) and self.account.default == method:
            self.account.default = None

    @rule(status=st.sampled_from([InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE]), told=st.booleans())
    def it_is_closed(self, status: InvoiceStatus, told: bool) -> None:
        kinds = {InvoiceStatus.VOID: EventKind.INVOICE_VOIDED}
        self.account.becomes(status)
        self.tell(kinds.get(status, EventKind.INVOICE_UNCOLLECTIBLE), told)

    @rule(told=st.booleans())
    def it_is_disputed(self, told: bool) -> None:
        self.account.disputed = True
        self.tell(EventKind.DISPUTE_OPENED, told)

    @rule(
        terms=st.sampled_from(
            [
                {"collection_method": CollectionMethod.SENT},
                {"collection_paused": True},
                {"collection_paused": None},
                {"customer_deleted": True},
                {"subscription_status": SubscriptionStatus.CANCELED},
            ]
        )
    )
    def its_terms_change(self, terms: dict[str, Any]) -> None:
        """Nobody tells."""
        self.account.terms = self.account.terms.model_copy(update=terms)

    @rule(refuses=st.booleans())
    def the_key_is_revoked_or_restored(self, refuses: bool) -> None:
        self.account.refuses = refuses

    @rule(span=st.sampled_from([HOUR, DAY, 5 * DAY]))
    def time_passes(self, span: timedelta) -> None:
        self.time += span

    @rule(action=st.sampled_from([Action.RETRY, Action.PAUSE, Action.RESUME, Action.REVIEW]))
    def an_operator_asks(self, action: Action) -> None:
        try:
            self.write(*obey(self.recovery, Command(action=action, decision="approve"), self.time))
        except Refused:
            return

    # --- the laws ------------------------------------------------------------------------------------------

    @invariant()
    def never_more_than_was_owed(self) -> None:
        assert self.account.taken <= TOTAL
        assert self.account.open >= 0

    @invariant()
    def what_is_open_is_what_is_known(self) -> None:
        known = fold(NEW, self.rows)
        assert known == self.recovery
        assert known.amount >= 0
        assert known.paid + known.amount <= TOTAL + known.returned

    @invariant()
    def each_request_was_answered(self) -> None:
        requested = sum(row.type is EventType.CHARGE_REQUESTED for row in self.rows)
        assert len(self.account.sent) == requested

    def teardown(self) -> None:
        """Left alone, it comes to an end."""
        if not self.recovery.sequence:
            return
        self.account.on_its_way = self.account.refuses = False
        self._resumed()
        for _ in range(200):
            if isinstance(next_step(self.recovery, self.time), Done):
                return
            self.work(due=True)
            self.time += HOUR
        raise AssertionError(f"it never ends: {next_step(self.recovery, self.time)}")

    def _resumed(self) -> None:
        if self.recovery.paused and not self.recovery.ending and not self.recovery.stage.final:
            self.an_operator_asks(Action.RESUME)


@pytest.mark.timeout(180)
def test_no_order_of_events_charges_what_may_not_be_charged() -> None:
    run_state_machine_as_test(
        Living,
        settings=settings(max_examples=200, stateful_step_count=50, deadline=None, derandomize=True, **QUIET),
    )


def test_the_laws_are_held_against_every_charge() -> None:
    """The account itself refuses to take money that may not be taken, so that a breach can't go unseen."""
    order = ChargeOrder(
        provider="stripe", invoice_id="in_1", attempt=1, idempotency_key="k", amount=TOTAL + 1, currency="EUR",
        requested_at=a_failure_event().occurred_at,
    )  # fmt: skip
    with pytest.raises(AssertionError, match="more than is open"):
        Execution(Account().charge(order)).finish()
