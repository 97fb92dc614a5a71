"""No order of events charges what is out of scope, already being paid, or more than is owed.

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

from core.classification.taxonomy import Cause
from core.collection_terms import CollectionMethod, CollectionTerms, SubscriptionStatus
from core.contracts import ChargeReport
from core.errors import CommandRefused, NotAllowed
from core.events import EventType
from core.operators import Action, Command
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
from core.policy.scope import SHIPPED_SCOPE
from core.recovery.commands import accept_command
from core.recovery.invoice_check import check_invoice, final_check_events, provider_refusal_event
from core.recovery.machine import Charge, Close, Decide, Done, Read, Reconcile, Wait, fold_records, next_step
from core.recovery.reactions import opening_event
from tests.support.builders import DAY, HOUR, a_failure_event, an_event
from tests.support.driver import Driver
from tests.support.interruptible_provider import Execution, InterruptibleProvider, PausePoint
from tests.support.recovery_scenario import NEW_RECOVERY, OPEN_INVOICE

TOTAL = 4900
DEAD_CARD, NO_FUNDS, ENOUGH_FUNDS, BANK_DEBIT = "lost_card", "insufficient_funds", "", "bank"
CAUSES = {DEAD_CARD: Cause.PERMANENT, NO_FUNDS: Cause.INSUFFICIENT_FUNDS}
QUIET_SETTINGS: dict[str, Any] = {"suppress_health_check": list(HealthCheck)}


@dataclass
class Account(InterruptibleProvider):
    """One invoice at the provider, and the laws that each charge must keep."""

    methods: dict[str, str] = field(default_factory=lambda: {"pm_1": NO_FUNDS})
    """By id: what a charge of it comes to."""
    default: str | None = "pm_1"
    open: int = TOTAL
    is_processing: bool = False
    refuses_reads: bool = False
    terms: CollectionTerms = field(default_factory=CollectionTerms)
    disputed: bool = False
    charged_amount: int = 0
    refused_for_good: set[str] = field(default_factory=set)

    def invoice_view(self) -> InvoiceView:
        """The invoice as the provider shows it. Raises NotAllowed while the key is revoked."""
        if self.refuses_reads:
            raise NotAllowed("the key was revoked")
        known_default = self.default if self.default in self.methods else None
        method = PaymentMethod(method_id=known_default, card=self.card_of(known_default)) if known_default else None
        changes = {
            "status": InvoiceStatus.PAID if self.open == 0 else self.invoice.status,
            "amount_due": self.open,
            "amount_paid": TOTAL - self.open,
            "processing": self.is_processing,
            "disputed": self.disputed,
            "terms": self.terms,
            "methods_known": True,
            "method": method,
            "default_methods": (known_default,) if known_default else (),
        }
        return OPEN_INVOICE.model_copy(update=changes)

    def card_of(self, method_id: str) -> Card:
        """The card of a method."""
        kind = MethodKind.DIRECT_DEBIT if self.methods.get(method_id) == BANK_DEBIT else MethodKind.CARD
        return Card(kind=kind, fingerprint=f"fp_{method_id}", network="visa")

    async def read_invoice(self, _: str) -> InvoiceView:
        """The invoice."""
        await PausePoint()
        return self.invoice_view()

    async def read_card(self, _: str, method_id: str | None) -> Card | None:
        """The card of the named method, or of the default."""
        method = method_id or self.default
        return self.card_of(method) if method in self.methods else None

    async def charge(self, order: ChargeOrder) -> ChargeResult:
        """The method's result, after checking the laws."""
        await PausePoint()
        self.sent_orders.append(order)
        assert self.invoice.status is InvoiceStatus.OPEN, "a closed invoice"
        assert not self.disputed
        assert not self.is_processing, "beside money on its way"
        assert order.amount <= self.open, "more than is open"
        assert self.terms.collection_method is not CollectionMethod.SENT, "not ours"
        assert not self.terms.collection_paused
        assert not self.terms.customer_deleted
        assert not (self.terms.subscription_status and self.terms.subscription_status.has_ended)
        return self._answer_order(order, order.method_id or self.default)

    def _answer_order(self, order: ChargeOrder, method: str | None) -> ChargeResult:
        assert method, "nothing is stored"
        assert method not in self.refused_for_good, "a dead method"
        if method not in self.methods:
            return ChargeResult(outcome=Outcome.NOT_CHARGED, reason=UNFIT_METHOD)
        assert self.methods[method] != BANK_DEBIT, "what is no card"
        charge_id = f"ch_{len(self.sent_orders)}"
        if code := self.methods[method]:
            self.refused_for_good |= {method} if code == DEAD_CARD else set()
            failure = Failure(code=code, method_id=method, charge_id=charge_id)
            return ChargeResult(
                outcome=Outcome.DECLINED, failure=failure, card=self.card_of(method), charge_id=charge_id
            )
        self.open -= order.amount
        self.charged_amount += order.amount
        return ChargeResult(outcome=Outcome.SUCCEEDED, card=self.card_of(method), charge_id=charge_id)

    async def reconcile(self, _: ChargeOrder) -> ChargeResult:
        """Fails: every charge has an answer here."""
        raise AssertionError("every charge had an answer")


class RecoveryMachine(Driver):
    """One recovery and random changes of its invoice; `post` holds undelivered events."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account()
        self.provider = self.account
        self.undelivered: deque[ProviderEvent] = deque()

    @initialize(default=st.sampled_from([NO_FUNDS, NO_FUNDS, BANK_DEBIT]), allowed=st.sampled_from([(2, 3), (9, 20)]))
    def start_recovery(self, default: str, allowed: tuple[int, int]) -> None:
        self.allowed, self.account.methods["pm_1"] = allowed, default
        failure = Failure(code=NO_FUNDS, method_id="pm_1")
        self.append_events(opening_event(a_failure_event(failure=failure)))

    # --- the driver ----------------------------------------------------------------------------------------

    @rule(due=st.sampled_from([True, True, True, False]))
    def run_next_step(self, due: bool) -> None:
        """Performs one step of the machine."""
        step = next_step(self.recovery, self.time)
        if due and isinstance(step, Wait) and step.until:
            self.time = max(self.time, step.until)
            step = next_step(self.recovery, self.time)
        before = self.recovery.sequence
        try:
            self._perform_step(step)
        except NotAllowed as refused:
            self.append_events(provider_refusal_event(self.recovery, str(refused), self.time))
        assert isinstance(step, Wait | Done) or self.recovery.sequence > before, f"{step!r} again and again"

    def _perform_step(self, step: Any) -> None:
        match step:
            case Read() | Decide():
                view = self._read_in_scope(opening=self.recovery.segment is None)
                if events := check_invoice(self.recovery, view, self.time):
                    self.append_events(*events)
                else:
                    self._decide_failure(view)
            case Close():
                view = OPEN_INVOICE if self.account.refuses_reads else self._read_in_scope(opening=False)
                self.append_events(*final_check_events(self.recovery, step, view, self.time))
            case Charge() | Reconcile():
                report: ChargeReport = self.start_charge(step).finish()
                self.recovery = fold_records(self.recovery, report.records)

    def _read_in_scope(self, *, opening: bool) -> InvoiceView:
        return SHIPPED_SCOPE.judge_invoice(self.account.invoice_view(), self.time, opening=opening)

    def _decide_failure(self, view: InvoiceView) -> None:
        self.cause = CAUSES.get(self.recovery.failure.code or "", Cause.INSUFFICIENT_FUNDS)
        self.view = view
        self.decide_failure(Risk())

    def failure_facts(self, risk: Risk) -> FailureFacts:
        method = self.recovery.failure.method_id
        card = self.account.card_of(method) if method else Card()
        return FailureFacts(invoice=self.view, failure=self.recovery.failure, risk=risk, card=card)

    # --- what happens at the provider ----------------------------------------------------------------------

    def send_event(self, kind: EventKind, is_delivered: bool, **fields: Any) -> None:
        """Queues the event of a change, or loses it."""
        self.events += 1
        if is_delivered:
            self.undelivered.append(an_event(kind, event_id=f"evt_{self.events}", occurred_at=self.time, **fields))

    @rule(back=st.booleans())
    def event_arrives(self, back: bool) -> None:
        """Delivers the oldest event, or the newest before it."""
        if self.undelivered:
            self.receive_event(self.undelivered.pop() if back else self.undelivered.popleft())

    @rule(part=st.sampled_from([100, 1900, TOTAL]), is_delivered=st.booleans())
    def customer_pays(self, part: int, is_delivered: bool) -> None:
        paid = min(part, self.account.open)
        if paid and self.account.invoice.status is InvoiceStatus.OPEN:
            self.account.open -= paid
            if self.account.open == 0:
                self.send_event(EventKind.INVOICE_PAID, is_delivered)

    @rule(part=st.sampled_from([100, 1900]), is_delivered=st.booleans(), owed=st.booleans())
    def payment_is_returned(self, part: int, is_delivered: bool, owed: bool) -> None:
        """The merchant refunds a part, or a bank takes it back and it is owed again."""
        if not 0 < TOTAL - self.account.open - self.account.charged_amount >= part or not self.account.open:
            return
        self.account.open += part if owed else 0
        kind, returned_kind = (
            (EventKind.PAYMENT_REVERSED, "returned_debit") if owed else (EventKind.PAYMENT_REFUNDED, "refund")
        )
        self.send_event(kind, is_delivered, returned_amount=part, returned_kind=returned_kind, currency="EUR")

    @rule(is_delivered=st.booleans())
    def payment_starts_processing(self, is_delivered: bool) -> None:
        self.account.is_processing = self.account.open > 0
        self.send_event(EventKind.WAKE, is_delivered)

    @rule(arrives=st.booleans(), is_delivered=st.booleans())
    def processing_payment_ends(self, arrives: bool, is_delivered: bool) -> None:
        if self.account.is_processing:
            self.account.is_processing = False
            self.account.open = 0 if arrives else self.account.open
            self.send_event(EventKind.INVOICE_PAID if arrives else EventKind.WAKE, is_delivered)

    @rule(
        method=st.sampled_from(["pm_2", "pm_3"]),
        comes_to=st.sampled_from([DEAD_CARD, NO_FUNDS, ENOUGH_FUNDS, BANK_DEBIT]),
        role=st.sampled_from([MethodRole.ATTACHED, MethodRole.DEFAULT]),
        is_delivered=st.booleans(),
    )
    def method_is_added(self, method: str, comes_to: str, role: MethodRole, is_delivered: bool) -> None:
        if method in self.account.methods:
            return
        self.account.methods[method] = comes_to
        self.account.refused_for_good.discard(method)
        if role is MethodRole.DEFAULT:
            self.account.default = method
        self.send_event(
            EventKind.METHOD_UPDATED, is_delivered, method_id=method, method_role=role, method_version=f"v{self.events}"
        )

    @rule(method=st.sampled_from(["pm_1", "pm_2", "pm_3"]), is_delivered=st.booleans())
    def method_is_updated(self, method: str, is_delivered: bool) -> None:
        """A method gets new data, and the event arrives: data without an event may not be tried."""
        if method in self.account.methods and self.account.methods[method] != BANK_DEBIT and is_delivered:
            self.account.methods[method] = NO_FUNDS
            self.account.refused_for_good.discard(method)
            event_fields = {"method_id": method, "method_role": MethodRole.UPDATED, "method_version": f"v{self.events}"}
            self.send_event(EventKind.METHOD_UPDATED, is_delivered, **event_fields)

    @rule(method=st.sampled_from(["pm_1", "pm_2", "pm_3"]))
    def method_is_removed(self, method: str) -> None:
        if self.account.methods.pop(method, None) and self.account.default == method:
            self.account.default = None

    @rule(status=st.sampled_from([InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE]), is_delivered=st.booleans())
    def invoice_is_closed(self, status: InvoiceStatus, is_delivered: bool) -> None:
        kinds = {InvoiceStatus.VOID: EventKind.INVOICE_VOIDED}
        self.account.set_status(status)
        self.send_event(kinds.get(status, EventKind.INVOICE_UNCOLLECTIBLE), is_delivered)

    @rule(is_delivered=st.booleans())
    def payment_is_disputed(self, is_delivered: bool) -> None:
        self.account.disputed = True
        self.send_event(EventKind.DISPUTE_OPENED, is_delivered)

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
    def collection_terms_change(self, terms: dict[str, Any]) -> None:
        """The collection terms change without an event."""
        self.account.terms = self.account.terms.model_copy(update=terms)

    @rule(refuses=st.booleans())
    def key_is_revoked_or_restored(self, refuses: bool) -> None:
        self.account.refuses_reads = refuses

    @rule(span=st.sampled_from([HOUR, DAY, 5 * DAY]))
    def time_passes(self, span: timedelta) -> None:
        self.time += span

    @rule(action=st.sampled_from([Action.RETRY, Action.PAUSE, Action.RESUME, Action.REVIEW]))
    def operator_submits_command(self, action: Action) -> None:
        try:
            self.append_events(*accept_command(self.recovery, Command(action=action, decision="approve"), self.time))
        except CommandRefused:
            return

    # --- the laws ------------------------------------------------------------------------------------------

    @invariant()
    def charges_never_exceed_the_amount_owed(self) -> None:
        assert self.account.charged_amount <= TOTAL
        assert self.account.open >= 0

    @invariant()
    def open_amount_matches_the_log(self) -> None:
        recovery = fold_records(NEW_RECOVERY, self.all_records)
        assert recovery == self.recovery
        assert recovery.amount >= 0
        assert recovery.paid + recovery.amount <= TOTAL + recovery.returned

    @invariant()
    def every_request_is_answered(self) -> None:
        requested = sum(row.type is EventType.CHARGE_REQUESTED for row in self.all_records)
        assert len(self.account.sent_orders) == requested

    def teardown(self) -> None:
        """Runs the recovery to its end by time alone."""
        if not self.recovery.sequence:
            return
        self.account.is_processing = self.account.refuses_reads = False
        self._resume_if_paused()
        for _ in range(200):
            if isinstance(next_step(self.recovery, self.time), Done):
                return
            self.run_next_step(due=True)
            self.time += HOUR
        raise AssertionError(f"it never ends: {next_step(self.recovery, self.time)}")

    def _resume_if_paused(self) -> None:
        if self.recovery.paused and not self.recovery.ending and not self.recovery.stage.is_final:
            self.operator_submits_command(Action.RESUME)


@pytest.mark.timeout(180)
def test_no_event_order_leads_to_a_forbidden_charge() -> None:
    run_state_machine_as_test(
        RecoveryMachine,
        settings=settings(max_examples=200, stateful_step_count=50, deadline=None, derandomize=True, **QUIET_SETTINGS),
    )


def test_the_laws_are_checked_at_every_charge() -> None:
    """The account refuses forbidden money itself, so that a breach can't go unnoticed."""
    order = ChargeOrder(
        provider="stripe", invoice_id="in_1", attempt=1, idempotency_key="k", amount=TOTAL + 1, currency="EUR",
        requested_at=a_failure_event().occurred_at,
    )  # fmt: skip
    with pytest.raises(AssertionError, match="more than is open"):
        Execution(Account().charge(order)).finish()
