"""The recovery of one failed payment, from the first failure to the end: weeks of sleep, minutes of work.

The machine (`core.recovery.machine`) is the law; this workflow only does what it says. Whatever happens outside is put
into `_inbox` by a handler and heard by the loop, one thing after another, so that nothing ever acts in between. Only
urgent commands don't wait for a charge that is queued: their rows keep it from being requested.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.types import MethodAsyncSingleParam

from activities.charging import Charging
from activities.decisions import Decisions
from activities.recording import Recording
from core.contracts import (
    ChargeInput,
    ChargeReport,
    ClassifyInput,
    OpenInput,
    PlanInput,
    ReadInput,
    ReconcileInput,
    RecordInput,
    RecoveryInput,
    RecoveryStatus,
    SegmentInput,
    WrittenRecords,
)
from core.errors import CommandRefused
from core.events import Event
from core.operators import Action, Command, parse_command
from core.payments import EventKind, FailureFacts, ProviderEvent
from core.recovery import machine
from core.recovery.commands import check_command, find_refusal
from core.recovery.invoice_check import announced_facts, check_invoice, final_check_events, provider_refusal_event
from core.recovery.machine import Charge, Close, Decide, Done, Notify, Read, Reconcile, Step, Wait  # fmt: skip
from core.recovery.reactions import react_to_event
from core.recovery.state import Recovery
from workflows.activity_calls import NoAnswer, Order, call_provider, requested_wait, run_local_first
from workflows.commands import AwaitedRetries, PendingCommand, apply_command
from workflows.inbox import Inbox, InboxItem
from workflows.messages import MessageResult, MessageSender
from workflows.reconciling import ReconcileSchedule
from workflows.urgent_commands import UrgentCommands
from workflows.visibility import SearchAttributes, describe_step, recovery_status, render_details


@workflow.defn(name="PaymentRecovery")
class PaymentRecovery:
    """One invoice, one run of this at a time. Its state is its log: a new run goes on from there."""

    @workflow.init
    def __init__(self, start: RecoveryInput) -> None:
        self._recovery = Recovery(provider=start.provider, invoice_id=start.invoice_id)
        self._inbox = Inbox(start.event)
        self._message_sender = MessageSender(self._inbox.append)
        # Once a charge is requested, a cancel waits for its answer: nothing may be sent behind it.
        self._urgent_commands = UrgentCommands(
            self._inbox, self._apply_urgent_command, lambda: self._recovery.in_flight is None
        )
        self._facts: FailureFacts | None = None
        self._search_attributes = SearchAttributes()
        self._doing = "opening"
        self._charging_at: int | None = None
        self._awaited_retries = AwaitedRetries()
        self._looks = 0
        self._reconciling = ReconcileSchedule()
        self._history_limit = start.history_limit

    @workflow.run
    async def run(self, start: RecoveryInput) -> RecoveryStatus:
        """The whole story. Temporal's own cancel request is one more command in it."""
        story = asyncio.create_task(self._run_to_end(start))
        while True:
            try:
                return await asyncio.shield(story)
            except asyncio.CancelledError:
                if story.done():
                    raise
                self._inbox.submit_cancel_request()

    async def _run_to_end(self, start: RecoveryInput) -> RecoveryStatus:
        await self._open_log()
        while True:
            while self._inbox:
                await self._handle_input(self._inbox.take_next())
            step = machine.next_step(self._recovery, workflow.now())
            self._update_visibility(step)
            if isinstance(step, Done):
                self._awaited_retries.answer_all()
                await workflow.wait_condition(
                    lambda: workflow.all_handlers_finished() and not self._message_sender.is_busy
                )
                if not self._inbox:
                    return self.status()
            elif self._is_history_full():
                workflow.continue_as_new(start.model_copy(update={"event": None}))
            else:
                await self._take_step(step)

    async def _take_step(self, step: Step) -> None:
        match step:
            case Read():
                await self._read_and_decide()
            case Decide() if self._facts:
                await self._decide_next(self._facts)
            case Decide():
                await self._read_and_decide()
            case Charge() | Reconcile() if wait := self._reconciling.wait:
                await self._sleep_until_input(wait, "ask the provider again")
            case Charge():
                await self._charge_invoice(step)
            case Reconcile():
                await self._reconcile_charge()
            case Wait() | Notify():
                if isinstance(step, Notify):
                    self._message_sender.start_sending(self._recovery, step)
                await self._sleep_until_input(step.until - workflow.now() if step.until else None, step.why)
            case Close():
                await self._close_recovery(step)

    # --- what happens outside -------------------------------------------------------------------------------

    @workflow.signal
    def provider_event(self, event: Any) -> None:
        """A verified webhook, normalised. One that can't be read is dropped by name: the inbox still has it."""
        try:
            self._inbox.append(ProviderEvent.model_validate(event))
        except ValueError:
            workflow.logger.error("a provider event that is no ProviderEvent was ignored")

    @workflow.signal(name="retry_now")
    def retry_now_signal(self, given: Any = None) -> None:
        """Charge as soon as nothing speaks against it."""
        self._inbox.submit_command(parse_command(Action.RETRY, given))

    @workflow.signal(name="cancel")
    def cancel_signal(self, given: Any = None) -> None:
        """End the recovery, whatever comes with it."""
        self._inbox.submit_command(parse_command(Action.CANCEL, given))

    @workflow.signal(name="pause")
    def pause_signal(self, given: Any = None) -> None:
        """Charge nothing until resumed."""
        self._inbox.submit_command(parse_command(Action.PAUSE, given))

    @workflow.signal(name="resume")
    def resume_signal(self, given: Any = None) -> None:
        """Go on after a pause."""
        self._inbox.submit_command(parse_command(Action.RESUME, given))

    @workflow.signal(name="review")
    def review_signal(self, given: Any = None) -> None:
        """Approve or reject a recovery in review."""
        self._inbox.submit_command(parse_command(Action.REVIEW, given))

    @workflow.update(name="retry_now")
    async def retry_now(self, command: Command) -> RecoveryStatus:
        """Charge now; answers when the attempt is over."""
        return await self._handle_command(command)

    @workflow.update(name="cancel")
    async def cancel(self, command: Command) -> RecoveryStatus:
        """End the recovery."""
        return await self._handle_command(command)

    @workflow.update(name="pause")
    async def pause(self, command: Command) -> RecoveryStatus:
        """Charge nothing until resumed."""
        return await self._handle_command(command)

    @workflow.update(name="resume")
    async def resume(self, command: Command) -> RecoveryStatus:
        """Go on after a pause."""
        return await self._handle_command(command)

    @workflow.update(name="review")
    async def review(self, command: Command) -> RecoveryStatus:
        """Approve or reject a recovery in review."""
        return await self._handle_command(command)

    @retry_now.validator
    @cancel.validator
    @pause.validator
    @resume.validator
    @review.validator
    def _validate_command(self, command: Command) -> None:
        """Refuse at the door what can't be followed; nothing is written then."""
        try:
            if self._is_charging and command.action is Action.RETRY:
                raise CommandRefused("in_flight", "A charge is under way; its result is not known yet.")
            check_command(self._recovery, command)
        except CommandRefused as refusal:
            raise ApplicationError(str(refusal), refusal.code, type="Refused", non_retryable=True) from refusal

    @workflow.query
    def status(self) -> RecoveryStatus:
        """Where it stands and what it does."""
        return recovery_status(self._recovery, self._doing, self._is_charging)

    async def _handle_command(self, command: Command) -> RecoveryStatus:
        pending = self._inbox.submit_command(command, awaited=True)
        await workflow.wait_condition(lambda: pending.is_answered)
        if pending.refusal:
            raise ApplicationError(str(pending.refusal), pending.refusal.code, type="Refused", non_retryable=True)
        return self.status()

    # --- what the machine asks for --------------------------------------------------------------------------

    async def _open_log(self) -> None:
        """Find the log, or begin it with the failure that came; without either, wait for one."""
        while True:
            event = self._inbox.opening_event
            known = OpenInput(
                now=workflow.now(), provider=self._recovery.provider, invoice_id=self._recovery.invoice_id, event=event
            )
            opened = await run_local_first(Recording.open_recovery, known)
            self._search_attributes.note_opening(opened)
            self._fold_written(opened)
            for command in opened.commands:
                self._inbox.submit_command(command)
            if self._recovery.sequence:
                return
            await workflow.wait_condition(lambda: self._inbox.opening_event is not None)

    async def _handle_input(self, word: InboxItem) -> None:
        if isinstance(word, PendingCommand):
            while not await self._apply_command(word):
                continue
            return
        if isinstance(word, MessageResult):
            while not await self._write_events(*word.to_events(self._recovery)):
                continue
            return
        self._reconciling.ask_at = None
        while events := react_to_event(self._recovery, word):
            await self._write_events(*events)
        if word.kind is EventKind.WAKE and not self._recovery.stage.is_final:
            await self._handle_wake(word)

    async def _handle_wake(self, word: ProviderEvent) -> None:
        """Something changed that only a read can tell; what was waited for and is over is decided on at once."""
        if self._recovery.standing_back and not self._recovery.ending:
            return await self._read_and_decide()
        facts = await self._read_facts()
        if await self._write_events(*check_invoice(self._recovery, facts.invoice, workflow.now())):
            self._facts = facts
        else:
            self._inbox.put_back(word)
        return None

    async def _apply_command(self, pending: PendingCommand) -> bool:
        return await apply_command(pending, self._recovery, self._record_events, self._awaited_retries)

    async def _apply_urgent_command(self, pending: PendingCommand) -> None:
        """Beside a charge: the log's lock decides whether this row or `charge.requested` is first."""
        if not await self._apply_command(pending):
            self._inbox.put_back(pending)
        self._update_visibility(machine.next_step(self._recovery, workflow.now()))

    async def _read_and_decide(self) -> None:
        """Read what failed, and decide, unless the invoice needs nothing any more."""
        answer = await self._ask_provider()
        if isinstance(answer, NoAnswer) and answer.refusal:
            await self._write_events(provider_refusal_event(self._recovery, answer.refusal, workflow.now()))
            return
        self._facts = announced_facts(self._recovery) if isinstance(answer, NoAnswer) else answer
        if events := check_invoice(self._recovery, self._facts.invoice, workflow.now()):
            await self._write_events(*events)
        else:
            await self._decide_next(self._facts)

    async def _read_facts(self) -> FailureFacts:
        """All that the provider says; without an answer, what its event said."""
        facts = await self._ask_provider()
        return announced_facts(self._recovery) if isinstance(facts, NoAnswer) else facts

    async def _ask_provider(self) -> FailureFacts | NoAnswer:
        return await call_provider(
            Charging.read_failure, ReadInput(recovery=self._recovery), "read invoice and decline"
        )

    async def _decide_next(self, facts: FailureFacts) -> None:
        """Classify, segment, assess and plan; the last step writes the whole decision down."""
        recovery = self._recovery
        classification = await run_local_first(
            Decisions.classify_failure, ClassifyInput(recovery=recovery, facts=facts)
        )
        segment = await run_local_first(
            Decisions.segment_customer, SegmentInput(now=workflow.now(), recovery=recovery, facts=facts)
        )
        plan = PlanInput(
            now=workflow.now(), recovery=recovery, facts=facts, classification=classification, segment=segment
        )
        self._fold_written(await run_local_first(Decisions.plan_retry, plan))

    async def _close_recovery(self, step: Close) -> None:
        """Write the end down; where money may be on its way unheard of, only after a last look."""
        if not step.read_first:
            await self._write_events(machine.closing_event(step, workflow.now()))
            return
        answer = await self._ask_provider()
        if isinstance(answer, NoAnswer) and self._looks < machine.MAX_FINAL_READS:
            self._looks += 1
            await self._sleep_until_input(
                machine.FINAL_READ_INTERVAL, "the provider is asked once more before it is given up"
            )
            return
        facts = announced_facts(self._recovery) if isinstance(answer, NoAnswer) else answer
        await self._write_events(*final_check_events(self._recovery, step, facts.invoice, workflow.now()))

    async def _charge_invoice(self, step: Charge) -> None:
        wanted = ChargeInput(
            now=workflow.now(), recovery=self._recovery, trigger=step.trigger, method_id=step.method_id
        )
        self._charging_at = self._recovery.sequence
        try:
            await self._call_provider(Charging.charge_invoice, wanted, f"charge, attempt {self._recovery.attempt + 1}")
        finally:
            self._charging_at = None

    @property
    def _is_charging(self) -> bool:
        """Whether a charge was begun and no row was written since: such a row says itself what became of it."""
        return self._charging_at == self._recovery.sequence

    async def _reconcile_charge(self) -> None:
        last_sent_by = self._reconciling.last_sent_by
        order = ReconcileInput(now=workflow.now(), recovery=self._recovery, last_sent_by=last_sent_by)
        await self._call_provider(Charging.reconcile_charge, order, f"reconcile attempt {self._recovery.attempt}")

    async def _call_provider(
        self, method: MethodAsyncSingleParam[Any, Order, ChargeReport], order: Order, summary: str
    ) -> None:
        """Have the provider called. Without an answer the workflow listens to people for a while and comes back."""
        may_send = self._recovery.ending is None
        answer = await self._urgent_commands.handle_during(call_provider(method, order, summary))
        if may_send:
            self._reconciling.note_sending()
        charged = ChargeReport() if isinstance(answer, NoAnswer) else answer
        refused = (
            CommandRefused("fraud_hold", answer.refusal) if isinstance(answer, NoAnswer) and answer.refusal else None
        )
        if refused and not self._recovery.refusal_known and not self._recovery.stage.is_final:
            await self._write_events(provider_refusal_event(self._recovery, str(refused), workflow.now()))
        self._fold_written(charged)
        self._facts = charged.facts or self._facts
        if refusal := find_refusal(charged.records) or refused:
            self._awaited_retries.answer_all(refusal)
        if self._recovery.in_flight or not charged.records:
            self._reconciling.plan_next(self._recovery, requested_wait(answer))
        else:
            self._reconciling.clear()

    async def _sleep_until_input(self, pause: timedelta | None, why: str) -> None:
        """Sleep, durably, until the time is over or somebody says something. Who waits for an answer has it now."""
        self._search_attributes.upsert(self._recovery, at_rest=True)
        self._awaited_retries.answer_all()
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: bool(self._inbox), timeout=pause, timeout_summary=why)

    async def _write_events(self, *events: Event) -> bool:
        """Whether the rows are ours: where the log is ahead of us (a result was lost), it tells us that and no more."""
        return machine.begins_with_events(events, (await self._record_events(events)).records)

    async def _record_events(self, events: tuple[Event, ...]) -> WrittenRecords:
        if not events:
            return WrittenRecords()
        rows = RecordInput(now=workflow.now(), recovery=self._recovery, events=events)
        written = await run_local_first(Recording.record_events, rows)
        self._fold_written(written)
        return written

    def _fold_written(self, written: WrittenRecords) -> None:
        """Fold what is new. What the provider said before a new failure is no longer what it would say."""
        # A charge returns all rows behind its order: an urgent command may have met some of them before.
        new = [record for record in written.records if record.sequence > self._recovery.sequence]
        before, self._recovery = self._recovery, machine.fold_records(self._recovery, new)
        self._reconciling.note_change(before, self._recovery)
        if any(record.type in machine.FAILURE_EVENT_TYPES for record in new):
            self._facts = None

    def _update_visibility(self, step: Step) -> None:
        """Keep Temporal's web UI and its search up to date."""
        self._doing = describe_step(self._recovery, step)
        workflow.set_current_details(render_details(self._recovery, self._doing))
        self._search_attributes.upsert(self._recovery, at_rest=isinstance(step, Done))

    def _is_history_full(self) -> bool:
        """Whether the history should begin anew; the log carries the state over."""
        info = workflow.info()
        full = info.is_continue_as_new_suggested() or info.get_current_history_length() > self._history_limit
        return full and not self._inbox and not self._message_sender.is_busy and workflow.all_handlers_finished()
