"""The recovery of one failed payment, from the first failure to the end: weeks of sleep, minutes of work.

The machine (`core.retry.machine`) is the law; this workflow only does what it says. Whatever happens outside is put
into `_inbox` by a handler and heard by the loop, one thing after another, so that nothing ever acts in between.
"""

import asyncio
import contextlib
from collections import deque
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.types import MethodAsyncSingleParam

from activities.charging import Charging
from activities.decisions import Decisions
from activities.recording import Recording
from core.contracts import (
    Action,
    Charged,
    ChargeInput,
    ClassifyInput,
    Command,
    OpenInput,
    PlanInput,
    ReadInput,
    RecordInput,
    RecoveryInput,
    RecoveryStatus,
    SegmentInput,
    SettleInput,
    Written,
    read_command,
)
from core.errors import Refused
from core.events import Event
from core.payments import EventKind, FailureFacts, ProviderEvent
from core.retry.fresh_look import announced, last_word, observe, provider_refuses
from core.retry.machine import (
    FAILURES,
    LOOK_AGAIN,
    MOST_LOOKS,
    Charge,
    Close,
    Decide,
    Done,
    Notify,
    Read,
    Settle,
    Step,
    Wait,
    closing,
    fold,
    next_step,
    settle_wait,
    written_as,
)
from core.retry.reactions import opens_recovery, react, refusal_in, refuse
from core.retry.recovery import Recovery
from workflows.messages import Post, Posted
from workflows.presence import details, doing, indexed, status
from workflows.steps import NoAnswer, Order, asked_wait, call, stored
from workflows.wish import CommandNames, Promises, Wish, follow


@workflow.defn(name="PaymentRecovery")
class PaymentRecovery:
    """One invoice, one run of this at a time. Its state is its log: a new run goes on from there."""

    @workflow.init
    def __init__(self, start: RecoveryInput) -> None:
        self._recovery = Recovery(provider=start.provider, invoice_id=start.invoice_id)
        self._inbox: deque[ProviderEvent | Wish | Posted] = deque([start.event] if start.event else [])
        self._post = Post(self._inbox.append)
        self._requests: set[str] = set()
        self._names = CommandNames()
        self._facts: FailureFacts | None = None
        self._searchable: frozenset[str] = frozenset()
        self._doing = "opening"
        self._charging = False
        self._promises = Promises()
        self._looks = 0
        self._ask_at: datetime | None = None
        self._tries = 0
        self._history_limit = start.history_limit

    @workflow.run
    async def run(self, start: RecoveryInput) -> RecoveryStatus:
        """The whole story. Temporal's own cancel request is one more wish in it."""
        story = asyncio.create_task(self._story(start))
        while True:
            try:
                return await asyncio.shield(story)
            except asyncio.CancelledError:
                if story.done():
                    raise
                request = Command(action=Action.CANCEL, reason="cancel request")
                self._inbox.append(Wish(self._names.of_cancel_request(request)))

    async def _story(self, start: RecoveryInput) -> RecoveryStatus:
        await self._open()
        while True:
            while self._inbox:
                await self._hear(self._inbox.popleft())
            step = next_step(self._recovery, workflow.now())
            self._show(step)
            if isinstance(step, Done):
                self._promises.settle()
                await workflow.wait_condition(lambda: workflow.all_handlers_finished() and not self._post.busy)
                if not self._inbox:
                    return self.status()
            elif self._long():
                workflow.continue_as_new(start.model_copy(update={"event": None}))
            else:
                await self._take(step)

    async def _take(self, step: Step) -> None:
        match step:
            case Read():
                await self._look()
            case Decide() if self._facts:
                await self._decide(self._facts)
            case Decide():
                await self._look()
            case Charge() | Settle() if self._ask_at and workflow.now() < self._ask_at:
                await self._rest(self._ask_at - workflow.now(), "ask the provider again")
            case Charge():
                await self._charge(step)
            case Settle():
                await self._settle()
            case Wait() | Notify():
                if isinstance(step, Notify):
                    self._post.send(self._recovery, step)
                await self._rest(step.until - workflow.now() if step.until else None, step.why)
            case Close():
                await self._close(step)

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
        self._wish(read_command(Action.RETRY, given))

    @workflow.signal(name="cancel")
    def cancel_signal(self, given: Any = None) -> None:
        """End the recovery, whatever comes with it."""
        self._wish(read_command(Action.CANCEL, given))

    @workflow.signal(name="pause")
    def pause_signal(self, given: Any = None) -> None:
        """Charge nothing until resumed."""
        self._wish(read_command(Action.PAUSE, given))

    @workflow.signal(name="resume")
    def resume_signal(self, given: Any = None) -> None:
        """Go on after a pause."""
        self._wish(read_command(Action.RESUME, given))

    @workflow.signal(name="review")
    def review_signal(self, given: Any = None) -> None:
        """Approve or reject a recovery in review."""
        self._wish(read_command(Action.REVIEW, given))

    @workflow.update(name="retry_now")
    async def retry_now(self, command: Command) -> RecoveryStatus:
        """Charge now; answers when the attempt is over."""
        return await self._heed(command)

    @workflow.update(name="cancel")
    async def cancel(self, command: Command) -> RecoveryStatus:
        """End the recovery."""
        return await self._heed(command)

    @workflow.update(name="pause")
    async def pause(self, command: Command) -> RecoveryStatus:
        """Charge nothing until resumed."""
        return await self._heed(command)

    @workflow.update(name="resume")
    async def resume(self, command: Command) -> RecoveryStatus:
        """Go on after a pause."""
        return await self._heed(command)

    @workflow.update(name="review")
    async def review(self, command: Command) -> RecoveryStatus:
        """Approve or reject a recovery in review."""
        return await self._heed(command)

    @retry_now.validator
    @cancel.validator
    @pause.validator
    @resume.validator
    @review.validator
    def _possible(self, command: Command) -> None:
        """Refuse at the door what can't be followed; nothing is written then."""
        try:
            if self._charging and command.action is Action.RETRY:
                raise Refused("in_flight", "A charge is under way; its result is not known yet.")
            refuse(self._recovery, command)
        except Refused as refusal:
            raise ApplicationError(str(refusal), refusal.code, type="Refused", non_retryable=True) from refusal

    @workflow.query
    def status(self) -> RecoveryStatus:
        """Where it stands and what it does."""
        return status(self._recovery, self._doing, self._charging)

    def _wish(self, command: Command, *, asked: bool = False) -> Wish:
        command = self._names.of_update(command) if asked else self._names.of_signal(command)
        wish = Wish(command, asked=asked)
        if command.request_id in self._requests:
            wish.settle()
            return wish
        if command.request_id:
            self._requests.add(command.request_id)
        self._inbox.append(wish)
        return wish

    async def _heed(self, command: Command) -> RecoveryStatus:
        wish = self._wish(command, asked=True)
        await workflow.wait_condition(lambda: wish.settled)
        if wish.refusal:
            raise ApplicationError(str(wish.refusal), wish.refusal.code, type="Refused", non_retryable=True)
        return self.status()

    # --- what the machine asks for --------------------------------------------------------------------------

    async def _open(self) -> None:
        """Find the log, or begin it with the failure that came; without either, wait for one."""
        while True:
            event = next(filter(_opens, self._inbox), None)
            known = OpenInput(
                now=workflow.now(), provider=self._recovery.provider, invoice_id=self._recovery.invoice_id, event=event
            )
            opened = await stored(Recording.open_recovery, known)
            self._searchable = frozenset(opened.search_attributes)
            self._learn(opened)
            if self._recovery.sequence:
                return
            await workflow.wait_condition(lambda: any(map(_opens, self._inbox)))

    async def _hear(self, word: ProviderEvent | Wish | Posted) -> None:
        if isinstance(word, Wish):
            return await self._follow(word)
        if isinstance(word, Posted):
            while not await self._write(*word.events(self._recovery)):
                continue
            return None
        self._ask_at = None
        while events := react(self._recovery, word):
            await self._write(*events)
        if word.kind is EventKind.WAKE and not self._recovery.stage.final:
            await self._wake(word)
        return None

    async def _wake(self, word: ProviderEvent) -> None:
        """Something changed that only a read can tell; what was waited for and is over is decided on at once."""
        if self._recovery.standing_back and not self._recovery.ending:
            return await self._look()
        facts = await self._read()
        if await self._write(*observe(self._recovery, facts.invoice, workflow.now())):
            self._facts = facts
        else:
            self._inbox.appendleft(word)
        return None

    async def _follow(self, wish: Wish) -> None:
        refusal = await follow(wish, lambda: self._recovery, self._record)
        if refusal is None and wish.command.action is Action.RETRY:
            self._promises.add(wish)
        else:
            wish.settle(refusal)

    async def _look(self) -> None:
        """Read what failed, and decide, unless the invoice needs nothing any more."""
        answer = await self._asked()
        if isinstance(answer, NoAnswer) and answer.refusal:
            await self._write(provider_refuses(self._recovery, answer.refusal, workflow.now()))
            return
        self._facts = announced(self._recovery) if isinstance(answer, NoAnswer) else answer
        if events := observe(self._recovery, self._facts.invoice, workflow.now()):
            await self._write(*events)
        else:
            await self._decide(self._facts)

    async def _read(self) -> FailureFacts:
        """All that the provider says; after five minutes without an answer, what its event said."""
        facts = await self._asked()
        return announced(self._recovery) if isinstance(facts, NoAnswer) else facts

    async def _asked(self) -> FailureFacts | NoAnswer:
        return await call(Charging.read_failure, ReadInput(recovery=self._recovery), "read invoice and decline")

    async def _decide(self, facts: FailureFacts) -> None:
        """Classify, segment, assess and plan; the last step writes the whole decision down."""
        recovery = self._recovery
        classification = await stored(Decisions.classify_failure, ClassifyInput(recovery=recovery, facts=facts))
        segment = await stored(
            Decisions.segment_customer, SegmentInput(now=workflow.now(), recovery=recovery, facts=facts)
        )
        plan = PlanInput(
            now=workflow.now(), recovery=recovery, facts=facts, classification=classification, segment=segment
        )
        self._learn(await stored(Decisions.plan_retry, plan))

    async def _close(self, step: Close) -> None:
        """Write the end down; where money may be on its way unheard of, only after a last look."""
        if not step.look:
            await self._write(closing(step, workflow.now()))
            return
        answer = await self._asked()
        if isinstance(answer, NoAnswer) and self._looks < MOST_LOOKS:
            self._looks += 1
            await self._rest(LOOK_AGAIN, "the provider is asked once more before it is given up")
            return
        facts = announced(self._recovery) if isinstance(answer, NoAnswer) else answer
        await self._write(*last_word(self._recovery, step, facts.invoice, workflow.now()))

    async def _charge(self, step: Charge) -> None:
        wanted = ChargeInput(
            now=workflow.now(), recovery=self._recovery, trigger=step.trigger, method_id=step.method_id
        )
        self._charging = True
        try:
            await self._call(Charging.charge_invoice, wanted, f"charge, attempt {self._recovery.attempt + 1}")
        finally:
            self._charging = False

    async def _settle(self) -> None:
        order = SettleInput(now=workflow.now(), recovery=self._recovery)
        await self._call(Charging.settle_charge, order, f"settle attempt {self._recovery.attempt}")

    async def _call(self, method: MethodAsyncSingleParam[Any, Order, Charged], order: Order, summary: str) -> None:
        """Have the provider called. Without an answer the workflow listens to people for a while and comes back."""
        answer = await call(method, order, summary)
        charged = Charged() if isinstance(answer, NoAnswer) else answer
        refused = Refused("fraud_hold", answer.refusal) if isinstance(answer, NoAnswer) and answer.refusal else None
        if refused and not self._recovery.refusal_known:
            await self._write(provider_refuses(self._recovery, str(refused), workflow.now()))
        self._learn(charged)
        self._facts = charged.facts or self._facts
        if refusal := refusal_in(charged.records) or refused:
            self._promises.settle(refusal)
        if self._recovery.in_flight or not charged.records:
            self._ask_at = workflow.now() + max(settle_wait(self._tries), asked_wait(answer))
            self._tries += 1
        else:
            self._ask_at, self._tries = None, 0

    async def _rest(self, pause: timedelta | None, why: str) -> None:
        """Sleep, durably, until the time is over or somebody says something. Who waits for an answer has it now."""
        self._promises.settle()
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: bool(self._inbox), timeout=pause, timeout_summary=why)

    async def _write(self, *events: Event) -> bool:
        """Whether the rows are ours: where the log is ahead of us (a result was lost), it tells us that and no more."""
        return written_as(events, (await self._record(events)).records)

    async def _record(self, events: tuple[Event, ...]) -> Written:
        if not events:
            return Written()
        rows = RecordInput(now=workflow.now(), recovery=self._recovery, events=events)
        written = await stored(Recording.record_events, rows)
        self._learn(written)
        return written

    def _learn(self, written: Written) -> None:
        """Fold what is written. What the provider said before a new failure is no longer what it would say."""
        self._recovery = fold(self._recovery, written.records)
        if any(record.type in FAILURES for record in written.records):
            self._facts = None

    def _show(self, step: Step) -> None:
        """Keep Temporal's web UI and its search up to date."""
        self._doing = doing(self._recovery, step)
        workflow.set_current_details(details(self._recovery, self._doing))
        if changed := indexed(self._recovery, self._searchable, workflow.info().typed_search_attributes):
            workflow.upsert_search_attributes(changed)

    def _long(self) -> bool:
        """Whether the history should begin anew; the log carries the state over."""
        info = workflow.info()
        full = info.is_continue_as_new_suggested() or info.get_current_history_length() > self._history_limit
        return full and not self._inbox and not self._post.busy and workflow.all_handlers_finished()


def _opens(word: object) -> bool:
    return isinstance(word, ProviderEvent) and opens_recovery(word)
