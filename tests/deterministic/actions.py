"""What people and the operating system do in a simulated world."""

from typing import TYPE_CHECKING

from api import operator_commands
from core.errors import RecoveryError
from core.ids import recovery_id
from core.operators import Action as CommandAction
from core.operators import Command
from core.payments import EventKind, Failure, InvoiceStatus
from tests.deterministic.instance import Job
from tests.deterministic.loop import run_in_process
from tests.deterministic.provider import ServerInvoice
from tests.deterministic.scenario import Action

if TYPE_CHECKING:
    from tests.deterministic.world import World


async def perform_action(world: "World", action: Action) -> None:
    """What an operator, a customer or the operating system does now."""
    name = world.invoices[action.invoice]
    world.trace(f"{action.kind} {name}")
    invoice, until = world.provider.invoices[name], world.loop.time() + action.seconds
    match action.kind:
        case "database_away":
            world.database.away_until = until
        case "provider_away":
            world.provider.away_until = until
        case "temporal_away":
            world.runs.away_until = until
        case "kill_api":
            world.kill(world.api.process)
        case "kill_worker" if world.server.workers:
            world.kill(world.server.workers[0][0])
        case "terminate" | "forget" | "cancel_workflow" | "signal_retry" | "signal_cancel" | "signal_pause":
            _act_on_run(world, action.kind, name)
        case "retry" | "cancel" | "pause" | "resume" | "approve" | "reject":
            await _submit_command(world, action, name)
        case _:
            _act_as_customer(world, action.kind, invoice)


def _act_on_run(world: "World", kind: str, name: str) -> None:
    run = world.server.runs.get(recovery_id(world.scenario.provider.name, name))
    if run is None or run.status != "open":
        return
    match kind:
        case "terminate":
            world.server.end_run(run, "terminated")
        case "forget":
            world.server.forget_run(run)
        case "cancel_workflow":
            world.server.add_job(run, Job("cancel"))
        case _:
            signal = {"signal_retry": "retry_now", "signal_cancel": "cancel", "signal_pause": "pause"}[kind]
            world.server.add_job(run, Job("signal", signal, {"reason": "simulated", "actor": "ann"}))


def _act_as_customer(world: "World", kind: str, invoice: ServerInvoice) -> None:
    provider, is_open = world.provider, invoice.status is InvoiceStatus.OPEN
    if kind in {"void", "write_off", "dispute"} and is_open:
        invoice.barred_at = world.now()
    match kind:
        case "pay" if is_open:
            provider.pay(invoice, "page", f"ch_page_{invoice.invoice_id}")
        case "void" if is_open:
            invoice.status = InvoiceStatus.VOID
            provider.emit(EventKind.INVOICE_VOIDED, invoice)
        case "write_off" if is_open:
            invoice.status = InvoiceStatus.UNCOLLECTIBLE
            provider.emit(EventKind.INVOICE_UNCOLLECTIBLE, invoice)
        case "dispute":
            invoice.disputed = True
            provider.emit(EventKind.DISPUTE_OPENED, invoice)
        case "warning":
            provider.emit(EventKind.FRAUD_WARNING, invoice)
        case "wake":
            provider.emit(EventKind.WAKE, invoice)
        case "fail_again" if is_open:
            invoice.attempts += 1
            invoice.last_failure = Failure(code="insufficient_funds", charge_id=f"ch_own_{invoice.attempts}")
            provider.emit(EventKind.PAYMENT_FAILED, invoice, failure=invoice.last_failure)
        case "new_method":
            invoice.method_id = f"pm_{invoice.attempts + 1}"
            provider.emit(EventKind.METHOD_UPDATED, invoice, method_id=invoice.method_id)


async def _submit_command(world: "World", action: Action, name: str) -> None:
    """An operator's request to the API; who gets no answer asks no second time."""
    kind = {"approve": "review", "reject": "review"}.get(action.kind, action.kind)
    decision = action.kind if kind == "review" else None
    request = f"request-{action.kind}-{world.loop.time():.6f}"
    command = Command(
        action=CommandAction(kind), actor="ann", reason="simulated", decision=decision, request_id=request
    )
    parts, answer = world.api, world.loop.create_future()

    async def handle() -> None:
        try:
            done = await operator_commands._await_effect(parts, world.scenario.provider.name, name, command)
            world.commands[request] = (action, world.loop.time())
            world.trace(f"{request}: {'done' if done else 'stored'}")
            answer.set_result(True)
        except RecoveryError as refused:
            world.trace(f"{request}: {type(refused).__name__} {refused}")
            answer.set_result(False)

    run_in_process(parts.process, world.loop.create_task, handle())
    await world.wait_for(answer, 30.0)
