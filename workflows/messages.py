"""Sends the messages of one recovery, one at a time, concurrently with its other steps.

No step waits for a message: it is sent in its own task, and its result enters the recovery's inbox like any input.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.contacts import Contacts
from activities.messaging import Messaging
from core.contracts import DeliveryResult, NotifyInput, ReadInput
from core.events import Event, EventType
from core.events.data import MessageReported
from core.events.types import MessageOutcome
from core.payments import InvoiceStatus, InvoiceView
from core.recovery.invoice_check import check_invoice
from core.recovery.machine import Notify
from core.recovery.messages import record_message_key
from core.recovery.state import Recovery
from workflows import options
from workflows.activity_calls import NoAnswer, call_provider

LOST_RESULT: Final = DeliveryResult(outcome=MessageOutcome.MAYBE_SENT, reason="no_answer")
"""Result of a message whose activity failed without a result: it may have been sent."""


CUSTOMER_DELETED: Final = DeliveryResult(outcome=MessageOutcome.FAILED, reason="customer_deleted")
"""The merchant removed this customer at the provider: nobody writes to them any more, not even good news."""


class MessageResult:
    """Result of a message: its row, or the invoice whose state made it unnecessary."""

    def __init__(self, found: Event | InvoiceView, at: datetime) -> None:
        self._outcome, self._at = found, at

    def to_events(self, recovery: Recovery) -> tuple[Event, ...]:
        """The rows to write. The invoice is checked against the current state: the payment that is processing may be
        our own charge, and a partial payment may have its row already.
        """
        if isinstance(self._outcome, Event):
            return () if _is_recorded(recovery, self._outcome) else (self._outcome,)
        return () if recovery.stage.is_final or recovery.ending else check_invoice(recovery, self._outcome, self._at)


def _is_recorded(recovery: Recovery, row: Event) -> bool:
    """Whether its row stands in the log: a workflow task that was lost behind the commit is done again."""
    return record_message_key(row.read(MessageReported)) in recovery.told and workflow.patched("message-row-once")


class MessageSender:
    """Sends one message at a time and passes its result to `report`."""

    def __init__(self, report: Callable[[MessageResult], None]) -> None:
        self._report = report
        self._task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a message is on its way."""
        return self._task is not None

    def start_sending(self, recovery: Recovery, step: Notify) -> None:
        """Start sending the message; no effect while one is being sent, since the machine asks again later."""
        if not self.is_busy:
            self._task = asyncio.create_task(self._send_message(recovery, step))

    async def _send_message(self, recovery: Recovery, step: Notify) -> None:
        posted = await _send_if_needed(recovery, step)
        self._task = None
        self._report(posted)


async def _send_if_needed(recovery: Recovery, step: Notify) -> MessageResult:
    """Read the invoice and the contact, and send the message if the invoice still needs it."""
    read = await call_provider(Contacts.refresh_contact, ReadInput(recovery=recovery), "read whom to write to")
    invoice = None if isinstance(read, NoAnswer) else read
    if invoice and not recovery.stage.is_final and check_invoice(recovery, invoice, workflow.now()):
        return MessageResult(invoice, workflow.now())
    deleted = invoice is not None and invoice.terms.customer_deleted
    result = CUSTOMER_DELETED if deleted else await _send_to_customer(recovery, step, invoice)
    data = result.model_dump(mode="json", exclude_none=True) | {"step": step.message.step, "channel": step.channel}
    campaign = recovery.messages.occasion.campaign if recovery.messages else ""
    kind = EventType.NOTIFICATION_SENT if result.outcome is MessageOutcome.SENT else EventType.NOTIFICATION_FAILED
    row = data | {"kind": step.message.kind.value, "campaign": campaign}
    return MessageResult(Event(type=kind, occurred_at=workflow.now(), data=row), workflow.now())


async def _send_to_customer(recovery: Recovery, step: Notify, invoice: InvoiceView | None) -> DeliveryResult:
    order = NotifyInput(
        recovery=recovery,
        now=workflow.now(),
        step=step.message.step,
        kind=step.message.kind,
        channel=step.channel,
        **_amount_due_fields(recovery, invoice),
    )
    try:
        return await workflow.execute_activity_method(
            Messaging.send_message, order, **options.message_options(f"tell the customer: {step.message.kind}")
        )
    except FailureError as failure:
        if is_cancelled_exception(failure):
            raise
        return LOST_RESULT


def _amount_due_fields(recovery: Recovery, invoice: InvoiceView | None) -> dict[str, Any]:
    """The open amount (minor units) just read; empty after the end or without a read: the recovery's amount counts."""
    if invoice is None or recovery.stage.is_final or invoice.status is not InvoiceStatus.OPEN or not invoice.amount_due:
        return {}
    return {"amount": invoice.amount_due, "currency": invoice.currency}
