"""Bugs that are planted into the service's code, to show that the seeds find them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from unittest import mock

from temporalio import activity

from activities.charging import ChargeAttempt, Charging
from api import webhook_ingest
from core.contracts import ChargeInput, ChargeReport
from core.events import EventType
from core.payments import ChargeResult, InvoiceStatus, Outcome
from core.recovery import charge_events, folds, unknown_charges
from core.recovery.machine import append_events
from db.repositories import event_log
from intake import relay
from workflows.urgent_commands import UrgentCommands

Patch = contextlib.AbstractContextManager[Any]


def _random_key() -> Patch:
    """The key of an order is another one each time it is sent."""
    order_in_flight, counter = charge_events.order_in_flight, iter(range(10**9))

    def order(*args: Any) -> Any:
        real = order_in_flight(*args)
        return real.model_copy(update={"idempotency_key": f"{real.idempotency_key}-{next(counter)}"})

    return mock.patch.object(charge_events, "order_in_flight", order)


def _charge_before_record() -> Patch:
    """The provider is called before `charge.requested` is committed."""
    reserve = ChargeAttempt._reserve_attempt

    async def send_first(self: Any, request: Any, invoice: Any, now: datetime) -> Any:
        after, _ = append_events(self._before, (request,), now)
        if after.in_flight:
            await self._gateway.charge(after.in_flight)
        return await reserve(self, request, invoice, now)

    return mock.patch.object(ChargeAttempt, "_reserve_attempt", send_first)


def _unknown_as_declined() -> Patch:
    """An answer that doesn't come counts as a decline."""
    call = ChargeAttempt._call_provider

    async def guess(self: Any, order: Any, *, repeated: bool) -> ChargeResult:
        result = await call(self, order, repeated=repeated)
        if result.outcome is Outcome.UNKNOWN:
            return ChargeResult(outcome=Outcome.DECLINED, failure=result.failure)
        return result

    return mock.patch.object(ChargeAttempt, "_call_provider", guess)


def _repeat_after_cancel() -> Patch:
    """An unknown charge is sent again although the recovery is ended."""

    def can_repeat(recovery: Any, provider: Any, now: datetime) -> bool:
        return unknown_charges.can_repeat(recovery.with_changes(ending=None), provider, now)

    return mock.patch("activities.charging.can_repeat", can_repeat)


def _cancel_not_heard() -> Patch:
    """An operator's cancel is written down and changes nothing."""
    return mock.patch.dict(folds.FOLDS, {EventType.CANCEL_REQUESTED: lambda recovery, _: recovery})


def _answer_before_insert() -> Patch:
    """A webhook is answered with 202 before it is stored."""
    ingest = webhook_ingest.ingest_verified

    async def answer_first(parts: Any, *args: Any) -> list[Any]:
        parts.background.start_work(ingest(parts, *args))
        return []

    return mock.patch.object(webhook_ingest, "ingest_verified", answer_first)


def _delivered_when_signalled() -> Patch:
    """A webhook counts as delivered once Temporal took the signal."""

    async def is_recorded(*_: Any) -> bool:
        return True

    return mock.patch.object(relay, "is_recorded", is_recorded)


def _no_read_before_charge() -> Patch:
    """A charge doesn't look whether the invoice is still open, and neither does its repeat."""
    view = charge_events.request_charge

    def request(before: Any, invoice: Any, *args: Any, **more: Any) -> Any:
        return view(before, invoice.model_copy(update={"status": InvoiceStatus.OPEN, "disputed": False}), *args, **more)

    return mock.patch.object(charge_events, "request_charge", request)


def _request_behind_command() -> Patch:
    """A charge that finds an operator's command in the log is requested all the same."""
    charge = Charging.charge_invoice

    @activity.defn(name="charge_invoice")
    async def request_anyway(self: Charging, order: ChargeInput) -> ChargeReport:
        known = await self._open_attempt(order.recovery, order.now).catch_up()
        waits = known.in_flight is None and not known.stage.is_final
        return await charge(self, order.model_copy(update={"recovery": known}) if waits else order)

    return mock.patch.object(Charging, "charge_invoice", request_anyway)


def cancel_beside_request() -> Patch:
    """A cancel is written down while the charge that was requested before it is on its way to the provider."""
    create = UrgentCommands.__init__

    def always(self: UrgentCommands, inbox: Any, handle: Any, _: Any) -> None:
        create(self, inbox, handle, lambda: True)

    return mock.patch.object(UrgentCommands, "__init__", always)


def _second_request() -> Patch:
    """A charge activity that is executed again doesn't look at what the log holds already."""

    async def take_turn(session: Any, before: Any, opening: Any = None) -> Any:
        stored = await event_log.load_recovery(session, before.recovery_id) if before.sequence else None
        return await real(session, stored or before, opening)

    real = event_log.take_turn
    return mock.patch.object(event_log, "take_turn", take_turn)


def _no_relay() -> Patch:
    """The relay doesn't give lost runs a new one."""

    async def ensure_nothing(*_: Any) -> int:
        return 0

    return mock.patch.object(relay, "ensure_runs", ensure_nothing)


BUGS: Final[Mapping[str, Callable[[], Patch]]] = {
    "random-key": _random_key,
    "charge-before-record": _charge_before_record,
    "unknown-as-declined": _unknown_as_declined,
    "repeat-after-cancel": _repeat_after_cancel,
    "cancel-not-heard": _cancel_not_heard,
    "answer-before-insert": _answer_before_insert,
    "delivered-when-signalled": _delivered_when_signalled,
    "no-read-before-charge": _no_read_before_charge,
    "request-behind-command": _request_behind_command,
    "second-request": _second_request,
    "no-relay": _no_relay,
}
"""By name; the function's docstring says what is wrong then."""


@contextlib.contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Within the block the service has this bug."""
    with BUGS[name]() if name else contextlib.nullcontext():
        yield
