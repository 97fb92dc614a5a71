"""Bugs that are planted into the service's code, to show that the seeds find them."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from unittest import mock

from activities.charging import ChargeAttempt
from activities.recording import Recording
from api import webhook_ingest
from core.contracts import OpenedRecovery
from core.payments import ChargeResult, EventKind, Outcome
from core.recovery import charge_events, reactions, unknown_charges
from core.recovery.machine import begins_with_events
from db.repositories import event_log
from intake import recorded, relay
from tests.deterministic import repositories, world

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
        from core.recovery.machine import append_events

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


def _cancel_lost_with_run() -> Patch:
    """A new run doesn't hear of stored commands, and the relay doesn't send them again."""
    open_recovery = Recording.open_recovery

    async def deaf(self: Any, known: Any) -> OpenedRecovery:
        return (await open_recovery(self, known)).model_copy(update={"commands": ()})

    async def deliver_nothing(*_: Any) -> int:
        return 0

    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(Recording, "open_recovery", deaf))
    stack.enter_context(mock.patch.object(relay, "deliver_signals", deliver_nothing))
    return stack


def _no_lock() -> Patch:
    """Writers of a recovery and reservations of a card don't take turns."""

    async def dont_wait(self: Any, key: Any) -> None:
        return None

    return mock.patch("tests.deterministic.store.MemorySession.lock", dont_wait)


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
        return view(before, invoice.model_copy(update={"status": "open", "disputed": False}), *args, **more)

    return mock.patch.object(charge_events, "request_charge", request)


def _second_request() -> Patch:
    """A charge activity that is executed again doesn't look at what the log holds already."""

    async def catch_up(self: Any) -> Any:
        return self._before

    async def append(session: Any, before: Any, events: Any, now: datetime, recorded_at: Any = None) -> Any:
        return await real(session, await event_log.load_recovery(session, before.recovery_id) or before, events, now)

    real = event_log.append_to_log
    stack = contextlib.ExitStack()
    stack.enter_context(mock.patch.object(ChargeAttempt, "catch_up", catch_up))
    stack.enter_context(mock.patch.object(event_log, "append_to_log", append))
    return stack


def _unlimited_card() -> Patch:
    """The card network's limits are not looked at before a charge."""
    return mock.patch("activities.charging.check_network_limits", lambda before, request, *_: request)


def _no_relay() -> Patch:
    """The relay doesn't give lost runs a new one."""

    async def ensure_nothing(*_: Any) -> int:
        return 0

    return mock.patch.object(relay, "ensure_runs", ensure_nothing)


def _echo_is_a_failure() -> Patch:
    """The webhook about our own declined charge counts as a new failure."""
    return mock.patch.object(reactions, "_is_echo", lambda *_: False)


def _late_zombie() -> Patch:
    """A worker that was stopped sends its order however late it is."""
    return mock.patch("activities.charging.MAX_SEND_DELAY", unknown_charges.UNKNOWN_CHARGE_DEADLINE)


BUGS: Final[Mapping[str, Callable[[], Patch]]] = {
    "random-key": _random_key,
    "charge-before-record": _charge_before_record,
    "unknown-as-declined": _unknown_as_declined,
    "repeat-after-cancel": _repeat_after_cancel,
    "cancel-lost-with-run": _cancel_lost_with_run,
    "no-lock": _no_lock,
    "answer-before-insert": _answer_before_insert,
    "delivered-when-signalled": _delivered_when_signalled,
    "no-read-before-charge": _no_read_before_charge,
    "second-request": _second_request,
    "unlimited-card": _unlimited_card,
    "no-relay": _no_relay,
    "echo-is-a-failure": _echo_is_a_failure,
    "late-zombie": _late_zombie,
}
"""By name; the function's docstring says what is wrong then."""


@contextlib.contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Within the block the service has this bug."""
    with BUGS[name]() if name else contextlib.nullcontext():
        yield
