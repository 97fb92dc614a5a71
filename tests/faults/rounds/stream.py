"""The steady stream of a round: invoices fail as planned, and customers, merchants and operators act."""

import asyncio

from sandbox.models import Card, Delivery
from tests.faults.rounds.errors import tolerate_refusals
from tests.faults.rounds.faults import Target
from tests.faults.rounds.plan import PlannedInvoice, RoundPlan
from tests.support.service import RunningService


async def send_stream(plan: RoundPlan, target: Target, began: float) -> None:
    """Returns when every planned invoice has failed and every action is done. `began` is the loop's time."""
    await asyncio.gather(*(_play_invoice(planned, target, began) for planned in plan.invoices))


async def _play_invoice(planned: PlannedInvoice, target: Target, began: float) -> None:
    await _sleep_until(began + planned.at)
    card = Card(brand=planned.network, fingerprint=planned.fingerprint)
    await target.service.sandbox.create_failed_invoice(
        invoice_id=planned.invoice,
        customer_id=customer_of(planned.invoice),
        decline_code=planned.code,
        script=planned.script,
        card=card,
        email=f"{planned.invoice}@example.com",
        unguarded=planned.unguarded,
        delivery=Delivery(copies=planned.copies, concurrency=planned.copies),
    )
    target.invoices.append(planned.invoice)
    if planned.action:
        await _sleep_until(began + planned.action_at)
        with tolerate_refusals():
            await _act(target.service, planned.invoice, planned.action)


def customer_of(invoice: str) -> str:
    """The id of the customer whose invoice it is."""
    return f"cus_{invoice.removeprefix('in_')}"


async def _act(service: RunningService, invoice: str, action: str) -> None:
    match action:
        case "pay_hosted":
            await service.sandbox.pay_hosted(invoice)
        case "void":
            await service.sandbox.void_invoice(invoice)
        case "dispute":
            await service.sandbox.open_dispute(invoice)
        case "new_card":
            await service.sandbox.add_card(customer_of(invoice))
        case "cancel":
            await service.recovery_of(invoice).submit_command("cancel")


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
